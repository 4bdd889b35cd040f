/**
 * One peer's exchange at the server, as a {@link SASLInterface}: initiate, respond and abort are what the peer said,
 * the reply is what to say back. Source: RFC 4422 §3, §5.
 *
 * @module
 */
import { Cutoff } from "./cutoff.js";
import { isSASLError, type SASLError, type SASLErrorCode, SASLFailure, saslError } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import type { SecurityLayer } from "./layer.js";
import { type Heard, isMechanismName, type Mechanism } from "./mechanism.js";
import { unable } from "./patience.js";
import type { SASLServer, ServerConnection, ServerEvent } from "./server.js";
import { ServerExchange } from "./server-exchange.js";
import type { Throttle } from "./throttle.js";

/** Who is at the other end, once it is known. */
export interface ServerResult {
  readonly mechanism: string;
  /** Canonical. */
  readonly authcid: string;
  /** Canonical; whom to act as, equal to `authcid` unless somebody else was asked for and allowed. */
  readonly authzid: string;
  readonly channelBinding: string | undefined;
  /** The security layer that protects what follows the success; who owns the connection puts it there. */
  readonly layer: SecurityLayer | undefined;
  /** Which of the account's credentials it was, where the mechanism tells several apart: the id of a token. */
  readonly credential?: string | undefined;
  /**
   * Of the account of `authzid`, the properties that `ServerOptions.properties` names, as far as it has them; without a
   * prototype. No other property ever leaves the exchange (R-CAN-04).
   */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** One call at work, and what it waits for besides the exchange itself. */
interface Turn {
  waits: Cutoff | undefined;
}

/** What a throttle knows an attempt by. */
interface Attempt {
  /** As the peer wrote it. */
  readonly mechanism: string;
}

/**
 * Made by `SASLServer.session()`. Exchanges follow each other until one succeeds; after that every call fails
 * (RFC 6120 §6.4.6 and RFC 4954 §4 allow no second one). Errors carry in `code` what a binding may tell the peer, and
 * in `detail` what only the log may know.
 */
export class SASLServerSession implements SASLInterface {
  readonly #server: SASLServer;
  readonly #connection: ServerConnection;
  #exchange: ServerExchange | undefined;
  /** The step at work; another one, or none, once the peer has given up on it. */
  #turn: Turn | undefined;
  /** The attempt that the throttle was asked about and has not been told the end of. */
  #attempt: Attempt | undefined;
  #result: ServerResult | undefined;

  /** @internal */
  constructor(server: SASLServer, connection: ServerConnection) {
    this.#server = server;
    this.#connection = connection;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  get layers(): boolean {
    return this.#connection.layers === true;
  }

  /** Set from the moment `success` was replied. */
  get result(): ServerResult | undefined {
    return this.#result;
  }

  /** True while the peer owes an answer. */
  get pending(): boolean {
    return this.#exchange !== undefined;
  }

  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    return this.#step(payload, mechanism);
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#step(payload);
  }

  /**
   * The peer gave up, or the connection is gone.
   *
   * @param reason for the log, where a binding knows more than that.
   */
  async abort(reason: SASLFailure = new SASLFailure("aborted", "the client gave up")): Promise<SASLReply> {
    const event = this.#over(reason, this.#attempt?.mechanism);
    if (event) void this.#leave(event);
    this.#turn?.waits?.cut("aborted", "the exchange was aborted");
    this.#turn = undefined;
    return { state: "failure" };
  }

