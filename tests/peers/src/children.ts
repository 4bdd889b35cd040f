/**
 * Child processes with a time limit, all of them ended together when the run ends.
 *
 * @module
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";

/** How to run a program. */
export interface RunOptions {
  /** Written to standard input, which then ends. */
  readonly input?: string;
  /** Standard input stays open until the output matches; then `send` is written and it ends. */
  readonly answer?: { readonly after: RegExp; readonly send: string };
  readonly env?: Readonly<Record<string, string>>;
  /** The folder to run in; default: this process's. */
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** The last octets kept of each stream; default 64 KiB. */
  readonly keep?: number;
}

/** How to start a program that stays. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** User to run as, with the group of the same name; default: the one this process has. */
  readonly user?: string | undefined;
  /** What asks it to end; default `SIGTERM`. */
  readonly stopSignal?: NodeJS.Signals;
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
  readonly #running = new Map<ChildProcess, NodeJS.Signals>();
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
      const env = { ...process.env, LC_ALL: "C.UTF-8", ...options.env };
      const child = spawn(command, args, { env, cwd: options.cwd, stdio: "pipe" });
      this.#running.set(child, "SIGTERM");
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

  /**
   * Start a program that stays; its standard output is the caller's to read. It also ends with this process, however
   * that ends.
   */
  start(command: string, args: readonly string[], options: StartOptions = {}): ChildProcessWithoutNullStreams {
    const { env = {}, user, stopSignal = "SIGTERM" } = options;
    const [program = "", ...rest] = [...launcher(stopSignal, user), command, ...args];
    const child = spawn(program, rest, { env: { ...process.env, LC_ALL: "C.UTF-8", ...env }, stdio: "pipe" });
    this.#running.set(child, stopSignal);
    child.once("close", () => this.#running.delete(child));
    return child;
  }

  /** End what still runs: first asked to, after two seconds forced. No further program starts. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    const left = [...this.#running];
    for (const [child, signal] of left) child.kill(signal);
    const ends = left.map(([child]) => new Promise<void>((resolve) => child.once("close", () => resolve())));
    const patience = setTimeout(() => {
      for (const child of this.#running.keys()) child.kill("SIGKILL");
    }, 2_000);
    await Promise.all(ends);
    clearTimeout(patience);
  }
}

const setpriv = "/usr/bin/setpriv";

/** What goes before a command so that it runs as somebody else, and hears of it when this process dies (prctl(2)). */
export function launcher(deathSignal: NodeJS.Signals, user?: string): string[] {
  if (!existsSync(setpriv)) return [];
  const as = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, "--clear-groups"];
  return [setpriv, ...as, `--pdeathsig=${deathSignal.replace(/^SIG/, "")}`, "--"];
}
