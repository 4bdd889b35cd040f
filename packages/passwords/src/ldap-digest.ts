/**
 * Digests as directories keep them: `{SSHA}` and its relatives, base64 of the digest and, in those with an S before, the salt
 * that was put behind the password. Sources: RFC 2307 §5.3; OpenLDAP Administrator's Guide §14.4; pw-sha2 of OpenLDAP.
 *
 * For imported accounts only: one round of a digest is no protection against guessing. Set `hash` of another scheme in its
 * place at the next login.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { PasswordScheme } from "sasl-core";
import { partsOf, StoredHashError } from "./stored.js";

/** By scheme: the digest, its octets, and whether a salt follows. */
const digests: ReadonlyMap<string, readonly [algorithm: string, octets: number, salted: boolean]> = new Map([
  ["MD5", ["md5", 16, false]],
  ["SMD5", ["md5", 16, true]],
  ["SHA", ["sha1", 20, false]],
  ["SSHA", ["sha1", 20, true]],
  ["SHA256", ["sha256", 32, false]],
  ["SSHA256", ["sha256", 32, true]],
  ["SHA384", ["sha384", 48, false]],
  ["SSHA384", ["sha384", 48, true]],
  ["SHA512", ["sha512", 64, false]],
  ["SSHA512", ["sha512", 64, true]],
]);

const MAX_SALT_OCTETS = 256;

/** `{SSHA}`, `{SHA}`, `{SMD5}`, `{MD5}` and those with SHA-256, SHA-384 and SHA-512, for imported accounts. */
export const ldapDigest: PasswordScheme = {
  name: "ldap-digest",
  recognizes: (stored) => digests.has(schemeOf(stored)),
  verify(password, stored) {
    const [, base64 = ""] = partsOf(/^\{([A-Za-z0-9]+)\}([A-Za-z0-9+/]+={0,2})$/, stored, "ldap-digest");
    const octets = Buffer.from(base64, "base64");
    const [algorithm, size, salted] = digests.get(schemeOf(stored)) ?? ["", 0, false];
    const salt = octets.subarray(size);
    const fits = salted ? salt.length > 0 && salt.length <= MAX_SALT_OCTETS : salt.length === 0;
    if (algorithm === "" || octets.length < size || !fits || octets.toString("base64") !== base64) {
      throw new StoredHashError("malformed", "the stored hash has another length than its digest");
    }
    return timingSafeEqual(createHash(algorithm).update(password).update(salt).digest(), octets.subarray(0, size));
  },
};

function schemeOf(stored: string): string {
  const end = stored.startsWith("{") ? stored.slice(0, 10).indexOf("}") : -1;
  return end === -1 ? "" : stored.slice(1, end).toUpperCase();
}
