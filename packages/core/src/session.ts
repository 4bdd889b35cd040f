/**
 * One peer's exchange at the server, as a {@link SASLInterface}: initiate, respond and abort are what the peer said,
 * the reply is what to say back. Source: RFC 4422 §3, §5.
 *
 * @module
 */
import type { Account, AccountProperties, PropertyName, ScramVerifier, TokenVerdict } from "./accounts.js";
import type { ChannelBinding } from "./channel-binding.js";
import { Cutoff } from "./cutoff.js";
import { isSASLError, type SASLError, SASLFailure, saslError } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { BaseContext } from "./internal/context.js";
import type {
  ExternalIdentity,
  Heard,
  Mechanism,
  ServerContext,
  ServerConversation,
  ServerOutcome,
} from "./mechanism.js";
import { isMechanismName, noProperties } from "./mechanism.js";
import { passwordMatches, verifierFor } from "./passwords.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";
import type { SASLServer, ServerConnection } from "./server.js";

/** Who is at the other end, once it is known. */
export interface ServerResult {
  readonly mechanism: string;
  /** Canonical. */
  readonly authcid: string;
  /** Canonical; whom to act as, equal to `authcid` unless somebody else was asked for and allowed. */
  readonly authzid: string;
  readonly channelBinding: string | undefined;
}

const empty = new Uint8Array(0);

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
    return this.#step(
      payload,
      () => {
        if (this.#exchange) throw new SASLFailure("unexpected-message", "an exchange is already going on");
        const chosen = this.#server.choose(mechanism, this.#connection);
        if (typeof chosen === "string") throw notOffered(chosen);
        this.#exchange = new ServerExchange(this.#server, this.#connection, chosen);
        return this.#exchange.begin(payload);
      },
      mechanism,
    );
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#step(payload, () => {
      if (!this.#exchange) throw new SASLFailure("unexpected-message", "no exchange is going on");
      return this.#exchange.go(payload);
    });
  }

  /** The peer gave up, or the connection is gone. */
  async abort(): Promise<SASLReply> {
    this.#over(new SASLFailure("aborted", "the client gave up"));
    this.#turn = undefined;
    return { state: "failure" };
  }

  async #step(payload: Heard, step: () => Promise<SASLReply>, mechanism?: string): Promise<SASLReply> {
    if (this.#result) throw new SASLFailure("unexpected-message", "already authenticated");
    if (this.#turn) throw new SASLFailure("unexpected-message", "a message before the last one was answered");
    const turn = {};
    this.#turn = turn;
    try {
      const { maxMessageBytes } = this.#server.limits;
      if (payload && payload.length > maxMessageBytes) {
        throw new SASLFailure("limit-exceeded", `a message of ${payload.length} octets is over the limit`);
      }
      const reply = await step();
      if (this.#turn !== turn) throw new SASLFailure("aborted", "the exchange was aborted");
      if (reply.state === "success") this.#succeed();
      return reply;
    } catch (error) {
      const failure = isSASLError(error)
        ? error
        : new SASLFailure("temporary", "authentication is not possible at present", {
            cause: error,
            detail: detailOf(error),
          });
      if (this.#turn === turn) this.#over(failure, mechanism);
      throw failure;
    } finally {
      if (this.#turn === turn) this.#turn = undefined;
    }
  }

  #succeed(): void {
    this.#result = (this.#exchange as ServerExchange).result;
    this.#exchange = undefined;
    const { mechanism, authcid, authzid, channelBinding } = this.#result as ServerResult;
    this.#tell({ mechanism, authcid, authzid, channelBinding });
  }

  #over(failure: SASLError, mechanism?: string): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined && mechanism === undefined) return;
    exchange?.drop();
    const { authcid, channelBindingUsed: channelBinding, noted } = exchange ?? {};
    const asked = mechanism !== undefined && isMechanismName(mechanism) ? mechanism : "";
    this.#tell({ mechanism: exchange?.mechanism.name ?? asked, authcid, channelBinding, failure, noted });
  }

  #tell(event: {
    mechanism: string;
    authcid: string | undefined;
    authzid?: string;
    channelBinding: string | undefined;
    failure?: SASLError;
    noted?: string | undefined;
  }): void {
    const { onOutcome, service } = this.#server.options;
    if (onOutcome === undefined) return;
    const { mechanism, authcid, authzid, channelBinding, failure, noted } = event;
    const detail = failure && (failure.detail ?? noted ?? failure.message);
    const { remote } = this.#connection;
    try {
      onOutcome({
        service,
        mechanism,
        ok: !failure,
        authcid,
        authzid,
        channelBinding,
        remote,
        code: failure?.code,
        detail,
      });
    } catch {
      // A log that fails must not decide who gets in.
    }
  }
}

