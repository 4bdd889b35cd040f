/**
 * Section g: what our packages weigh in a bundle, at import and at the first login of a fresh process.
 *
 * @module
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { spread } from "../lib/measure.mjs";
import { bar, emptyResult, ms, range, times } from "../lib/report.mjs";

const local = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** @param {import("../main.mjs").Options} options */
export async function run({ quick }) {
  const result = emptyResult();
  sizes(result);
  const rounds = quick ? 5 : 21;
  imports(result, rounds);
  await firstLogins(result, rounds);
  return result;
}

/** The size script has budgets of its own; its table is printed as it is. @param {import("../lib/report.mjs").SectionResult} result */
function sizes(result) {
  const script = local("../../../scripts/size.mjs");
  if (!existsSync(script)) {
    result.missing.push("bundle sizes: scripts/size.mjs is not there");
    return;
  }
  if (!existsSync(local("../../../packages/core/dist/index.js"))) {
    result.missing.push("bundle sizes: the packages are not built");
    return;
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  console.log(`${stdout}${stderr}`.trimEnd().replace(/^/gm, "  "));
  const verdict = status === 0 ? "met" : "not met";
  result.bars.push({ what: "bundle sizes", bar: "the script's budgets", measured: "see above", verdict });
}

/** @param {import("../lib/report.mjs").SectionResult} result @param {number} rounds */
function imports(result, rounds) {
  const files = ["empty", "import-core", "import-pg"];
  /** @type {Map<string, number[]>} */
  const over = new Map();
  for (let round = 0; round < rounds; round++) {
    const took = files.map((file) => wholeProcess(local(`../children/${file}.mjs`)));
    for (const [i, file] of files.entries()) over.set(file, [...(over.get(file) ?? []), took[i] - took[0]]);
  }
  const [core, pg] = files.slice(1).map((file) => spread(over.get(file) ?? []));
  if (Number.isNaN(core.median)) result.missing.push("import of sasl-core: it does not load, build it first");
  result.tables.push({
    title: `import, over an empty process of the same round; ${rounds} rounds`,
    head: ["", "time (range)"],
    rows: [
      ["> sasl-core", range(core, ms)],
      ["  pg", range(pg, ms)],
    ],
  });
  result.bars.push(bar("import of sasl-core over an empty process", core.median, "at most", 15, ms));
}

/** @param {string} file @returns {number} ms, or NaN when the process failed */
function wholeProcess(file) {
  const begun = performance.now();
  const { status } = spawnSync(process.execPath, [file], { stdio: "ignore" });
  return status === 0 ? performance.now() - begun : Number.NaN;
}

/** @param {import("../lib/report.mjs").SectionResult} result @param {number} rounds */
async function firstLogins(result, rounds) {
  const clients = {
    ours: "> sasl-core",
    floor: "  floor: bare node:crypto client",
    pg: "= pg 8.23",
    strophe: "  strophe.js 5.0",
    stanza: "  stanza 12.22",
  };
  /** @type {Map<string, [number, number][]>} */
  const samples = new Map();
  /** @type {Set<string>} */
  const failed = new Set();
  for (let round = 0; round < rounds; round++) {
    for (const client of Object.keys(clients)) {
      if (failed.has(client)) continue;
      try {
        const { stdout } = await promisify(execFile)(process.execPath, [local("../children/cold-login.mjs"), client]);
        samples.set(client, [...(samples.get(client) ?? []), JSON.parse(stdout)]);
      } catch (error) {
        failed.add(client);
        samples.delete(client);
        const reason = /^Error: (.*)$/m.exec(String(/** @type {any} */ (error).stderr))?.[1];
        result.missing.push(`first login of ${client}: ${reason ?? "failed"}`);
      }
    }
  }
  const totals = (/** @type {string} */ client) => samples.get(client)?.map(([load, login]) => load + login);
  const pg = totals("pg");
  const ratio = (/** @type {string} */ client) => {
    const own = totals(client);
    return own && pg && spread(own.map((total, round) => total / pg[round]));
  };
  result.tables.push({
    title: `fresh process: import and first SCRAM-SHA-256 login; ${rounds} rounds`,
    head: ["", "import", "first login", "together (range)", "ratio (range)"],
    rows: Object.entries(clients)
      .filter(([client]) => samples.has(client))
      .map(([client, name]) => {
        const own = samples.get(client) ?? [];
        const against = ratio(client);
        return [
          name,
          ms(spread(own.map(([load]) => load)).median),
          ms(spread(own.map(([, login]) => login)).median),
          range(spread(totals(client) ?? []), ms),
          against === undefined ? "-" : range(against, times),
        ];
      }),
  });
  result.bars.push(bar("import and first login against pg's", ratio("ours")?.median, "at most", 2, times));
}
