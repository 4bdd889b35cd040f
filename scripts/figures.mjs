/**
 * `npm run figures`: measures sizes and speed, and writes them into the documentation. `-- --render` writes what was
 * measured last. Quiet machines alone give figures worth keeping.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keepFigures, stalePages } from "./lib/figures.mjs";
import { must, root, say } from "./lib/run.mjs";

/** Sections of the benchmark that a page shows. */
const sections = ["a", "d", "e", "l"];

const cache = join(root, "node_modules", ".cache", "sasl");
mkdirSync(cache, { recursive: true });

if (process.argv.includes("--render")) {
  for (const { file, text } of stalePages()) {
    writeFileSync(join(root, file), text);
    say(`  ${file}`);
  }
} else {
  await keepSizes();
  await keepSpeed();
}

async function keepSizes() {
  const file = join(cache, "size.json");
  await must("size", process.execPath, ["scripts/size.mjs", "--json", file]);
  /** @type {{ what: string, minified: number, gzipped: number }[]} */
  const sizes = JSON.parse(readFileSync(file, "utf8"));
  keepFigures("size", {
    command: "npm run size",
    on: "bundled with esbuild, without the XML library",
    head: ["program", "minified", "gzipped"],
    rows: sizes.map(({ what, minified, gzipped }) => [what, ...[minified, gzipped].map((n) => n.toLocaleString("en"))]),
  });
}

async function keepSpeed() {
  const file = join(cache, "bench.json");
  await must("bench", process.execPath, ["bench/src/main.mjs", ...sections, "--json", file]);
  /** @type {{ machine: string, results: Record<string, { tables: { head: string[], rows: string[][] }[] }> }} */
  const { machine, results } = JSON.parse(readFileSync(file, "utf8"));
  for (const section of sections) {
    const table = results[section]?.tables[0];
    if (table === undefined) continue;
    const { head, rows } = table;
    keepFigures(`speed-${section}`, {
      command: `npm run bench -- ${section}`,
      on: machine,
      head,
      rows: rows.map(([name = "", ...rest]) => [plain(name), ...rest]),
    });
  }
}

/** Ours stands out, and what ratios are to is no business of a newcomer. @param {string} name */
function plain(name) {
  return name.startsWith("> ") ? `**${name.slice(2)}**` : name.replace(/^[= ] /, "");
}
