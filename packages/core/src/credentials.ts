/**
 * What a client mechanism asks the application for: one provider, asked for exactly what is needed, when it is needed.
 *
 * @module
 */
import { asSASLError, SASLFailure } from "./errors.js";
import type { MechanismInfo } from "./mechanism.js";
import type { MacKey, MaybePromise } from "./runtime/contract.js";

/** SCRAM keys instead of a password (RFC 5802 §3). They log in as long as salt and count at the server stay the same. */
export interface ScramKeys {
  /** Hash the keys belong to, as in the mechanism name: `SHA-256`. */
  readonly hash: string;
  /** Raw octets, at least 1. */
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** As many octets as the hash gives. Secret: whoever has it can log in. */
  readonly clientKey: Uint8Array;
  /** As many octets as the hash gives. */
  readonly serverKey: Uint8Array;
  readonly saltedPassword?: undefined;
  readonly storedKey?: undefined;
}

/** SCRAM keys that are held elsewhere: what {@link ScramKeys} says, and no octets of them. */
export interface HeldScramKeys extends Pick<ScramKeys, "hash" | "salt" | "iterations"> {
  /** SaltedPassword, which ClientKey is made with at each login. Whoever may use it can log in. */
  readonly saltedPassword: MacKey;
  readonly storedKey: Uint8Array | MacKey;
  readonly serverKey: Uint8Array | MacKey;
  readonly clientKey?: undefined;
}

/** What a mechanism needs, by kind. Each kind is answered with the fields named here. */
export interface CredentialKinds {
  /** PLAIN, LOGIN, CRAM-MD5. */
  password: { username: string; password: string; authzid?: string | undefined };
  /**
   * SCRAM: a password, or keys, or both; keys that do not fit salt, count and hash are passed over. `"cached"` in place of
   * keys: those the `keyCache` has of this user, where it has some that fit.
   */
  scram: {
    username: string;
    password?: string | undefined;
    keys?: ScramKeys | HeldScramKeys | "cached" | undefined;
    authzid?: string | undefined;
  };
  /** OAUTHBEARER and XOAUTH2: a bare token; the library builds the message. */
  token: { username?: string | undefined; token: string; authzid?: string | undefined };
  /** ANONYMOUS: an e-mail address or a token of at most 255 characters without `@`, or nothing. */
  trace: { trace?: string | undefined };
  /** EXTERNAL: an authzid, or nothing to act as whom the channel says. */
  identity: { authzid?: string | undefined };
}

export type CredentialKind = keyof CredentialKinds;

declare const answer: unique symbol;

/** What a mechanism of its own kind asks the application for. Made by {@link credentialNeed}. */
export interface CredentialNeed<T extends object = object> {
  /** What a provider is asked for: `passcode`. */
  readonly kind: string;
  /** Fields that must be there; of several in a row, one. */
  readonly fields: readonly (readonly string[])[];
  /** The field that holds what a person would type, for programs that ask one. Left out: there is no such secret. */
  readonly secret?: string | undefined;
  /** No value: carries the type of what comes back. */
  readonly [answer]?: T;
}

/**
 * Declares what a mechanism asks for where none of {@link CredentialKinds} fits; pass it as its `needs`.
 *
 * @param fields that must be there; of several in a row, one. `username` and `authzid` are checked and made canonical.
 */
export function credentialNeed<T extends object>(
  kind: string,
  fields: readonly (readonly (keyof T & string)[])[],
  secret?: keyof T & string,
): CredentialNeed<T> {
  return { kind, fields, secret };
}

/** What a mechanism asks for, and on whose behalf. */
export interface CredentialRequest {
  /** One of {@link CredentialKinds}, or a mechanism's own. */
  readonly kind: CredentialKind | (string & {});
  /** The mechanism that asks. */
  readonly mechanism: string;
  /** The server's name as the application gave it, if it did. */
  readonly host: string | undefined;
  /** Set when a token is asked for again: what the server said about the one before (RFC 7628 §3.2.2). */
  readonly refused?: { readonly status: string; readonly scope?: string | undefined } | undefined;
  /** What one has to know to answer, where the mechanism has more to say: see its own documentation. */
  readonly about?: Readonly<Record<string, unknown>> | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal | undefined;
}

/** Everything an application may know about its user; a mechanism sees only the fields of its kind. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly keys?: ScramKeys | HeldScramKeys | "cached" | undefined;
  readonly token?: string | undefined;
  readonly trace?: string | undefined;
  readonly authzid?: string | undefined;
}

/** Credentials as they are, or a function that is asked when they are needed; it may refuse with `undefined`. */
export type CredentialProvider<T extends object = Credentials> =
  | T
  | ((request: CredentialRequest) => MaybePromise<T | undefined>);

/** Per kind of ours: the fields that must be there; of several in a row, one. */
const required: { readonly [K in CredentialKind]: CredentialNeed["fields"] } = {
  password: [["username"], ["password"]],
  scram: [["username"], ["password", "keys"]],
  token: [["token"]],
  trace: [],
  identity: [],
};

/** The need a mechanism declares, also where it says no more than the name of one of our kinds. */
export function needOf(kind: CredentialKind | CredentialNeed): CredentialNeed {
  return typeof kind === "string" ? { kind, fields: required[kind] } : kind;
}

/** The field that holds what a person would type for a mechanism, for programs that ask one; `undefined` when there is none. */
export function secretOf({ needs }: Pick<MechanismInfo, "needs">): string | undefined {
  if (typeof needs !== "string") return needs?.secret;
  return required[needs].at(-1)?.[0];
}

/** A mechanism, as far as credentials go. */
type Asking = { readonly [K in "needs" | "authzid"]?: MechanismInfo[K] | undefined };

/** What credentials lack for a mechanism, in words; `undefined` when it can do with them. */
export function missing(given: Credentials, { needs, authzid }: Asking): string | undefined {
  const has = (name: string) => given[name as keyof Credentials] !== undefined; // or a field of a need of its own
  if (needs) {
    const { kind, fields } = needOf(needs);
    if (!fields.every((names) => names.some(has))) return `the credentials hold no ${kind}`;
  }
  return given.authzid && !authzid ? "it cannot act as somebody else" : undefined;
}

/**
 * Asks the provider.
 *
 * @param info of the mechanism that asks, with what it needs now.
 * @throws {SASLFailure} `no-credentials` when it refuses or leaves out what is needed; `temporary` when it fails.
 */
export async function provide(
  provider: CredentialProvider,
  request: CredentialRequest,
  info: Asking,
): Promise<Credentials> {
  let given: Credentials | undefined;
  try {
    given = typeof provider === "function" ? await provider(request) : provider;
  } catch (error) {
    throw asSASLError(error, "temporary", "the credential provider failed");
  }
  const lack = given ? missing(given, info) : "the provider refused";
  if (lack) throw new SASLFailure("no-credentials", `${request.mechanism}: ${lack}`);
  return given as Credentials;
}
