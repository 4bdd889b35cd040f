/**
 * What `sasl serve` says on standard output, line by line. Lines in quick succession are written together, for each write
 * to a file or a pipe is a call of the system.
 *
 * @module
 */
import type { Writable } from "node:stream";

/** How long a line may wait for others. */
const DELAY_MS = 20;

/** Keeps lines back until the first one has been said. */
export class EventLog {
  readonly #output: Writable;
  #lines: string[] = [];
  #begun = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(output: Writable) {
    this.#output = output;
  }

  /** Says the first line, and whatever has happened since. @param line without its end. */
  begin(line: string): void {
    this.#begun = true;
    this.#lines.unshift(line);
    this.flush();
  }

  /** Says a line soon. @param line without its end. */
  add(line: string): void {
    this.#lines.push(line);
    if (!this.#begun || this.#timer) return;
    this.#timer = setTimeout(() => this.flush(), DELAY_MS);
  }

  /** Says what is left. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    this.#output.write(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
  }
}
