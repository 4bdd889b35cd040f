/**
 * What accounts keep for SCRAM: a verifier, or the password it can be made from at each login. Source: RFC 5802 §3, §9.
 *
 * @module
 */
import { encodeUtf8 } from "../../internal/text.js";
import type { Mechanism } from "../../mechanism.js";
import type { ScramHash } from "./hashes.js";
import { keysFromPassword, type ScramCrypto, verifierFromKeys } from "./keys.js";

/** The server's side of a row of the family, but for its half. */
export function verifiers({
  digest,
}: ScramHash): Required<Pick<Mechanism, "properties" | "available" | "setPassword">> {
  return {
    properties: ["authPassword", "userPassword"],
    available: ({ authPassword, userPassword }) =>
      userPassword !== undefined || authPassword?.some(({ hash }) => hash === digest.name) === true,
    async setPassword(ctx, password, { authPassword }) {
      if (authPassword?.some(({ hash }) => hash === digest.name)) return undefined; // -PLUS has the same
      const salt = ctx.random(16);
      const keys = await keysFromPassword(straight, digest, encodeUtf8(password), salt, ctx.iterations);
      return { authPassword: [await verifierFromKeys(straight, digest, keys)] };
    },
  };
}

/** Straight to the digest, where there is no exchange whose context would do it. */
export const straight: ScramCrypto = {
  hash: (digest, data) => digest.hash(data),
  hmac: (digest, key, data) => digest.hmac(key, data),
  pbkdf2: (digest, password, salt, iterations) => digest.pbkdf2(password, salt, iterations),
};
