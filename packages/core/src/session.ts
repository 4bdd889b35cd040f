/**
 * One peer's exchange at the server, as a {@link SASLInterface}: initiate, respond and abort are what the peer said,
 * the reply is what to say back. Source: RFC 4422 §3, §5.
 *
 * @module
 */
import { isSASLError, type SASLError, SASLFailure, saslError } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { type Heard, isMechanismName, type Mechanism } from "./mechanism.js";
import type { SASLServer, ServerConnection, ServerEvent } from "./server.js";
import { ServerExchange, unable } from "./server-exchange.js";

/** Who is at the other end, once it is known. */
export interface ServerResult {
  readonly mechanism: string;
  /** Canonical. */
  readonly authcid: string;
  /** Canonical; whom to act as, equal to `authcid` unless somebody else was asked for and allowed. */
  readonly authzid: string;
  readonly channelBinding: string | undefined;
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
  #turn: object | undefined;
  #result: ServerResult | undefined;

  /** @internal */
  constructor(server: SASLServer, connection: ServerConnection) {
    this.#server = server;
    this.#connection = connection;
  }

  get secure(): boolean {
    return this.#connection.secure;
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

  /** The peer gave up, or the connection is gone. */
  async abort(): Promise<SASLReply> {
    this.#over(new SASLFailure("aborted", "the client gave up"));
    this.#turn = undefined;
    return { state: "failure" };
  }

  async #step(payload: Heard, mechanism?: string): Promise<SASLReply> {
    if (this.#result) throw new SASLFailure("unexpected-message", "already authenticated");
    if (this.#turn) throw new SASLFailure("unexpected-message", "a message before the last one was answered");
    const turn = {};
    this.#turn = turn;
    try {
      if (payload && payload.length > this.#server.limits.maxMessageBytes) {
        throw new SASLFailure("limit-exceeded", `a message of ${payload.length} octets is over the limit`);
      }
      const reply = await (mechanism === undefined
        ? this.#goOn(payload as Uint8Array)
        : this.#begin(mechanism, payload));
      if (this.#turn !== turn) throw new SASLFailure("aborted", "the exchange was aborted");
      if (reply.state === "success") this.#succeed();
      return reply;
    } catch (error) {
      const failure = isSASLError(error) ? error : unable("authentication is not possible at present", error);
      if (this.#turn === turn) await this.#slowDown(this.#over(failure, mechanism));
      throw failure;
    } finally {
      if (this.#turn === turn) this.#turn = undefined;
    }
  }

  #begin(name: string, payload: Heard): Promise<SASLReply> {
    if (this.#exchange) throw new SASLFailure("unexpected-message", "an exchange is already going on");
    const chosen = this.#server.choose(name, this.#connection);
    if (typeof chosen === "string") throw notOffered(chosen);
    this.#exchange = new ServerExchange(this.#server, this.#connection, chosen);
    return this.#exchange.begin(payload);
  }

  #goOn(payload: Uint8Array): Promise<SASLReply> {
    if (!this.#exchange) throw new SASLFailure("unexpected-message", "no exchange is going on");
    return this.#exchange.go(payload);
  }

  #succeed(): void {
    this.#result = (this.#exchange as ServerExchange).result;
    this.#exchange = undefined;
    const { mechanism, authcid, authzid, channelBinding } = this.#result as ServerResult;
    this.#tell({ mechanism, authcid, authzid, channelBinding });
  }

  #over(failure: SASLError, mechanism?: string): ServerEvent | undefined {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined && mechanism === undefined) return undefined;
    exchange?.drop();
    const { authcid, channelBindingUsed: channelBinding, noted } = exchange ?? {};
    const asked = mechanism !== undefined && isMechanismName(mechanism) ? mechanism : "";
    const detail = failure.detail ?? noted ?? failure.message;
    return this.#tell({
      mechanism: exchange?.mechanism.name ?? asked,
      authcid,
      channelBinding,
      code: failure.code,
      detail,
    });
  }

  #tell(
    found: Pick<ServerEvent, "mechanism" | "authcid" | "channelBinding"> & Partial<ServerEvent>,
  ): ServerEvent | undefined {
    const { onOutcome, slowDown, service } = this.#server.options();
    if (onOutcome === undefined && slowDown === undefined) return undefined;
    const { code, detail, authzid } = found;
    const { remote } = this.#connection;
    const event: ServerEvent = { service, ...found, ok: code === undefined, authzid, remote, code, detail };
    try {
      onOutcome?.(event);
    } catch {
      // A log that fails must not decide who gets in.
    }
    return event;
  }

  /** Keeps the peer waiting for its refusal; a rule that fails lets it go at once. */
  async #slowDown(event: ServerEvent | undefined): Promise<void> {
    try {
      await (event && this.#server.options().slowDown?.(event));
    } catch {
      // The failure stands, late or not.
    }
  }
}

function notOffered(code: Exclude<ReturnType<SASLServer["choose"]>, Mechanism>): SASLError {
  return saslError(code, "this mechanism is not offered on this connection");
}