/** One exchange, and the context its half sees. */
class ServerExchange extends BaseContext implements ServerContext {
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
    super(mechanism, server.options, server.limits);
    this.#server = server;
    this.#connection = connection;
    this.#deadline = server.limits.timeoutMs > 0 ? Date.now() + server.limits.timeoutMs : Number.POSITIVE_INFINITY;
    this.#half = (mechanism.server as NonNullable<Mechanism["server"]>)(this);
  }

  get offered(): readonly string[] {
    return this.#server.mechanisms(this.#connection);
  }
  get channelBinding(): ChannelBinding | undefined {
    return this.#server.options.policy?.channelBinding === "disable" ? undefined : this.#connection.channelBinding;
  }
  get requireChannelBinding(): boolean {
    return this.#server.options.policy?.channelBinding === "require";
  }
  get external(): ExternalIdentity | undefined {
    return this.#connection.external;
  }
  get anonymous(): string | undefined {
    return this.#server.options.anonymous;
  }

  async begin(payload: Heard): Promise<SASLReply> {
    const { flow } = this.mechanism;
    if (flow === "server-first" && payload !== undefined) {
      throw new SASLFailure("unexpected-message", "this mechanism takes no initial response"); // RFC 4422 §5 item 2a
    }
    const turn = await this.#half.next();
    if (turn.done || turn.value !== undefined) return await this.#say(turn);
    if (payload === undefined && flow === "client-first") return { state: "challenge", payload: empty };
    return await this.go(payload);
  }

  async go(payload: Heard): Promise<SASLReply> {
    if (++this.#steps > this.limits.maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
    if (Date.now() > this.#deadline) throw new SASLFailure("timed-out", "the client took too long");
    if (this.#finished) {
      if (payload?.length) throw new SASLFailure("unexpected-message", "an answer to data that only success follows");
      return { state: "success" };
    }
    return await this.#say(await this.#half.next(payload));
  }

  async #say(turn: IteratorResult<Heard, ServerOutcome>): Promise<SASLReply> {
    if (!turn.done) {
      if (turn.value === undefined) throw new TypeError(`${this.mechanism.name} listens twice in a row`);
      return { state: "challenge", payload: turn.value };
    }
    this.result = await this.#admit(turn.value);
    const { data } = turn.value;
    if (data === undefined || this.#connection.successData) return { state: "success", payload: data };
    this.#finished = true; // RFC 4422 §5 item 2b: no field for it in this protocol
    return { state: "challenge", payload: data };
  }

  /** Who this is and whom it may act as (RFC 4422 §3.4.1). */
  async #admit(outcome: ServerOutcome): Promise<ServerResult> {
    const { name: mechanism } = this.mechanism;
    if (this.requireChannelBinding && this.channelBindingUsed === undefined) {
      throw new SASLFailure("mechanism-too-weak", "the exchange was not bound to the channel"); // R-GEN-26
    }
    const account = this.#account;
    const authcid =
      account?.name === outcome.authcid || outcome.authcid === this.anonymous
        ? outcome.authcid
        : await this.#canonical(outcome.authcid, "authcid");
    if (account?.name === authcid && account.properties.disabled === true) {
      throw saslError("account-disabled", "the account is disabled");
    }
    const authzid = outcome.authzid ? await this.#canonical(outcome.authzid, "authzid") : authcid; // R-GEN-18
    if (authzid !== authcid && !(await this.#mayAct(authcid, authzid, outcome.mayActAs))) {
      throw saslError("authorization-refused", "not allowed to act as that identity");
    }
    return { mechanism, authcid, authzid, channelBinding: this.channelBindingUsed };
  }

  async #mayAct(authcid: string, authzid: string, names: readonly string[] | undefined): Promise<boolean> {
    for (const name of names ?? []) {
      if ((await this.#canonical(name, "authzid")) === authzid) return true;
    }
    const { authorize } = this.#server.options;
    const { remote } = this.#connection;
    if (authorize === undefined) return false;
    return (await this.#answer(authorize({ authcid, authzid, mechanism: this.mechanism.name, remote }))) === true;
  }

  async #canonical(name: string, role: "authcid" | "authzid"): Promise<string> {
    this.#checkName(name);
    const { canonicalize } = this.#server.options;
    const prepared = await this.prepare(name, "query");
    const canonical = canonicalize ? await this.#answer(canonicalize(prepared, role)) : prepared;
    this.#checkName(canonical);
    if (canonical === "") throw new SASLFailure("malformed-message", "an identity is empty"); // R-CAN-03
    return canonical;
  }

  /** A hook or a token verifier without types may answer with anything; `undefined` is nobody's name. */
  #checkName(name: unknown): void {
    if (typeof name !== "string") throw new TypeError("an identity is no text");
    this.checkIdentity(name);
  }

  async identify(name: string, requests: readonly PropertyName[]): Promise<Account> {
    this.checkIdentity(name); // before it can get into a log
    this.authcid = name;
    const canonical = await this.#canonical(name, "authcid");
    this.authcid = canonical;
    const properties = await this.#lookup(canonical, requests);
    this.#account = { name: canonical, properties };
    return this.#account;
  }

  async #lookup(name: string, requests: readonly PropertyName[]): Promise<AccountProperties> {
    const { accounts } = this.#server.options;
    try {
      const found = await this.#answer(accounts.lookup(name, [...requests, "disabled"]));
      if (found === undefined || found === null) {
        this.note("unknown user");
        return noProperties;
      }
      if (typeof found !== "object") throw new TypeError("an account that is no object");
      return found;
    } catch (error) {
      if (isSASLError(error) && error.code === "aborted") throw error;
      // R-STO-04: a store that cannot answer is never an unknown user.
      throw new SASLFailure("temporary", "accounts cannot be looked up at present", {
        cause: error,
        detail: detailOf(error),
      });
    }
  }

  checkPassword(account: Account, password: string): MaybePromise<boolean> {
    return passwordMatches(this, this.#server.habits, account, password);
  }

  scramVerifier(account: Account, digest: Digest): MaybePromise<ScramVerifier> {
    return verifierFor(this, this.#server.habits, account, digest);
  }

  async verifyToken(token: string, username: string | undefined): Promise<TokenVerdict> {
    const { tokens } = this.#server.options;
    if (tokens === undefined) return { ok: false, status: "invalid_token", detail: "no token verifier is configured" };
    try {
      return await this.#answer(tokens(token, { mechanism: this.mechanism.name, username }));
    } catch (error) {
      if (isSASLError(error)) throw error;
      throw new SASLFailure("temporary", "tokens cannot be judged at present", {
        cause: error,
        detail: detailOf(error),
      });
    }
  }

  override prepare(text: string, usage: "stored" | "query"): MaybePromise<string> {
    return usage === "stored" ? this.#prepareStored(text) : this.#answer(super.prepare(text, usage));
  }

  /** What is prepared as stored comes out of a store here: that it cannot be is no fault of the peer (R-STO-04). */
  async #prepareStored(text: string): Promise<string> {
    try {
      return await this.#answer(super.prepare(text, "stored"));
    } catch (error) {
      if (!isSASLError(error) || error.code === "aborted") throw error;
      const detail = "a stored password cannot be prepared";
      throw new SASLFailure("temporary", "accounts cannot be looked up at present", { cause: error, detail });
    }
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

function notOffered(code: Exclude<ReturnType<SASLServer["choose"]>, Mechanism>): SASLError {
  return saslError(code, "this mechanism is not offered on this connection");
}

function detailOf(error: unknown): string | undefined {
  return error instanceof Error ? `${error.name}: ${error.message}` : undefined;
}
