/**
 * `npm run requirements`: which numbered requirements have a test whose name carries their number.
 *
 * The numbers come from `requirements/requirements.md`, the tests from vitest itself, and what counts as finished from
 * `requirements/finished.json`. Runs against real servers prove nothing here, since a plain clone cannot repeat them.
 * `-v` names the numbers that are not covered. The exit code is 1 when one of a finished section is missing, or when a
 * test names a number that does not exist.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compare, parseRequirements, report } from "./lib/requirements.mjs";
import { capture, root, say } from "./lib/run.mjs";

/** @returns {Promise<string[]>} full names, with those of the groups around them */
async function testNames() {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { code, stdout, stderr } = await capture(process.execPath, [vitest, "list", "--json"]);
  if (code !== 0) throw new Error(`vitest list failed:\n${stderr}${stdout}`);
  // A test file may print while it is loaded; the list is the last array on a line of its own.
  const start = stdout.startsWith("[") ? 0 : stdout.indexOf("\n[") + 1;
  return JSON.parse(stdout.slice(start)).map((/** @type {{ name: string }} */ { name }) => name);
}

const sections = parseRequirements(readFileSync(join(root, "requirements/requirements.md"), "utf8"));
const finished = JSON.parse(readFileSync(join(root, "requirements/finished.json"), "utf8"));
const names = await testNames();

const result = compare(sections, finished, names);
const verbose = process.argv.includes("-v") || process.argv.includes("--verbose");
for (const line of report(result, { verbose })) say(line);
process.exitCode = result.faults.length === 0 ? 0 : 1;
