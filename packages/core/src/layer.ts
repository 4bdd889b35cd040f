/**
 * Security layers: what a mechanism puts around everything that follows it. A mechanism protects one buffer at a time;
 * frames, their lengths and their pieces are dealt with here, once for all of them. Source: RFC 4422 §3.7.
 *
 * @module
 */
import { SASLFailure } from "./errors.js";
import type { MaybePromise } from "./runtime/contract.js";

/** What protects a connection once a mechanism has agreed on it, in both directions. Made by {@link securityLayer}. */
export interface SecurityLayer {
  /** Strength in bits: 1 for integrity alone, more for confidentiality as well. At least 1. */
  readonly ssf: number;
  /** Most octets of plain text that go into one frame, as the peer allows it. {@link encode} divides what is longer. */
  readonly maxOutput: number;
  /**
   * Protects octets to be sent, in the order of the calls. Wait for a promise before the next call.
   *
   * @param bytes of any length; read, never changed or kept.
   * @returns whole frames, the caller's own; nothing for nothing.
   * @throws {SASLFailure} `peer-not-verified` after {@link decode} threw it.
   * @throws {TypeError} while an earlier call is at work.
   */
  encode(bytes: Uint8Array): MaybePromise<Uint8Array>;
  /**
   * Takes octets as they arrive, divided anywhere. Wait for a promise before the next call. What a frame needs is kept,
   * never more than one, and reserved only when its length is known to be allowed (R-GEN-22).
   *
   * @param bytes given away: what is returned may be a part of it.
   * @returns the plain text of each frame that became complete, the caller's own.
   * @throws {SASLFailure} `peer-not-verified`, the same for everything that cannot be verified; nothing of the frame comes
   *   out, and nothing more can be decoded or encoded (R-GEN-23). Close the connection.
   * @throws {TypeError} while an earlier call is at work.
   */
  decode(bytes: Uint8Array): MaybePromise<readonly Uint8Array[]>;
  /** True when the input ended where it may: no frame is incomplete. */
  readonly whole: boolean;
}

/** How a mechanism protects one buffer. */
export interface BufferProtection {
  readonly ssf: number;
  /** Most octets {@link wrap} is given at once, at least 1: the peer's maximum less what wrapping adds. */
  readonly maxOutput: number;
  /** Longest protected buffer the peer may send, as it was told: at least 1. */
  readonly maxInput: number;
  /** The protected buffer in parts, one after the other, without its length. `plain` is read only, and may be one of them. */
  wrap(plain: Uint8Array): MaybePromise<readonly Uint8Array[]>;
  /**
   * The plain text of a protected buffer, perhaps a part of it. Whatever it throws ends the connection in one and the same
   * way; `undefined` says without an error of its own that the buffer does not verify.
   *
   * @param buffer given away, 0 to `maxInput` octets.
   */
  unwrap(buffer: Uint8Array): MaybePromise<Uint8Array | undefined>;
}

/** What a connection wants of a security layer, and what it allows. */
export interface LayerBounds {
  /** Least strength of a layer in bits; 0 when none is needed. */
  readonly minSsf: number;
  /** Strongest layer to agree to, in bits; 0 when there can be none. */
  readonly maxSsf: number;
  /** Longest protected buffer this side takes, in octets: what to tell the peer. */
  readonly maxInput: number;
}

/** No layer at all: what holds where a connection cannot carry one. */
export const noLayer: LayerBounds = /* @__PURE__ */ Object.freeze({ minSsf: 0, maxSsf: 0, maxInput: 65_536 });

const lengthOctets = 4;
const nothing = /* @__PURE__ */ new Uint8Array(0);

