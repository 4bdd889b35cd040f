/**
 * Tokens for HT: issued after another login, kept with the account, used up, rotated and revoked.
 * Sources: draft-schmaus-kitten-sasl-ht-09 §5, §6; XEP-0484 §3 for what an application protocol does with them.
 *
 * Both sides hash with the token itself as key, so that a store cannot keep a one-way hash of it: what verifies would also
 * log in. What can be done is to keep no token at all. With a `secret` outside the store a token is computed from the
 * secret, the account and what is stored of it, and the store shows nothing that logs in. Without one the store has the
 * tokens themselves.
 *
 * @module
 */
import { randomBytes } from "#runtime";
import {
  type AccountProperties,
  type AccountStore,
  hashedTokensProperty,
  type PropertyValue,
  secretProperties,
} from "../../accounts.js";
import { sha256 } from "../../digests.js";
import { SASLFailure } from "../../errors.js";
import { encodeBase64 } from "../../internal/base64.js";
import { sameProperty } from "../../internal/same-property.js";
import { encodeUtf8 } from "../../internal/text.js";
import { isMechanismName } from "../../mechanism.js";
import type { MaybePromise } from "../../runtime/contract.js";

/** What is known about a token; no secret. */
export interface HashedTokenInfo {
  /** Names it: what `ServerResult.credential` says after a login with it. 24 characters, 144 random bits. */
  readonly id: string;
  /** The one mechanism it works with (§5). */
  readonly mechanism: string;
  /** Milliseconds since 1970 UTC, from which on it does not work. */
  readonly expires: number;
  /** Whose it is among the devices of a user; its own `id` where nobody said. At most two tokens work for one client. */
  readonly client: string;
  /** The highest number of a use that was accepted; absent where uses are not counted. */
  readonly count?: number | undefined;
}

/** A token as it is stored. */
export interface HashedTokenRecord extends HashedTokenInfo {
  /** The token itself, where it is not computed from a server's secret. Secret. */
  readonly token?: string | undefined;
}

/** A token for a client. */
export interface IssuedToken extends HashedTokenInfo {
  /** 43 characters of the URL-safe base64 alphabet, 256 bits. Secret; it cannot be shown a second time. */
  readonly token: string;
}

/** Options of {@link tokenKeeper}. */
export interface TokenKeeperOptions {
  readonly accounts: AccountStore;
  /** At least 32 random octets, kept anywhere but in the store, the same for all servers of the service. Copied. */
  readonly secret?: Uint8Array | undefined;
  /** How long new tokens work, in milliseconds. Default 21 days. */
  readonly lifetimeMs?: number | undefined;
  /** How many tokens an account may have, 2 to 256; the oldest go first. Default 32. */
  readonly maxTokens?: number | undefined;
  /** Milliseconds since 1970 instead of the clock's, for tests. */
  readonly now?: (() => number) | undefined;
}

/** What is asked for with a new token. */
export interface TokenRequestOptions {
  /** The mechanism it is to work with, alone. */
  readonly mechanism: string;
  /** What tells this client from the user's others, such as the `id` of SASL2's user agent, if not empty. Its older tokens go. */
  readonly client?: string | undefined;
}

/** How a token was used. */
export interface TokenUse {
  /** A whole number that grows with each use, from a protocol that counts against replay (XEP-0484 §3.4). */
  readonly count?: number | undefined;
  /** True when this use was the last (XEP-0484 §3.6). */
  readonly invalidate?: boolean | undefined;
}

/**
 * Issues tokens and looks after them. Names of accounts are canonical: `result.authcid`. Every change is one atomic step at the
 * store, repeated when somebody else came between.
 *
 * All throw a `SASLFailure`: `mechanism-unsupported` when the store cannot write, or a token is asked for what cannot be the
 * name of a mechanism; `temporary` when what is stored is no list of tokens or changes too fast.
 */
