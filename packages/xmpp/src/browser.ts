/**
 * `sasl-xmpp/browser`: FAST tokens that live in the browser, for programs in pages. Follows semver.
 *
 * @module
 */
import { type BrowserStoreOptions, browserStore, importMacKey, macKey, type WebMacKey } from "sasl-core/browser";
import { type FastToken, type FastTokenStore, isFastToken } from "./sasl2/fast-store.js";
import { newUserAgentId } from "./sasl2/user-agent.js";

/** Options of {@link browserFastTokens}. */
export interface BrowserFastTokensOptions extends BrowserStoreOptions {
  /** Beginning of the names of two databases. Default `sasl`: `sasl-fast-tokens` and `sasl-user-agents`. */
  readonly database?: string | undefined;
}

/** See {@link browserFastTokens}. */
export interface BrowserFastTokens extends FastTokenStore {
  get(account: string): Promise<FastToken | undefined>;
  set(account: string, token: FastToken | undefined): Promise<void>;
  nextCount(account: string, token: FastToken): Promise<number | undefined>;
  /**
   * The `id` of the user agent for an account, made at the first call and the same ever after, in every tab: tokens work with
   * no other. No secret, but what one can be followed by; {@link clear} removes it.
   *
   * @param account bare JID.
   */
  userAgentId(account: string): Promise<string>;
  /** Bare JIDs of the accounts there are tokens of. */
  accounts(): Promise<readonly string[]>;
  /**
   * Removes all tokens and ids. Rejects when a database may still hold some. The servers still know the tokens: log out with
   * `fast(…).logout` where that is to end, too.
   */
  clear(): Promise<void>;
}

/** A token as it is stored. */
interface Entry extends Omit<FastToken, "token"> {
  /** Tells one token from the next. */
  readonly id: string;
  readonly account: string;
  readonly key: CryptoKey;
}

/** A token as this page knows it. */
interface Seen {
  readonly id: string;
  readonly token: FastToken["token"];
}

/**
 * FAST tokens in IndexedDB, of this origin alone, as keys that no script can read: the text goes once from the server's
 * success into WebCrypto. Where IndexedDB does not work tokens stay in memory, and `onFallback` hears why, once.
 *
 * Two tabs that log in with the same token at the same moment use a count each. Where the higher one arrives first the server
 * refuses the other, whose login goes on with the password; the token stays. `navigator.locks` is there to log in one after
 * the other.
 *
 * @throws {RangeError} for options out of range.
 */
export function browserFastTokens(options: BrowserFastTokensOptions = {}): BrowserFastTokens {
  const { database = "sasl", onFallback } = options;
  let told = false;
  const once = {
    ...options,
    onFallback: (reason: unknown) => {
      if (!told) onFallback?.(reason);
      told = true;
    },
  };
  const tokens = browserStore<Entry>(`${database}-fast-tokens`, once);
  const agents = browserStore<string>(`${database}-user-agents`, once);
  const seen = new Map<string, Seen>();
  /** Of hashes that WebCrypto lacks: as text, while the page is open. */
  const asText = new Map<string, FastToken>();

  return {
    async get(account) {
      const entry = await tokens.get(account);
      if (!isEntry(entry)) return asText.get(account);
      const { id, key, mechanism, expires, userAgent, count } = entry;
      const known = seen.get(account);
      const token = known?.id === id ? known.token : readKey(key);
      if (token === undefined) return undefined;
      seen.set(account, { id, token });
      return { mechanism, token, expires, userAgent, count };
    },

    async set(account, token) {
      asText.delete(account);
      const made = token && (await entryOf(account, token, seen.get(account)));
      if (token && made === undefined) {
        asText.set(account, token);
        once.onFallback(new Error(`WebCrypto has no key for ${token.mechanism}`));
      }
      if (made) seen.set(account, made);
      else seen.delete(account);
      await tokens.change(account, () => made?.entry);
    },

    async nextCount(account, token) {
      const text = asText.get(account);
      if (text !== undefined) {
        if (text.token !== token.token) return undefined;
        asText.set(account, { ...text, count: text.count + 1 });
        return text.count + 1;
      }
      const known = seen.get(account);
      let count: number | undefined;
      await tokens.change(account, (old) => {
        count = isEntry(old) && known?.id === old.id && known.token === token.token ? old.count + 1 : undefined;
        return old && count !== undefined ? { ...old, count } : old;
      });
      return count;
    },

    async userAgentId(account) {
      const made = newUserAgentId();
      return (await agents.change(account, (old) => (typeof old === "string" ? old : made))) ?? made;
    },

    accounts: async () => [...(await tokens.all()).filter(isEntry).map(({ account }) => account), ...asText.keys()],

    async clear() {
      seen.clear();
      asText.clear();
      const done = await Promise.allSettled([tokens.clear(), agents.clear()]);
      for (const each of done) if (each.status === "rejected") throw each.reason;
    },
  };
}

/** What is to be stored; `undefined` where WebCrypto has no such key. */
async function entryOf(
  account: string,
  given: FastToken,
  known: Seen | undefined,
): Promise<(Seen & { readonly entry: Entry }) | undefined> {
  const { token, ...rest } = given;
  let made = token as WebMacKey;
  try {
    if (typeof token === "string") made = await keyOf(rest.mechanism, token);
    else macKey(made.key); // throws for what came from elsewhere
  } catch {
    return undefined;
  }
  const id = known?.token === token ? known.id : crypto.randomUUID();
  return { id, token: made, entry: { id, account, key: made.key, ...rest } };
}

/** The characters of a token are the key of HMAC with the hash in the mechanism's name (draft-schmaus-kitten-sasl-ht-09 §3). */
function keyOf(mechanism: string, token: string): Promise<WebMacKey> {
  const hash = /^HT-(.+)-[A-Z]+$/.exec(mechanism)?.[1] ?? mechanism;
  return importMacKey(hash, new TextEncoder().encode(token));
}

/** What another version, or somebody else, stored there is no entry. */
function isEntry(value: Entry | undefined): value is Entry {
  const { id, account } = Object(value) as Partial<Entry>;
  return typeof account === "string" && isFastToken({ ...value, token: id });
}

/** What somebody else stored there is no key. */
function readKey(key: CryptoKey): WebMacKey | undefined {
  try {
    return macKey(key);
  } catch {
    return undefined;
  }
}
