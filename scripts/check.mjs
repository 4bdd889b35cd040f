/**
 * `npm run check`: formatting and lint, types, what is published, dead code, bundle sizes.
 * All of them run, whatever the earlier ones say. `npm run check -- types size` runs only those.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stalePages } from "./lib/figures.mjs";
import { build } from "./lib/install.mjs";
import { packAll } from "./lib/pack.mjs";
import { capture, run, StepFailed, say, seconds } from "./lib/run.mjs";

/** @type {readonly (readonly [name: string, body: () => Promise<number>])[]} */
const checks = [
  ["lint", () => run("biome", ["check", "--error-on-warnings", "."])],
  ["types", () => run("tsc", ["-b"])],
  ["published", checkPublished],
  ["dead-code", () => run("knip", ["--no-progress"])],
  ["size", () => run(process.execPath, ["scripts/size.mjs"])],
  ["figures", checkFigures],
];

/** Half of the checks look at what was built. */
async function runBuild() {
  try {
    await build();
    return 0;
  } catch (error) {
    if (error instanceof StepFailed) return error.exitCode;
    throw error;
  }
}

/** Tables in the documentation say what was measured. */
async function checkFigures() {
  const pages = stalePages();
  for (const { file } of pages) say(`  ${file} shows other figures than docs/figures has: npm run figures -- --render`);
  return pages.length === 0 ? 0 : 1;
}

/** What a user would download: its manifest by publint, its types by attw. */
async function checkPublished() {
  const folder = await mkdtemp(join(tmpdir(), "sasl-check-"));
  try {
    const reports = await Promise.all((await packAll(folder)).map(checkTarball));
    for (const { name, output } of reports) say(output === "" ? `  ${name}: ok` : `  ${name}:\n${output}`);
    return reports.every(({ output }) => output === "") ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {{ name: string, tarball: string }} packed
 * @returns {Promise<{ name: string, output: string }>} `output` is empty when there is nothing to say
 */
async function checkTarball({ name, tarball }) {
  const tools = await Promise.all([
    capture("publint", ["run", "--strict", tarball]),
    capture("attw", ["--profile", "esm-only", "--format", "ascii", tarball]),
  ]);
  const output = tools
    .filter(({ code }) => code !== 0)
    .map(({ stdout, stderr }) => stdout + stderr)
    .join("");
  return { name, output };
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checks.some(([known]) => known === name));
if (unknown.length > 0) {
  say(`No such check: ${unknown.join(", ")}. Checks: ${checks.map(([name]) => name).join(", ")}.`);
  process.exit(64);
}

const failed = [];
for (const [name, body] of [/** @type {const} */ (["build", runBuild]), ...checks]) {
  if (name !== "build" && wanted.length > 0 && !wanted.includes(name)) continue;
  say(`> ${name} ...`);
  const started = performance.now();
  const code = await body();
  say(`  ${code === 0 ? "ok" : "FAILED"} after ${seconds(performance.now() - started)}`);
  if (code !== 0) failed.push(name);
}
say(failed.length === 0 ? "All checks passed." : `Failed: ${failed.join(", ")}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
