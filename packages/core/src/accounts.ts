/**
 * What a server knows about its users: the interface account stores implement, and what they hold.
 *
 * @module
 */
import type { MaybePromise } from "./runtime/contract.js";

/** SCRAM's verifier: all a server keeps instead of a password (RFC 5802 §3, §9). */
export interface ScramVerifier {
  /** Hash of the mechanism: `SHA-256`. */
  readonly hash: string;
  /** Raw octets, at least 1; at least 16 for new ones. */
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** As many octets as the hash gives. */
  readonly storedKey: Uint8Array;
  /** As many octets as the hash gives. Secret: whoever has it can pose as the server. */
  readonly serverKey: Uint8Array;
}

/** What a property can hold. Stores write and read all of it, octets too, nested at most 8 deep. */
export type PropertyValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly PropertyValue[]
  | { readonly [field: string]: PropertyValue };

/**
 * Properties of one account, under the names directories use. Stores fill what was asked for and leave out what
 * they do not have; other names are an application's own.
 */
export interface AccountProperties {
  /** The password itself, for mechanisms that need it (CRAM-MD5). Secret. */
  readonly userPassword?: string | undefined;
  /** SCRAM verifiers, at most one for each hash (RFC 5803). Secret. */
  readonly authPassword?: readonly ScramVerifier[] | undefined;
  /**
   * One-way hashes of the password, for PLAIN and LOGIN, in the notation a {@link PasswordScheme} reads: `$argon2id$…`,
   * `$2b$…`. The password has to fit one of them. Secret.
   */
  readonly passwordHash?: readonly string[] | undefined;
  /** True for an account that may not log in at present. Looked at always, also when nobody asked for it. */
  readonly disabled?: boolean | undefined;
  readonly [property: string]: unknown;
}

/** Names of properties a mechanism, the server or the application may ask for. */
export type PropertyName = "userPassword" | "authPassword" | "passwordHash" | "disabled" | (string & {});

/** Properties that hold secrets: never handed to an application that did not ask for them by name (R-CAN-04). */
export const secretProperties: readonly PropertyName[] = ["userPassword", "authPassword", "passwordHash"];

/**
 * The property of an account that holds its tokens, those issued last at the end. They were given to who proved the password,
 * and go with it whatever mechanisms a new one is for (R-FAST-12).
 */
export const hashedTokensProperty = "hashedTokens";

/**
 * A place accounts are kept: an auxiliary property plug-in. Only `lookup` is needed. A store that cannot answer now
 * throws, and the exchange fails as temporary; so does one whose record is malformed (R-STO-04).
 */
export interface AccountStore {
  /**
   * Finds one account.
   *
   * @param name canonical name, at most 1024 octets in UTF-8. Untrusted: it may hold anything but a NUL.
   * @param requests the properties somebody will look at, each once; others may be left out. `disabled` is always meant.
   * @returns `undefined` for a name nobody has.
   */
  lookup(name: string, requests: readonly PropertyName[]): MaybePromise<AccountProperties | undefined>;
  /**
   * Writes properties of an account in one atomic step: all of them or, when it throws, none.
   *
   * @param changes values to set; a property that is there and `undefined` is removed; the others stay as they are.
   * @param expected what the account has to look like for anything to be written: `null`, there is no such account; an
   *   object, there is one and each property named here has this value still (`undefined`: is absent), as
   *   `sameProperty` compares. Left out: whatever is there, and a new account where nothing is. Look and write are one
   *   step, so that of two that compete one loses (R-STO-06).
   * @returns false when the account was not as expected; nothing was written.
   */
  store?(name: string, changes: AccountProperties, expected?: AccountProperties | null): MaybePromise<boolean>;
  /** Removes an account with all it has; false when there was none. */
  remove?(name: string): MaybePromise<boolean>;
  /** All names, in no particular order, without holding all of them at once where the store can. */
  list?(): AsyncIterable<string> | Iterable<string>;
  /**
   * Judges a password where the store cannot hand out what it is compared with: a directory that is asked by bind. Called
   * by mechanisms that get the password itself, for accounts without `userPassword`, `authPassword` and `passwordHash`, and
   * for names nobody has, so that both take as long.
   *
   * @param password prepared, at least 1 character, without a NUL. Secret.
   */
  checkPassword?(name: string, password: string): MaybePromise<boolean>;
  /** Lets go of files and connections. Afterwards every call throws. */
  close?(): MaybePromise<void>;
}

/** One way to keep passwords that cannot be turned round: argon2id, bcrypt, a crypt format of the past. */
export interface PasswordScheme {
  /** `argon2id`. */
  readonly name: string;
  /** Whether a stored text is in this scheme's notation, by its first characters alone. */
  recognizes(stored: string): boolean;
  /**
   * Whether the password fits.
   *
   * @throws when the stored text is malformed or asks for more work or memory than is sensible (R-STO-08); the exchange
   *   then fails as temporary.
   */
  verify(password: string, stored: string): MaybePromise<boolean>;
  /** Makes a new hash with a fresh salt. Left out in schemes that are there for imported accounts alone. */
  hash?(password: string): MaybePromise<string>;
}

/** A scheme that makes new hashes, too. */
export interface HashingScheme extends PasswordScheme {
  hash(password: string): MaybePromise<string>;
}

/** Whether a scheme can make new hashes. */
export function makesHashes(scheme: PasswordScheme): scheme is HashingScheme {
  return scheme.hash !== undefined;
}

/** An account as a mechanism sees it. Unknown users look like users without secrets, so that nothing can tell them apart. */
export interface Account {
  /** The canonical name: the only one anybody sees from here on (R-CAN-02). */
  readonly name: string;
  readonly properties: AccountProperties;
}

/** What a token turned out to be worth. */
export type TokenVerdict =
  | {
      readonly ok: true;
      readonly subject: string /** Further names the subject may act as. */;
      readonly mayActAs?: readonly string[] | undefined;
    }
  | {
      readonly ok: false;
      /** RFC 7628 §3.2.2 `status`: `invalid_token`, `insufficient_scope`, `invalid_request`. */
      readonly status: string;
      readonly scope?: string | undefined;
      /** An https URL, sent as `openid-configuration`. */
      readonly openidConfiguration?: string | undefined;
      /** For the log only. */
      readonly detail?: string | undefined;
    };

/** What the client said along with its token (RFC 7628 §3.1). */
export interface TokenRequest {
  readonly mechanism: string;
  /** The name asked for: authzid of OAUTHBEARER, `user` of XOAUTH2. */
  readonly username: string | undefined;
}

/**
 * Judges a bearer token. Throw a `SASLFailure` with code `temporary` (or anything else) when it cannot be judged now.
 *
 * @param token in the b64token alphabet (RFC 6750 §2.1), at least 1 character. Secret.
 */
export type TokenVerifier = (token: string, request: TokenRequest) => MaybePromise<TokenVerdict>;
