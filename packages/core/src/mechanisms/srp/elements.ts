/**
 * The elements messages are made of, and the buffer around them. Source: draft-burdis-cat-srp-sasl-08 §3.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import { numberOf, octetsOf } from "./arithmetic.js";

/** Text, with its octets as they came: digests are made of them as received (§4.4). */
export interface Text {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Twice what the longest group needs: computing with what is longer keeps others waiting (R-LIM-02). */
const maxNumberOctets = 2048;

const lengthOctets = { byte: 1, short: 2, long: 4 } as const;

/** §3.6: four octets of length, then the elements. */
export function formatBuffer(...elements: readonly Uint8Array[]): Uint8Array {
  return prefixed(concatBytes(...elements), lengthOctets.long);
}

/** `mpi()` of §3.2. */
export function formatNumber(number: bigint): Uint8Array {
  return prefixed(octetsOf(number), lengthOctets.short);
}

/** `os()` of §3.3. @param bytes at most 255. */
export function formatOctets(bytes: Uint8Array): Uint8Array {
  return prefixed(bytes, lengthOctets.byte);
}

/** `utf8()` of §3.5. @throws {SASLFailure} as {@link checkText}. */
export function formatText(text: string): Uint8Array {
  return prefixed(encodeUtf8(checkText(text)), lengthOctets.short);
}

/** `uint()` of §3.8. */
export function formatUint(number: number): Uint8Array {
  return Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
}

/** @throws {SASLFailure} `malformed-message` for a NUL (§3.5). */
function checkText(text: string): string {
  if (text.includes("\0")) throw malformed("a NUL in a text");
  return text;
}

function prefixed(bytes: Uint8Array, octets: number): Uint8Array {
  if (bytes.length >= 2 ** (8 * octets)) throw new SASLFailure("limit-exceeded", "an element is too long to be sent");
  return concatBytes(formatUint(bytes.length).subarray(4 - octets), bytes);
}

/** Takes a buffer apart, element by element. Everything it gives out is a part of the message. */
export class ElementReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** @throws {SASLFailure} `unexpected-message` for no message; `malformed-message` for a length that is not the buffer's. */
  constructor(message: Uint8Array | undefined) {
    if (message === undefined) throw new SASLFailure("unexpected-message", "a message is missing");
    this.#bytes = message;
    if (this.#scalar(lengthOctets.long) !== message.length - lengthOctets.long) {
      throw malformed("the length of a buffer is wrong");
    }
  }

  /** A single octet. */
  octet(): number {
    return this.#scalar(1);
  }

  /** §3.2: unsigned, without leading zeros; no octets are zero. @throws {SASLFailure} `limit-exceeded` as well. */
  number(): bigint {
    const bytes = this.#prefixed(lengthOctets.short);
    if (bytes.length > maxNumberOctets) throw new SASLFailure("limit-exceeded", "a number longer than any prime");
    if (bytes[0] === 0) throw malformed("a number with a leading zero");
    return numberOf(bytes);
  }

  /** §3.3. */
  octets(): Uint8Array {
    return this.#prefixed(lengthOctets.byte);
  }

  /** §3.5. @throws {SASLFailure} `incorrect-encoding` as well. */
  text(): Text {
    const bytes = this.#prefixed(lengthOctets.short);
    return { text: checkText(decodeUtf8(bytes)), bytes };
  }

  /** §3.8. */
  uint(): number {
    return this.#scalar(lengthOctets.long);
  }

  /** The end of the buffer has to be here. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed("octets after the last element");
  }

  #prefixed(octets: number): Uint8Array {
    return this.#take(this.#scalar(octets));
  }

  #scalar(octets: number): number {
    let value = 0;
    for (const octet of this.#take(octets)) value = value * 256 + octet;
    return value;
  }

  #take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw malformed("an element ends before it should");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", what);
}
