/**
 * A program that is talked to in lines.
 *
 * @module
 */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import type { Children } from "../children.js";

/** How long a line may take. */
const patienceMs = 10_000;

/** Its standard input and output; what it says on standard error is kept for the report of a failure. */
export class LineProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = "";

  constructor(
    children: Children,
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#child = children.start(command, args, { env });
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

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** The next line. @returns `undefined` once it has ended. @throws {Error} when none comes in time. */
  async read(): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no line for ${patienceMs} ms: ${this.complaints}`)), patienceMs);
    });
    try {
      const { done, value } = await Promise.race([this.#lines.next(), late]);
      return done ? undefined : value;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#child.kill("SIGTERM");
  }
}
