/**
 * A server's connection, as IMAP and SMTP share it: lines in turn, attempts and time counted, TLS begun, sessions made.
 * The words are the protocol's. Waiting for a line costs one frame and no timer, so that idle connections stay small.
 *
 * @module
 */
import {
  type AuthenticationFailure,
  isSASLError,
  type SASLErrorCode,
  SASLFailure,
  type SASLServer,
  type SASLServerSession,
  type ServeOutcome,
  type ServerConnection,
  type ServerResult,
} from "sasl-core";
import { connectionLost } from "./buffered.js";
import { DEFAULT_MAX_LINE_BYTES } from "./client.js";
import type { Perishable, Sweep } from "./sweep.js";
import type { MaybePromise, ServerTransport } from "./transport.js";

/** What a program knows about a connection beside, or better than, its transport. What is left out the transport tells. */
export type ConnectionFacts = Partial<Omit<ServerConnection, "successData">>;

/** How a connection ended, for an audit log beside `onOutcome` of the server. Holds nothing secret. */
export interface ConnectionEnd {
  /**
   * Why it ended. `undefined`: the client said that it leaves, or the program was done with it. `timed-out`;
   * `limit-exceeded`: too many attempts or commands; `connection-lost`: the client is gone; `channel-not-protected`: the
   * handshake of TLS failed; `peer-not-verified`: what came through the security layer does not verify;
   * `incorrect-encoding`: a line end that is none; `aborted`: the server shuts down;
   * `temporary`: a fault of the program, which `run()` rejects with.
   */
  readonly code: SASLErrorCode | undefined;
  /** Address of the peer, as it was when the connection began. */
  readonly remote: string | undefined;
  /** Whether the connection was protected at its end. */
  readonly secure: boolean;
  /** Who was logged in; `undefined` for a connection that ended without a login. */
  readonly result: ServerResult | undefined;
  /** Attempts that failed. One that was cut off is none. */
  readonly failures: number;
}

/** What all connections of one listener have in common. Make it once. */
export interface LineConnectionOptions<W extends ServerTransport = ServerTransport> {
  readonly server: SASLServer;
  /**
   * Begins TLS; `startTlsServer` of `sasl-lines/node` does it. The signal is aborted when time is up. Left out: STARTTLS is
   * neither offered nor accepted.
   */
  readonly startTls?: ((wire: W, signal: AbortSignal) => Promise<W>) | undefined;
  /**
   * What to know about a connection beside its transport: a policy of its own, what the channel proved about the client,
   * the address a proxy told. Asked each time something is announced or decided, and so again after TLS has begun, with
   * the new transport; keep it quick.
   *
   * Name nobody in `external` unless the certificate is there and was verified, as `tlsFacts(socket)?.verified` of
   * `sasl-core/node` says. `socket.authorized` does not: it is true as well when a client without any certificate resumes
   * a session of TLS 1.3.
   */
  readonly connection?: ((wire: W) => ConnectionFacts) | undefined;
  /** Longest line, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
  /** Failed attempts after which the connection is closed, at least 3 (RFC 4954 §9). Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Lines before the login after which the connection is closed, those of exchanges not counted; at least 1. Default 100. */
  readonly maxCommands?: number | undefined;
  /** Time for the login, in milliseconds, at least 1. Default 60000. Counts only with `sweep`. */
  readonly loginTimeoutMs?: number | undefined;
  /**
   * Time without a line after the login, in milliseconds, at least 1. Default 1800000 (RFC 9051 §5.4). Counts only with
   * `sweep`.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Told of each failed attempt after the reply was written; while it waits, nothing more is read from this connection.
   * `sasl-throttle` slows guessers down without it (R-LIM-08).
   */
  readonly onFailure?:
    | ((error: SASLFailure | AuthenticationFailure, remote: string | undefined) => MaybePromise<void>)
    | undefined;
  /** Told once, when the connection is over. What it throws is ignored. */
  readonly onEnd?: ((end: ConnectionEnd) => void) | undefined;
  /** Ends connections that have run out of time; one for any number of listeners. Left out: no time limits. */
  readonly sweep?: Sweep | undefined;
}

