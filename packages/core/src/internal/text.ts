/**
 * UTF-8 without repairs: what is ill-formed fails and never turns into U+FFFD. Source: RFC 3629 §3, RFC 4422 §5 item 3.
 *
 * @module
 */
import { encodeText } from "#runtime";
import { SASLFailure } from "../errors.js";

/** `ignoreBOM` keeps U+FEFF at the start: it is a character of the peer's text, not ours to drop. */
const decoder: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The UTF-8 bytes of a text.
 *
 * @param text any length; the empty string gives no bytes.
 * @returns a new array that the caller owns.
 * @throws {SASLFailure} `incorrect-encoding` when the text holds a lone surrogate.
 */
export function encodeUtf8(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new SASLFailure("incorrect-encoding", "text with a lone surrogate");
  return encodeText(text);
}

/** Whether every surrogate of a text has its partner, so that the text is a sequence of characters. */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

/**
 * The text of UTF-8 bytes. A byte order mark at the start is kept as U+FEFF.
 *
 * @param bytes untrusted, any length; no bytes give the empty string. Neither changed nor kept.
 * @throws {SASLFailure} `incorrect-encoding` when the bytes are no well-formed UTF-8: overlong forms, surrogates, code
 *   points above U+10FFFF, stray or missing continuation bytes.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new SASLFailure("incorrect-encoding", "text that is not UTF-8");
  }
}
