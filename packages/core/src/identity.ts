/**
 * Names and accounts of one exchange at the server: who it is, whom it may act as, and what is known about both.
 * Source: RFC 4422 §3.4.1; R-CAN-01 to -04.
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
} from "./accounts.js";
import { type CanonicalizeRole, canonicalName } from "./canonicalize.js";
import { isSASLError, SASLFailure, saslError } from "./errors.js";
import { type Mechanism, type MechanismContext, noProperties, type ServerOutcome } from "./mechanism.js";
import { passwordMatches, verifierFor } from "./passwords.js";
import { chain, type Patience } from "./patience.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";
import { usualIterations } from "./scram-habits.js";
import type { SASLServer, ServerConnection } from "./server.js";
import type { ServerResult } from "./session.js";
import { missingSecrets } from "./set-password.js";
import { soundAccount } from "./sound-account.js";
import { hasSecret } from "./stored-secrets.js";

/** The exchange, as far as names concern it. */
interface Exchange extends MechanismContext {
  readonly mechanism: Mechanism;
  note(detail: string): void;
}

/** Made for each exchange. */
export class Identity {
  readonly #server: SASLServer;
  readonly #connection: ServerConnection;
  readonly #exchange: Exchange;
  readonly #patience: Patience;
  #account: Account | undefined;
  /** Kept until the exchange ends, and only where the account may lack something that is made from it. */
  #password: string | undefined;
  /** The canonical name, once there is one: for the log. */
  authcid: string | undefined;

  constructor(server: SASLServer, connection: ServerConnection, exchange: Exchange, patience: Patience) {
    this.#server = server;
    this.#connection = connection;
    this.#exchange = exchange;
    this.#patience = patience;
  }