/** Why a server says its last words. */
export type Farewell = "time" | "line-end" | "attempts" | "shutdown";

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
  #offered: readonly string[] = noNames;
  /** Of the exchange that is going on. */
  #session: SASLServerSession | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;
  /** Why the connection ends, as soon as that is known. */
  #reason: SASLErrorCode | undefined;

  /** @throws {RangeError} for an option out of its range. */
  constructor(wire: W, options: O) {
    if ((options.maxAttempts ?? 3) < 3) throw new RangeError("a client may fail three times at least");
    for (const name of counted) if (!((options[name] ?? 3) >= 1)) throw new RangeError(`${name} is at least 1`);
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
    const { sweep, onEnd } = this.options;
    let remote: string | undefined;
    sweep?.add(this);
    try {
      if (onEnd) remote = this.#remote; // now: a socket that is gone does not know it any more
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
      this.#reason ??= isSASLError(error) ? error.code : "temporary";
      if (!isSASLError(error)) throw error; // everything else is the client's doing
      if (error.code === "incorrect-encoding") this.#last("line-end");
    } finally {
      sweep?.delete(this);
      this.#wire.close();
      if (onEnd) this.#tell(onEnd, remote);
    }
  }

  expired(now: number): boolean {
    return now > this.#deadline;
  }

  expire(): void {
    this.#cut("time", new SASLFailure("timed-out", "the client took too long"));
  }

  /** Tells the client that the server shuts down, and closes. Harmless when the connection is over. */
  end(): void {
    this.#cut("shutdown", new SASLFailure("aborted", "the server shuts down"));
  }

  /** The first line with CRLF, as the connection is now. */
  abstract get greeting(): string;

  /**
   * Answers one line, or one that was too long.
   *
   * @returns false when the connection is over.
   */
  protected abstract turn(line: string | SASLFailure): Promise<boolean>;

  /** What to say last, with CRLF: time is up, a line end is none, too many attempts or commands, the server stops. */
  protected abstract farewell(reason: Farewell): string;

  /** The connection as it is now, for the server's decisions. */
  protected about(): ServerConnection {
    const wire = this.#wire;
    const facts = this.options.connection?.(wire);
    return {
      secure: wire.secure,
      channelBinding: wire.channelBinding,
      externalSsf: wire.externalSsf,
      remote: wire.remote,
      ...facts,
      layers: wire.protect !== undefined && facts?.layers !== false,
      successData: false,
    };
  }

  /**
   * Under a security layer the mechanisms that were offered before it, on the same terms, so that the client can see whether
   * somebody hid one of them (RFC 4422 §6.1.2). Otherwise none: a login cannot be repeated.
   */
  protected get offered(): readonly string[] {
    return this.#offered;
  }

  /** Whether the channel is protected now. */
  protected get secure(): boolean {
    const { connection } = this.options;
    return connection?.(this.#wire).secure ?? this.#wire.secure;
  }

  /** Whether STARTTLS can be used now. */
  protected get canStartTls(): boolean {
    return this.options.startTls !== undefined && this.#result === undefined && !this.secure;
  }

  /** Runs one exchange with a session of its own, and counts it (R-GEN-15). */
  protected async attempt(run: (session: SASLServerSession) => Promise<ServeOutcome>): Promise<boolean> {
    const about = this.about();
    const { remote } = about; // the socket remembers it from now on, for the log
    const { server } = this.options;
    const session = server.session(about);
    const wire = this.#wire;
    this.#session = session;
    wire.onLost = () => void session.abort(connectionLost());
    let outcome: ServeOutcome;
    try {
      outcome = await run(session);
    } finally {
      this.#session = wire.onLost = undefined;
    }
    if (outcome.ok) {
      this.#result = session.result;
      if (this.#result?.layer) this.#offered = server.mechanisms(about);
    } else {
      this.#failures++;
      await this.options.onFailure?.(outcome.error, remote);
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
    this.#reason = "limit-exceeded";
    await this.#wire.write(this.farewell("attempts"));
    return false;
  }

  /** Ends it from outside, whatever it is doing: an exchange that is cut off has this outcome and no other. */
  #cut(farewell: Farewell, reason: SASLFailure): void {
    this.#reason ??= reason.code;
    void this.#session?.abort(reason);
    this.#last(farewell);
    this.#handshake?.abort();
    this.#wire.close();
  }

  /** Says something that nobody may be there to hear. */
  #last(reason: Farewell): void {
    try {
      void Promise.resolve(this.#wire.write(this.farewell(reason))).catch(() => {});
    } catch {
      // The connection is gone already.
    }
  }

  get #remote(): string | undefined {
    return this.options.connection?.(this.#wire).remote ?? this.#wire.remote;
  }

  #tell(onEnd: (end: ConnectionEnd) => void, remote: string | undefined): void {
    const [code, result, failures] = [this.#reason, this.#result, this.#failures];
    let { secure } = this.#wire;
    try {
      secure = this.secure;
    } catch {
      // What the application knows of a connection may be gone with it.
    }
    try {
      onEnd({ code, remote, secure, result, failures });
    } catch {
      // A log that fails must not decide who is served.
    }
  }
}

const noNames: readonly string[] = [];

const counted = ["maxAttempts", "maxCommands", "loginTimeoutMs", "idleTimeoutMs"] as const;

/** A line that was too long can be answered; after everything else there is nothing left to read. */
function readable(error: unknown): SASLFailure {
  if (isSASLError(error) && error.code === "limit-exceeded") return error as SASLFailure;
  throw error;
}
