/**
 * A server program of Debian that runs in the foreground, as a child of this run.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Children, StartOptions } from "./children.js";

/** What to start, and when it has started. */
export interface DaemonOptions extends StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Whether it answers by now; asked again and again. */
  ready(): Promise<boolean>;
  /** How long it may take to answer, or to end; default 20 s. */
  readonly patienceMs?: number;
}

/** A server that can be stopped and started again. */
export class Daemon {
  readonly #children: Children;
  readonly #options: DaemonOptions;
  readonly #patienceMs: number;
  #child: ChildProcess | undefined;

  constructor(children: Children, options: DaemonOptions) {
    this.#children = children;
    this.#options = options;
    this.#patienceMs = options.patienceMs ?? 20_000;
  }

  /** @throws {Error} with its last words, when it does not answer. */
  async start(): Promise<void> {
    const { command, args, ready } = this.#options;
    const child = this.#children.start(command, args, this.#options);
    this.#child = child;
    let told = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        told = (told + text).slice(-2_000);
      });
    }
    child.on("error", (error) => {
      told += error.message;
    });
    for (const began = performance.now(); !(await ready()); await sleep(50)) {
      if (isRunning(child) && performance.now() - began < this.#patienceMs) continue;
      await this.stop();
      throw new Error(`${command} did not start: ${told.trim()}`);
    }
  }

  /** Ends it, if it runs, as an operator does in the middle of whatever is under way. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || !isRunning(child)) return;
    const closed = once(child, "close");
    const patience = setTimeout(() => child.kill("SIGKILL"), this.#patienceMs);
    child.kill(this.#options.stopSignal ?? "SIGTERM");
    await closed;
    clearTimeout(patience);
  }

  /** Stop and start. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** A port of the loopback address where nobody listens. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { readonly port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

/** Whether somebody listens there. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1").setTimeout(1_000, () => socket.destroy(new Error("timed out")));
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
