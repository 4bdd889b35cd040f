/**
 * As much DER as tokens of the GSS-API are made of. Source: X.690 §8, §10; RFC 2743 §3.1.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";

export const tagOctetString = 0x04;
export const tagOid = 0x06;
export const tagEnumerated = 0x0a;
export const tagSequence = 0x30;
/** Constructed, context-specific: `[n]`. */
export const context = (n: number): number => 0xa0 + n;
/** The initial token of RFC 2743 §3.1: `[APPLICATION 0]`. */
const tagInitialToken = 0x60;

/** One value with its tag and length. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts);
  const { length } = content;
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) octets.unshift(rest & 0xff);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | octets.length, ...octets];
  return concatBytes(Uint8Array.from(head), content);
}

/** Reads values one after the other; every surprise is `malformed-message`. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** @param bytes untrusted, not copied. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get empty(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The content of a value that must be there, a part of the input. */
  take(tag: number): Uint8Array {
    const content = this.optional(tag);
    if (content === undefined) throw malformed();
    return content;
  }

  /** The content of a value, if it is the next. */
  optional(tag: number): Uint8Array | undefined {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== tag) return undefined;
    let at = this.#at + 1;
    let length = bytes[at++];
    if (length === undefined) throw malformed();
    if (length >= 0x80) {
      let count = length & 0x7f;
      length = 0;
      // X.690 §10.1: definite and in the fewest octets; nothing here is longer than three of them can say.
      if (count === 0 || count > 3 || bytes[at] === 0) throw malformed();
      for (; count > 0; count--) length = (length << 8) | (bytes[at++] ?? 0);
      if (length < 0x80) throw malformed();
    }
    if (length > bytes.length - at) throw malformed();
    this.#at = at + length;
    return bytes.subarray(at, this.#at);
  }

  /** What is left, whatever it is. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return rest;
  }

  /** @throws when something is left. */
  end(): void {
    if (!this.empty) throw malformed();
  }
}

/** The only value there is. */
export function only(tag: number, bytes: Uint8Array): Uint8Array {
  const reader = new DerReader(bytes);
  const content = reader.take(tag);
  reader.end();
  return content;
}

/** Content octets of a dotted OID (X.690 §8.19). @throws {RangeError} for what is no OID. */
export function oidContent(dotted: string): Uint8Array {
  if (!/^[0-2](?:\.(?:0|[1-9]\d{0,9}))+$/.test(dotted)) throw new RangeError("not an object identifier");
  const [first = 0, second = 0, ...more] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...more].flatMap((arc) => {
    const septets = [arc % 0x80];
    for (let rest = Math.floor(arc / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) {
      septets.unshift(0x80 + (rest % 0x80));
    }
    return septets;
  });
  return Uint8Array.from(octets);
}

/** A dotted OID of its content octets. @throws {SASLFailure} `malformed-message`. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let open = false;
  for (const octet of content) {
    if (!open && octet === 0x80) throw malformed(); // X.690 §8.19.2: no leading zeros
    arc = arc * 0x80 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 0x80) throw malformed();
    open = octet >= 0x80;
    if (open) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first] = arcs;
  if (open || first === undefined) throw malformed();
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...arcs.slice(1)].join(".");
}

/** RFC 2743 §3.1: the mechanism's name in front of its first token. */
export function addTokenHeader(oid: string, inner: Uint8Array): Uint8Array {
  return der(tagInitialToken, der(tagOid, oidContent(oid)), inner);
}

/** Takes that header off; `undefined` when the token has none, or that of another mechanism. */
export function removeTokenHeader(oid: string, token: Uint8Array): Uint8Array | undefined {
  try {
    const reader = new DerReader(only(tagInitialToken, token));
    return oidText(reader.take(tagOid)) === oid ? reader.rest() : undefined;
  } catch {
    return undefined;
  }
}

/** One error for all of it: what is wrong with ASN.1 helps nobody. */
export function malformed(): SASLFailure {
  return new SASLFailure("malformed-message", "not a token of the GSS-API");
}
