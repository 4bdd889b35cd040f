/**
 * How far a long run has got, for somebody who watches.
 *
 * @module
 */
import type { Io } from "../../output.js";

const INTERVAL_MS = 200;

/** One line on a terminal, written over again and again; nothing where nobody sees it. */
export class Progress {
  readonly #io: Io;
  readonly #command: string;
  readonly #shown: boolean;
  #last = performance.now();
  #written = false;

  constructor(io: Io, command: string) {
    this.#io = io;
    this.#command = command;
    this.#shown = (io.stderr as { isTTY?: boolean }).isTTY === true;
  }

  show(count: number): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    this.#written = true;
    this.#io.stderr.write(`\r${this.#command}: ${count} accounts`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#written) this.#io.stderr.write("\r\u001b[K");
  }
}
