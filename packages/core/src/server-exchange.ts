/**
 * One exchange at the server, and the context its half sees.
 *
 * @module
 */
import type { Account, AccountProperties, ScramVerifier, TokenVerdict } from "./accounts.js";
import type { ChannelBinding } from "./channel-binding.js";
import { SASLFailure, saslError } from "./errors.js";
import { Identity } from "./identity.js";
import type { SASLReply } from "./interface.js";
import type { Announced } from "./internal/announced.js";
import { BaseContext } from "./internal/context.js";
import type { LayerBounds } from "./layer.js";
import type {
  ExternalIdentity,
  Heard,
  Mechanism,
  ServerContext,
  ServerConversation,
  ServerOutcome,
} from "./mechanism.js";
import { chain, Patience } from "./patience.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";
import { channelOf, type SASLServer, type ServerConnection } from "./server.js";
import type { ServerResult } from "./session.js";
import { layerBounds } from "./strength.js";

const empty = /* @__PURE__ */ new Uint8Array(0);

/**
 * Least that fits into a frame to a client, in octets. A frame costs as much as some hundred octets of text do, so that a
 * client that asks for smaller ones could keep the server busy for seconds with a message of ordinary length (R-LIM-02).
 */
const leastOutput = 256;

/** Made when a mechanism is named, dropped when its exchange is over. */
export class ServerExchange extends BaseContext implements ServerContext {
  declare readonly mechanism: Mechanism;
  readonly #server: SASLServer;
  readonly #connection: ServerConnection;
  readonly #half: ServerConversation;
  readonly #patience: Patience;
  readonly #identity: Identity;
  #steps = 0;
  /** True once the final data went out as a challenge, to which only an empty answer may come. */
  #finished = false;
  channelBindingUsed: string | undefined;
  noted: string | undefined;
  /** True once the peer may know whether its credentials are right. */
  judged = false;
  result: ServerResult | undefined;

  constructor(server: SASLServer, connection: ServerConnection, mechanism: Mechanism) {
    super(mechanism, server.options(), server.limits, connection.host);
    this.#server = server;
    this.#connection = connection;
    this.#patience = new Patience(server.watch, server.limits.timeoutMs);
    this.#identity = new Identity(server, connection, this, this.#patience);
    this.#half = (mechanism.server as NonNullable<Mechanism["server"]>)(this);
  }

