/**
 * Keys for bearer tokens, from the files `sasl serve` is given.
 *
 * @module
 */
import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { TokenVerifier } from "sasl-core";
import type { JWTKeys } from "sasl-core/jwt";
import { CommandError, usageError } from "../errors.js";
import { unreadable } from "../files.js";

/** As the argument parser gives them. */
export interface TokenOptions {
  readonly jwtKey?: string;
  readonly jwks?: string;
  readonly jwtIssuer?: string;
  readonly jwtAudience?: string;
}

/** A judge of tokens; `undefined` when no keys were named. @throws {CommandError} */
export async function tokenVerifier(options: TokenOptions): Promise<TokenVerifier | undefined> {
  const { jwtKey, jwks, jwtIssuer, jwtAudience } = options;
  const file = jwtKey ?? jwks;
  if (jwtKey !== undefined && jwks !== undefined) throw usageError("--jwt-key and --jwks exclude each other");
  if (file === undefined) {
    if (jwtIssuer === undefined && jwtAudience === undefined) return undefined;
    throw usageError("--jwt-issuer and --jwt-audience need --jwt-key or --jwks");
  }
  if (jwtIssuer === undefined) throw usageError("tokens need --jwt-issuer: who issues them, as in their iss");
  const { jwtVerifier } = await import("sasl-core/jwt");
  const octets = await read(file);
  try {
    const keys = jwks === undefined ? keyOf(octets) : (JSON.parse(octets.toString()) as JWTKeys);
    return jwtVerifier({
      keys,
      algorithms: algorithmsFor(keys),
      issuer: jwtIssuer,
      ...(jwtAudience === undefined ? { allowAnyAudience: true } : { audience: jwtAudience }),
    });
  } catch {
    const what = jwks === undefined ? "a public key in PEM, a JWK or a secret of 32 octets or more" : "a JWK Set";
    throw new CommandError("malformed-file", `${file}: not ${what}`);
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** PEM and JSON look like what they are; everything else is a secret, octet for octet. */
function keyOf(octets: Buffer): JWTKeys {
  const text = octets.toString("latin1").trimStart();
  if (text.startsWith("-----BEGIN")) return createPublicKey(octets).export({ format: "jwk" }) as JWTKeys;
  if (text.startsWith("{")) return JSON.parse(octets.toString()) as JWTKeys;
  return Uint8Array.from(octets);
}

const algorithms: Readonly<Record<string, readonly string[]>> = {
  RSA: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  EC: ["ES256", "ES384", "ES512"],
  OKP: ["EdDSA", "Ed25519"],
};

/** All that the kind of key can do. */
function algorithmsFor(keys: JWTKeys): string[] {
  if (keys instanceof Uint8Array) return hmacFor(keys.length);
  const list = "keys" in keys && Array.isArray(keys.keys) ? keys.keys : [keys];
  const kinds = new Set(list.map((key) => String((key as { kty?: unknown }).kty)));
  if (kinds.has("oct")) return hmacFor(Buffer.from(String((list[0] as { k?: unknown }).k), "base64url").length);
  return [...kinds].flatMap((kind) => (Object.hasOwn(algorithms, kind) ? (algorithms[kind] ?? []) : []));
}

/** RFC 7518 §3.2: a key at least as long as the hash. */
function hmacFor(octets: number): string[] {
  return [256, 384, 512].filter((bits) => octets * 8 >= bits).map((bits) => `HS${bits}`);
}
