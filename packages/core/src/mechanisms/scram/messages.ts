/**
 * SCRAM's four messages. Source: RFC 5802 §5.1, §7. Parsers keep the order of the grammar and refuse everything else;
 * what enters the signature is the text as it was received, never a part written anew (R-SCRAM-10).
 *
 * @module
 */
import { type SASLErrorCode, SASLFailure, saslError } from "../../errors.js";
import { decodeBase64 } from "../../internal/base64.js";
import { type Gs2Header, parseGs2Header, unescapeName } from "../../internal/gs2.js";

export interface ClientFirst {
  readonly header: Gs2Header;
  readonly username: string;
  readonly nonce: string;
  /** client-first-message-bare. */
  readonly bare: string;
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export interface ClientFinal {
  /** The GS2 header and, with flag `p`, the binding data after it. */
  readonly binding: Uint8Array;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** client-final-message-without-proof. */
  readonly withoutProof: string;
}

/** RFC 5802 §7: attr-val = ALPHA "=" value, whose characters are all but NUL and the comma. */
const attributes: RegExp = /^[A-Za-z]=[^,\0]+(?:,[A-Za-z]=[^,\0]+)*$/;

/** attr-val *("," attr-val), each as it stands; every letter once (R-SCRAM-07), none of them m (R-SCRAM-08). */
function attributesOf(text: string): string[] {
  if (!attributes.test(text)) throw malformed("an attribute that is none");
  const parts = text.split(",", maxAttributes + 1);
  let seen = "m"; // a mandatory extension, and there is none to support
  for (const part of parts) {
    const letter = part.charAt(0);
    if (seen.includes(letter)) throw outOfPlace(letter);
    seen += letter;
  }
  return parts;
}

/** Every letter once, small and capital: a longer message repeats one. */
const maxAttributes = 52;

function take(parts: readonly string[], index: number, letter: string): string {
  const part = parts[index];
  if (!part?.startsWith(letter)) throw outOfPlace(letter);
  return part.slice(2);
}

/** gs2-header [reserved-mext ","] username "," nonce ["," extensions] */
export function parseClientFirst(text: string): ClientFirst {
  const header = parseGs2Header(text);
  const bare = text.slice(header.text.length);
  const parts = attributesOf(bare);
  return {
    header,
    username: unescapeName(take(parts, 0, "n")),
    nonce: checkNonce(take(parts, 1, "r")),
    bare,
  };
}

/** [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]; or an error in its place. */
export function parseServerFirst(text: string): ServerFirst {
  const parts = serverAttributesOf(text);
  const nonce = checkNonce(take(parts, 0, "r"));
  const salt = decodeBase64(take(parts, 1, "s")); // never empty: the value has a character (R-SCRAM-16)
  const count = take(parts, 2, "i");
  // posit-number: no sign, no leading zero (R-SCRAM-14). One too long for a number is beyond every bound.
  if (!/^[1-9][0-9]*$/.test(count)) throw malformed("an iteration count that is none");
  return { nonce, salt, iterations: Number(count) };
}

/** channel-binding "," nonce ["," extensions] "," proof */
export function parseClientFinal(text: string): ClientFinal {
  const parts = attributesOf(text);
  const last = parts.length - 1;
  const proof = decodeBase64(take(parts, last, "p")); // R-SCRAM-19
  const binding = decodeBase64(take(parts, 0, "c"));
  const nonce = checkNonce(take(parts, 1, "r"));
  return { binding, nonce, proof, withoutProof: text.slice(0, text.lastIndexOf(",")) };
}

/** (server-error / verifier) ["," extensions]; gives the server's signature. */
export function parseServerFinal(text: string): Uint8Array {
  return decodeBase64(take(serverAttributesOf(text), 0, "v"));
}

/** Attributes of what a server says, unless it says error. */
function serverAttributesOf(text: string): string[] {
  const parts = attributesOf(text);
  const has = (letter: string) => parts.some((part) => part.startsWith(letter));
  if (has("e") && has("v")) throw malformed("an attribute too many"); // R-SCRAM-21
  if (!parts[0]?.startsWith("e")) return parts;
  const error = take(parts, 0, "e");
  const known = /^[a-z-]{1,40}$/.test(error) ? error : "other-error";
  throw saslError(codeOf(known), `the server says ${known}`, { opaqueError: known });
}

/** server-error-value (RFC 5802 §7), by what a client can do about it. */
function codeOf(error: string): SASLErrorCode {
  if (error.includes("channel-binding")) return "peer-not-verified";
  if (error === "no-resources") return "temporary";
  return /^(invalid-.*encoding|extensions-not-supported)$/.test(error) ? "malformed-message" : "refused";
}

/** RFC 5802 §7: printable = %x21-2B / %x2D-7E; a comma has ended the attribute. */
function checkNonce(nonce: string): string {
  if (!/^[!-~]+$/.test(nonce)) throw malformed("a nonce that is none");
  return nonce;
}

function outOfPlace(letter: string): SASLFailure {
  return malformed(`attribute ${letter} missing or out of place`);
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `SCRAM message with ${what}`);
}
