/**
 * One exchange at the server, and the context its half sees. Whatever others compute for it (stores, verifiers, hooks)
 * may answer at once or later, badly, or never; it harms this exchange alone.
 *
 * @module
 */
import type { Account, AccountProperties, PropertyName, ScramVerifier, TokenVerdict } from "./accounts.js";
import type { ChannelBinding } from "./channel-binding.js";
import { Cutoff } from "./cutoff.js";
import { isSASLError, SASLFailure, saslError } from "./errors.js";
import type { SASLReply } from "./interface.js";
import { BaseContext } from "./internal/context.js";
import {
  type ExternalIdentity,
  type Heard,
  type Mechanism,
  noProperties,
  type ServerContext,
  type ServerConversation,
  type ServerOutcome,
} from "./mechanism.js";
import { passwordMatches, verifierFor } from "./passwords.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";
import type { SASLServer, ServerConnection } from "./server.js";
import type { ServerResult } from "./session.js";

const empty = /* @__PURE__ */ new Uint8Array(0);

/** Made when a mechanism is named, dropped when its exchange is over. */
export class ServerExchange extends BaseContext implements ServerContext {
  readonly #server: SASLServer;
  readonly #connection: ServerConnection;
  readonly #half: ServerConversation;
  readonly #deadline: number;
  #steps = 0;
  /** True once the final data went out as a challenge, to which only an empty answer may come. */
  #finished = false;
  #account: Account | undefined;
  authcid: string | undefined;
  channelBindingUsed: string | undefined;
  noted: string | undefined;
  result: ServerResult | undefined;
  #cutoff: Cutoff | undefined;

  constructor(server: SASLServer, connection: ServerConnection, mechanism: Mechanism) {
    super(mechanism, server.options(), server.limits);
    this.#server = server;
    this.#connection = connection;
    this.#deadline = server.limits.timeoutMs > 0 ? Date.now() + server.limits.timeoutMs : Number.POSITIVE_INFINITY;
    this.#half = (mechanism.server as NonNullable<Mechanism["server"]>)(this);
  }

  get offered(): readonly string[] {
    return this.#server.mechanisms(this.#connection);
  }
  get channelBinding(): ChannelBinding | undefined {
    const binding = this.#connection.channelBinding;
    if (binding === undefined || this.#server.options().policy?.channelBinding === "disable") return undefined;
    return { types: binding.types, data: (type) => this.#answer(binding.data(type)) };
  }
  get requireChannelBinding(): boolean {
    return this.#server.options().policy?.channelBinding === "require";
  }
  get external(): ExternalIdentity | undefined {
    return this.#connection.external;
  }
  get anonymous(): string | undefined {
    return this.#server.options().anonymous;
  }

  async begin(payload: Heard): Promise<SASLReply> {
    const { flow } = this.mechanism;
    if (flow === "server-first" && payload !== undefined) {
      throw new SASLFailure("unexpected-message", "this mechanism takes no initial response"); // RFC 4422 §5 item 2a
    }
    const turn = await this.#half.next();
    if (turn.done || turn.value !== undefined) return this.#reply(turn);
    if (payload === undefined && flow === "client-first") return { state: "challenge", payload: empty };
    this.#steps++;
    return this.#reply(await this.#half.next(payload));
  }

  async go(payload: Heard): Promise<SASLReply> {
    if (++this.#steps > this.limits.maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
    if (Date.now() > this.#deadline) throw new SASLFailure("timed-out", "the client took too long");
    if (this.#finished) {
      if (payload?.length) throw new SASLFailure("unexpected-message", "an answer to data that only success follows");
      return { state: "success" };
    }
    return this.#reply(await this.#half.next(payload));
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

  /** Who this is and whom it may act as (RFC 4422 §3.4.1). */
  #admit(outcome: ServerOutcome): MaybePromise<ServerResult> {
    if (this.requireChannelBinding && this.channelBindingUsed === undefined) {
      throw new SASLFailure("mechanism-too-weak", "the exchange was not bound to the channel"); // R-GEN-26
    }
    const known = outcome.authcid === this.#account?.name || outcome.authcid === this.anonymous;
    const authcid = known ? outcome.authcid : this.#canonical(outcome.authcid, "authcid");
    return chain(authcid, (name) => {
      if (name === this.#account?.name && this.#account.properties.disabled === true) {
        throw saslError("account-disabled", "the account is disabled");
      }
      return outcome.authzid ? this.#actAs(name, outcome.authzid, outcome.mayActAs) : this.#result(name, name); // R-GEN-18
    });
  }

  async #actAs(authcid: string, asked: string, names: readonly string[] | undefined): Promise<ServerResult> {
    const authzid = await this.#canonical(asked, "authzid");
    if (authzid !== authcid) {
      if (!(await this.#mayAct(authcid, authzid, names))) {
        throw saslError("authorization-refused", "not allowed to act as that identity");
      }
      const { disabled } = await this.#lookup(authzid, []);
      if (disabled) throw saslError("account-disabled", "the account to act as is disabled");
    }
    return this.#result(authcid, authzid);
  }

  #result(authcid: string, authzid: string): ServerResult {
    return { mechanism: this.mechanism.name, authcid, authzid, channelBinding: this.channelBindingUsed };
  }

  async #mayAct(authcid: string, authzid: string, names: readonly string[] | undefined): Promise<boolean> {
    for (const name of names ?? []) {
      if ((await this.#canonical(name, "authzid")) === authzid) return true;
    }
    const { authorize } = this.#server.options();
    const { remote } = this.#connection;
    if (authorize === undefined) return false;
    return (await this.#answer(authorize({ authcid, authzid, mechanism: this.mechanism.name, remote }))) === true;
  }

  #canonical(name: string, role: "authcid" | "authzid"): MaybePromise<string> {
    this.#checkName(name);
    const { canonicalize } = this.#server.options();
    const prepared = this.prepare(name, "query");
    const canonical = canonicalize
      ? chain(prepared, (text) => this.#answer(canonicalize(text, role, this.#connection)))
      : prepared;
    return chain(canonical, (text) => {
      this.#checkName(text);
      if (text === "") throw new SASLFailure("malformed-message", "an identity is empty"); // R-CAN-03
      return text;
    });
  }

  /** A hook or a token verifier without types may answer with anything; `undefined` is nobody's name. */
  #checkName(name: unknown): void {
    if (typeof name !== "string") throw new TypeError("an identity is no text");
    this.checkIdentity(name);
  }

  identify(name: string, requests: readonly PropertyName[]): MaybePromise<Account> {
    this.#checkName(name);
    return chain(this.#canonical(name, "authcid"), (canonical) => {
      this.authcid = canonical;
      return chain(this.#lookup(canonical, requests), (properties) => {
        this.#account = { name: canonical, properties };
        return this.#account;
      });
    });
  }

  #lookup(name: string, requests: readonly PropertyName[]): MaybePromise<AccountProperties> {
    const { accounts } = this.#server.options();
    return this.#dependable("accounts cannot be looked up at present", () =>
      chain(this.#answer(accounts.lookup(name, requests)), (found) => this.#sound(found)),
    );
  }

  /** What a store without types might answer with; what nobody can be asked to understand is a fault (R-STO-04). */
  #sound(found: AccountProperties | null | undefined): AccountProperties {
    if (found === undefined || found === null) {
      this.note("unknown user");
      return noProperties;
    }
    if (typeof found !== "object") throw new TypeError("an account that is no object");
    const { userPassword, authPassword, disabled } = found;
    if (userPassword !== undefined && (typeof userPassword !== "string" || userPassword === "")) {
      throw new TypeError("a stored password that is empty or no text");
    }
    if (authPassword !== undefined && !Array.isArray(authPassword)) throw new TypeError("verifiers that are no list");
    if (disabled !== undefined && typeof disabled !== "boolean")
      throw new TypeError("disabled is neither true nor false");
    return found;
  }

