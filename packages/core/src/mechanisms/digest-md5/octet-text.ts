/**
 * Octet text: a string with one character of U+0000 to U+00FF for each octet, which is what ISO 8859-1 makes of octets.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";

/** The octets of a message, at most a few thousand, as octet text. */
export function octetTextOf(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/** The octets of an octet text, as an array of the caller's own. */
export function octetsOf(text: string): Uint8Array {
  if (isAscii(text)) return encodeUtf8(text);
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < octets.length; i++) octets[i] = text.charCodeAt(i);
  return octets;
}

/**
 * What octets mean in a charset.
 *
 * @throws {SASLFailure} `incorrect-encoding` for what is no UTF-8 where it should be.
 */
export function decodeText(octetText: string, utf8: boolean): string {
  return utf8 && !isAscii(octetText) ? decodeUtf8(octetsOf(octetText)) : octetText;
}

/**
 * A text in a charset.
 *
 * @throws {SASLFailure} `incorrect-encoding` for characters that ISO 8859-1 does not have.
 */
export function encodeText(text: string, utf8: boolean): string {
  if (isAscii(text)) return text;
  if (utf8) return octetTextOf(encodeUtf8(text));
  if (!isLatin1(text)) throw new SASLFailure("incorrect-encoding", "the server takes ISO 8859-1 alone");
  return text;
}

/** What a name or password is hashed as: ISO 8859-1 when all of it is in there, else UTF-8 (RFC 2831 §2.1.2.1, R-DIG-13). */
export function hashedForm(text: string): string {
  return isLatin1(text) ? text : encodeText(text, true);
}

export function isLatin1(text: string): boolean {
  return !/[^\0-\xff]/.test(text);
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
