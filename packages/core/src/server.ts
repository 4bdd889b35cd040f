/**
 * The server end: what is offered on a connection, and one session for each.
 * Announcing a mechanism and accepting it are one decision (R-GEN-03, RFC 4422 §6.1.2).
 *
 * @module
 */

import { randomBytes } from "#runtime";
import type { AccountStore, PasswordScheme, PropertyName, TokenVerifier } from "./accounts.js";
import type { Canonicalizer } from "./canonicalize.js";
import type { ChannelBinding } from "./channel-binding.js";
import { Claims } from "./claims.js";
import { asSASLError, type SASLErrorCode } from "./errors.js";
import { type Announced, isTlsVersion } from "./internal/announced.js";
import type { ContextSettings } from "./internal/context.js";
import { type Limits, limitsFrom } from "./limits.js";
import { type ExternalIdentity, type Mechanism, noProperties } from "./mechanism.js";
import { OfferHabits } from "./offer-habits.js";
import { Watch } from "./patience.js";
import type { MaybePromise } from "./runtime/contract.js";
import { ScramHabits } from "./scram-habits.js";
import { ServerExchange } from "./server-exchange.js";
import { SASLServerSession, type ServerResult } from "./session.js";
import {
  checkPolicy,
  compareStrength,
  isWeaker,
  type MechanismPolicy,
  type Protected,
  type Strength,
  shortcoming,
  strengthOf,
  usualSsf,
} from "./strength.js";
import type { Throttle } from "./throttle.js";

/** What a server offers. Everything left out takes the safe side. */
export interface ServerPolicy extends MechanismPolicy {
  /** Keep mechanisms that an eavesdropper could use off unprotected channels. Default true; false accepts passwords in the clear. */
  readonly requireEncryption?: boolean | undefined;
  /** Nothing weaker than this. Default `anonymous`: everything that was configured. */
  readonly minStrength?: Strength | undefined;
  /** `prefer` (default), `require`: only bound mechanisms; `disable`: none, for a server behind a TLS proxy. */
  readonly channelBinding?: "disable" | "prefer" | "require" | undefined;
}

