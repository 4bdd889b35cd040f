/**
 * What `sasl serve` says on standard output, line by line. Lines in quick succession are written together, for each write
 * to a file or a pipe is a call of the system.
 *
 * @module
 */
import type { Writable } from "node:stream";

/** Keeps lines back until the first one has been said. */
export class EventLog {
  readonly #output: Writable;
  #lines: string[] = [];
  #begun = false;
  #scheduled = false;

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
    if (!this.#begun || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Says what is left. */
  flush(): void {
    this.#scheduled = false;
    if (this.#lines.length === 0) return;
    this.#output.write(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
  }
}
