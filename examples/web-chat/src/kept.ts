/**
 * What stays in the browser between visits: who was logged in, and in IndexedDB tokens and SCRAM keys, as keys that scripts
 * can use and not read. The password is not kept.
 *
 * @module
 */
import { type BrowserKeyCache, browserKeyCache } from "sasl-core/browser";
import { type BrowserFastTokens, browserFastTokens } from "sasl-xmpp/browser";
import type { Account, Kept } from "./session.js";

const place = "web-chat-account";

const tokens: BrowserFastTokens = browserFastTokens({ database: "web-chat" });
const keys: BrowserKeyCache = browserKeyCache({ database: "web-chat-scram-keys" });

/** What an account's logins need. */
export async function keptFor({ address }: Account): Promise<Kept> {
  return { userAgent: await tokens.userAgentId(address), tokens, keys };
}

/** Comes back to this account at the next visit, where the browser keeps anything. */
export function remember(account: Account): void {
  try {
    localStorage.setItem(place, JSON.stringify(account));
  } catch {
    // then the next visit begins as the first did
  }
}

/** Whom to come back to; `undefined` for nobody. */
export function rememberedAccount(): Account | undefined {
  try {
    const { address, server } = JSON.parse(localStorage.getItem(place) ?? "{}") as Partial<Account>;
    return typeof address === "string" && typeof server === "string" && URL.canParse(server)
      ? { address, server }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Removes everything. @throws when the browser may still hold some of it. */
export async function forgetEverything(): Promise<void> {
  try {
    localStorage.removeItem(place);
  } catch {
    // a browser that refuses this keeps nothing there
  }
  await Promise.all([tokens.clear(), keys.clear()]);
}
