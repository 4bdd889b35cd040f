/**
 * Pages that check something themselves, and the speed of a login.
 *
 * @module
 */
import type { Browser, Page } from "playwright-core";
import { attempt } from "./report.js";
import type { Site } from "./site.js";

/** Runs all checks of a page, see `page/checks.ts`. @param query for its address, with the question mark. */
export async function runChecks(browser: Browser, site: Site, name: string, query = ""): Promise<void> {
  await inPage(browser, `${site.url}${name}.html${query}`, async (page) => {
    await page.waitForFunction("globalThis.checks");
    const names = await page.evaluate<string[]>("Object.keys(checks)");
    if (names.length === 0) throw new Error(`${name} checks nothing`);
    for (const each of names) {
      await attempt(`${name}: ${each}`, () => page.evaluate<void>(`checks[${JSON.stringify(each)}]()`));
    }
  });
}

/** As in `page/speed.ts`: medians in milliseconds. */
type SpeedRow = Readonly<Record<"iterations" | keyof typeof ways, number>>;

const ways = {
  deriveBits: "one bare deriveBits",
  login: "login with a password",
  loginKeeping: "the same, and the keys are kept in IndexedDB",
  strophe: "strophe.js, login with a password",
  cached: "login with keys in memory",
  kept: "login with keys in IndexedDB, without a password",
  held: "login with unreadable keys at hand",
} as const;

/** Prints what logins take. What is too slow today is no failure: machines differ. */
export async function printSpeed(browser: Browser, site: Site): Promise<void> {
  await inPage(browser, `${site.url}speed.html`, async (page) => {
    await page.waitForFunction("globalThis.measureSpeed");
    const rows = await page.evaluate<readonly SpeedRow[]>("measureSpeed()");
    for (const row of rows) {
      console.log(`SCRAM-SHA-256, ${row.iterations} iterations, medians:`);
      for (const [key, words] of Object.entries(ways) as [keyof typeof ways, string][]) {
        const ratio = (row[key] / row.deriveBits).toFixed(2);
        console.log(`  ${row[key].toFixed(3).padStart(8)} ms  ${ratio.padStart(6)} ×  ${words}`);
      }
    }
  });
}

async function inPage(browser: Browser, url: string, run: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await page.goto(url);
    await run(page);
  } finally {
    await context.close();
  }
}
