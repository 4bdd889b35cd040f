/**
 * A program that is talked to in lines, as authentication helpers and sample programs are.
 *
 * @module
 */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import type { Children, StartOptions } from "./children.js";

/** How long a line may take. */
const patienceMs = 20_000;

/** A program at work. */
export class LineProgram {
  readonly #command: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = "";

  constructor(children: Children, command: string, args: readonly string[], options: StartOptions = {}) {
    this.#command = command;
    this.#child = children.start(command, args, options);
    this.#child.on("error", () => {}); // there are no lines then
    this.#child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-2_000);
    });
    this.#child.stdin.on("error", () => {}); // it may end without reading what it is given
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** What it said last on standard error. */
  get complaints(): string {
    return this.#stderr.trim();
  }

  /** Says a line. */
  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** The next line. @returns `undefined` once it has ended. @throws {Error} when none comes in time. */
  async hear(): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#failure("says nothing")), patienceMs);
    });
    try {
      const { done, value } = await Promise.race([this.#lines.next(), late]);
      return done ? undefined : value;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Says a line. @returns the next one of the program's. @throws {Error} when none comes. */
  async ask(line: string): Promise<string> {
    this.tell(line);
    const answer = await this.hear();
    if (answer === undefined) throw this.#failure("has ended");
    return answer;
  }

  end(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }

  #failure(what: string): Error {
    return new Error(`${this.#command} ${what}: ${this.complaints}`);
  }
}
