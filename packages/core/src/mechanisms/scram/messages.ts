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

type Attribute = readonly [letter: string, value: string];

/** attr-val *("," attr-val); every letter once (R-SCRAM-07), none of them m (R-SCRAM-08). */
function attributesOf(text: string): Attribute[] {
  if (text.includes("\0")) throw malformed("a NUL");
  const attributes: Attribute[] = [];
  let seen = ",";
  for (const part of text.split(",", maxAttributes + 1)) {
    // RFC 5802 §7: attr-val = ALPHA "=" 1*value-char
    const letter = part.charAt(0);
    if (part.length < 3 || part[1] !== "=" || !isAlpha(letter)) throw malformed("an attribute that is none");
    if (letter === "m") throw malformed("a mandatory extension that is not supported");
    if (seen.includes(letter)) throw malformed(`attribute ${letter} twice`);
    seen += letter;
    attributes.push([letter, part.slice(2)]);
  }
  return attributes;
}

/** Every letter once, small and capital: a longer message repeats one. */
const maxAttributes = 52;

function isAlpha(letter: string): boolean {
  const folded = letter.charCodeAt(0) | 0x20;
  return folded >= 0x61 && folded <= 0x7a;
}

function take(attributes: readonly Attribute[], index: number, letter: string): string {
  const attribute = attributes[index];
  if (attribute?.[0] !== letter) throw malformed(`attribute ${letter} is missing or out of place`);
  return attribute[1];
}

/** gs2-header [reserved-mext ","] username "," nonce ["," extensions] */
export function parseClientFirst(text: string): ClientFirst {
  const header = parseGs2Header(text);
  const bare = text.slice(header.text.length);
  const attributes = attributesOf(bare);
  return {
    header,
    username: unescapeName(take(attributes, 0, "n")),
    nonce: checkNonce(take(attributes, 1, "r")),
    bare,
  };
}

/** [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]; or an error in its place. */
export function parseServerFirst(text: string): ServerFirst {
  const attributes = attributesOf(text);
  refuseError(attributes);
  const nonce = checkNonce(take(attributes, 0, "r"));
  const salt = decodeBase64(take(attributes, 1, "s"));
  const count = take(attributes, 2, "i");
  // posit-number: no sign, no leading zero; more than nine digits is beyond every bound anyway (R-SCRAM-14).
  if (!/^[1-9][0-9]*$/.test(count)) throw malformed("an iteration count that is not a positive decimal");
  return { nonce, salt, iterations: count.length > 9 ? Number.POSITIVE_INFINITY : Number(count) };
}

/** channel-binding "," nonce ["," extensions] "," proof */
export function parseClientFinal(text: string): ClientFinal {
  const attributes = attributesOf(text);
  const last = attributes.length - 1;
  const proof = decodeBase64(take(attributes, last, "p")); // R-SCRAM-19
  if (last < 2) throw malformed("channel binding or nonce is missing");
  const binding = decodeBase64(take(attributes, 0, "c"));
  const nonce = checkNonce(take(attributes, 1, "r"));
  return { binding, nonce, proof, withoutProof: text.slice(0, text.lastIndexOf(",")) };
}

/** (server-error / verifier) ["," extensions]; gives the server's signature. */
export function parseServerFinal(text: string): Uint8Array {
  const attributes = attributesOf(text);
  refuseError(attributes);
  const verifier = decodeBase64(take(attributes, 0, "v"));
  if (attributes.some(([letter]) => letter === "e")) throw malformed("both a signature and an error"); // R-SCRAM-21
  return verifier;
}

/** server-error-value (RFC 5802 §7), by what a client can do about it. */
function codeOf(error: string): SASLErrorCode {
  if (error.includes("channel-binding")) return "peer-not-verified";
  if (error === "no-resources") return "temporary";
  return /^(invalid-.*encoding|extensions-not-supported)$/.test(error) ? "malformed-message" : "refused";
}

function refuseError(attributes: readonly Attribute[]): void {
  const error = attributes[0]?.[0] === "e" ? attributes[0][1] : undefined;
  if (error === undefined) return;
  if (attributes.some(([letter]) => letter === "v")) throw malformed("both a signature and an error");
  const known = /^[a-z-]{1,40}$/.test(error) ? error : "other-error";
  throw saslError(codeOf(known), `the server says ${known}`, { opaqueError: known });
}

/** RFC 5802 §7: printable = %x21-2B / %x2D-7E, at least one. */
function checkNonce(nonce: string): string {
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(nonce)) throw malformed("a nonce with characters it cannot have");
  return nonce;
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `SCRAM message with ${what}`);
}
