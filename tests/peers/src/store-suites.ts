/**
 * The test files of the packages that want a real database, run against one. Each of their tests is an attempt.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Databases } from "./databases.js";
import { type Run, repository } from "./run.js";

/** A test file, and the variable that tells it where its database is. */
interface Suite {
  readonly name: string;
  readonly project: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What vitest's JSON says of a test; every field is checked before use. */
interface TestReport {
  readonly fullName?: unknown;
  readonly status?: unknown;
  readonly failureMessages?: unknown;
}

const vitest = join(repository, "node_modules/vitest/vitest.mjs");

/** Run all suites whose databases are there, side by side: each spends most of its time on starting. */
export async function runStoreSuites(run: Run, { postgres, slapd, redis }: Databases): Promise<void> {
  const suites: (Suite | undefined)[] = [
    postgres && {
      name: "postgresql",
      project: "store-sql",
      file: "src/postgres.test.ts",
      env: { SASL_TEST_POSTGRES: postgres.url },
    },
    slapd && {
      name: "slapd",
      project: "store-ldap",
      file: "test/slapd.test.ts",
      env: { SASL_TEST_LDAP: JSON.stringify(slapd) },
    },
    redis && { name: "redis", project: "throttle", file: "src/redis.test.ts", env: { SASL_TEST_REDIS: redis.url } },
  ];
  await Promise.all(suites.map((suite) => suite && runSuite(run, suite)));
}

async function runSuite(run: Run, suite: Suite): Promise<void> {
  const { children, report, options } = run;
  if (options.list || options.only.length > 0) {
    const names = (await testNames(run, suite))
      .map((name) => attemptName(suite, name))
      .filter((each) => run.wants(each));
    if (options.list) for (const name of names) report.note(name);
    if (options.list || names.length === 0) return;
  }
  const file = join(run.scratch, `${suite.name}.json`);
  const { stdout, stderr } = await children.run(
    process.execPath,
    [vitest, "run", ...select(suite), "--reporter=json", `--outputFile=${file}`],
    { cwd: repository, env: suite.env, timeoutMs: 180_000 },
  );
  if (run.isOver) return;
  const tests = testsIn(file);
  if (tests.length === 0)
    report.fail(`${suite.name} ${suite.project}`, `no test ran: ${stdout}${stderr}`.slice(-1_000));
  for (const { fullName, status, failureMessages } of tests) {
    const name = attemptName(suite, String(fullName));
    if (!run.wants(name)) continue;
    if (status === "passed") report.pass(name);
    else report.fail(name, `${status}: ${Array.isArray(failureMessages) ? failureMessages.join("\n") : ""}`);
  }
}

function select({ project, file }: Suite): string[] {
  return ["--project", project, `packages/${project}/${file}`];
}

async function testNames(run: Run, suite: Suite): Promise<string[]> {
  const args = [vitest, "list", ...select(suite), "--json"];
  const how = { cwd: repository, env: suite.env, timeoutMs: 60_000, keep: 1 << 20 };
  const { stdout } = await run.children.run(process.execPath, args, how);
  const start = stdout.startsWith("[") ? 0 : stdout.indexOf("\n[") + 1;
  const listed = JSON.parse(stdout.slice(start)) as { readonly name: string }[];
  return listed.map(({ name }) => name.replaceAll(" > ", " "));
}

/** The numbers of requirements go to the end, as in every other line. */
function attemptName({ name, project }: Suite, test: string): string {
  const id = /\bR-[A-Z0-9]+-\d+\b/g;
  const ids = test.match(id) ?? [];
  const words = test.replace(id, "").replace(/\s+/g, " ").trim();
  return `${name} ${project}: ${words}${ids.length > 0 ? ` [${ids.join(" ")}]` : ""}`;
}

function testsIn(file: string): TestReport[] {
  try {
    const { testResults } = JSON.parse(readFileSync(file, "utf8")) as {
      testResults: { assertionResults: TestReport[] }[];
    };
    return testResults.flatMap(({ assertionResults }) => assertionResults);
  } catch {
    return [];
  }
}
