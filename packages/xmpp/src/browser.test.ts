import { IDBFactory } from "fake-indexeddb";
import { AuthenticationFailure, channelBinding, memoryAccounts } from "sasl-core";
import type { WebMacKey } from "sasl-core/browser";
import { hashedTokens, htSha3_512, htSha256, SCRAMPLUS, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { day, phone, start } from "../test/fast.js";
import { play } from "../test/sasl2.js";
import { kits } from "../test/support.js";
import { type BrowserFastTokensOptions, browserFastTokens } from "./browser.js";
import { type Fast, fast } from "./sasl2/fast.js";
import { fastServer } from "./sasl2/fast-server.js";
import type { FastToken } from "./sasl2/fast-store.js";

const alice = "alice@localhost";
const credentials = { username: "alice", password: "open sesame" };
const token: FastToken = {
  mechanism: "HT-SHA-256-NONE",
  token: "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm",
  expires: start + day,
  userAgent: phone,
  count: 0,
};

/** A service with SHA-256, and what a page makes of one browser: called again, it is the page after a reload. */
function place() {
  const indexedDB = new IDBFactory();
  const accounts = memoryAccounts({ alice: credentials.password });
  const tokens = hashedTokens({ accounts, hashes: [htSha256], now: () => start });
  const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });
  const page = (options: BrowserFastTokensOptions = {}) => {
    const store = browserFastTokens({ indexedDB, ...options });
    const client = fast({ store, now: () => start });
    const logIn = (inline: Fast | Fast["logout"] = client) =>
      play(kit, [SCRAMPLUS(credentials)], {
        binding,
        sasl: { accounts, mechanisms: [scramSha256, scramSha256Plus, ...tokens.mechanisms] },
        client: { userAgent: { id: phone }, inline: [inline] },
        server: { inline: [fastServer({ tokens, now: () => start })] },
      });
    return { store, client, logIn };
  };
  return { indexedDB, tokens, page };
}

const [kit] = kits as [(typeof kits)[number]];
const byPassword = ["authenticate", "challenge", "response", "success"];
const byToken = ["authenticate", "success"];

