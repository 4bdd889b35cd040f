/**
 * `npm run check`: formatting and lint, types, what is published, dead code, bundle sizes.
 * All of them run, whatever the earlier ones say. `npm run check -- types size` runs only those.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packAll } from "./lib/pack.mjs";
import { run, say, seconds } from "./lib/run.mjs";

/** @type {readonly (readonly [name: string, body: () => Promise<number>])[]} */
const checks = [
  ["lint", () => run("biome", ["ci", "--error-on-warnings", "."])],
  ["types", () => run("tsc", ["-b"])],
  ["published", checkPublished],
  ["dead-code", () => run("knip", ["--no-progress", "--treat-config-hints-as-errors"])],
  ["size", () => run(process.execPath, ["scripts/size.mjs"])],
];

/** What a user would download: its manifest by publint, its types by attw. */
async function checkPublished() {
  const folder = await mkdtemp(join(tmpdir(), "sasl-check-"));
  try {
    let worst = 0;
    for (const { name, tarball } of await packAll(folder)) {
      say(`  ${name}`);
      const lint = await run("publint", ["run", "--strict", tarball]);
      const types = await run("attw", ["--profile", "esm-only", "--format", "ascii", "--quiet", tarball]);
      worst = Math.max(worst, lint, types);
    }
    return worst;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checks.some(([known]) => known === name));
if (unknown.length > 0) {
  say(`No such check: ${unknown.join(", ")}. Checks: ${checks.map(([name]) => name).join(", ")}.`);
  process.exit(64);
}

const failed = [];
for (const [name, body] of checks) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  say(`> ${name} ...`);
  const started = performance.now();
  const code = await body();
  say(`  ${code === 0 ? "ok" : "FAILED"} after ${seconds(performance.now() - started)}`);
  if (code !== 0) failed.push(name);
}
say(failed.length === 0 ? "All checks passed." : `Failed: ${failed.join(", ")}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
