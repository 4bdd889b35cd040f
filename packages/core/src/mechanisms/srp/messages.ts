/**
 * The four messages, and the short answer that takes up an earlier session. Source: draft-burdis-cat-srp-sasl-08 §4.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import {
  ElementReader,
  formatBuffer,
  formatNumber,
  formatOctets,
  formatText,
  formatUint,
  type Text,
} from "./elements.js";

/** §4.1. */
export interface ClientFirst {
  /** U. */
  readonly username: Text;
  /** I; empty where none is asked for. */
  readonly authzid: Text;
  /** Of an earlier session; empty for a new one. */
  readonly sid: string;
  /** cn; at least 16 octets with a `sid`. */
  readonly nonce: Uint8Array;
}

export function formatClientFirst(username: string, authzid: string, sid: string, nonce: Uint8Array): Uint8Array {
  return formatBuffer(formatText(username), formatText(authzid), formatText(sid), formatOctets(nonce));
}

/** @throws {SASLFailure} `unexpected-message`, `malformed-message`, `incorrect-encoding`, as all of these. */
export function parseClientFirst(message: Uint8Array | undefined): ClientFirst {
  const reader = new ElementReader(message);
  const first = {
    username: reader.text(),
    authzid: reader.text(),
    sid: reader.text().text,
    nonce: reader.octets(),
  };
  reader.end();
  if (first.sid !== "") checkNonce(first.nonce);
  return first;
}

/** §4.2: an earlier session is taken up. */
export interface Resumption {
  /** sn, at least 16 octets. */
  readonly nonce: Uint8Array;
}

/** §4.3. */
export interface ServerFirst {
  /** N, g. */
  readonly prime: bigint;
  readonly generator: bigint;
  readonly salt: Uint8Array;
  readonly B: bigint;
  /** L. */
  readonly offer: Text;
}

const anew = 0x00;
const taken = 0xff;

export function formatResumption(nonce: Uint8Array): Uint8Array {
  return formatBuffer(Uint8Array.of(taken), formatOctets(nonce));
}

export function formatServerFirst({
  prime,
  generator,
  salt,
  B,
  offer,
}: Omit<ServerFirst, "offer"> & { offer: string }): Uint8Array {
  const numbers = [formatNumber(prime), formatNumber(generator)];
  return formatBuffer(Uint8Array.of(anew), ...numbers, formatOctets(salt), formatNumber(B), formatText(offer));
}

export function parseServerFirst(message: Uint8Array | undefined): ServerFirst | Resumption {
  const reader = new ElementReader(message);
  const kind = reader.octet();
  if (kind !== anew && kind !== taken)
    throw new SASLFailure("malformed-message", "neither a new session nor an old one");
  if (kind === taken) {
    const nonce = reader.octets();
    reader.end();
    checkNonce(nonce);
    return { nonce };
  }
  const first = {
    prime: reader.number(),
    generator: reader.number(),
    salt: reader.octets(),
    B: reader.number(),
    offer: reader.text(),
  };
  reader.end();
  return first;
}

/** §4.1, §4.2: "at least 16 octets of data". */
function checkNonce(nonce: Uint8Array): void {
  if (nonce.length < 16) throw new SASLFailure("malformed-message", "a nonce that is too short");
}

/** §4.4. */
export interface ClientEvidence {
  readonly A: bigint;
  /** M1. */
  readonly evidence: Uint8Array;
  /** o. */
  readonly choice: Text;
  /** cIV. */
  readonly iv: Uint8Array;
}

export function formatClientEvidence({
  A,
  evidence,
  choice,
  iv,
}: Omit<ClientEvidence, "choice"> & { choice: string }): Uint8Array {
  return formatBuffer(formatNumber(A), formatOctets(evidence), formatText(choice), formatOctets(iv));
}

export function parseClientEvidence(message: Uint8Array | undefined): ClientEvidence {
  const reader = new ElementReader(message);
  const parsed = {
    A: reader.number(),
    evidence: reader.octets(),
    choice: reader.text(),
    iv: reader.octets(),
  };
  reader.end();
  return parsed;
}

/** §4.5. */
export interface ServerEvidence {
  /** M2. */
  readonly evidence: Uint8Array;
  /** sIV. */
  readonly iv: Uint8Array;
  /** Empty where this session cannot be taken up again. */
  readonly sid: Text;
  /** How long it can, in seconds; 0 where that is not known. */
  readonly ttl: number;
}

export function formatServerEvidence({
  evidence,
  iv,
  sid,
  ttl,
}: Omit<ServerEvidence, "sid"> & { sid: string }): Uint8Array {
  return formatBuffer(formatOctets(evidence), formatOctets(iv), formatText(sid), formatUint(ttl));
}

export function parseServerEvidence(message: Uint8Array | undefined): ServerEvidence {
  const reader = new ElementReader(message);
  const parsed = { evidence: reader.octets(), iv: reader.octets(), sid: reader.text(), ttl: reader.uint() };
  reader.end();
  return parsed;
}
