/**
 * One exchange at the server, and the context its half sees. Whatever others compute for it (stores, verifiers, hooks)
 * may answer at once or later, badly, or never; it harms this exchange alone.
 *
 * @module
 */
import {
  type Account,
  type AccountProperties,
  type AccountStore,
  makesHashes,
  type PropertyName,
  type ScramVerifier,
  type TokenVerdict,
} from "./accounts.js";
import { type CanonicalizeRole, canonicalName } from "./canonicalize.js";
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
import { usualIterations } from "./scram-habits.js";
import type { SASLServer, ServerConnection } from "./server.js";
import type { ServerResult } from "./session.js";
import { missingSecrets } from "./set-password.js";
import { soundAccount } from "./sound-account.js";

const empty = /* @__PURE__ */ new Uint8Array(0);

/** Made when a mechanism is named, dropped when its exchange is over. */
export class ServerExchange extends BaseContext implements ServerContext {
  declare readonly mechanism: Mechanism;
  readonly #server: SASLServer;
  readonly #connection: ServerConnection;
  readonly #half: ServerConversation;
  readonly #deadline: number;
  #steps = 0;
  /** True once the final data went out as a challenge, to which only an empty answer may come. */
  #finished = false;
  #account: Account | undefined;
  /** Kept until the exchange ends, and only where the account may lack something that is made from it. */
  #password: string | undefined;
  authcid: string | undefined;
  channelBindingUsed: string | undefined;
  noted: string | undefined;
  result: ServerResult | undefined;
  /** The half at work, which may never come back, and what it waits for. */
  #patience: Cutoff | undefined;
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
    const turn = await this.#turn();
    if (turn.done || turn.value !== undefined) return this.#reply(turn);
    if (payload === undefined && flow === "client-first") return { state: "challenge", payload: empty };
    this.#steps++;
    return this.#reply(await this.#turn(payload));
  }

  async go(payload: Heard): Promise<SASLReply> {
    if (++this.#steps > this.limits.maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
    if (Date.now() > this.#deadline) throw new SASLFailure("timed-out", "the client took too long");
    if (this.#finished) {
      if (payload?.length) throw new SASLFailure("unexpected-message", "an answer to data that only success follows");
      return { state: "success" };
    }
    return this.#reply(await this.#turn(payload));
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
    // Once more, whether policy still wants this mechanism on the connection as it is now (R-GEN-26).
    const now = this.#server.choose(this.mechanism.name, this.#connection);
    if (typeof now === "string") throw saslError(now, "this mechanism is not offered on this connection any more");
    this.#checkName(outcome.authcid);
    const known = outcome.authcid === this.#account?.name || outcome.authcid === this.anonymous;
    const authcid = known ? outcome.authcid : this.#canonical(outcome.authcid, "authcid");
    return chain(authcid, (name) => {
      const own = this.#account !== undefined && name === this.#account.name;
      const properties = own ? (this.#account as Account).properties : noProperties;
      if (properties.disabled === true) throw saslError("account-disabled", "the account is disabled");
      return outcome.authzid // R-GEN-18
        ? this.#actAs(name, properties, outcome.authzid, outcome.mayActAs)
        : this.#result(name, name, properties);
    });
  }

  async #actAs(
    authcid: string,
    properties: AccountProperties,
    asked: string,
    names: readonly string[] | undefined,
  ): Promise<ServerResult> {
    const authzid = await this.#canonical(asked, "authzid");
    if (authzid === authcid) return this.#result(authcid, authcid, properties);
    if (!(await this.#mayAct(authcid, authzid, properties, names))) {
      throw saslError("authorization-refused", "not allowed to act as that identity");
    }
    // Only now: who may not act as somebody does not cause a look at their account.
    const other = await this.#lookup(authzid, [...(this.#server.options().properties ?? []), "disabled"]);
    if (other.disabled) throw saslError("account-disabled", "the account to act as is disabled");
    return this.#result(authcid, authzid, other);
  }

  #result(authcid: string, authzid: string, properties: AccountProperties): ServerResult {
    const { name } = this.mechanism;
    return {
      mechanism: name,
      authcid,
      authzid,
      channelBinding: this.channelBindingUsed,
      properties: this.#wanted(properties),
    };
  }

  /** Of all that was looked up, what the application asked for by name (R-CAN-04). */
  #wanted(properties: AccountProperties): Readonly<Record<string, unknown>> {
    const { properties: names } = this.#server.options();
    if (names === undefined) return noProperties;
    const wanted: Record<string, unknown> = Object.create(null);
    for (const name of names) if (Object.hasOwn(properties, name)) wanted[name] = properties[name];
    return wanted;
  }

  async #mayAct(
    authcid: string,
    authzid: string,
    properties: AccountProperties,
    names: readonly string[] | undefined,
  ): Promise<boolean> {
    for (const name of names ?? []) {
      if ((await this.#canonical(name, "authzid")) === authzid) return true;
    }
    const { authorize } = this.#server.options();
    if (authorize === undefined) return false;
    const { remote } = this.#connection;
    const mechanism = this.mechanism.name;
    const request = { authcid, authzid, mechanism, remote, properties: this.#wanted(properties) };
    return (await this.#answer(authorize(request))) === true;
  }

  #canonical(name: string, role: CanonicalizeRole): MaybePromise<string> {
    this.#checkName(name);
    const { canonicalizers } = this.#server.options();
    const { host } = this.#connection;
    const canonical = canonicalizers
      ? this.#answer(canonicalName(this, canonicalizers, name, role, "server", host))
      : this.prepare(name, "query", "name");
    return chain(canonical, (text) => {
      this.#checkName(text);
      if (text === "") throw new SASLFailure("malformed-message", "an identity is empty"); // R-CAN-03
      return text;
    });
  }

  /** A token verifier or a rule of one's own may answer with anything; `undefined` is nobody's name. */
  #checkName(name: unknown): void {
    if (typeof name !== "string") throw new TypeError("an identity is no text");
    this.checkIdentity(name);
  }

  identify(name: string, authzid?: string): MaybePromise<Account> {
    this.#checkName(name);
    return chain(this.#canonical(name, authzid ? "authcid" : "both"), (canonical) => {
      this.authcid = canonical;
      return chain(this.#lookup(canonical, this.#server.requests(this.mechanism)), (properties) => {
        this.#account = { name: canonical, properties };
        return this.#account;
      });
    });
  }

  update(account: Account, changes: AccountProperties, expected: AccountProperties): MaybePromise<boolean> {
    const { accounts } = this.#server.options();
    if (accounts.store === undefined) return false;
    return this.#dependable("accounts cannot be written at present", () =>
      chain(
        this.#answer((accounts.store as NonNullable<AccountStore["store"]>)(account.name, changes, expected)),
        (written) => written === true,
      ),
    );
  }

  #lookup(name: string, requests: readonly PropertyName[]): MaybePromise<AccountProperties> {
    const { accounts } = this.#server.options();
    return this.#dependable("accounts cannot be looked up at present", () =>
      chain(this.#answer(accounts.lookup(name, requests)), (found) => {
        if (found === undefined || found === null) this.note("unknown user");
        return soundAccount(found) ?? noProperties;
      }),
    );
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
    const { accounts, passwordSchemes: schemes = [] } = this.#server.options();
    const ask = <T>(question: () => MaybePromise<T>): MaybePromise<T> =>
      this.#dependable("passwords cannot be judged at present", () => this.#answer(question()));
    const judges = { habits: this.#server.habits, schemes, accounts, ask };
    return chain(passwordMatches(this, judges, account, password), (matches) => {
      if (matches && this.#server.transits(this.mechanism)) this.#password = password;
      return matches;
    });
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
  override prepare(text: string, usage: "stored" | "query", what?: "name" | "password"): MaybePromise<string> {
    const prepare = () => this.#answer(super.prepare(text, usage, what));
    return usage === "query" ? prepare() : this.#dependable("a stored password cannot be prepared", prepare);
  }

  override pbkdf2(
    ...derivation: [digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number]
  ): Promise<Uint8Array> {
    return this.#answer(super.pbkdf2(...derivation)) as Promise<Uint8Array>; // R-SCRAM-29
  }

  /** Lets the half go on, as long as the exchange may last and the peer is still there (R-LIM-05, R-LIM-07). */
  #turn(payload?: Heard): Promise<IteratorResult<Heard, ServerOutcome>> {
    this.#patience = this.#untilDeadline();
    return this.#race(this.#patience, this.#half.next(payload));
  }

  #untilDeadline(): Cutoff {
    const left = Math.max(1, this.#deadline - Date.now());
    return new Cutoff(undefined, Number.isFinite(left) ? left : 0);
  }

  /** Waits for what others compute, as long as the exchange may last and the peer is still there. */
  #answer<T>(given: MaybePromise<T>): MaybePromise<T> {
    if (typeof (given as Partial<Promise<T>> | null | undefined)?.then !== "function") return given;
    this.#cutoff = this.#untilDeadline();
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
    for (const each of [this.#cutoff, this.#patience]) each?.cut("aborted", "the exchange was aborted");
    this.#password = undefined;
    try {
      void this.#half.return(undefined as never).catch(() => {});
    } catch {
      // A plug-in without types may have given something that is no generator: it holds nothing.
    }
    this.end(false);
  }

  /** Success was told: what is left to do needs nobody to wait for it. */
  finish(): void {
    const password = this.#password;
    this.#password = undefined;
    this.end(true);
    if (password === undefined || this.#account === undefined) return;
    this.#transition(this.#account, password).catch((error: unknown) => {
      try {
        this.#server.options().onFault?.(error);
      } catch {}
    });
  }

  /** Gives an account what the other mechanisms offered here lack; all of it, or nothing. */
  async #transition({ name, properties }: Account, password: string): Promise<void> {
    const { accounts, prepare, passwordSchemes, scramIterations = usualIterations } = this.#server.options();
    if (accounts.store === undefined) return;
    const iterations = typeof scramIterations === "number" ? scramIterations : Math.max(...scramIterations);
    const missing = await missingSecrets(password, properties, {
      mechanisms: this.#server.configured,
      scheme: passwordSchemes?.find(makesHashes),
      iterations,
      prepare,
    });
    if (missing) await accounts.store(name, missing.changes, missing.expected);
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