export interface TokenKeeper {
  /**
   * Makes a token after another login. `undefined` when there is no such account, or not with that password any more.
   *
   * @param since what {@link secrets} said when the password was proved, where somebody had to be waited for since.
   */
  issue(name: string, request: TokenRequestOptions, since?: AccountProperties): Promise<IssuedToken | undefined>;
  /** What the password of an account is kept as, to be told from another one. Secret. */
  secrets(name: string): Promise<AccountProperties>;
  /**
   * To be called after a login, with `result.credential`: notes the count, and lets go of the tokens this client had before.
   *
   * @returns false when the token must not be used like this: it is gone, expired, or its count is one that was there already.
   */
  redeem(name: string, id: string, use?: TokenUse): Promise<boolean>;
  /**
   * Makes a successor. The token itself works until the successor was used, should that never arrive (XEP-0484 §3.5).
   *
   * @param mechanism what the successor is to work with. Default: the same.
   */
  rotate(name: string, id: string, mechanism?: string): Promise<IssuedToken | undefined>;
  /** Takes away one token, those of a client, or all. @returns how many there were. */
  revoke(name: string, which?: { readonly id: string } | { readonly client: string }): Promise<number>;
  /** What there is, without secrets. */
  list(name: string): Promise<readonly HashedTokenInfo[]>;
}

/** Finds the token of a record: what both ends hash with. */
export type TokenFinder = (name: string, record: HashedTokenRecord) => MaybePromise<string | undefined>;

/** Without a secret, the token is where it is stored. */
export const storedToken: TokenFinder = (_, record) => record.token;

/** With a secret, a token that was stored before there was one goes on working. */
export function derivedToken(secret: Uint8Array): TokenFinder {
  const key = Uint8Array.from(secret);
  return async (name, { token, mechanism, id }) => {
    const input = encodeUtf8(["sasl hashed token", mechanism, name, id].join("\0"));
    const derived = base64url(await sha256.hmac(key, input));
    return token ?? derived;
  };
}

/** The tokens of an account. @throws {SASLFailure} `temporary` when it holds something else (R-STO-04). */
export function tokensOf(properties: AccountProperties): readonly HashedTokenRecord[] {
  const value = properties[hashedTokensProperty] ?? [];
  if (!Array.isArray(value) || !value.every(isRecord)) {
    throw new SASLFailure("temporary", "what is stored is no list of tokens");
  }
  return value;
}

function isRecord(value: unknown): value is HashedTokenRecord {
  const { id, mechanism, client, expires, count, token } = Object(value) as Record<string, unknown>;
  return (
    [id, mechanism, client].every((each) => typeof each === "string" && each !== "") &&
    Number.isFinite(expires) &&
    (count === undefined || Number.isSafeInteger(count)) &&
    (token === undefined || (typeof token === "string" && token !== ""))
  );
}

