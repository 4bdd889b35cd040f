/**
 * `npm run test:browser [PART...]`: our packages and the web example in Chromium.
 *
 * @module
 */
import type { Browser } from "playwright-core";
import { startChromium } from "./browser.js";
import { runCoreTests } from "./core-tests.js";
import { fail, finish } from "./report.js";
import { saslServe } from "./sasl-serve.js";
import { pageSite } from "./site.js";
import { webChat } from "./web-chat.js";

const parts: Readonly<Record<string, (browser: Browser) => Promise<void>>> = {
  async core(browser) {
    const site = await pageSite(["core-tests"], true);
    await runCoreTests(browser, site).finally(() => site.close());
  },
  "web-chat": (browser) => webChat(browser, saslServe()),
};

const wanted = process.argv.slice(2);
const browser = await startChromium();
console.log(`Chromium ${browser.version()}`);
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n--- ${name}`);
  await run(browser).catch((error: unknown) => fail(name, error));
}
await browser.close();
process.exitCode = finish();
