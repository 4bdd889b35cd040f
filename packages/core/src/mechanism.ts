/**
 * What a mechanism is: a description and two halves, each a conversation written as an async generator.
 * A half yields the bytes it says and resumes with the bytes it heard. Source: RFC 4422 §3, §5.
 *
 * Rules for a half:
 * - `yield bytes` says this and waits for an answer; `yield` alone lets the peer speak first.
 * - It hears `undefined` only where the peer may say nothing: the missing initial response of an `either` mechanism,
 *   and a success without data.
 * - A client half returns only when it is convinced. `return bytes` says a last message that needs no proof in return;
 *   `yield ctx.final(bytes)` says one that success may answer, with data or without; after a plain `yield bytes`
 *   success comes too early, and the exchange fails (R-GEN-11, R-GEN-13).
 * - A server half returns who this is. How its last data travels is the engine's business, and so are initial
 *   responses, lengths, steps, time, order and authorization.
 * - Everything else goes through the context; a half keeps no state outside itself.
 *
 * @module
 */
import type { Account, AccountProperties, PropertyName, ScramVerifier, TokenVerdict } from "./accounts.js";
import type { ChannelBinding, ChannelBindingType } from "./channel-binding.js";
import type { ClientSettings } from "./client.js";
import type { CredentialKind, CredentialKinds, CredentialNeed } from "./credentials.js";
import type { SASLError, SASLErrorCode, SASLErrorOptions } from "./errors.js";
import type { Announced } from "./internal/announced.js";
import type { LayerBounds, SecurityLayer } from "./layer.js";
import type { Limits } from "./limits.js";
import type { Digest, MacKey, MaybePromise } from "./runtime/contract.js";

/** Who speaks first (RFC 4422 §5 item 2a). */
export type Flow = "client-first" | "server-first" | "either";

/** What a mechanism promises, named as in the Cyrus SASL plug-in model. */
export type SecurityFlag =
  | "noPlaintext" //     the secret itself is not sent
  | "noAnonymous" //     somebody is authenticated
  | "noActive" //        an attacker in the middle gains nothing
  | "noDictionary" //    what is sent does not help to guess the password
  | "forwardSecrecy" //  one broken session does not break the next
  | "mutualAuth" //      the server proves itself too
  | "passCredentials"; // the server gets credentials it can use elsewhere

/** All of them. */
export const securityFlags: readonly SecurityFlag[] = [
  "noPlaintext",
  "noAnonymous",
  "noActive",
  "noDictionary",
  "forwardSecrecy",
  "mutualAuth",
  "passCredentials",
];

/** Facts about a mechanism, known before any exchange. */
export interface MechanismInfo {
  /** 1 to 20 characters of `A-Z`, `0-9`, `-`, `_` (RFC 4422 §3.1). */
  readonly name: string;
  readonly flow: Flow;
  readonly security: readonly SecurityFlag[];
  /**
   * Whether the exchange is bound to the channel below: `true` by whatever type both sides have, as SCRAM's -PLUS variants
   * are (RFC 5802 §6), or by this one type alone, as the name of the mechanism says.
   */
  readonly channelBinding?: boolean | ChannelBindingType;
  /** True when it allows proxying: its messages can carry an authorization identity (RFC 4422 §3.4.1). */
  readonly authzid?: boolean;
  /** True when it needs the server's name: without `host` it is neither offered nor used. */
  readonly needsHost?: boolean;
  /** True when it has a -PLUS form, so that its own channel-binding flag must not lie (RFC 5802 §6). */
  readonly bindable?: boolean;
  /** True when it must not run in the clear: it sends what an eavesdropper can use. */
  readonly needsProtection?: boolean;
  /** True for what is here for the servers that still need it; used and offered only when named. */
  readonly obsolete?: boolean;
  /** Strongest security layer it can bring, in bits; 0 for none. Default 0. */
  readonly maxSsf?: number;
  /** Orders mechanisms of equal strength, higher first: bits of the hash. Default 0. */
  readonly rank?: number;
  /** What the client half asks the application for, so that it can be known beforehand: a kind of ours, or its own. */
  readonly needs?: CredentialKind | CredentialNeed;
  /** Where it is specified: `RFC 4616`. */
  readonly source: string;
}

