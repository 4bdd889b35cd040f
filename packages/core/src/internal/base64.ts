/**
 * Base64 of the protocols that carry SASL. Source: RFC 4648 §4, with every liberty of §3 refused.
 *
 * Runtimes forgive white space, missing padding, other alphabets and bits under the padding; comparing with the canonical
 * form of what they read refuses all of these at once.
 *
 * @module
 */
import { fromBase64, toBase64 } from "#runtime";
import { SASLFailure } from "../errors.js";

/** What {@link decodeBase64} may be told. */
export interface DecodeBase64Options {
  /** The most decoded bytes to accept, a plain count. Without it any length is accepted. */
  readonly maxBytes?: number;
}

/**
 * Canonical Base64: standard alphabet, padded, no line breaks. Source: RFC 4648 §3.1, §3.2, §4.
 *
 * @param bytes any length; no bytes give the empty string. Neither changed nor kept.
 */
export function encodeBase64(bytes: Uint8Array): string {
  return toBase64(bytes);
}

/**
 * The bytes of canonical Base64; every other text is refused: another alphabet, white space and line breaks, "=" anywhere
 * but at the end, missing or surplus padding, bits under the padding. Source: RFC 4648 §3.1 to §3.5.
 *
 * @param text untrusted, any length; the empty string gives no bytes.
 * @returns a new array that the caller owns.
 * @throws {SASLFailure} `limit-exceeded` when the text stands for more than `maxBytes`, known before it is decoded;
 *   `incorrect-encoding` when it is no canonical Base64.
 */
export function decodeBase64(text: string, options?: DecodeBase64Options): Uint8Array {
  const maxBytes = options?.maxBytes;
  // §4: three octets for four characters, and as many as there are for the rest.
  if (maxBytes !== undefined && Math.floor(text.replace(/={1,2}$/, "").length * 0.75) > maxBytes) {
    throw new SASLFailure("limit-exceeded", "Base64 is over the limit");
  }
  // §3.3 alphabet, §3.2 padding, §3.5 unused bits: nothing but the canonical form comes back unchanged.
  const bytes = fromBase64(text);
  if (!bytes || toBase64(bytes) !== text) throw new SASLFailure("incorrect-encoding", "Base64 does not decode");
  return bytes;
}
