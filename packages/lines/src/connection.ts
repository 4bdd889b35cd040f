/**
 * A server's connection, as IMAP and SMTP share it: lines in turn, attempts and time counted, TLS begun, sessions made.
 * The words are the protocol's. Waiting for a line costs one frame and no timer, so that idle connections stay small.
 *
 * @module
 */
import {
  type AuthenticationFailure,
  type ExternalIdentity,
  isSASLError,
  type SASLFailure,
  type SASLServer,
  type SASLServerSession,
  type ServeOutcome,
  type ServerConnection,
  type ServerResult,
} from "sasl-core";
import { DEFAULT_MAX_LINE_BYTES } from "./client.js";
import type { Perishable, Sweep } from "./sweep.js";
import type { MaybePromise, ServerTransport } from "./transport.js";

/** What all connections of one listener have in common. Make it once. */
export interface LineConnectionOptions<W extends ServerTransport = ServerTransport> {
  readonly server: SASLServer;
  /**
   * Begins TLS; `startTlsServer` of `sasl-lines/node` does it. The signal is aborted when time is up. Left out: STARTTLS is
   * neither offered nor accepted.
   */
  readonly startTls?: ((wire: W, signal: AbortSignal) => Promise<W>) | undefined;
  /**
   * What the channel proved about the client, such as a certificate. Name nobody unless the certificate is there and was
   * verified, as `tlsFacts(socket)?.verified` of `sasl-core/node` says. `socket.authorized` does not: it is true as well
   * when a client without any certificate resumes a session of TLS 1.3.
   */
  readonly external?: ((wire: W) => ExternalIdentity | undefined) | undefined;
  /** Address of the peer, for logs; asked for when there is something to log. */
  readonly remote?: ((wire: W) => string | undefined) | undefined;
  /** Longest line, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
  /** Failed attempts after which the connection is closed, at least 3 (RFC 4954 §9). Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Lines before the login after which the connection is closed, those of exchanges not counted. Default 100. */
  readonly maxCommands?: number | undefined;
  /** Time for the login, in milliseconds. Default 60000. Counts only with `sweep`. */
  readonly loginTimeoutMs?: number | undefined;
  /** Time without a line after the login, in milliseconds. Default 1800000 (RFC 9051 §5.4). Counts only with `sweep`. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Told of each failed attempt after the reply was written; while it waits, nothing more is read from this connection.
   * The place to count failures by peer and to slow a guesser down (R-LIM-08).
   */
  readonly onFailure?:
    | ((error: SASLFailure | AuthenticationFailure, remote: string | undefined) => MaybePromise<void>)
    | undefined;
  /** Ends connections that have run out of time; one for any number of listeners. Left out: no time limits. */
  readonly sweep?: Sweep | undefined;
}

/** One connection. A subclass has the words of a protocol. */
export abstract class LineConnection<W extends ServerTransport, O extends LineConnectionOptions<W>>
  implements Perishable
{
  protected readonly options: O;
  #wire: W;
  #deadline: number;
  #commands = 0;
  #failures = 0;
  #result: ServerResult | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;

  constructor(wire: W, options: O) {
    if ((options.maxAttempts ?? 3) < 3) throw new RangeError("a client may fail three times at least");
    this.#wire = wire;
    this.options = options;
    this.#deadline = Date.now() + (options.loginTimeoutMs ?? 60_000);
  }

  /** The transport as it is now: another one after TLS has begun. */
  get wire(): W {
    return this.#wire;
  }

  /** Who is logged in. */
  get result(): ServerResult | undefined {
    return this.#result;
  }

  /** Runs the connection to its end. Rejects with what the program's own functions throw, a `SASLError` excepted, and nothing else. */
  async run(): Promise<void> {
    this.options.sweep?.add(this);
    try {
      await this.#wire.write(this.greeting);
      for (;;) {
        let line: string | SASLFailure;
        try {
          line = await this.#wire.readLine(this.options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES);
        } catch (error) {
          line = readable(error);
        }
        if (!(await this.turn(line)) || !(await this.#mayGoOn())) break;
      }
    } catch (error) {
      if (!isSASLError(error)) throw error; // everything else is the client's doing
      if (error.code === "incorrect-encoding") this.#last("line-end");
    } finally {
      this.options.sweep?.delete(this);
      this.#wire.close();
    }
  }

  expired(now: number): boolean {
    return now > this.#deadline;
  }

  expire(): void {
    this.#last("time");
    this.#handshake?.abort();
    this.#wire.close();
  }

  /** The first line with CRLF, as the connection is now. */
  abstract get greeting(): string;

  /**
   * Answers one line, or one that was too long.
   *
   * @returns false when the connection is over.
   */
  protected abstract turn(line: string | SASLFailure): Promise<boolean>;

  /** What to say last, with CRLF: time is up, a line end is none, or there were too many attempts or commands. */
  protected abstract farewell(reason: "time" | "line-end" | "attempts"): string;

  /** The connection as it is now, for the server's decisions. */
  protected about(): ServerConnection {
    const wire = this.#wire;
    const { external, remote } = this.options;
    return {
      secure: wire.secure,
      channelBinding: wire.channelBinding,
      external: external?.(wire),
      successData: false,
      get remote(): string | undefined {
        return remote?.(wire);
      },
    };
  }

  /** Whether STARTTLS can be used now. */
  protected get canStartTls(): boolean {
    return this.options.startTls !== undefined && !this.#wire.secure && this.#result === undefined;
  }

  /** Runs one exchange with a session of its own, and counts it (R-GEN-15). */
  protected async attempt(run: (session: SASLServerSession) => Promise<ServeOutcome>): Promise<boolean> {
    const session = this.options.server.session(this.about());
    const outcome = await run(session);
    if (outcome.ok) this.#result = session.result;
    else {
      this.#failures++;
      await this.options.onFailure?.(outcome.error, this.options.remote?.(this.#wire));
    }
    return outcome.ok;
  }

  /** Puts the end off: somebody who is logged in has said something. */
  protected touch(): void {
    if (this.#result) this.#deadline = Date.now() + (this.options.idleTimeoutMs ?? 1_800_000);
  }

  /** Begins TLS. What the client sent ahead in the clear is dropped (RFC 9051 §6.2.1, RFC 3207 §4.2). @param goAhead with CRLF. */
  protected async startTls(goAhead: string): Promise<void> {
    this.#wire.discard();
    this.#handshake = new AbortController();
    await this.#wire.write(goAhead);
    const { startTls } = this.options;
    if (startTls) this.#wire = await startTls(this.#wire, this.#handshake.signal);
    this.#handshake = undefined;
  }

  async #mayGoOn(): Promise<boolean> {
    this.touch();
    if (this.#result) return true;
    const { maxCommands = 100, maxAttempts = 3 } = this.options;
    if (++this.#commands < maxCommands && this.#failures < maxAttempts) return true;
    await this.#wire.write(this.farewell("attempts"));
    return false;
  }

  /** Says something that nobody may be there to hear. */
  #last(reason: "time" | "line-end"): void {
    try {
      void Promise.resolve(this.#wire.write(this.farewell(reason))).catch(() => {});
    } catch {
      // The connection is gone already.
    }
  }
}

/** A line that was too long can be answered; after everything else there is nothing left to read. */
function readable(error: unknown): SASLFailure {
  if (isSASLError(error) && error.code === "limit-exceeded") return error as SASLFailure;
  throw error;
}
