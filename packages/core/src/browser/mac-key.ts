/**
 * Keys of WebCrypto that scripts can use and not read.
 *
 * @module
 */
import type { MacKey } from "../runtime/contract.js";

/** A key of WebCrypto that computes HMAC. */
export interface WebMacKey extends MacKey {
  /** Can be stored: IndexedDB keeps it as it is, unreadable. */
  readonly key: CryptoKey;
  hmac(data: Uint8Array): Promise<Uint8Array>;
}

/**
 * What a mechanism can compute HMAC with, of a `CryptoKey`.
 *
 * @throws {TypeError} for a key that is not for HMAC, or not for signing.
 */
export function macKey(key: CryptoKey): WebMacKey {
  const { hash } = key.algorithm as Partial<HmacKeyAlgorithm>;
  if (key.algorithm.name !== "HMAC" || hash === undefined || !key.usages.includes("sign")) {
    throw new TypeError("no key that signs with HMAC");
  }
  return {
    hash: hash.name,
    key,
    hmac: async (data) => new Uint8Array(await crypto.subtle.sign("HMAC", key, data as BufferSource)),
  };
}

/**
 * Puts octets where scripts cannot read them any more.
 *
 * @param hash as WebCrypto writes it: `SHA-256`.
 * @param octets at least 1. Copied; wipe them if they are yours.
 * @throws {DOMException} `NotSupportedError` for a hash that WebCrypto lacks.
 */
export async function importMacKey(hash: string, octets: Uint8Array): Promise<WebMacKey> {
  return macKey(await crypto.subtle.importKey("raw", octets as BufferSource, { name: "HMAC", hash }, false, ["sign"]));
}
