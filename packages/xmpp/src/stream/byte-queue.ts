/**
 * Octets on their way to a parser.
 *
 * @module
 */

/** Octets that wait. Grows by doubling, so that a drip of single octets costs no more than a flood. */
export class ByteQueue {
  #buffer: Uint8Array = none;
  #start = 0;
  #end = 0;
  /** False while the buffer is the caller's, perhaps a small part of something big. */
  #own = true;
  /** Up to here there is no `>`. */
  #searched = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** The octet that has waited longest. */
  get first(): number | undefined {
    return this.length > 0 ? this.#buffer[this.#start] : undefined;
  }

  push(chunk: Uint8Array): void {
    if (this.length === 0) {
      this.#buffer = chunk;
      this.#own = false;
      this.#start = this.#searched = 0;
      this.#end = chunk.length;
      return;
    }
    const needed = this.length + chunk.length;
    if (!this.#own || this.#end + chunk.length > this.#buffer.length) {
      const grown = new Uint8Array(this.#own ? needed * 2 : needed);
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#searched -= this.#start;
      this.#end = this.length;
      this.#start = 0;
      this.#buffer = grown;
      this.#own = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Index of the last such octet, counted from the first that waits, or -1. Looks at no octet twice for nothing. */
  lastIndexOf(octet: number): number {
    const fresh = this.#buffer.subarray(Math.max(this.#searched, this.#start), this.#end);
    const found = fresh.lastIndexOf(octet);
    const index = found < 0 ? -1 : found + Math.max(this.#searched, this.#start) - this.#start;
    this.#searched = this.#end;
    return index;
  }

  /** The first `count` octets, no longer waiting. Valid until the next `push`. */
  take(count: number): Uint8Array {
    const taken = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    return taken;
  }

  /** Forgets white space that comes first. */
  skipSpace(): void {
    while (this.#start < this.#end && isSpace(this.#buffer[this.#start] as number)) this.#start++;
  }

  /** Forgets everything. */
  clear(): void {
    this.#buffer = none;
    this.#start = this.#end = this.#searched = 0;
    this.#own = true;
  }

  /** Lets go of the caller's memory, for this may wait long. */
  settle(): void {
    if (this.#own) return;
    this.#buffer = this.length === 0 ? none : this.#buffer.slice(this.#start, this.#end);
    this.#end = this.length;
    this.#start = 0;
    this.#searched = this.#end;
    this.#own = true;
  }
}

const none = new Uint8Array(0);

/** White space of XML. */
export function isSpace(octet: number): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09;
}
