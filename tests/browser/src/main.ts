/**
 * `npm run test:browser [-- PART...]`: our packages and the web example in Chromium.
 *
 * @module
 */
import type { Browser } from "playwright-core";
import { startChromium } from "./browser.js";
import { runCoreTests } from "./core-tests.js";
import { printSpeed, runChecks } from "./pages.js";
import { prosody, prosody13 } from "./prosody.js";
import { fail, finish, skip } from "./report.js";
import { saslServe } from "./sasl-serve.js";
import { pageSite, type Site } from "./site.js";
import { runStores } from "./stores.js";
import { webChat } from "./web-chat.js";

const parts: Readonly<Record<string, (browser: Browser) => Promise<void>>> = {
  core: (browser) => withPage("core-tests", (site) => runCoreTests(browser, site)),
  async xmpp(browser) {
    const server = saslServe();
    await server.start();
    const query = `?server=${encodeURIComponent(server.url)}`;
    await withPage("xmpp", (site) => runChecks(browser, site, "xmpp", query)).finally(() => server.stop());
  },
  stores: (browser) => withPage("stores", (site) => runStores(browser, site)),
  "web-chat": (browser) => webChat(browser, saslServe()),
  async prosody(browser) {
    const server = await prosody();
    if (server === undefined) return skip("there is no Prosody, and it cannot be installed here");
    await webChat(browser, server).finally(server.remove);
    const tree = prosody13();
    if (tree === undefined) return skip("there is no Prosody 13; PROSODY_13 says where one is unpacked");
    const other = await prosody(tree);
    if (other !== undefined) await webChat(browser, other).finally(other.remove);
  },
  speed: (browser) => withPage("speed", (site) => printSpeed(browser, site)),
};

async function withPage(name: string, run: (site: Site) => Promise<void>): Promise<void> {
  const site = await pageSite([name], name === "core-tests");
  await run(site).finally(() => site.close());
}

const wanted = process.argv.slice(2);
for (const each of wanted) if (!Object.hasOwn(parts, each)) fail(each, `parts: ${Object.keys(parts).join(", ")}`);
const browser = await startChromium().catch((error: unknown) => {
  console.error(`FAIL  ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
console.log(`Chromium ${browser.version()}`);
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n--- ${name}`);
  await run(browser).catch((error: unknown) => fail(name, error));
}
await browser.close();
process.exitCode = finish();
