/**
 * Child processes with a time limit, all of them ended together when the run ends.
 *
 * @module
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

/** How to run a program. */
export interface RunOptions {
  /** Written to standard input, which then ends. */
  readonly input?: string;
  /** Standard input stays open until the output matches; then `send` is written and it ends. */
  readonly answer?: { readonly after: RegExp; readonly send: string };
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** The last octets kept of each stream; default 64 KiB. */
  readonly keep?: number;
}

/** What a program that ended left behind. */
export interface Finished {
  /** `null` when it was ended by a signal. */
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** Every process this run started and that has not ended. */
export class Children {
  readonly #running = new Set<ChildProcess>();
  #stopping = false;

  /**
   * Run a program to its end.
   *
   * @returns its output; a program that cannot be started has exit 127 and says so in `stderr`.
   */
  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const { input = "", answer, timeoutMs = 20_000, keep = 65_536 } = options;
    if (this.#stopping) return Promise.resolve({ exit: null, stdout: "", stderr: "stopped", timedOut: false });
    return new Promise((resolve) => {
      const child = spawn(command, args, { env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env }, stdio: "pipe" });
      this.#running.add(child);
      let stdout = "";
      let stderr = "";
      let timedOut = false;
      let answered = answer === undefined;
      const timer = setTimeout(() => {
        timedOut = true;
        child.kill("SIGKILL");
      }, timeoutMs);
      const finish = (exit: number | null): void => {
        clearTimeout(timer);
        this.#running.delete(child);
        resolve({ exit, stdout, stderr, timedOut });
      };
      const hear = (): void => {
        if (answered || !answer?.after.test(stdout + stderr)) return;
        answered = true;
        child.stdin.end(answer.send);
      };
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        stdout = (stdout + chunk).slice(-keep);
        hear();
      });
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        stderr = (stderr + chunk).slice(-keep);
        hear();
      });
      child.stdin.on("error", () => {}); // a program may end without reading what it is given
      child.on("error", (error) => {
        stderr += error.message;
        finish(127);
      });
      child.on("close", finish);
      if (answer === undefined) child.stdin.end(input);
    });
  }

  /** Start a program that stays; its standard output is the caller's to read. */
  start(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ChildProcessWithoutNullStreams {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe" });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    return child;
  }

  /** End what still runs: first asked to, after two seconds forced. No further program starts. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    const left = [...this.#running];
    for (const child of left) child.kill("SIGTERM");
    const ends = left.map((child) => new Promise<void>((resolve) => child.once("close", () => resolve())));
    const patience = setTimeout(() => {
      for (const child of this.#running) child.kill("SIGKILL");
    }, 2_000);
    await Promise.all(ends);
    clearTimeout(patience);
  }
}
