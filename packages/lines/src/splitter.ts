/**
 * Octets in, lines out. Strict: a line ends with CRLF and with nothing else (RFC 5321 §2.3.8, R-SMTP-21).
 * What comes out does not depend on how the octets were cut into chunks (R-LIM-06).
 *
 * @module
 */
import { SASLFailure } from "sasl-core";

const CR = 13;
const LF = 10;
const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * An incremental splitter. Holds what was pushed and not taken yet, in one array that at most doubles; every octet is
 * looked at once and copied a bounded number of times, however small the chunks are. Holds nothing when all was taken.
 */
export class LineSplitter {
  #buffer: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  /** Octets before this one belong to the line that is being read and hold no line end. */
  #scanned = 0;
  /** Inside a line that was too long: drop it to its end. */
  #skipping = false;
  #broken = false;

  /** Octets pushed and not taken. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** @param chunk kept until it has been read; the caller does not change it any more. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#broken) return;
    const left = this.#end - this.#start;
    if (this.#buffer === undefined || left === 0) {
      this.#buffer = chunk;
      this.#scanned = this.#start = 0;
      this.#end = chunk.length;
    } else {
      if (this.#end + chunk.length > this.#buffer.length) this.#grow(left, chunk.length);
      this.#buffer.set(chunk, this.#end);
      this.#end += chunk.length;
    }
    if (this.#skipping) this.#skip();
  }

  /** Moves what is left into an array of at least twice its size. A chunk taken over as it was has no room behind it. */
  #grow(left: number, more: number): void {
    const bigger = new Uint8Array(Math.max(2 * left, left + more));
    bigger.set((this.#buffer as Uint8Array).subarray(this.#start, this.#end));
    this.#buffer = bigger;
    this.#scanned -= this.#start;
    this.#start = 0;
    this.#end = left;
  }

  /**
   * The next line without its CRLF, or `undefined` when its end has not arrived.
   *
   * @param maxBytes most octets before the CRLF.
   * @throws {SASLFailure} `limit-exceeded` as soon as more have arrived; the next call goes on behind that line.
   *   `incorrect-encoding` for a CR or LF on its own, in this call and in all later ones.
   */
  line(maxBytes: number): string | undefined {
    if (this.#broken) throw bareLineEnd();
    if (this.#skipping && !this.#skip()) return undefined;
    const buffer = this.#buffer;
    if (buffer === undefined) return undefined;
    for (let at = this.#scanned; at < this.#end; at++) {
      const octet = buffer[at];
      const length = at - this.#start;
      if (octet === CR && length <= maxBytes) {
        if (at + 1 === this.#end) {
          this.#scanned = at;
          return undefined;
        }
        if (buffer[at + 1] !== LF) throw this.#break();
        const line = decoder.decode(buffer.subarray(this.#start, at));
        this.#advance(at + 2);
        return line;
      }
      if (octet === LF && length <= maxBytes) throw this.#break();
      if (length >= maxBytes) {
        this.#skipping = true;
        this.#start = at; // the octet at hand may be the CR of the line's end
        throw new SASLFailure("limit-exceeded", `a line is longer than ${maxBytes} octets`);
      }
    }
    this.#scanned = this.#end;
    return undefined;
  }

  /** The next `count` octets as a new array, or `undefined` when fewer have arrived. */
  bytes(count: number): Uint8Array | undefined {
    if (count === 0) return new Uint8Array(0);
    if (this.#buffer === undefined || this.buffered < count) return undefined;
    const taken = this.#buffer.slice(this.#start, this.#start + count);
    this.#advance(this.#start + count);
    return taken as Uint8Array;
  }

  /** Everything that was pushed and not taken, as a new array; nothing is left. */
  clear(): Uint8Array {
    const left = this.#buffer?.slice(this.#start, this.#end) ?? new Uint8Array(0);
    this.#advance(this.#end);
    return left as Uint8Array;
  }

  /** Drops the rest of a line that was too long. True when its end has been found. */
  #skip(): boolean {
    const buffer = this.#buffer as Uint8Array;
    for (let at = this.#start; at + 1 < this.#end; at++) {
      if (buffer[at] === CR && buffer[at + 1] === LF) {
        this.#skipping = false;
        this.#advance(at + 2);
        return true;
      }
    }
    // A CR at the very end may be half of the line's end.
    if (this.#end > this.#start) this.#advance(buffer[this.#end - 1] === CR ? this.#end - 1 : this.#end);
    return false;
  }

  #advance(to: number): void {
    if (to < this.#end) {
      this.#scanned = this.#start = to;
      return;
    }
    this.#buffer = undefined;
    this.#scanned = this.#start = this.#end = 0;
  }

  #break(): SASLFailure {
    this.#broken = true;
    this.#advance(this.#end);
    return bareLineEnd();
  }
}

function bareLineEnd(): SASLFailure {
  return new SASLFailure("incorrect-encoding", "a CR or LF stands on its own; lines end with CRLF");
}