/** Puts protected buffers into frames and takes them out again (RFC 4422 §3.7: 4 octets of length, network byte order). */
export function securityLayer(protection: BufferProtection): SecurityLayer {
  const { ssf, maxOutput, maxInput } = protection;
  if (!(ssf >= 1 && maxOutput >= 1 && maxInput >= 1)) throw new RangeError("a security layer without room or strength");
  const frames = new FrameReader(maxInput);
  let broken = false;

  const fail = (): never => {
    broken = true;
    frames.clear();
    throw unverified();
  };

  /** One of the two directions: frames that overtook each other would be lost, or sent in the wrong order. */
  const direction = () => {
    let busy = false;
    return <T>(work: () => MaybePromise<T>): MaybePromise<T> => {
      if (broken) throw unverified();
      if (busy) throw new TypeError("the security layer is still at work on what came before");
      try {
        const done = work();
        if (!(done instanceof Promise)) return done;
        busy = true;
        return done.then((value) => {
          busy = false;
          return value;
        }, fail);
      } catch {
        return fail();
      }
    };
  };
  const outward = direction();
  const inward = direction();

  const verified = (plain: Uint8Array | undefined): Uint8Array => {
    if (plain === undefined) throw unverified();
    return plain;
  };

  /** @param texts collected so far, added to. */
  const unwrapAll = (texts: Uint8Array[]): MaybePromise<Uint8Array[]> => {
    for (let buffer = frames.next(); buffer !== undefined; buffer = frames.next()) {
      const plain = protection.unwrap(buffer);
      if (plain instanceof Promise) {
        return plain.then((text) => {
          texts.push(verified(text));
          return unwrapAll(texts);
        });
      }
      texts.push(verified(plain));
    }
    return texts;
  };

  /** @param parts of frames made so far, added to. */
  const wrapAll = (bytes: Uint8Array, start: number, parts: Uint8Array[]): MaybePromise<Uint8Array> => {
    for (let from = start; from < bytes.length; from += maxOutput) {
      const piece = bytes.length <= maxOutput ? bytes : bytes.subarray(from, from + maxOutput);
      const wrapped = protection.wrap(piece);
      if (wrapped instanceof Promise) {
        return wrapped.then((buffer) => {
          addFrame(parts, buffer);
          return wrapAll(bytes, from + maxOutput, parts);
        });
      }
      addFrame(parts, wrapped);
    }
    return joined(parts);
  };

  return {
    ssf,
    maxOutput,
    encode: (bytes) => outward(() => wrapAll(bytes, 0, [])),
    decode(bytes) {
      return inward(() => {
        frames.push(bytes);
        return unwrapAll([]);
      });
    },
    get whole() {
      return !broken && frames.empty;
    },
  };
}

/** RFC 4422 §3.7: "the length of the buffer in network byte order". */
function addFrame(parts: Uint8Array[], buffer: readonly Uint8Array[]): void {
  let length = 0;
  for (const part of buffer) length += part.length;
  parts.push(Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length), ...buffer);
}

/** One array of all parts: of more than a call can have arguments, where the peer's buffers are short. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Finds frames in octets that come divided anywhere. A frame that arrived in one piece is not copied, any other once. */
class FrameReader {
  readonly #maxInput: number;
  readonly #header = new Uint8Array(lengthOctets);
  #headerFilled = 0;
  /** The frame that is incomplete, in an array of its whole length. */
  #frame: Uint8Array | undefined;
  #frameFilled = 0;
  #chunk: Uint8Array = nothing;
  #at = 0;

  constructor(maxInput: number) {
    this.#maxInput = maxInput;
  }

  get empty(): boolean {
    return this.#headerFilled === 0;
  }

  push(chunk: Uint8Array): void {
    // A `Buffer` of Node would be an array whose `slice` copies nothing: no mechanism is to meet one.
    this.#chunk = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#at = 0;
  }

  /** The next complete frame; `undefined` when the chunk is used up. */
  next(): Uint8Array | undefined {
    const chunk = this.#chunk;
    while (this.#headerFilled < lengthOctets) {
      if (this.#at === chunk.length) return this.#drop();
      this.#header[this.#headerFilled++] = chunk[this.#at++] as number;
    }
    const header = this.#header;
    const length = new DataView(header.buffer).getUint32(0);
    if (length > this.#maxInput) throw unverified(); // R-GEN-22: before anything is reserved
    if (this.#frame === undefined && chunk.length - this.#at >= length) {
      const frame = chunk.subarray(this.#at, this.#at + length);
      this.#at += length;
      this.#headerFilled = 0;
      return frame;
    }
    this.#frame ??= new Uint8Array(length);
    const piece = chunk.subarray(this.#at, this.#at + length - this.#frameFilled);
    this.#frame.set(piece, this.#frameFilled);
    this.#frameFilled += piece.length;
    this.#at += piece.length;
    return this.#frameFilled < length ? this.#drop() : this.#take();
  }

  clear(): void {
    this.#frame = undefined;
    this.#drop();
  }

  #take(): Uint8Array {
    const frame = this.#frame as Uint8Array;
    this.#frame = undefined;
    this.#frameFilled = 0;
    this.#headerFilled = 0;
    return frame;
  }

  #drop(): undefined {
    this.#chunk = nothing;
    this.#at = 0;
    return undefined;
  }
}

/** One error for all there is to object to: whoever tampers learns nothing from it. */
function unverified(): SASLFailure {
  return new SASLFailure("peer-not-verified", "what came through the security layer does not verify");
}
