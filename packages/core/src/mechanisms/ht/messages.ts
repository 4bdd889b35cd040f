/**
 * The two messages of HT. Source: draft-schmaus-kitten-sasl-ht-09 §3.
 *
 * draft-ietf-kitten-sasl-ht keeps the names and puts pairs of keys and values into both messages and both hashes. Whoever
 * adds that brings a second set of these four functions; nothing else here knows what a message looks like.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";

/** What the initiator says. */
export interface InitiatorMessage {
  /** 1 to 255 octets in UTF-8, without NUL. */
  readonly authcid: string;
  /** As many octets as the hash gives. */
  readonly hashedToken: Uint8Array;
}

/** §3.1: 255 octets have to be accepted; no more are. */
const maxAuthcidBytes = 255;

/** §3.1: authcid NUL initiator-hashed-token. @throws {SASLFailure} `malformed-message`, `incorrect-encoding`. */
export function formatInitiator({ authcid, hashedToken }: InitiatorMessage): Uint8Array {
  const name = encodeUtf8(authcid);
  checkAuthcid(name);
  return concatBytes(name, Uint8Array.of(0), hashedToken);
}

/** @param size octets the hash gives. @throws {SASLFailure} `malformed-message`, `incorrect-encoding`. */
export function parseInitiator(message: Uint8Array | undefined, size: number): InitiatorMessage {
  const end = message?.indexOf(0) ?? -1; // §3.1: the first NUL, as the hash may hold others
  if (!message || end < 0) throw new SASLFailure("malformed-message", "no NUL after the name");
  const name = message.subarray(0, end);
  checkAuthcid(name);
  const hashedToken = message.subarray(end + 1);
  if (hashedToken.length !== size) throw new SASLFailure("malformed-message", "a hashed token of the wrong length");
  return { authcid: decodeUtf8(name), hashedToken };
}

function checkAuthcid(name: Uint8Array): void {
  const code = name.includes(0) || name.length === 0 ? "malformed-message" : "limit-exceeded";
  if (code === "malformed-message" || name.length > maxAuthcidBytes) {
    throw new SASLFailure(code, "the name is not 1 to 255 octets without NUL");
  }
}

/** What the initiator hashes (§3.1). */
export function initiatorInput(bindingData: Uint8Array): Uint8Array {
  return concatBytes(encodeUtf8("Initiator"), bindingData);
}

/** What the responder hashes; the result is its whole message (§3.3). */
export function responderInput(bindingData: Uint8Array): Uint8Array {
  return concatBytes(encodeUtf8("Responder"), bindingData);
}
