/**
 * Bearer tokens for `sasl serve`: JSON Web Tokens signed with a shared secret (RFC 7515, RFC 7519).
 *
 * @module
 */
import { createHmac, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

/** The issuer all the tokens name. */
export const tokenIssuer = "https://issuer.localhost";

/** Write a fresh secret to a file and make tokens for alice with it: `good`, `expired`, and `foreign` with another. */
export function makeTokens(secretFile: string): ReadonlyMap<string, string> {
  const secret = randomBytes(32).toString("hex");
  writeFileSync(secretFile, secret, { mode: 0o600 });
  return new Map([
    ["good", mint("alice", secret, 3_600)],
    ["expired", mint("alice", secret, -60)],
    ["foreign", mint("alice", randomBytes(32).toString("hex"), 3_600)],
  ]);
}

function mint(subject: string, secret: string, lifetimeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: tokenIssuer, sub: subject, iat: now - 5, exp: now + lifetimeSeconds };
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${text({ typ: "JWT", alg: "HS256" })}.${text(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