  /** A store or verifier that cannot answer fails the exchange as temporary; it never says "unknown user" (R-STO-04). */
  #dependable<T>(message: string, ask: () => MaybePromise<T>): MaybePromise<T> {
    const fault = (error: unknown): never => {
      throw isSASLError(error) && error.code === "aborted" ? error : unable(message, error);
    };
    try {
      const answer = ask();
      return answer instanceof Promise ? answer.catch(fault) : answer;
    } catch (error) {
      return fault(error);
    }
  }

  checkPassword(account: Account, password: string): MaybePromise<boolean> {
    return passwordMatches(this, this.#server.habits, account, password);
  }

  scramVerifier(account: Account, digest: Digest): MaybePromise<ScramVerifier> {
    return verifierFor(this, this.#server.habits, account, digest);
  }

  verifyToken(token: string, username: string | undefined): MaybePromise<TokenVerdict> {
    const { tokens } = this.#server.options();
    if (tokens === undefined) return { ok: false, status: "invalid_token", detail: "no token verifier is configured" };
    const request = { mechanism: this.mechanism.name, username };
    return this.#dependable("tokens cannot be judged at present", () => this.#answer(tokens(token, request)));
  }

  /** What is prepared as stored comes out of a store here: that it cannot be is no fault of the peer (R-STO-04). */
  override prepare(text: string, usage: "stored" | "query"): MaybePromise<string> {
    const prepare = () => this.#answer(super.prepare(text, usage));
    return usage === "query" ? prepare() : this.#dependable("a stored password cannot be prepared", prepare);
  }

  override pbkdf2(
    ...derivation: [digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number]
  ): Promise<Uint8Array> {
    return this.#answer(super.pbkdf2(...derivation)) as Promise<Uint8Array>; // R-SCRAM-29
  }

  /** Waits for what others compute, as long as the exchange may last and the peer is still there. */
  #answer<T>(given: MaybePromise<T>): MaybePromise<T> {
    if (typeof (given as Partial<Promise<T>> | null | undefined)?.then !== "function") return given;
    const left = Math.max(1, this.#deadline - Date.now());
    this.#cutoff = new Cutoff(undefined, Number.isFinite(left) ? left : 0);
    return this.#race(this.#cutoff, given as Promise<T>);
  }

  async #race<T>(cutoff: Cutoff, answer: Promise<T>): Promise<T> {
    try {
      return await cutoff.race(answer);
    } catch (error) {
      if (error !== cutoff.reason || (error as SASLFailure).code !== "timed-out") throw error;
      const detail = "no answer within the time an exchange may take";
      throw new SASLFailure("temporary", "authentication is not possible at present", { cause: error, detail });
    } finally {
      cutoff.dispose();
    }
  }

  bound(type: string): void {
    this.channelBindingUsed = type;
  }

  note(detail: string): void {
    this.noted = detail;
  }

  /** Lets the half clean up; it is never resumed again. */
  drop(): void {
    this.#cutoff?.cut("aborted", "the exchange was aborted");
    void this.#half.return(undefined as never).catch(() => {});
  }
}

/** Goes on with a value that is there or is to come; without a promise where none is needed. */
function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The failure for a fault on our side: try again later; the log learns why. */
export function unable(message: string, cause: unknown): SASLFailure {
  const detail = cause instanceof Error ? `${cause.name}: ${cause.message}` : undefined;
  return new SASLFailure("temporary", message, { cause, detail });
}
