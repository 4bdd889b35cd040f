/**
 * `npm test`: vitest, and a last line that says in plain words what came out.
 *
 * @module
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, run, say, step } from "./run.mjs";

/** @typedef {{ passed: number, failed: number }} Counts */

const resultFile = join(root, "node_modules", ".cache", "sasl", `tests-${process.pid}.json`);

/**
 * @param {string[]} args for vitest, as `--project core` or a file name
 * @returns {Promise<number>} the exit code
 */
export async function runTests(args) {
  mkdirSync(dirname(resultFile), { recursive: true });
  const code = await step("Running the tests", () =>
    run("vitest", ["run", "--reporter=default", "--reporter=./scripts/lib/count-reporter.mjs", ...args], {
      env: { SASL_TEST_COUNTS: resultFile },
    }),
  );
  const { exitCode, counts } = verdict(code, readCounts());
  say(closingLine(counts));
  return exitCode;
}

/** @param {Counts} counts */
export function closingLine({ passed, failed }) {
  return `${passed} passed, ${failed} failed`;
}

/**
 * The last line and the exit code say the same: a run that broke off, ended badly without a failed test or ran no
 * test at all counts as one failure.
 *
 * @param {number} exitCode of vitest
 * @param {Counts | undefined} counts `undefined` when the run broke off
 * @returns {{ exitCode: number, counts: Counts }}
 */
export function verdict(exitCode, counts) {
  if (counts === undefined) return { exitCode: exitCode || 1, counts: { passed: 0, failed: 1 } };
  const sound = exitCode === 0 && counts.failed === 0 && counts.passed > 0;
  if (sound) return { exitCode: 0, counts };
  return { exitCode: exitCode || 1, counts: { passed: counts.passed, failed: Math.max(1, counts.failed) } };
}

/** @returns {Counts | undefined} */
function readCounts() {
  try {
    return JSON.parse(readFileSync(resultFile, "utf8"));
  } catch {
    return undefined;
  } finally {
    rmSync(resultFile, { force: true });
  }
}
