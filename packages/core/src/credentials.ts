/**
 * What a client mechanism asks the application for: one provider, asked for exactly what is needed, when it is needed.
 *
 * @module
 */
import { asSASLError, SASLFailure } from "./errors.js";
import type { MechanismInfo } from "./mechanism.js";
import type { MaybePromise } from "./runtime/contract.js";

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
}

/** What a mechanism needs, by kind. Each kind is answered with the fields named here. */
export interface CredentialKinds {
  /** PLAIN, LOGIN, CRAM-MD5. */
  password: { username: string; password: string; authzid?: string | undefined };
  /** SCRAM: a password, or keys, or both; keys that do not fit salt, count and hash are passed over. */
  scram: {
    username: string;
    password?: string | undefined;
    keys?: ScramKeys | undefined;
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

/** What a mechanism asks for, and on whose behalf. */
export interface CredentialRequest<K extends CredentialKind = CredentialKind> {
  readonly kind: K;
  /** The mechanism that asks. */
  readonly mechanism: string;
  /** The server's name as the application gave it, if it did. */
  readonly host: string | undefined;
  /** Set when a token is asked for again: what the server said about the one before (RFC 7628 §3.2.2). */
  readonly refused?: { readonly status: string; readonly scope?: string | undefined } | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal | undefined;
}

/** Everything an application may know about its user; a mechanism sees only the fields of its kind. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly keys?: ScramKeys | undefined;
  readonly token?: string | undefined;
  readonly trace?: string | undefined;
  readonly authzid?: string | undefined;
}

/** Credentials as they are, or a function that is asked when they are needed; it may refuse with `undefined`. */
export type CredentialProvider = Credentials | ((request: CredentialRequest) => MaybePromise<Credentials | undefined>);

/** Per kind: the fields that must be there; of several in a row, one. */
const required: { readonly [K in CredentialKind]: readonly (readonly (keyof Credentials)[])[] } = {
  password: [["username"], ["password"]],
  scram: [["username"], ["password", "keys"]],
  token: [["token"]],
  trace: [],
  identity: [],
};

/** What credentials lack for a mechanism, in words; `undefined` when it can do with them. */
export function missing(given: Credentials, info: Pick<MechanismInfo, "needs" | "authzid">): string | undefined {
  const has = (name: keyof Credentials) => given[name] !== undefined;
  const { needs } = info;
  if (needs && !required[needs].every((names) => names.some(has))) return `the credentials hold no ${needs}`;
  return given.authzid && !info.authzid ? "it cannot act as somebody else" : undefined;
}

/**
 * Asks the provider.
 *
 * @param info of the mechanism that asks.
 * @throws {SASLFailure} `no-credentials` when it refuses or leaves out what the kind needs; `temporary` when it fails.
 */
export async function provide<K extends CredentialKind>(
  provider: CredentialProvider,
  request: CredentialRequest<K>,
  info: Pick<MechanismInfo, "authzid">,
): Promise<CredentialKinds[K]> {
  const { kind, mechanism } = request;
  let given: Credentials | undefined;
  try {
    given = typeof provider === "function" ? await provider(request) : provider;
  } catch (error) {
    throw asSASLError(error, "temporary", "the credential provider failed");
  }
  const lack = given ? missing(given, { ...info, needs: kind }) : "the provider refused";
  if (lack) throw new SASLFailure("no-credentials", `${mechanism}: ${lack}`);
  return given as CredentialKinds[K];
}