  /** See `ServerContext.identify`. Once in an exchange: whose account it is about must not change under way. */
  identify(name: string, authzid: string | undefined): MaybePromise<Account> {
    this.#patience.check();
    if (this.authcid !== undefined) throw new TypeError("a mechanism identifies one account");
    return chain(this.#canonical(name, authzid ? "authcid" : "both"), (canonical) => {
      this.authcid = canonical;
      return chain(this.#lookup(canonical, this.#server.requests(this.#exchange.mechanism)), (properties) => {
        this.#account = { name: canonical, properties };
        return this.#account;
      });
    });
  }

  update(account: Account, changes: AccountProperties, expected: AccountProperties): MaybePromise<boolean> {
    const { accounts } = this.#server.options();
    this.own(account);
    if (accounts.store === undefined) return false;
    const written = this.#patience.ask("accounts cannot be written at present", () =>
      (accounts.store as NonNullable<AccountStore["store"]>)(account.name, changes, expected),
    );
    return chain(written, (yes) => yes === true);
  }

  checkPassword(account: Account, password: string): MaybePromise<boolean> {
    const { accounts, passwordSchemes: schemes = [] } = this.#server.options();
    this.own(account);
    const ask = <T>(question: () => MaybePromise<T>): MaybePromise<T> =>
      this.#patience.ask("passwords cannot be judged at present", question);
    const judges = { habits: this.#server.habits, schemes, accounts, ask };
    return chain(passwordMatches(this.#exchange, judges, account, password), (matches) => {
      // Where the store judges by itself, a secret made here would one day contradict it.
      const transits = this.#server.transits(this.#exchange.mechanism) && hasSecret(account.properties);
      if (matches && transits) this.#password = password;
      return matches;
    });
  }

  scramVerifier(account: Account, digest: Digest): MaybePromise<ScramVerifier> {
    return verifierFor(this.#exchange, this.#server.habits, account, digest);
  }

  /** Who this is and whom it may act as, once a mechanism has come to its result. */
  admit(outcome: ServerOutcome, channelBinding: string | undefined): MaybePromise<ServerResult> {
    return chain(this.#known(outcome.authcid), ({ name, properties }) => {
      if (properties.disabled === true) throw saslError("account-disabled", "the account is disabled");
      return outcome.authzid // R-GEN-18
        ? this.#actAs(name, properties, outcome, channelBinding)
        : this.#result(name, name, properties, outcome, channelBinding);
    });
  }

  /** The account that was identified, or else one that is looked at for the first time. */
  #known(authcid: string): MaybePromise<Account> {
    this.#checkName(authcid);
    if (this.#account !== undefined && authcid === this.#account.name) return this.#account;
    const { properties = [] } = this.#server.options();
    return chain(authcid === this.#anonymous ? authcid : this.#canonical(authcid, "authcid"), (name) =>
      chain(this.#lookup(name, [...properties, "disabled"]), (found) => ({ name, properties: found })),
    );
  }

  async #actAs(
    authcid: string,
    properties: AccountProperties,
    outcome: ServerOutcome,
    channelBinding: string | undefined,
  ): Promise<ServerResult> {
    const authzid = await this.#canonical(outcome.authzid as string, "authzid");
    if (authzid === authcid) return this.#result(authcid, authcid, properties, outcome, channelBinding);
    if (!(await this.#mayAct(authcid, authzid, properties, outcome.mayActAs))) {
      throw saslError("authorization-refused", "not allowed to act as that identity");
    }
    // Only now: who may not act as somebody does not cause a look at their account.
    const other = await this.#lookup(authzid, [...(this.#server.options().properties ?? []), "disabled"]);
    if (other.disabled) throw saslError("account-disabled", "the account to act as is disabled");
    return this.#result(authcid, authzid, other, outcome, channelBinding);
  }

  #result(
    authcid: string,
    authzid: string,
    properties: AccountProperties,
    { layer, credential }: ServerOutcome,
    channelBinding: string | undefined,
  ): ServerResult {
    if (this.#server.options().requireAccount && properties === noProperties && authcid !== this.#anonymous) {
      throw saslError("refused", "the identity has no account", { detail: "unknown user" });
    }
    const { name: mechanism } = this.#exchange.mechanism;
    return { mechanism, authcid, authzid, channelBinding, layer, credential, properties: this.#wanted(properties) };
  }

  get #anonymous(): string | undefined {
    return this.#server.options().anonymous;
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
    names: readonly string[] = [],
  ): Promise<boolean> {
    if (!Array.isArray(names)) throw new TypeError("the names to act as are no list");
    for (const name of names) if ((await this.#nameOrNone(name)) === authzid) return true;
    const { authorize } = this.#server.options();
    if (authorize === undefined) return false;
    const { remote } = this.#connection;
    const mechanism = this.#exchange.mechanism.name;
    const request = { authcid, authzid, mechanism, remote, properties: this.#wanted(properties) };
    return (await this.#patience.answer(authorize(request))) === true;
  }

  /** One name of a certificate that cannot be used here does not stand in the way of the others. */
  async #nameOrNone(name: string): Promise<string | undefined> {
    try {
      return await this.#canonical(name, "authzid");
    } catch (error) {
      if (isSASLError(error) && error.code !== "temporary" && error.code !== "aborted") return undefined;
      throw error;
    }
  }

  #canonical(name: string, role: CanonicalizeRole): MaybePromise<string> {
    this.#checkName(name);
    const { canonicalizers } = this.#server.options();
    const { host } = this.#connection;
    const canonical = canonicalizers
      ? this.#patience.answer(canonicalName(this.#exchange, canonicalizers, name, role, "server", host))
      : this.#exchange.prepare(name, "query", "name");
    return chain(canonical, (text) => {
      this.#checkName(text);
      return text;
    });
  }

  /** A token verifier or a rule of one's own may answer with anything; `undefined` is nobody's name. */
  #checkName(name: unknown): void {
    if (typeof name !== "string") throw new TypeError("an identity is no text");
    if (name === "") throw new SASLFailure("malformed-message", "an identity is empty"); // R-CAN-03
    this.#exchange.checkIdentity(name);
  }

  #lookup(name: string, requests: readonly PropertyName[]): MaybePromise<AccountProperties> {
    const { accounts } = this.#server.options();
    const message = "accounts cannot be looked up at present";
    return this.#patience.ask(message, () =>
      chain(accounts.lookup(name, requests), (found) => {
        const account = soundAccount(found, requests);
        // Who may be anonymous has no account as a rule.
        if (account === undefined && name !== this.#anonymous) this.#exchange.note("unknown user");
        return account ?? noProperties;
      }),
    );
  }

  /** @throws {TypeError} for any account but that of this exchange. */
  own(account: Account): Account {
    this.#patience.check();
    if (account !== this.#account) throw new TypeError("an account that this exchange did not identify");
    return account;
  }

  /** Whether the account may lack something that can be made now. */
  get mayLack(): boolean {
    return this.#password !== undefined;
  }

  /** Gives the account what the other mechanisms of the server lack; all of it, or nothing. Nobody waits for it. */
  async transition(): Promise<void> {
    const { accounts, prepare, passwordSchemes, scramIterations = usualIterations } = this.#server.options();
    const password = this.#password;
    this.forget();
    if (password === undefined || this.#account === undefined || accounts.store === undefined) return;
    const { name, properties } = this.#account;
    const iterations = typeof scramIterations === "number" ? scramIterations : Math.max(...scramIterations);
    const missing = await missingSecrets(password, properties, {
      mechanisms: this.#server.configured,
      scheme: passwordSchemes?.find(makesHashes),
      iterations,
      prepare,
      name,
    });
    if (missing) await accounts.store(name, missing.changes, missing.expected);
  }

  /** Lets go of the password. */
  forget(): void {
    this.#password = undefined;
  }
}
