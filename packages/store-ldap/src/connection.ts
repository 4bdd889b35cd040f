/**
 * One connection to a directory: set up, asked one thing at a time, ended for good when anything goes wrong.
 *
 * @module
 */
import type { Socket } from "node:net";
import { Client, type Entry, type SearchOptions } from "ldapts";
import { fault, resultCodes } from "./faults.js";
import { GuardedStream } from "./guarded-stream.js";

/** What a search came to. */
export interface Found {
  readonly code: number;
  readonly entries: readonly Entry[];
}

/** How long a peer has to take note of a farewell. */
const farewellMs = 1000;

/** Takes over a connected socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #guard: GuardedStream;
  readonly #client: Client;
  readonly #timeoutMs: number;

  /** @param timeoutMs for each request. */
  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#guard = new GuardedStream(socket);
    this.#timeoutMs = timeoutMs;
    let given = false;
    this.#client = new Client({
      url: "ldap://localhost", // never looked up: this client has a socket, and gets no other one
      createConnection: () => {
        if (given || !this.alive) throw new Error("the connection was lost");
        given = true;
        return this.#guard as unknown as Socket;
      },
    });
  }

  /** Whether it can be asked anything. */
  get alive(): boolean {
    return !this.#guard.destroyed;
  }

  /** Whether the other side, or the network, ended it. */
  get lost(): boolean {
    return this.#guard.lost;
  }

  /** Calls back once, when the connection has ended. */
  onEnd(callback: () => void): void {
    this.#guard.once("close", callback);
  }

  /**
   * A simple bind (RFC 4513 §5.1.3).
   *
   * @returns the result code.
   * @throws {TypeError} for an empty name or password: directories answer those with success that proves nothing
   *   (RFC 4513 §5.1.1, §5.1.2, §6.3.1). {SASLFailure} `temporary` when there is no answer.
   */
  bind(dn: string, password: string): Promise<number> {
    // ldapts would take a name without "=" for that of a SASL mechanism.
    if (password === "" || !dn.includes("=")) return Promise.reject(new TypeError("a bind without name or password"));
    return this.#ask("bind", () => this.#client.bind(dn, password));
  }

  /** @throws {SASLFailure} `temporary` when there is no answer. */
  async search(base: string, options: SearchOptions): Promise<Found> {
    let entries: readonly Entry[] = [];
    const code = await this.#ask("search", async () => {
      ({ searchEntries: entries } = await this.#client.search(base, options)); // references are not followed (R-STO-03)
    });
    return { code, entries };
  }

  /**
   * Asks for TLS (RFC 4511 §4.14).
   *
   * @returns the socket, on which the handshake is next; this object has done.
   */
  async startTls(): Promise<Socket> {
    const code = await this.#ask("StartTLS", () => this.#client.exop("1.3.6.1.4.1.1466.20037"));
    if (code !== resultCodes.success) throw fault(`StartTLS: result code ${code}`);
    return this.#guard.release();
  }

  /** An idle connection does not keep the program running. */
  rest(): void {
    this.#socket.unref();
  }

  wake(): void {
    this.#socket.ref();
  }

  /** Says goodbye (RFC 4511 §4.3). */
  close(): void {
    this.#socket.ref();
    this.#client.unbind().catch(() => {});
    const timer = setTimeout(() => this.destroy("closed"), farewellMs);
    this.onEnd(() => clearTimeout(timer));
  }

  destroy(reason: string): void {
    this.#guard.stop(reason);
  }

  async #ask(what: string, request: () => Promise<unknown>): Promise<number> {
    const timer = setTimeout(() => this.destroy("timed out"), this.#timeoutMs);
    this.#guard.forget();
    let failed: unknown;
    let end = (): void => {};
    const ended = new Promise<never>((_, reject) => {
      end = () => reject(new Error("ended"));
    });
    this.#guard.once("close", end);
    try {
      await Promise.race([request(), ended]);
    } catch (error) {
      failed = error;
    } finally {
      clearTimeout(timer);
      this.#guard.off("close", end);
    }
    const { resultCode, reason } = this.#guard;
    // Nothing but an answer that was read to its end counts, whatever ldapts made of it.
    if (resultCode === undefined || (resultCode === resultCodes.success && failed !== undefined)) {
      this.destroy("no answer");
      throw fault(`${what}: ${reason ?? "an answer that cannot be read"}`);
    }
    return resultCode;
  }
}