/** What a server has for one connection, as far as it decides which mechanisms can work there at all. */
export interface ServerFacts {
  readonly external: ExternalIdentity | undefined;
  readonly anonymous: string | undefined;
  readonly verifiesTokens: boolean;
}

/** A message that success may answer. Made by {@link ClientContext.final}. */
export interface Final {
  readonly final: Uint8Array;
}

/** What a half heard; see the rules above for when it can be `undefined`. */
export type Heard = Uint8Array | undefined;

/** A client half at work. */
// biome-ignore lint/suspicious/noConfusingVoidType: a generator that ends without `return` gives void
export type ClientConversation = AsyncGenerator<Uint8Array | Final | undefined, Uint8Array | undefined | void, Heard>;

/** A server half at work. */
export type ServerConversation = AsyncGenerator<Uint8Array | undefined, ServerOutcome, Heard>;

/** What a server half found out. */
export interface ServerOutcome {
  /** Who authenticated: a name that went through {@link ServerContext.identify}. */
  readonly authcid: string;
  /** Whom to act as; absent or empty: the same (RFC 4422 §3.4.1). */
  readonly authzid?: string | undefined;
  /** Additional data with success (RFC 4422 §3.6). */
  readonly data?: Uint8Array | undefined;
  /** The security layer that both sides agreed on, within `ctx.protection`; left out: none. */
  readonly layer?: SecurityLayer | undefined;
  /** Names the credentials themselves allow to act as, beyond `authcid`: a token's, a certificate's. */
  readonly mayActAs?: readonly string[] | undefined;
  /** Which of the account's credentials it was, where it has several of a kind: a name for it, never a secret. */
  readonly credential?: string | undefined;
}

/** A mechanism: its description and one or two halves. Holds no state of an exchange. */
export interface Mechanism extends MechanismInfo {
  readonly client?: (ctx: ClientContext) => ClientConversation;
  readonly server?: (ctx: ServerContext) => ServerConversation;
  /** Whether the server half can work on a connection at all; left out: always. */
  readonly possible?: (facts: ServerFacts) => boolean;
  /**
   * Properties of an account that the server half looks at. They are asked for together with those of the server and of
   * the application, in one look-up right after the name became canonical.
   */
  readonly properties?: readonly PropertyName[];
  /**
   * Whether an account has what the server half needs. Told of the properties of all mechanisms, from one look-up. Left
   * out: every account does.
   *
   * @param checksPasswords whether the store judges passwords itself (`AccountStore.checkPassword`).
   */
  readonly available?: (properties: AccountProperties, checksPasswords: boolean) => boolean;
  /**
   * What to store so that this password works with this mechanism.
   *
   * @param password prepared, at least 1 character. Secret.
   * @param stored what the account will have already: nothing is to be made twice.
   * @returns properties to set; of one that is a list, what to add to it. Nothing where `stored` is enough, or what is
   *   needed may not be stored.
   */
  readonly setPassword?: (
    ctx: PasswordContext,
    password: string,
    stored: AccountProperties,
  ) => MaybePromise<AccountProperties | undefined>;
  /**
   * Properties of the mechanism's own that `setPassword` writes, besides `secretProperties`: when the password changes, all
   * of them are removed before it is asked.
   */
  readonly ownSecrets?: readonly PropertyName[];
  /** Lets go of what the mechanism holds for all exchanges; called once, by whoever loaded it. */
  readonly dispose?: () => MaybePromise<void>;
  /**
   * Matches what a trace must not show of a message, in either direction; it is replaced by its length. Has the `g` flag
   * when there can be several. Left out: a trace shows lengths alone.
   */
  readonly secrets?: RegExp;
}

/** What `setPassword` can ask for. */
export interface PasswordContext {
  /** Canonical name of the account, where who sets the password said it: for what is made from both. */
  readonly name?: string | undefined;
  /** Whether the password itself may be stored; only where somebody asked for that. */
  readonly plaintext: boolean;
  /** Iterations of new SCRAM verifiers, at least 4096. */
  readonly iterations: number;
  /** `count` fresh octets, 1 to 65536. */
  random(count: number): Uint8Array;
  /** A one-way hash in the scheme the application chose; `undefined` when it chose none. */
  hashPassword(password: string): MaybePromise<string | undefined>;
}

