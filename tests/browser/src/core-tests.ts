/**
 * The tests of `sasl-core` in the browser: each test that vitest lists for `core-web` has to have run, and passed.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { fail, pass } from "./report.js";
import { root, type Site } from "./site.js";

/** As in `page/core-tests.ts`. */
interface CoreReport {
  readonly tests: readonly { readonly name: string; readonly state: string; readonly why?: string }[];
  readonly vectors: readonly string[];
}

/** Pages at the same time. */
const SHARE = 2;

/** Vectors that no page can use: certificates of TLS, and verifiers of other packages. */
const elsewhere = ["channel-binding-hash", "channel-binding", "verifier-formats"];

export async function runCoreTests(browser: Browser, site: Site): Promise<void> {
  const begun = performance.now();
  const [expected, ...reports] = await Promise.all([
    listed(),
    ...Array.from({ length: SHARE }, (_, first) => runIn(browser, site, first)),
  ]);
  const tests = reports.flatMap((report) => report.tests);
  const counts = { pass: 0, "not for pages": 0 };
  for (const { name, state, why } of tests) {
    if (state === "fail") fail(name, why);
    else counts[state as keyof typeof counts]++;
  }
  pass(counts.pass);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`ok    ${counts.pass} tests of sasl-core on WebCrypto, ${seconds} s`);

  const missing = difference(
    expected,
    tests.map(({ name }) => name),
  ).filter((name) => !notForPages.test(name));
  if (missing.length > 0) fail(`${missing.length} tests of sasl-core did not run`, missing.slice(0, 20).join("\n"));
  else pass();
  const away = expected.length - counts.pass;
  console.log(`      of ${expected.length} that there are; ${away} are about what only Node.js has`);

  const files = readdirSync(`${root}/packages/core/test/vectors`).filter((name) => name.endsWith(".json"));
  const read = new Set(reports.flatMap((report) => report.vectors));
  const unread = files.map((name) => name.slice(0, -5)).filter((name) => !read.has(name) && !elsewhere.includes(name));
  if (unread.length > 0) fail("vectors that no test in the browser reads", unread.join("\n"));
  else pass();
  console.log(`      ${read.size} of ${files.length} files of vectors, at both ends`);
}

/** Whole files that stay away, see `page/not-for-pages.ts`. */
const notForPages = /^\/packages\/core\/(?:src\/text\/stringprep|test\/two-copies)\.test\.ts > /;

async function runIn(browser: Browser, site: Site, first: number): Promise<CoreReport> {
  const context = await browser.newContext(); // of its own: pages of one origin may share a process
  const page = await context.newPage();
  try {
    await page.goto(`${site.url}core-tests.html`);
    await page.waitForFunction("globalThis.runCoreTests");
    return await page.evaluate<CoreReport>(`runCoreTests(${first}, ${SHARE})`);
  } finally {
    await context.close();
  }
}

/** Names of all tests that `core-web` has, some of them more than once. */
async function listed(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "sasl-list-"));
  const file = join(folder, "list.json");
  try {
    const vitest = `${root}/node_modules/vitest/vitest.mjs`;
    await promisify(execFile)(process.execPath, [vitest, "list", "--project", "core-web", `--json=${file}`], {
      cwd: root,
    });
    const tests: { name: string; file: string }[] = JSON.parse(readFileSync(file, "utf8"));
    return tests.map((test) => `${test.file.slice(root.length)} > ${test.name}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What is in the first and not, or not as often, in the second. */
function difference(first: readonly string[], second: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const each of second) left.set(each, (left.get(each) ?? 0) + 1);
  return first.filter((each) => {
    const count = left.get(each) ?? 0;
    left.set(each, count - 1);
    return count <= 0;
  });
}
