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

/**
 * Properties of one account, under the names directories use. Stores fill what was asked for and leave out what
 * they do not have; other names are an application's own.
 */
export interface AccountProperties {
  /** The password itself, for mechanisms that need it (CRAM-MD5). Secret. */
  readonly userPassword?: string | undefined;
  /** SCRAM verifiers, at most one for each hash (RFC 5803). Secret. */
  readonly authPassword?: readonly ScramVerifier[] | undefined;
  /** True for an account that may not log in at present. Looked at always, also when nobody asked for it. */
  readonly disabled?: boolean | undefined;
  readonly [property: string]: unknown;
}

/** Names of properties a mechanism, the server or the application may ask for. */
export type PropertyName = "userPassword" | "authPassword" | "disabled" | (string & {});

/** A place accounts are kept. Only `lookup` is needed; a store that cannot answer now throws, and the exchange fails as temporary. */
export interface AccountStore {
  /**
   * Finds one account.
   *
   * @param name canonical name, at most 1024 octets in UTF-8.
   * @param requests the properties somebody will look at; others may be left out.
   * @returns `undefined` for a name nobody has.
   */
  lookup(name: string, requests: readonly PropertyName[]): MaybePromise<AccountProperties | undefined>;
  /** Writes properties of an account, making it when it is new; a property set to `undefined` is removed. */
  store?(name: string, properties: AccountProperties): MaybePromise<void>;
  /** Removes an account; false when there was none. */
  remove?(name: string): MaybePromise<boolean>;
  /** All names, in no particular order. */
  list?(): AsyncIterable<string> | Iterable<string>;
  /** Lets go of files and connections. */
  close?(): MaybePromise<void>;
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
