/**
 * What a directory sends, checked before anything is read out of it: the lengths have to add up, and an answer without a
 * result code must not pass for success. Source: RFC 4511 §4.1.1, §4.1.9, §5.1.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** Tags of RFC 4511 §4.2 to §4.14, with those of ASN.1 that are inside. */
export const tags = {
  integer: 0x02,
  octetString: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  searchRequest: 0x63,
  searchEntry: 0x64,
  searchDone: 0x65,
  searchReference: 0x73,
  extendedRequest: 0x77,
  extendedResponse: 0x78,
} as const;

/** The frame of one message. */
export interface Message {
  readonly id: number;
  /** Tag of the operation. */
  readonly operation: number;
  /** Of an operation that ends with one. */
  readonly resultCode: number | undefined;
}

/** Octets that are no message a directory may send. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer";
}

interface Element {
  readonly tag: number;
  /** Where its content starts and ends. */
  readonly start: number;
  readonly end: number;
}

/**
 * How many octets the message at the start of a buffer has.
 *
 * @returns `undefined` while its length has not arrived yet.
 * @throws {MalformedAnswer} for what is not the start of a message, or of one longer than `limit`.
 */
export function messageLength(octets: Buffer, limit: number): number | undefined {
  if (octets.length === 0) return undefined;
  if (octets[0] !== tags.sequence) throw new MalformedAnswer("not an LDAP message");
  const header = readHeader(octets, 0);
  if (header === undefined) return undefined;
  if (header.end > limit) throw new MalformedAnswer("an LDAP message that is too long");
  return header.end;
}

/**
 * Reads one whole message that a directory sent.
 *
 * @throws {MalformedAnswer} unless all of it is as RFC 4511 has it.
 */
export function readMessage(octets: Buffer): Message {
  const { id, operation, message } = readFrame(octets);
  checkNesting(octets, message, 0);
  return { id, operation: operation.tag, resultCode: readOperation(octets, operation) };
}

/** Number and operation of a request of our own. */
export function readRequest(octets: Buffer): Message {
  const { id, operation } = readFrame(octets);
  return { id, operation: operation.tag, resultCode: undefined };
}

/** RFC 4511 §4.1.1. */
function readFrame(octets: Buffer): { id: number; operation: Element; message: Element } {
  const [message, ...more] = elements(octets, 0, octets.length);
  if (message === undefined || more.length > 0) throw new MalformedAnswer("not one LDAP message");
  const [id, operation] = elements(octets, message.start, message.end);
  const size = id === undefined ? 0 : id.end - id.start;
  if (id?.tag !== tags.integer || size < 1 || size > 4 || operation === undefined) {
    throw new MalformedAnswer("an LDAP message without its number");
  }
  return { id: octets.readIntBE(id.start, size), operation, message };
}

/** @returns the result code, where there is one. */
function readOperation(octets: Buffer, operation: Element): number | undefined {
  const parts = elements(octets, operation.start, operation.end);
  switch (operation.tag) {
    case tags.bindResponse:
    case tags.searchDone:
    case tags.extendedResponse: {
      const [code, ...texts] = parts; // RFC 4511 §4.1.9: resultCode, matchedDN, diagnosticMessage
      const size = code === undefined ? 0 : code.end - code.start;
      if (code?.tag !== tags.enumerated || size < 1 || size > 4) throw new MalformedAnswer("a result without a code");
      expectTags(texts.slice(0, 2), 2, tags.octetString);
      return octets.readIntBE(code.start, size);
    }
    case tags.searchEntry: {
      const [name, attributes, ...more] = parts; // RFC 4511 §4.5.2
      if (name?.tag !== tags.octetString || attributes?.tag !== tags.sequence || more.length > 0) {
        throw new MalformedAnswer("an entry that is none");
      }
      for (const each of elements(octets, attributes.start, attributes.end)) checkAttribute(octets, each);
      return undefined;
    }
    case tags.searchReference:
      expectTags(parts, parts.length, tags.octetString);
      return undefined;
    default:
      return undefined; // whoever sent the request knows which operations can answer it
  }
}

function checkAttribute(octets: Buffer, attribute: Element): void {
  const [type, values, ...more] = elements(octets, attribute.start, attribute.end);
  if (
    attribute.tag !== tags.sequence ||
    type?.tag !== tags.octetString ||
    values?.tag !== tags.set ||
    more.length > 0
  ) {
    throw new MalformedAnswer("an attribute that is none");
  }
  const each = elements(octets, values.start, values.end);
  expectTags(each, each.length, tags.octetString);
}

function expectTags(found: readonly Element[], count: number, tag: number): void {
  if (found.length !== count || found.some((each) => each.tag !== tag)) {
    throw new MalformedAnswer("an LDAP message with other parts than it should have");
  }
}

const CONSTRUCTED = 0x20;
/** Nothing a client is sent goes deeper than a control's parts. */
const MAX_DEPTH = 8;

/** Every constructed element is filled by its parts exactly, however deep. */
function checkNesting(octets: Buffer, element: Element, depth: number): void {
  if ((element.tag & CONSTRUCTED) === 0) return;
  if (depth === MAX_DEPTH) throw new MalformedAnswer("an LDAP message nested too deep");
  for (const part of elements(octets, element.start, element.end)) checkNesting(octets, part, depth + 1);
}

/** The elements between two places, which they have to fill. */
function elements(octets: Buffer, start: number, end: number): Element[] {
  const found: Element[] = [];
  for (let at = start; at < end; ) {
    const header = readHeader(octets, at);
    if (header === undefined || header.end > end) throw new MalformedAnswer("lengths that do not add up");
    found.push(header);
    at = header.end;
  }
  return found;
}

/** RFC 4511 §5.1: definite lengths only; tags of LDAP fit into one octet. */
function readHeader(octets: Buffer, at: number): Element | undefined {
  const tag = octets[at];
  const first = octets[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  if ((tag & 0x1f) === 0x1f) throw new MalformedAnswer("a tag LDAP does not have");
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first };
  const size = first & 0x7f;
  if (size === 0 || size > 4) throw new MalformedAnswer("a length LDAP does not have");
  if (octets.length < at + 2 + size) return undefined;
  const start = at + 2 + size;
  return { tag, start, end: start + octets.readUIntBE(at + 2, size) };
}
