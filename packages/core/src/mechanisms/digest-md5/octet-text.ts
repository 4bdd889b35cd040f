/**
 * Octet text: a string with one character of U+0000 to U+00FF for each octet, which is what ISO 8859-1 makes of octets.
 *
 * @module
 */
import { fromOctetText, toOctetText } from "#runtime";
import { SASLFailure } from "../../errors.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";

/**
 * What octets mean in a charset.
 *
 * @throws {SASLFailure} `incorrect-encoding` for what is no UTF-8 where it should be.
 */
export function decodeText(octetText: string, utf8: boolean): string {
  return utf8 && !isAscii(octetText) ? decodeUtf8(fromOctetText(octetText)) : octetText;
}

/**
 * A text in a charset.
 *
 * @throws {SASLFailure} `incorrect-encoding` for characters that ISO 8859-1 does not have.
 */
export function encodeText(text: string, utf8: boolean): string {
  if (isAscii(text)) return text;
  if (utf8) return toOctetText(encodeUtf8(text));
  if (!isLatin1(text)) throw new SASLFailure("incorrect-encoding", "the server takes ISO 8859-1 alone");
  return text;
}

/** What a name or password is hashed as: ISO 8859-1 when all of it is in there, else UTF-8 (RFC 2831 §2.1.2.1, R-DIG-13). */
export function hashedForm(text: string): string {
  return isLatin1(text) ? text : encodeText(text, true);
}

function isLatin1(text: string): boolean {
  return !/[^\0-\xff]/.test(text);
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
