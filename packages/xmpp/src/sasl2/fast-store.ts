/**
 * Where a client keeps its FAST tokens. Source: XEP-0484 §4.1.
 *
 * @module
 */
import type { MacKey } from "sasl-core/plugin";
import type { MaybePromise } from "./contract.js";

/** A token of the client's. As secret as a password (R-FAST-13). Plain data, as long as the token is text: JSON holds all of it. */
export interface FastToken {
  /** The one mechanism it works with. */
  readonly mechanism: string;
  /**
   * As the server gave it, or a key made of it that does not show itself. One store gives the same value as long as the token
   * is the same. Secret.
   */
  readonly token: string | MacKey;
  /** Milliseconds since 1970 UTC, from which on it does not work. */
  readonly expires: number;
  /** The `id` of the user agent it was issued to; it works with no other (R-FAST-06). */
  readonly userAgent: string;
  /** How often it was used: the `count` of the last login with it. */
  readonly count: number;
}

/**
 * Keeps one token for each account. Supplied by the application, such as in a keychain; `memoryFastTokens`, the file of
 * `sasl-xmpp/node` and the IndexedDB of `sasl-xmpp/browser` are ready. It stays out of backups and exports (XEP-0484 §4.1). What it throws ends a login.
 */
export interface FastTokenStore {
  /** @param account bare JID. */
  get(account: string): MaybePromise<FastToken | undefined>;
  /** @param token in place of what was there; `undefined` removes it. Kept when this resolves. */
  set(account: string, token: FastToken | undefined): MaybePromise<void>;
  /**
   * Takes the next count of a token, in one step also for other programs on the same store. Left out: `get` and then `set`, for
   * stores of one program.
   *
   * @param token as `get` gave it.
   * @returns the count to send, one more than the last; `undefined` when the token is not there any more. Kept when this resolves.
   */
  nextCount?(account: string, token: FastToken): MaybePromise<number | undefined>;
}

/** Tokens for as long as the program runs. */
export function memoryFastTokens(): FastTokenStore {
  const tokens = new Map<string, FastToken>();
  return {
    get: (account) => tokens.get(account),
    set(account, token) {
      if (token) tokens.set(account, token);
      else tokens.delete(account);
    },
  };
}

/** Whether something read from outside is a token, as text. */
export function isFastToken(value: unknown): value is FastToken {
  const { mechanism, token, expires, userAgent, count } = Object(value) as Record<string, unknown>;
  return (
    [mechanism, token, userAgent].every((each) => typeof each === "string" && each !== "") &&
    Number.isFinite(expires) &&
    Number.isSafeInteger(count) &&
    (count as number) >= 0
  );
}
