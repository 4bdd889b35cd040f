/**
 * SCRAM's keys, proofs and signatures. Source: RFC 5802 §3.
 *
 * @module
 */
import type { ScramVerifier } from "../../accounts.js";
import type { ScramKeys } from "../../credentials.js";
import { wipe } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { Digest, MaybePromise } from "../../runtime/contract.js";

/** What the derivations below are computed with: a mechanism's context has it. */
export interface ScramCrypto {
  hash(digest: Digest, data: Uint8Array): MaybePromise<Uint8Array>;
  hmac(digest: Digest, key: Uint8Array, data: Uint8Array): MaybePromise<Uint8Array>;
  pbkdf2(digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array>;
}

export const clientLabel: Uint8Array = /* @__PURE__ */ encodeUtf8("Client Key");
const serverLabel = /* @__PURE__ */ encodeUtf8("Server Key");

/**
 * ClientKey and ServerKey from a password (RFC 5802 §3). The salted password is wiped.
 *
 * @param password UTF-8 octets after preparation. Neither changed nor kept.
 * @param salt raw octets, at least 1.
 * @param iterations at least 1; the caller has checked its bounds.
 */
export async function keysFromPassword(
  crypto: ScramCrypto,
  digest: Digest,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramKeys> {
  return keysFromSalted(crypto, digest, crypto.pbkdf2(digest, password, salt, iterations), salt, iterations);
}

/**
 * ClientKey and ServerKey from SaltedPassword (RFC 5802 §3).
 *
 * @param from SaltedPassword, as many octets as the hash gives. Wiped.
 */
export async function keysFromSalted(
  crypto: ScramCrypto,
  digest: Digest,
  from: MaybePromise<Uint8Array>,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramKeys> {
  const salted = await from;
  const [clientKey, serverKey] = await Promise.all([
    crypto.hmac(digest, salted, clientLabel),
    crypto.hmac(digest, salted, serverLabel),
  ]);
  wipe(salted);
  return { hash: digest.name, salt, iterations, clientKey, serverKey };
}

/** What a server stores of keys (RFC 5802 §9). */
export async function verifierFromKeys(crypto: ScramCrypto, digest: Digest, keys: ScramKeys): Promise<ScramVerifier> {
  const { hash, salt, iterations, serverKey } = keys;
  return { hash, salt, iterations, storedKey: await crypto.hash(digest, keys.clientKey), serverKey };
}

/** `a` and `b` combined, of equal length, as new octets. ClientProof = ClientKey XOR ClientSignature, and back. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length);
  for (let i = 0; i < a.length; i++) result[i] = (a[i] as number) ^ (b[i] as number);
  return result;
}