  /**
   * A binding turned an attempt down before a mechanism began, such as one whose arguments it could not read: for the log.
   * Nothing is counted, and nothing is told of an attempt that has begun.
   *
   * @param mechanism as the peer wrote it; what is no mechanism name is left out of the log.
   */
  refuse(mechanism: string, reason: SASLFailure): void {
    if (!this.#result && !this.#turn && !this.#exchange) this.#over(reason, mechanism);
  }

  async #step(payload: Heard, mechanism?: string): Promise<SASLReply> {
    if (this.#result) throw new SASLFailure("unexpected-message", "already authenticated");
    if (this.#turn) throw new SASLFailure("unexpected-message", "a message before the last one was answered");
    const turn: Turn = { waits: undefined };
    this.#turn = turn;
    try {
      if (payload && payload.length > this.#server.limits.maxMessageBytes) {
        throw new SASLFailure("limit-exceeded", `a message of ${payload.length} octets is over the limit`);
      }
      const reply = await (mechanism === undefined
        ? this.#goOn(payload as Uint8Array)
        : this.#begin(mechanism, payload, turn));
      if (this.#turn !== turn) throw new SASLFailure("aborted", "the exchange was aborted");
      if (reply.state === "success") this.#succeed();
      return reply;
    } catch (error) {
      const failure = isSASLError(error) ? error : unable("authentication is not possible at present", error);
      if (this.#turn === turn) {
        const event = this.#over(failure, mechanism);
        const told = event && this.#leave(event);
        if (told) await this.#wait(turn, told).catch(() => {}); // the peer is gone, and hears nothing anyway
      }
      throw failure;
    } finally {
      if (this.#turn === turn) this.#turn = undefined;
    }
  }

  #begin(name: string, payload: Heard, turn: Turn): Promise<SASLReply> {
    if (this.#exchange) throw new SASLFailure("unexpected-message", "an exchange is already going on");
    const chosen = this.#server.choose(name, this.#connection);
    if (typeof chosen === "string") throw notOffered(chosen);
    const begin = () => {
      if (this.#turn !== turn) throw new SASLFailure("aborted", "the exchange was aborted");
      this.#exchange = new ServerExchange(this.#server, this.#connection, chosen);
      return this.#exchange.begin(payload);
    };
    const { throttle } = this.#server.options();
    return throttle ? this.#admit(turn, throttle, { mechanism: name }).then(begin) : begin();
  }

  /** Waits as the throttle says; one that fails lets everybody go, unless it says that a limit is reached. */
  async #admit(turn: Turn, throttle: Throttle, attempt: Attempt): Promise<void> {
    this.#attempt = attempt;
    try {
      await this.#wait(turn, (async () => throttle.begin(this.#connection.remote, attempt))());
    } catch (error) {
      if (!isSASLError(error) || error.code !== "limit-exceeded") return;
      if (this.#attempt === attempt) this.#attempt = undefined;
      throw error;
    }
  }

  /** Tells the throttle how the attempt ended that it let begin, if there is one. */
  #leave(event: ServerEvent): Promise<void> | undefined {
    const { throttle } = this.#server.options();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (throttle === undefined || attempt === undefined) return undefined;
    return (async () => throttle.ended(event, attempt))().catch(() => {});
  }

  /** Waits as long as the peer is there. */
  #wait(turn: Turn, work: Promise<void>): Promise<void> {
    const waits = new Cutoff(undefined, this.#server.limits.timeoutMs);
    turn.waits = waits;
    return waits.race(work).finally(() => waits.dispose());
  }

  #goOn(payload: Uint8Array): Promise<SASLReply> {
    if (!this.#exchange) throw new SASLFailure("unexpected-message", "no exchange is going on");
    return this.#exchange.go(payload);
  }

  #succeed(): void {
    const exchange = this.#exchange as ServerExchange;
    const { result, noted: detail } = exchange;
    this.#result = result;
    this.#exchange = undefined;
    exchange.finish();
    if (this.#server.options().onOutcome === undefined && this.#attempt === undefined) return;
    const { mechanism, authcid, authzid, channelBinding, layer } = result as ServerResult;
    void this.#leave(this.#tell({ mechanism, authcid, authzid, channelBinding, ssf: layer?.ssf, detail }));
  }

  #over(failure: SASLError, mechanism?: string): ServerEvent | undefined {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined && mechanism === undefined) return undefined;
    exchange?.drop();
    const { authcid, channelBindingUsed: channelBinding, noted } = exchange ?? {};
    const asked = mechanism !== undefined && isMechanismName(mechanism) ? mechanism : "";
    const detail = failure.detail ?? noted ?? failure.message;
    const code = exchange?.judged && unfinished.includes(failure.code) ? "refused" : failure.code;
    return this.#tell({ mechanism: exchange?.mechanism.name ?? asked, authcid, channelBinding, code, detail });
  }

  #tell(
    found: Partial<ServerEvent> & Pick<ServerEvent, "mechanism" | "authcid" | "channelBinding" | "detail">,
  ): ServerEvent {
    const { onOutcome, service } = this.#server.options();
    const { mechanism, authcid, authzid, channelBinding, ssf, code, detail } = found;
    const { remote } = this.#connection;
    const ok = code === undefined;
    // Name by name: to spread an object here took a quarter of a login.
    const event: ServerEvent = { service, mechanism, ok, authcid, authzid, channelBinding, ssf, remote, code, detail };
    try {
      // A log that fails, now or later, must not decide who gets in.
      if (onOutcome) Promise.resolve(onOutcome(event) as unknown).catch(() => {});
    } catch {}
    return event;
  }
}

/** How a peer can leave an exchange unfinished. */
const unfinished: readonly SASLErrorCode[] = [
  "aborted",
  "connection-lost",
  "timed-out",
  "malformed-message",
  "unexpected-message",
  "incorrect-encoding",
  "limit-exceeded",
];

function notOffered(code: Exclude<ReturnType<SASLServer["choose"]>, Mechanism>): SASLError {
  return saslError(code, "this mechanism is not offered on this connection");
}