/** See {@link TokenKeeper}. @throws {RangeError} for a secret under 32 octets and options out of range. */
export function tokenKeeper(options: TokenKeeperOptions): TokenKeeper {
  const { accounts, secret, lifetimeMs = 21 * 24 * 3600_000, maxTokens = 32, now = Date.now } = options;
  if (secret && secret.length < 32) throw new RangeError("the secret has fewer than 32 octets");
  if (!(lifetimeMs > 0 && Number.isFinite(lifetimeMs))) throw new RangeError("lifetimeMs is no number above 0");
  if (!(Number.isInteger(maxTokens) && maxTokens >= 2 && maxTokens <= 256)) {
    throw new RangeError("maxTokens is not in 2 to 256");
  }
  const derive = secret && derivedToken(secret);

  /** @param edit gets what works still, and says what is to be left and what to answer; without `left` nothing is written. */
  async function change<T>(
    name: string,
    edit: (live: readonly HashedTokenRecord[]) => Edit<T>,
    since?: AccountProperties,
  ): Promise<T | undefined> {
    if (accounts.store === undefined) throw new SASLFailure("mechanism-unsupported", "this account store cannot write");
    for (let attempt = 0; attempt < 16; attempt++) {
      const found = await accounts.lookup(name, [hashedTokensProperty, ...(since ? secretProperties : [])]);
      if (found === undefined || found === null || (since && !samePassword(found, since))) return undefined;
      const live = tokensOf(found).filter(({ expires }) => expires > now());
      const { left, answer } = edit(live);
      const expected = { ...(since && secretsIn(found)), [hashedTokensProperty]: found[hashedTokensProperty] };
      if (left === undefined) return answer;
      const changes = { [hashedTokensProperty]: left.length > 0 ? left.slice(-maxTokens).map(plain) : undefined };
      if (await accounts.store(name, changes, expected)) return answer;
    }
    throw new SASLFailure("temporary", "the account changes too fast");
  }

  async function make(
    name: string,
    request: TokenRequestOptions,
  ): Promise<{ made: IssuedToken; kept: HashedTokenRecord }> {
    const id = base64url(randomBytes(18));
    const { mechanism } = request;
    if (!isMechanismName(mechanism)) throw new SASLFailure("mechanism-unsupported", "a token is for one mechanism");
    const client = request.client || id; // the peer may have said that it is ""
    const info: HashedTokenInfo = { id, mechanism, client, expires: now() + lifetimeMs };
    const token = (await derive?.(name, info)) ?? base64url(randomBytes(32));
    return { made: { ...info, token }, kept: derive ? info : { ...info, token } };
  }

  async function list(name: string): Promise<readonly HashedTokenInfo[]> {
    const found = await accounts.lookup(name, [hashedTokensProperty]);
    const live = tokensOf(found ?? {}).filter(({ expires }) => expires > now());
    return live.map(({ token, ...info }) => info);
  }

  return {
    async issue(name, request, since) {
      const { made, kept } = await make(name, request);
      return change(name, (live) => ({ left: [...live.filter(ofOthers(made)), kept], answer: made }), since);
    },

    async secrets(name) {
      return secretsIn((await accounts.lookup(name, secretProperties)) ?? {});
    },

    async redeem(name, id, { count, invalidate = false } = {}) {
      const accepted = await change<boolean>(name, (live) => {
        const used = live.find((each) => each.id === id);
        const counts = count === undefined || (Number.isSafeInteger(count) && count > (used?.count ?? 0));
        if (used === undefined || !counts) return { answer: false };
        const place = live.indexOf(used);
        const left = live
          .filter((each, i) => (each === used ? !invalidate : i > place || each.client !== used.client))
          .map((each) => (each === used && count !== undefined ? { ...used, count } : each));
        return { left: left.length < live.length || count !== undefined ? left : undefined, answer: true };
      });
      return accepted === true;
    },

    async rotate(name, id, mechanism) {
      const known = (await list(name)).find((each) => each.id === id);
      if (known === undefined) return undefined;
      const { client } = known;
      const { made, kept } = await make(name, { client, mechanism: mechanism ?? known.mechanism });
      return change(name, (live) => {
        const used = live.find((each) => each.id === id);
        if (used === undefined) return { answer: undefined };
        return { left: [...live.filter(ofOthers(made)), used, kept], answer: made }; // the two that may not go
      });
    },

    async revoke(name, which) {
      const gone = await change(name, (live) => {
        const left = live.filter(
          (each) => which && ("id" in which ? each.id !== which.id : each.client !== which.client),
        );
        return { left, answer: live.length - left.length };
      });
      return gone ?? 0;
    },

    list,
  };
}

function secretsIn(properties: AccountProperties): AccountProperties {
  return Object.fromEntries(secretProperties.map((each) => [each, properties[each]]));
}

/** Verifiers that were added behind the others are of the same password; a new one leaves nothing as it was. */
function samePassword(now: AccountProperties, before: AccountProperties): boolean {
  const { userPassword, passwordHash, authPassword = [] } = before;
  if (!sameProperty(now.userPassword, userPassword) || !sameProperty(now.passwordHash, passwordHash)) return false;
  const others = userPassword !== undefined || passwordHash !== undefined || authPassword.length > 0;
  const kept = others ? now.authPassword?.slice(0, authPassword.length) : now.authPassword;
  return sameProperty(kept ?? [], authPassword);
}

interface Edit<T> {
  readonly left?: readonly HashedTokenRecord[] | undefined;
  readonly answer: T | undefined;
}

function ofOthers({ client }: HashedTokenInfo): (each: HashedTokenInfo) => boolean {
  return (each) => each.client !== client;
}

/** As stores take it: no fields that are `undefined`. */
function plain(record: HashedTokenRecord): PropertyValue {
  const fields = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(fields) as { [field: string]: PropertyValue };
}

/** RFC 4648 §5, without padding. */
function base64url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