/** Who wants to act as whom, for an authorization check (RFC 4422 §3.4.1). */
export interface AuthorizationRequest {
  readonly authcid: string;
  /** Prepared, not empty, and not the same as `authcid`. */
  readonly authzid: string;
  readonly mechanism: string;
  readonly remote: string | undefined;
  /** Of `authcid`'s account, those the application asked for in `ServerOptions.properties`. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** How one exchange came out, for logs and audits. Holds nothing secret, and more than the peer was told. */
export interface ServerEvent {
  readonly service: string | undefined;
  readonly mechanism: string;
  readonly ok: boolean;
  /** The name given, where it got that far; not proved unless `ok`. */
  readonly authcid: string | undefined;
  readonly authzid: string | undefined;
  readonly channelBinding: string | undefined;
  /** Strength of the security layer in bits; `undefined` where there is none. */
  readonly ssf?: number | undefined;
  readonly remote: string | undefined;
  readonly code: SASLErrorCode | undefined;
  readonly detail: string | undefined;
}

/** A server's configuration; one for each service. */
export interface ServerOptions extends ContextSettings {
  /** What may be offered at all. */
  readonly mechanisms: readonly Mechanism[];
  readonly accounts: AccountStore;
  /**
   * Properties of the account the application wants to have with the identity, so that it needs no second query: quota,
   * mailbox path, display name. Looked up together with what mechanism and server need (R-CAN-04). A secret is handed
   * out only where it is named here.
   */
  readonly properties?: readonly PropertyName[] | undefined;
  /** How one-way hashes in `passwordHash` are checked, and made where the first that can make them is used. Default: none. */
  readonly passwordSchemes?: readonly PasswordScheme[] | undefined;
  /**
   * Turn down who has no account in the store, also with a certificate or a token that is good: without it these let in
   * whoever they name, and a user who was removed with them. Default false.
   */
  readonly requireAccount?: boolean | undefined;
  /**
   * After a login in which the client sent the password itself, give its account what the other mechanisms offered here
   * lack: SCRAM verifiers beside an imported hash. Written after the login succeeded and only if nobody changed the
   * password meanwhile; what fails changes nothing and is told to `onFault`. Default false.
   */
  readonly autoTransition?: boolean | undefined;
  /** Who ANONYMOUS becomes. Left out: nobody may be anonymous (R-ANON-01). */
  readonly anonymous?: string | undefined;
  /** Judge of bearer tokens. Left out: none is accepted. */
  readonly tokens?: TokenVerifier | undefined;
  /** Whether `authcid` may act as somebody else. Left out: never. */
  readonly authorize?: ((request: AuthorizationRequest) => MaybePromise<boolean>) | undefined;
  /**
   * What names go through instead of `prepare`, one after the other: `trim()`, `saslprepName`, `usernameCaseMapped`, a
   * plug-in's. Left out: `prepare` alone.
   */
  readonly canonicalizers?: readonly Canonicalizer[] | undefined;
  readonly policy?: ServerPolicy | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /**
   * Key behind the salts unknown users get, at least 16 octets. Give the same one to all processes and keep it over
   * restarts, or these salts change and give unknown users away. Default: random for this object.
   */
  readonly secret?: Uint8Array | undefined;
  /**
   * Counts that the stored SCRAM verifiers have, each at least 4096: names nobody has are shown one of them, always the
   * same for a name. Left out: 10000 until a stored verifier has been seen, then its count, which gives a name away that
   * was tried before and after.
   */
  readonly scramIterations?: number | readonly number[] | undefined;
  /**
   * What works for accounts here, one list of mechanism names for each kind of account: with {@link SASLServer.mechanismsFor}
   * a name nobody has is shown one of them, always the same for a name. A list that is frequent among accounts may be there
   * several times. Left out: the lists that were seen there so far, and all mechanisms until then, which gives away a name
   * that was tried before and after a new kind of account was seen.
   */
  readonly accountMechanisms?: readonly (readonly string[])[] | undefined;
  /** How fast peers may try; `sasl-throttle` has one. Left out: as fast as they can. */
  readonly throttle?: Throttle | undefined;
  /** Called once for each exchange. What it throws is ignored. */
  readonly onOutcome?: ((event: ServerEvent) => void) | undefined;
  /** Told of faults on our side that no exchange ends with, such as a store that cannot write after a login. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** What is known about one connection, at the moment a mechanism is announced or begun. */
export interface ServerConnection {
  /** True when the channel has confidentiality from TLS or an equal layer. */
  readonly secure: boolean;
  readonly channelBinding?: ChannelBinding | undefined;
  /**
   * What was announced on this stream, in the profile that the session is for: SCRAM tells the client a hash of it (XEP-0474).
   * The mechanisms as they were sent, without those of FAST. Left out: SCRAM says nothing of it.
   */
  readonly announced?: Announced | undefined;
  /**
   * TLS version of the connection as four hexadecimal digits, `0304` for TLS 1.3: `tlsVersion(socket)` of `sasl-core/node`.
   * SCRAM tells it to the client (XEP-0515), never on a connection that is not secure. Left out: SCRAM does not.
   */
  readonly tlsVersion?: string | undefined;
  /** What the channel proved about the peer, such as a verified client certificate. */
  readonly external?: ExternalIdentity | undefined;
  /** Whether the protocol can carry data with success (XMPP can, IMAP and SMTP cannot). Default false. */
  readonly successData?: boolean | undefined;
  /** Address of the peer, for logs. */
  readonly remote?: string | undefined;
  /** The host the peer asked for, where the protocol knows several of them (XMPP); canonicalisers are told. */
  readonly host?: string | undefined;
  /**
   * Strength of the channel's own encryption in bits: `tlsStrength(socket)` of `sasl-core/node`, or what a VPN or a unix
   * socket is worth to the application. Default 128 for a secure channel, which every cipher suite of TLS 1.2 and 1.3 in
   * use has at least, and 0 for another.
   */
  readonly externalSsf?: number | undefined;
  /** Whether a security layer can be put on the connection after the success. Default false. */
  readonly layers?: boolean | undefined;
  /**
   * The protocol's last word, before success is told: throws a SASLError for an identity that cannot be used on this
   * connection, such as one of another host than the stream is to. Within the time of the exchange it may ask the peer for
   * more, such as a second factor; `data` is what the mechanism says with the success, for a protocol that says it then.
   * `extend` gives the exchange so many milliseconds from the call on, in place of what it had left, for what a person does.
   */
  readonly admit?:
    | ((result: ServerResult, data: Uint8Array | undefined, extend: (ms: number) => void) => MaybePromise<void>)
    | undefined;
  /** What holds on this connection beside, or instead of, the server's policy, point by point. */
  readonly policy?: ServerPolicy | undefined;
}

/** A service's authentication. Make one, then ask it for what to announce and for a session on each connection. */
export class SASLServer {
  readonly limits: Limits;
  readonly #options: ServerOptions;
  readonly #habits: ScramHabits;
  readonly #watch: Watch;
  readonly #claims: Claims;
  readonly #offers: OfferHabits;
  readonly #mechanisms: ReadonlyMap<string, Mechanism>;
  /** Stands for all mechanisms when an account is looked up for all of them. */
  #every: Mechanism | undefined;
  readonly #requests = new Map<Mechanism, readonly PropertyName[]>();

