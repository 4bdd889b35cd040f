/**
 * Keys and tokens in the browser's own database: after a reload, in two tabs, and when the database fails.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { attempt } from "./report.js";
import type { Site } from "./site.js";

const keys = "sasl-scram-keys";

/** @param site with the page `stores`. */
export async function runStores(browser: Browser, site: Site): Promise<void> {
  const url = `${site.url}stores.html`;

  /** Something that is tried in a browser of its own. */
  const trial = (name: string, run: (open: () => Promise<Page>, context: BrowserContext) => Promise<void>) =>
    attempt(name, async () => {
      const context = await browser.newContext();
      const open = async () => {
        const page = await context.newPage();
        await visit(page);
        return page;
      };
      await run(open, context).finally(() => context.close());
    });
  const visit = async (page: Page) => {
    await page.goto(url);
    await page.waitForFunction("globalThis.stores");
  };

  await trial("a login after a reload needs no password, and one in another tab neither", async (open) => {
    const page = await open();
    assert.equal(await page.evaluate('stores.logIn("cached")'), "no-credentials");
    assert.equal(await page.evaluate('stores.logIn("typed")'), "verified");
    await page.evaluate("stores.users()");
    await visit(page);
    assert.equal(await page.evaluate('stores.logIn("cached")'), "verified");
    const other = await open();
    const both = await Promise.all([page, other].map((each) => each.evaluate('stores.logIn("cached")')));
    assert.deepEqual(both, ["verified", "verified"]);
    assert.equal(await other.evaluate('stores.logIn("typed", "wrong")'), "refused");
    assert.deepEqual(await page.evaluate("stores.users()"), [{ host: "example.com", username: "alice" }]);
    await other.evaluate("stores.clear()");
    assert.equal(await page.evaluate('stores.logIn("cached")'), "no-credentials");
    assert.deepEqual(await page.evaluate("stores.reasons()"), []);
  });

  await trial("no script reads the keys", async (open) => {
    const page = await open();
    await page.evaluate('stores.logIn("typed")');
    await page.evaluate("stores.users()");
    await page.evaluate('stores.keepToken("secret")');
    assert.deepEqual(await page.evaluate(`stores.readable("${keys}")`), Array(3).fill("InvalidAccessError"));
    assert.deepEqual(await page.evaluate('stores.readable("sasl-fast-tokens")'), ["InvalidAccessError"]);
  });

  await trial("a token and the id of the user agent stay", async (open) => {
    const page = await open();
    const ids = await Promise.all([page, await open()].map((each) => each.evaluate("stores.userAgentId()")));
    assert.equal(ids[0], ids[1]);
    await page.evaluate('stores.keepToken("secret")');
    const first = await page.evaluate<string>("stores.useToken()");
    await visit(page);
    assert.equal(await page.evaluate("stores.useToken()"), first.replace(/0$/, "1"));
    assert.equal(await page.evaluate("stores.userAgentId()"), ids[0]);
    await page.evaluate("stores.clear()");
    assert.equal(await page.evaluate("stores.useToken()"), "no key");
  });

  await trial(
    "a tab that removes the database, or upgrades it, is not held up, and holds up no login",
    async (open) => {
      const [page, other] = [await open(), await open()];
      await page.evaluate('stores.logIn("typed")');
      await page.evaluate("stores.users()"); // after what the login still writes
      assert.equal(await other.evaluate(`stores.remove("${keys}")`), "removed");
      assert.equal(await page.evaluate('stores.logIn("cached")'), "no-credentials");
      assert.equal(await page.evaluate('stores.logIn("typed")'), "verified");
      assert.equal(await page.evaluate('stores.logIn("cached")'), "verified");
      assert.deepEqual(await page.evaluate("stores.reasons()"), []);
      assert.equal(await other.evaluate(`stores.upgrade("${keys}")`), "upgraded");
      assert.equal(await page.evaluate('stores.logIn("typed")'), "verified");
      assert.equal(await page.evaluate('stores.logIn("cached")'), "verified");
      assert.deepEqual(await page.evaluate("stores.reasons()"), ["VersionError"]);
    },
  );

  await trial("with no room on the disk keys stay in memory, which is told once", async (open, context) => {
    const page = await open();
    const session = await context.newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(url).origin, quotaSize: 1 });
    await visit(page);
    for (const how of ["typed", "cached", "typed"]) {
      assert.equal(await page.evaluate(`stores.logIn("${how}")`), "verified");
    }
    assert.equal((await page.evaluate<string[]>("stores.reasons()")).length, 1);
  });

  await trial("without a database keys stay in memory, which is told once", async (_, context) => {
    const page = await context.newPage();
    await page.addInitScript(
      'Object.defineProperty(globalThis, "indexedDB", { get() { throw new DOMException("no", "SecurityError"); } })',
    );
    await visit(page);
    for (const how of ["typed", "cached", "typed"]) {
      assert.equal(await page.evaluate(`stores.logIn("${how}")`), "verified");
    }
    assert.deepEqual(await page.evaluate("stores.reasons()"), ["SecurityError"]);
    await visit(page);
    assert.equal(await page.evaluate('stores.logIn("cached")'), "no-credentials");
  });
}