  get offered(): readonly string[] {
    return this.#server.mechanisms(this.#connection);
  }
  get channelBinding(): ChannelBinding | undefined {
    const binding = this.#connection.channelBinding;
    if (binding === undefined || this.#server.policy(this.#connection).channelBinding === "disable") return undefined;
    return { types: binding.types, data: (type) => this.#patience.answer(binding.data(type)) };
  }
  get announced(): Announced | undefined {
    return this.#connection.announced;
  }
  get tlsVersion(): string | undefined {
    return this.#connection.secure ? this.#connection.tlsVersion : undefined;
  }
  get requireChannelBinding(): boolean {
    return this.#server.policy(this.#connection).channelBinding === "require";
  }
  get secure(): boolean {
    return this.#connection.secure;
  }
  get protection(): LayerBounds {
    const connection = this.#connection;
    return layerBounds(this.#server.policy(connection), channelOf(connection), this.limits.maxLayerBytes);
  }
  get external(): ExternalIdentity | undefined {
    return this.#connection.external;
  }
  get anonymous(): string | undefined {
    return this.#server.options().anonymous;
  }
  /** The canonical name, as far as the exchange got. */
  get authcid(): string | undefined {
    return this.#identity.authcid;
  }

  async begin(payload: Heard): Promise<SASLReply> {
    const { flow } = this.mechanism;
    if (flow === "server-first" && payload !== undefined) {
      throw new SASLFailure("unexpected-message", "this mechanism takes no initial response"); // RFC 4422 §5 item 2a
    }
    const turn = await this.#patience.turn(this.#half.next());
    if (turn.done || turn.value !== undefined) return this.#reply(turn);
    if (payload === undefined && flow === "client-first") return { state: "challenge", payload: empty };
    this.#steps++;
    return this.#reply(await this.#patience.turn(this.#half.next(payload)));
  }

  async go(payload: Heard): Promise<SASLReply> {
    if (++this.#steps > this.limits.maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
    if (this.#patience.expired) throw new SASLFailure("timed-out", "the client took too long");
    if (this.#finished) {
      if (payload?.length) throw new SASLFailure("unexpected-message", "an answer to data that only success follows");
      return { state: "success" };
    }
    return this.#reply(await this.#patience.turn(this.#half.next(payload)));
  }

  #reply(turn: IteratorResult<Heard, ServerOutcome>): MaybePromise<SASLReply> {
    if (turn.done) return chain(this.#admit(turn.value), (result) => this.#succeed(result, turn.value.data));
    if (turn.value === undefined) throw new TypeError(`${this.mechanism.name} listens twice in a row`);
    return { state: "challenge", payload: turn.value };
  }

  #succeed(result: ServerResult, data: Heard): SASLReply {
    this.result = result;
    if (data === undefined || this.#connection.successData) return { state: "success", payload: data };
    this.#finished = true; // RFC 4422 §5 item 2b: no field for it in this protocol
    return { state: "challenge", payload: data };
  }

  /** The mechanism is done: whether policy is satisfied, and by whom (RFC 4422 §3.4.1). */
  #admit(outcome: ServerOutcome): MaybePromise<ServerResult> {
    this.#patience.check();
    if (this.requireChannelBinding && this.channelBindingUsed === undefined) {
      throw new SASLFailure("mechanism-too-weak", "the exchange was not bound to the channel"); // R-GEN-26
    }
    // Once more, whether policy still wants this mechanism on the connection as it is now (R-GEN-26).
    const now = this.#server.choose(this.mechanism.name, this.#connection);
    if (typeof now === "string") throw saslError(now, "this mechanism is not offered on this connection any more");
    const { minSsf, maxSsf } = this.protection;
    const ssf = outcome.layer?.ssf ?? 0;
    if (!(ssf >= minSsf)) throw new SASLFailure("mechanism-too-weak", "no sufficient security layer was agreed on");
    if (ssf > maxSsf) throw new TypeError(`${this.mechanism.name} agreed to a layer that may not be`);
    if (outcome.layer && outcome.layer.maxOutput < leastOutput) {
      throw new SASLFailure("limit-exceeded", "the client takes buffers that are too short");
    }
    const extend = (ms: number) => this.#patience.extend(ms);
    return chain(this.#identity.admit(outcome, this.channelBindingUsed), (result) =>
      chain(this.#patience.answer(this.#connection.admit?.(result, outcome.data, extend)), () => result),
    );
  }

  identify(name: string, authzid?: string): MaybePromise<Account> {
    return this.#identity.identify(name, authzid);
  }
  update(account: Account, changes: AccountProperties, expected: AccountProperties): MaybePromise<boolean> {
    return this.#identity.update(account, changes, expected);
  }
  checkPassword(account: Account, password: string): MaybePromise<boolean> {
    return this.#identity.checkPassword(account, password);
  }
  scramVerifier(account: Account, digest: Digest): MaybePromise<ScramVerifier> {
    return this.#identity.scramVerifier(account, digest);
  }

  decoy(account: Account, purpose: string): MaybePromise<Uint8Array> {
    return this.#server.habits.decoy(account.name, purpose);
  }
  claim(account: Account): boolean {
    const key = `${this.mechanism.name} ${this.#identity.own(account).name}`;
    const { claims } = this.#server;
    if (!claims.take(key, this)) return false;
    this.ended(() => claims.release(key, this));
    return true;
  }

  verifyToken(token: string, username: string | undefined): MaybePromise<TokenVerdict> {
    const { tokens } = this.#server.options();
    if (tokens === undefined) return { ok: false, status: "invalid_token", detail: "no token verifier is configured" };
    const request = { mechanism: this.mechanism.name, username };
    return this.#patience.ask("tokens cannot be judged at present", () => tokens(token, request));
  }

  /** What is prepared as stored comes out of a store here: that it cannot be is no fault of the peer (R-STO-04). */
  override prepare(text: string, usage: "stored" | "query", what?: "name" | "password"): MaybePromise<string> {
    const prepare = () => super.prepare(text, usage, what);
    return usage === "query"
      ? this.#patience.answer(prepare())
      : this.#patience.ask("a stored password cannot be prepared", prepare);
  }

  override pbkdf2(
    ...derivation: [digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number]
  ): Promise<Uint8Array> {
    return this.#patience.answer(super.pbkdf2(...derivation)) as Promise<Uint8Array>; // R-SCRAM-29
  }

  bound(type: string): void {
    this.channelBindingUsed = type;
  }

  verdictFollows(): void {
    this.judged = true;
  }

  note(detail: string): void {
    this.noted = detail;
  }

  /** Lets the half clean up. It is not resumed again, and what it still does on its own gets no answers. */
  drop(): void {
    this.#patience.end();
    this.#identity.forget();
    try {
      void this.#half.return(undefined as never).catch(() => {});
    } catch {
      // A plug-in without types may have given something that is no generator: it holds nothing.
    }
    this.end([false]);
  }

  /** Success was told: what is left to do needs nobody to wait for it. */
  finish(): void {
    this.end([true]);
    if (!this.#identity.mayLack) return;
    const { onFault } = this.#server.options();
    // A log that fails, now or later, harms nobody.
    this.#identity
      .transition()
      .catch(async (error: unknown) => onFault?.(error))
      .catch(() => {});
  }
}
