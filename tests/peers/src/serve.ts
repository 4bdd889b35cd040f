/**
 * A running `sasl serve`: its ports, and the line it prints for each login.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Children } from "./children.js";
import type { Channel, Endpoint, Protocol } from "./types.js";

/** One login as the server saw it. */
export interface ServedLogin {
  readonly protocol?: unknown;
  readonly mechanism?: unknown;
  readonly ok?: unknown;
  readonly authcid?: unknown;
  readonly channelBinding?: unknown;
  readonly code?: unknown;
}

const patienceMs = 3_000;

/** A server under test. */
export class Serve {
  /** Name for the report. */
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ready: Readonly<Record<string, unknown>>;
  readonly #logins: ServedLogin[] = [];
  #heard: () => void = () => {};

  private constructor(name: string, child: ChildProcess, ready: Readonly<Record<string, unknown>>) {
    this.name = name;
    this.#child = child;
    this.#ready = ready;
  }

  /**
   * Start `sasl serve` on free ports and wait until it is ready.
   *
   * @param command file of the `sasl` command
   * @throws {Error} when it ends or says something else first.
   */
  static async start(children: Children, name: string, command: string, args: readonly string[]): Promise<Serve> {
    const ports = ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps"].flatMap((port) => [`--${port}`, "0"]);
    const child = children.start(process.execPath, [command, "serve", "--json", ...ports, ...args]);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-2_000);
    });
    const lines = createInterface({ input: child.stdout });
    let said = "";
    const first = await new Promise<string>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`sasl serve ${why}: ${stderr.trim() || said}`));
      const timer = setTimeout(() => fail("is not ready after 15 s"), 15_000);
      timer.unref();
      lines.once("line", (line) => {
        said = line;
        if (line.includes('"ready":true')) resolve(line);
      });
      child.once("close", (exit) => fail(`ended with ${exit}`));
    });
    const ready: unknown = JSON.parse(first);
    if (typeof ready !== "object" || ready === null) throw new Error(`sasl serve said ${first}`);
    const serve = new Serve(name, child, ready as Readonly<Record<string, unknown>>);
    lines.on("line", (line) => {
      serve.#logins.push(parseLine(line));
      serve.#heard();
    });
    return serve;
  }

  /** Where to log in; `host` is the name in its certificate. @throws {Error} when it did not report the port. */
  endpoint(protocol: Protocol, channel: Channel): Endpoint {
    const key = channel === "implicit" ? `${protocol}s` : protocol;
    const port = this.#ready[key];
    const ca = this.#ready.ca;
    if (typeof port !== "number" || typeof ca !== "string")
      throw new Error(`sasl serve reported no port ${key}, or no ca`);
    return { server: this.name, protocol, channel, host: "localhost", port, ca, domain: "localhost" };
  }

  /** Ask it to end. @returns its exit status; `null` when it had to be killed after five seconds. */
  stop(signal: "SIGTERM" | "SIGINT"): Promise<number | null> {
    return new Promise((resolve) => {
      const patience = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
      this.#child.once("close", (exit) => {
        clearTimeout(patience);
        resolve(exit);
      });
      this.#child.kill(signal);
    });
  }

  /** Take the report of a login that fits, waiting for it a moment. @returns `undefined` when none came. */
  async claim(fits: (login: ServedLogin) => boolean): Promise<ServedLogin | undefined> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const index = this.#logins.findIndex(fits);
      if (index >= 0) return this.#logins.splice(index, 1)[0];
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** A line that is no JSON fits no login, and is missed as such. */
function parseLine(line: string): ServedLogin {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