  /**
   * @throws {RangeError} for a secret under 16 octets, two mechanisms of one name, a policy with a point that is none, an empty
   *   list in `accountMechanisms`.
   */
  constructor(options: ServerOptions) {
    checkPolicy(options.policy);
    this.#options = options;
    this.limits = limitsFrom(options.limits);
    this.#watch = new Watch(this.limits.timeoutMs);
    this.#claims = new Claims(this.limits.timeoutMs);
    this.#habits = new ScramHabits(options.secret ?? randomBytes(32), options.scramIterations);
    this.#offers = new OfferHabits(options.accountMechanisms);
    const able = options.mechanisms.filter((each) => each.server !== undefined).sort(compareStrength);
    this.#mechanisms = new Map(able.map((each) => [each.name, each]));
    if (this.#mechanisms.size !== able.length) throw new RangeError("two mechanisms have the same name");
  }

  /** A method and no property, so that no inspection gets to accounts and the secret (R-GEN-30). @internal */
  options(): ServerOptions {
    return this.#options;
  }

  /** Looks after exchanges that wait. @internal */
  get watch(): Watch {
    return this.#watch;
  }

  /** Accounts that one exchange has for itself. @internal */
  get claims(): Claims {
    return this.#claims;
  }

  /** What unknown users are shown. @internal */
  get habits(): ScramHabits {
    return this.#habits;
  }

  /** Names to announce on this connection as it is now, strongest first; when there is none, announce nothing. */
  mechanisms(connection: ServerConnection): readonly string[] {
    const names: string[] = [];
    for (const each of this.#mechanisms.values()) {
      if (this.#objection(each, connection) === undefined) names.push(each.name);
    }
    return names;
  }

  /** The mechanism, if it would be announced, or the code that says why not. @internal */
  choose(name: string, connection: ServerConnection): Mechanism | SASLErrorCode {
    const mechanism = this.#mechanisms.get(name);
    if (mechanism === undefined) return "mechanism-unsupported";
    return this.#objection(mechanism, connection) ?? mechanism;
  }

  /**
   * Names to announce to a certain user, strongest first: those that work for the account, from one look-up for all of
   * them. A name nobody has gets a list that accounts have, see `ServerOptions.accountMechanisms`, and so does an account
   * for which nothing works: what a peer is told before it has authenticated does not tell it who has an account.
   *
   * @param name as the peer gave it.
   * @throws {SASLError} `temporary` when accounts cannot be looked up at present; what a canonicaliser refuses with.
   */
  async mechanismsFor(name: string, connection: ServerConnection): Promise<readonly string[]> {
    const offered = this.mechanisms(connection);
    const { canonical, working } = await this.#working(name, connection);
    // For everybody, so that it takes as long.
    const decoy = await this.#offers.invent(offered, (purpose) => this.#habits.decoy(canonical, purpose));
    const own = offered.filter((each) => working?.includes(each));
    return own.length > 0 ? own : decoy;
  }

  /**
   * The same without disguise: none for a name nobody has. For those who look after accounts, never for a peer.
   *
   * @throws {SASLError} as {@link mechanismsFor}.
   */
  async workingMechanisms(name: string, connection: ServerConnection): Promise<readonly string[]> {
    const { working } = await this.#working(name, connection);
    return this.mechanisms(connection).filter((each) => working?.includes(each));
  }

  /** What works for an account on some connection; `undefined` for a name nobody has. */
  async #working(
    name: string,
    connection: ServerConnection,
  ): Promise<{ readonly canonical: string; readonly working: readonly string[] | undefined }> {
    this.#every ??= everyMechanism(this.configured);
    const exchange = new ServerExchange(this, connection, this.#every);
    const { name: canonical, properties } = await (async () => exchange.identify(name))().catch((error: unknown) => {
      throw asSASLError(error, "temporary", "accounts cannot be looked up at present");
    });
    if (properties === noProperties) return { canonical, working: undefined };
    const judges = this.#options.accounts.checkPassword !== undefined;
    const working = this.configured.filter(({ available }) => !available || available(properties, judges));
    const names = working.map((each) => each.name);
    this.#offers.learn(names);
    return { canonical, working: names };
  }

  /**
   * A session for one connection. It keeps nothing until a mechanism is named.
   *
   * @throws {RangeError} for a policy of the connection with a point that is none, or a TLS version that is not four digits.
   */
  session(connection: ServerConnection): SASLServerSession {
    const { policy, tlsVersion } = connection;
    checkPolicy(policy);
    if (tlsVersion !== undefined && !isTlsVersion(tlsVersion)) throw new RangeError("tlsVersion is not four digits");
    return new SASLServerSession(this, connection);
  }

  /** The policy on a connection: what it says itself, point by point, and the server's where it says nothing. @internal */
  policy({ policy: own }: ServerConnection): ServerPolicy {
    const { policy = {} } = this.#options;
    if (own === undefined) return policy;
    const said = Object.entries(own).filter(([, value]) => value !== undefined);
    return { ...policy, ...Object.fromEntries(said) };
  }

  /**
   * What to look up for an exchange: what its mechanism, the server and the application want, each once, before any name
   * is known (R-CAN-04). @internal
   */
  requests(mechanism: Mechanism): readonly PropertyName[] {
    let known = this.#requests.get(mechanism);
    if (known === undefined) {
      const { properties = [] } = this.#options;
      const others = this.transits(mechanism) ? this.configured : [mechanism];
      const wanted = others.flatMap((each) => each.properties ?? []);
      known = [...new Set([...wanted, ...properties, "disabled"])];
      this.#requests.set(mechanism, known);
    }
    return known;
  }

  /** Whether a login with this mechanism shows the password, and is to give the account what it lacks. @internal */
  transits(mechanism: Mechanism): boolean {
    return this.#options.autoTransition === true && mechanism.properties?.includes("passwordHash") === true;
  }

  /** The mechanisms that could be offered at all. @internal */
  get configured(): readonly Mechanism[] {
    return [...this.#mechanisms.values()];
  }

  #objection(mechanism: Mechanism, connection: ServerConnection): SASLErrorCode | undefined {
    const policy = this.policy(connection);
    const { requireEncryption = true, minStrength, channelBinding = "prefer" } = policy;
    const { external } = connection;
    const { anonymous, tokens, host } = this.#options;
    if (mechanism.needsHost && (connection.host ?? host) === undefined) return "mechanism-unsupported";
    if (mechanism.possible && !mechanism.possible({ external, anonymous, verifiesTokens: tokens !== undefined })) {
      return "mechanism-unsupported";
    }
    if (mechanism.needsProtection && requireEncryption && !connection.secure) return "channel-not-protected";
    if (minStrength && isWeaker(strengthOf(mechanism), minStrength)) return "mechanism-too-weak";
    if (shortcoming(mechanism, policy, channelOf(connection))) return "mechanism-too-weak";
    if (mechanism.channelBinding) {
      const { types = [] } = connection.channelBinding ?? {};
      const able = mechanism.channelBinding === true ? types.length > 0 : types.includes(mechanism.channelBinding);
      return able && channelBinding !== "disable" ? undefined : "mechanism-unsupported";
    }
    return channelBinding === "require" ? "mechanism-too-weak" : undefined;
  }
}

/** A connection, as far as its protection goes. */
export function channelOf({ secure, externalSsf = usualSsf(secure), layers = false }: ServerConnection): Protected {
  return { externalSsf, layers };
}

/** Looks at what all of them look at, and is never begun. */
function everyMechanism(mechanisms: readonly Mechanism[]): Mechanism {
  return {
    name: "",
    flow: "either",
    security: [],
    source: "",
    properties: mechanisms.flatMap((each) => each.properties ?? []),
    // biome-ignore lint/correctness/useYield: it is never run
    async *server() {
      throw new TypeError("no mechanism was chosen");
    },
  };
}