describe("FAST in a browser", () => {
  test("R-FAST-05 R-FAST-13 one round trip after a reload, with a key that nothing can read", async () => {
    const { page } = place();
    expect((await page().logIn()).names).toEqual(byPassword);
    for (let i = 0; i < 3; i++) expect((await page().logIn()).names).toEqual(byToken);
    const { store } = page();
    const kept = await store.get(alice);
    expect(kept).toMatchObject({
      mechanism: "HT-SHA-256-EXPR",
      userAgent: phone,
      count: 3,
      token: { hash: "SHA-256" },
    });
    expect((kept?.token as WebMacKey | undefined)?.key).toMatchObject({ extractable: false, usages: ["sign"] });
    expect(await store.accounts()).toEqual([alice]);
  });

  test("R-FAST-13 a token that is refused goes, and the password follows", async () => {
    const { page, tokens } = place();
    const { store, logIn } = page();
    await logIn();
    await tokens.revoke("alice");
    const again = await logIn();
    expect(again.names.slice(-1)).toEqual(["success"]);
    expect(again.result).toMatchObject({ mechanism: "SCRAM-SHA-256-PLUS" });
    expect((await logIn()).names).toEqual(byToken);
    expect(await store.get(alice)).toMatchObject({ count: 1 });
  });

  test("a logout removes the token at both ends", async () => {
    const { page, tokens } = place();
    const { store, client, logIn } = page();
    await logIn();
    await logIn(client.logout as Fast);
    expect(await store.get(alice)).toBeUndefined();
    expect(await tokens.list("alice")).toEqual([]);
  });

  test("the same token is the same value, another one is not", async () => {
    const { store } = place().page();
    await store.set(alice, token);
    const first = await store.get(alice);
    expect((await store.get(alice))?.token).toBe(first?.token);
    await store.set(alice, { ...token, ...first, count: 7 });
    expect(await store.get(alice)).toEqual({ ...first, count: 7 });
    expect((await store.get(alice))?.token).toBe(first?.token);
    await store.set(alice, token);
    expect((await store.get(alice))?.token).not.toBe(first?.token);
    await store.set(alice, undefined);
    expect(await store.get(alice)).toBeUndefined();
  });

  test("another tab's token is seen", async () => {
    const { page } = place();
    const [one, other] = [page().store, page().store];
    await one.set(alice, token);
    const first = await other.get(alice);
    await one.set(alice, { ...token, token: "another" });
    const second = await other.get(alice);
    expect(second?.token).not.toBe(first?.token);
    const input = Uint8Array.of(1);
    const [mac, mac2] = await Promise.all(
      [first, second].map((each) => (each?.token as WebMacKey | undefined)?.hmac(input)),
    );
    expect(mac).not.toEqual(mac2);
  });

  test("R-FAST-07 two tabs at the same moment use a count each, and keep the token", async () => {
    const { page } = place();
    const tabs = [page(), page(), page()];
    await tabs[0]?.logIn();
    const kept = await Promise.all(tabs.map(({ store }) => store.get(alice)));
    const taken = await Promise.all(tabs.map(({ store }, i) => store.nextCount(alice, kept[i] as FastToken)));
    expect(taken.sort()).toEqual([1, 2, 3]);
    const logins = await Promise.all(tabs.map(({ logIn }) => logIn()));
    for (const { names } of logins) expect(names.at(-1)).toBe("success");
    expect((await page().logIn()).names).toEqual(byToken);
  });

  test("R-FAST-13 a token that another tab used since is that tab's to judge", async () => {
    const { page } = place();
    const [one, other] = [page(), page()];
    const refused = new AuthenticationFailure("refused", "no");
    await one.logIn();
    await one.logIn();
    await other.store.nextCount(alice, (await other.store.get(alice)) as FastToken);
    await one.client.refused?.(refused, alice);
    expect(await one.store.get(alice)).toMatchObject({ count: 2 });
    await one.logIn();
    await one.client.refused?.(refused, alice);
    expect(await one.store.get(alice)).toBeUndefined();
  });

  test("a count of a token that is gone, or another's by now, is none", async () => {
    const { store } = place().page();
    await store.set(alice, token);
    const first = (await store.get(alice)) as FastToken;
    expect(await store.nextCount(alice, first)).toBe(1);
    await store.set(alice, { ...token, token: "another" });
    expect(await store.nextCount(alice, first)).toBeUndefined();
    expect(await store.get(alice)).toMatchObject({ count: 0 });
    await store.set(alice, undefined);
    expect(await store.nextCount(alice, first)).toBeUndefined();
    expect(await store.get(alice)).toBeUndefined();
  });

  const strange: readonly unknown[] = [
    null,
    5,
    "text",
    { account: alice },
    { id: "a", account: alice, mechanism: "HT-SHA-256-NONE", expires: 9e15, userAgent: phone, count: "5", key: "k" },
    { id: "a", account: alice, mechanism: "HT-SHA-256-NONE", expires: 9e15, userAgent: phone, count: 5, key: "k" },
    { id: "a", account: alice, mechanism: ["HT"], expires: 9e15, userAgent: phone, count: -1 },
  ];
  test.each(strange)("what somebody else stored is no token: %j", async (value) => {
    const { indexedDB, page } = place();
    const { store, logIn } = page();
    await store.accounts();
    await store.userAgentId("bob@localhost");
    await put(indexedDB, "sasl-fast-tokens", { key: alice, value, at: 1 });
    await put(indexedDB, "sasl-user-agents", { key: alice, value: { value }, at: 1 });
    expect(await store.get(alice)).toBeUndefined();
    expect(await store.nextCount(alice, token)).toBeUndefined();
    expect(await store.userAgentId(alice)).toMatch(/^[0-9a-f-]{36}$/);
    await store.accounts();
    expect((await logIn()).names).toEqual(byPassword);
    expect((await logIn()).names).toEqual(byToken);
  });

  test("R-SA2-07 the id of the user agent stays, in every tab, until it is cleared", async () => {
    const { page } = place();
    const ids = await Promise.all([page(), page(), page()].map(({ store }) => store.userAgentId(alice)));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    const { store } = page();
    expect(await store.userAgentId("bob@localhost")).not.toBe(ids[0]);
    await store.set(alice, token);
    await store.clear();
    expect(await store.get(alice)).toBeUndefined();
    expect(await page().store.userAgentId(alice)).not.toBe(ids[0]);
  });

  test("without a database both stay in memory, which is told once", async () => {
    const reasons: unknown[] = [];
    const none = {
      open() {
        throw new DOMException("no", "SecurityError");
      },
    } as unknown as IDBFactory;
    const { store, logIn } = place().page({ indexedDB: none, onFallback: (why) => reasons.push(why) });
    expect(await store.userAgentId(alice)).toBe(await store.userAgentId(alice));
    expect((await logIn()).names).toEqual(byPassword);
    expect((await logIn()).names).toEqual(byToken);
    expect(reasons).toHaveLength(1);
    await expect(store.clear()).rejects.toMatchObject({ name: "SecurityError" });
    expect(await store.get(alice)).toBeUndefined();
  });

  test("a token of a hash that WebCrypto lacks stays in memory, as text", async () => {
    const reasons: unknown[] = [];
    const { indexedDB } = place();
    const store = browserFastTokens({ indexedDB, onFallback: (why) => reasons.push(why) });
    const other = { ...token, mechanism: `HT-${htSha3_512.hmac.name}-NONE` };
    await store.set(alice, other);
    // Where a runtime has SHA3 already, there is a key.
    const kept = await store.get(alice);
    expect(kept?.mechanism).toBe(other.mechanism);
    expect(await store.accounts()).toEqual([alice]);
    expect(reasons).toHaveLength(typeof kept?.token === "string" ? 1 : 0);
    await store.set(alice, undefined);
    expect(await store.accounts()).toEqual([]);
  });
});

/** As another program of the origin would. */
function put(indexedDB: globalThis.IDBFactory, database: string, row: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const opened = indexedDB.open(database);
    opened.onerror = () => reject(opened.error);
    opened.onsuccess = () => {
      const transaction = opened.result.transaction("entries", "readwrite");
      transaction.objectStore("entries").put(row);
      transaction.oncomplete = () => {
        opened.result.close();
        resolve();
      };
    };
  });
}