/** What both halves can ask for: the one door to the outside. */
export interface MechanismContext {
  /** This mechanism. */
  readonly mechanism: MechanismInfo;
  /** Service name as registered with IANA: `imap`, `smtp`, `xmpp`. */
  readonly service: string | undefined;
  /** The server's name as the application gave it, never from DNS. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly limits: Limits;
  /** True when the channel keeps what is said from others; at a client also, that the other end is the server it should be. */
  readonly secure: boolean;
  /** Within which the mechanism may agree to a security layer; one that cannot reach `minSsf` fails (RFC 4422 §3.7). */
  readonly protection: LayerBounds;
  /** `count` fresh octets, 1 to 65536. Tests inject them here. */
  random(count: number): Uint8Array;
  /** A fresh nonce: 24 printable characters without a comma, 144 random bits (R-GEN-29). */
  nonce(): string;
  hash(digest: Digest, data: Uint8Array): MaybePromise<Uint8Array>;
  /** @param key octets of any length, or a key that computes by itself: with this digest, as its `hash` says. */
  hmac(digest: Digest, key: Uint8Array | MacKey, data: Uint8Array): MaybePromise<Uint8Array>;
  /** Off the main thread where the runtime can; stops being awaited when the exchange is aborted (R-SCRAM-29). */
  pbkdf2(digest: Digest, password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array>;
  /** Compares without telling where two values differ; unequal lengths are unequal (R-GEN-28). */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** UTF-8 octets. @throws {SASLFailure} `incorrect-encoding` for lone surrogates. */
  bytes(text: string): Uint8Array;
  /** Strict UTF-8 text of a message that must be there. @throws {SASLFailure} `unexpected-message`, `incorrect-encoding`. */
  text(message: Heard): string;
  /**
   * A password, or a name, prepared as configured, SASLprep by default. Names that went through canonicalisers are prepared.
   *
   * @param what default `password`.
   * @throws {SASLFailure} `malformed-message`.
   */
  prepare(text: string, usage: "stored" | "query", what?: "name" | "password"): MaybePromise<string>;
  /** Refuses a name that is too long or holds a NUL (RFC 4422 §3.4.1). @throws {SASLFailure} `malformed-message`, `limit-exceeded`. */
  checkIdentity(name: string | undefined): void;
  /**
   * Calls back exactly once when the exchange is over, however it ends: `true` when it succeeded at both ends of the
   * engine, `false` after a failure, an abort, or a connection that went away; at a client with what was thrown. For state
   * of this exchange.
   */
  ended(callback: (ok: boolean, error?: unknown) => void): void;
  /** The error to throw: `throw ctx.fail("malformed-message", "no nonce")`. */
  fail(code: SASLErrorCode, message: string, options?: SASLErrorOptions): SASLError;
}

/** Bounds a client puts on what a server may ask of it (R-SCRAM-15). */
export interface IterationBounds {
  readonly min: number;
  readonly max: number;
}

/** What a client half can ask for. */
export interface ClientContext extends MechanismContext {
  /** What the exchange was begun with: what the server offered, what can be bound to, bounds, the key cache. */
  readonly settings: ClientSettings;
  /** Asks the application. @throws {SASLFailure} `no-credentials`. */
  credentials<K extends CredentialKind>(kind: K): MaybePromise<CredentialKinds[K]>;
  /**
   * The same, for what the mechanism declares itself as its `needs`.
   *
   * @param about what the application has to know to answer, such as what the server wrote: shown to it as `request.about`.
   */
  credentials<T extends object>(need: CredentialNeed<T>, about?: Readonly<Record<string, unknown>>): MaybePromise<T>;
  /** Marks a message that success may answer. */
  final(message: Uint8Array): Final;
  /** Says that the server proved nothing this time, which the mechanism as a rule makes it do: for the result. */
  unproven(): void;
  /** Says that from the success on this layer protects the connection; within {@link MechanismContext.protection}. */
  layer(layer: SecurityLayer): void;
  /** Says to what type this exchange was bound, for the result. */
  bound(type: string): void;
}

/** An identity the channel below has proved: a verified client certificate, a peer's uid. */
export interface ExternalIdentity {
  /** Names it may act as, the usual one first. */
  readonly names: readonly string[];
}

/** What a server half can ask for. */
export interface ServerContext extends MechanismContext {
  /** Names of the mechanisms this connection was offered. */
  readonly offered: readonly string[];
  /** What this connection can be bound to. */
  readonly channelBinding: ChannelBinding | undefined;
  /** The lists announced on this stream, where the binding tells them (XEP-0474). */
  readonly announced: Announced | undefined;
  /** TLS version of the connection as four hexadecimal digits, where it is told (XEP-0515). */
  readonly tlsVersion: string | undefined;
  /** True when policy wants every exchange bound (R-CB-05). */
  readonly requireChannelBinding: boolean;
  /** The identity the channel proved, if any. */
  readonly external: ExternalIdentity | undefined;
  /** Who ANONYMOUS becomes; `undefined` when nobody may be anonymous. */
  readonly anonymous: string | undefined;
  /**
   * Makes a name canonical and looks its account up, with the `properties` this mechanism declares. A name nobody has
   * gives an account without secrets, never an error.
   *
   * @param authzid the identity that was asked for beside it, as the peer wrote it: where there is one, `name` is made
   *   canonical as authcid alone, otherwise as authcid and authzid both.
   */
  identify(name: string, authzid?: string): MaybePromise<Account>;
  /**
   * Writes properties of the account that {@link identify} gave, in one atomic step: counters, one-time values.
   *
   * @param expected what has to be there still for anything to be written; see `AccountStore.store`.
   * @returns false when it is not, or the store cannot write.
   */
  update(account: Account, changes: AccountProperties, expected: AccountProperties): MaybePromise<boolean>;
  /** Checks a password against whatever the account has for that; takes as long for unknown users. */
  checkPassword(account: Account, password: string): MaybePromise<boolean>;
  /** The account's verifier for a hash, or one nobody can satisfy, stable for the name (R-SCRAM-25). */
  scramVerifier(account: Account, digest: Digest): MaybePromise<ScramVerifier>;
  /**
   * 32 octets that are always the same for a name, and that nobody can tell without the server's secret: what is shown of
   * accounts that lack something can be made from them, so that it does not change (R-GEN-31).
   *
   * @param purpose what they are for: another purpose gives others.
   */
  decoy(account: Account, purpose: string): MaybePromise<Uint8Array>;
  /**
   * Takes an account for this exchange alone, among those of this mechanism at this server: for one-time secrets, which
   * somebody who overheard part of one could race for (RFC 2289 §9). Given back when the exchange is over; whoever holds
   * it longer than an exchange may last loses it.
   *
   * @returns false when another exchange has it. To be asked for names nobody has, too, so that both look alike.
   */
  claim(account: Account): boolean;
  /**
   * Says that the next message lets the peer find out whether its credentials are right. What it leaves unfinished from here
   * on, by an abort, nonsense or silence, is told to logs and the throttle as `refused`: nobody else would count its guesses
   * (R-LIM-08).
   */
  verdictFollows(): void;
  /** Judges a bearer token. Without a configured verifier every token fails (R-OAUTH-05). */
  verifyToken(token: string, username: string | undefined): MaybePromise<TokenVerdict>;
  /** Says to what type this exchange was bound, for the result. */
  bound(type: string): void;
  /** Text for the log, never for the peer. Holds no secrets. */
  note(detail: string): void;
}

/** Declares a mechanism; gives its argument back with the type checked. Public in `sasl-core/plugin`. */
export function defineMechanism(mechanism: Mechanism): Mechanism {
  if (!mechanismName.test(mechanism.name))
    throw new TypeError(`not a mechanism name: ${JSON.stringify(mechanism.name)}`);
  return mechanism;
}

/** What a mechanism has beside its halves, for servers alone. */
type ServerSide = Pick<Mechanism, "possible" | "properties" | "available" | "setPassword" | "ownSecrets">;

/** A client half made whole. A call that a bundler can drop with its server half, where a spread could not be. */
export function withServer(
  clientHalf: Mechanism,
  server: NonNullable<Mechanism["server"]>,
  serverSide: ServerSide = {},
): Mechanism {
  return defineMechanism({ ...clientHalf, ...serverSide, server });
}

/** RFC 4422 §3.1, and the one name in use that is longer than that: IRC's. */
const mechanismName = /^(?:[A-Z0-9_-]{1,20}|ECDSA-NIST256P-CHALLENGE)$/;

/** Whether `name` can be a mechanism at all (R-GEN-01). */
export function isMechanismName(name: string): boolean {
  return mechanismName.test(name);
}

/** Properties of nobody. */
export const noProperties: AccountProperties = /* @__PURE__ */ Object.freeze({});
