/**
 * What arrives for a security layer, kept until somebody wants it and then decoded frame by frame: what comes behind a
 * frame may be another layer's (RFC 4422 §3.8), and nobody holds more plain text than was asked for. For who owns a channel.
 *
 * @module
 */
import { concatBytes } from "./internal/bytes.js";
import type { SecurityLayer } from "./layer.js";
import type { MaybePromise } from "./runtime/contract.js";

const lengthOctets = 4;
const nothing = /* @__PURE__ */ new Uint8Array(0);

/** Octets before a security layer. One call of {@link next} at a time. */
export class LayerInput {
  /** Decodes what comes from now on. Replace it between two frames, when {@link atEdge}. */
  layer: SecurityLayer;
  #held: Uint8Array = nothing;
  #start = 0;
  #end = 0;
  /** Octets of the frame at hand that were seen: all of them are given to the layer at once. */
  #seen = 0;
  /** Of the frame at hand, its own four octets not counted; known when these were seen. */
  #length = 0;

  constructor(layer: SecurityLayer) {
    this.layer = layer;
  }

  /** Octets that were pushed and not given to the layer yet. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Whether the layer has been given whole frames only. */
  get atEdge(): boolean {
    return this.#seen === 0;
  }

  /** Adds to what is held, in one array that at most doubles. @param chunk given away. */
  push(chunk: Uint8Array): void {
    const held = this.buffered;
    if (held === 0) {
      this.#held = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#held.length) {
      // Never in place: what was decoded may still be a part of the old array.
      const bigger = new Uint8Array(Math.max(2 * held, held + chunk.length));
      bigger.set(this.#held.subarray(this.#start, this.#end));
      this.#held = bigger;
      this.#start = 0;
      this.#end = held;
    }
    this.#held.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Everything that was pushed and not given to the layer; nothing is left. */
  take(): Uint8Array {
    const left = this.#held.subarray(this.#start, this.#end);
    this.#held = nothing;
    this.#start = this.#end = 0;
    return left;
  }

  /**
   * The plain text of the next frame, perhaps empty; `undefined` when its end has not arrived.
   *
   * @throws {SASLFailure} what the layer throws. The connection is of no use any more.
   */
  next(): MaybePromise<Uint8Array | undefined> {
    while (this.buffered > 0) {
      const piece = this.#piece();
      const complete = this.#seen === 0;
      const texts = this.layer.decode(piece);
      if (texts instanceof Promise) return texts.then((later) => (complete ? one(later) : this.next()));
      if (complete) return one(texts);
    }
    return undefined;
  }

  /** What is there of the frame at hand, its end included where that is there. */
  #piece(): Uint8Array {
    const from = this.#start;
    let at = from;
    while (this.#seen < lengthOctets && at < this.#end) {
      this.#length = this.#length * 256 + (this.#held[at++] as number); // RFC 4422 §3.7: network byte order
      this.#seen++;
    }
    if (this.#seen >= lengthOctets) {
      // A length that is not allowed the layer finds out itself.
      const rest = Math.min(lengthOctets + this.#length - this.#seen, this.#end - at);
      this.#seen += rest;
      at += rest;
      if (this.#seen === lengthOctets + this.#length) this.#seen = this.#length = 0;
    }
    const piece = this.#held.subarray(from, at);
    if (at === this.#end) this.#held = nothing;
    this.#start = at === this.#end ? 0 : at;
    if (this.#start === 0) this.#end = 0;
    return piece;
  }
}

function one(texts: readonly Uint8Array[]): Uint8Array {
  return texts.length === 1 ? (texts[0] as Uint8Array) : concatBytes(...texts);
}
