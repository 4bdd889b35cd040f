/**
 * `npm run size`: what a browser has to load, minified and gzipped, against limits.
 *
 * Each program in `scripts/size/` is bundled from the built packages with code splitting. What counts is what the
 * program loads before it runs: its own chunk and every chunk imported statically, each gzipped by itself.
 *
 * `-v` says what they are made of; `--json FILE` at the end writes the sizes for a program.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { initialFiles, packageOf, sizeBySource } from "./lib/bundle.mjs";
import { root, say } from "./lib/run.mjs";

/**
 * @typedef {object} Program
 * @property {string} file in `scripts/size/`
 * @property {string} what
 * @property {number} limitBytes gzipped; it may shrink, never grow
 * @property {number} [goalBytes] what it should come to; told, and no fault as long as the limit is kept
 * @property {readonly string[]} mechanisms files or folders of `packages/core/src/mechanisms/` it may load; all others add nothing
 * @property {readonly RegExp[]} [later] loaded when needed: there is such an input, and none of them at the start
 */

const saslprepTables = /\/packages\/core\/src\/text\/stringprep-tables\./;

/** @type {readonly Program[]} */
const programs = [
  {
    file: "xmpp-client.ts",
    what: "sasl-xmpp client with PLAIN and SCRAM-SHA-256",
    // 59 more than it was, for keys that compute by themselves: without that word in SCRAM no browser could hide them.
    limitBytes: 9059,
    goalBytes: 7000,
    mechanisms: ["plain", "scram"],
    later: [saslprepTables],
  },
  {
    file: "xmpp-plain.ts",
    what: "sasl-xmpp client with PLAIN only",
    limitBytes: 7150,
    goalBytes: 6000,
    mechanisms: ["plain"],
    later: [saslprepTables],
  },
  {
    file: "core-all.ts",
    what: "sasl-core with every mechanism, clients and servers",
    limitBytes: 70_000,
    mechanisms: ["*"],
    later: [saslprepTables],
  },
];

/** Never in a browser, whatever the program. */
const nodeOnly = /\/packages\/[a-z]+\/src\/(node\/|runtime\/(soft-(digests|ciphers)-)?node\.ts)/;
const mechanismFile = /\/packages\/core\/src\/mechanisms\/([^/.]+)/;

/**
 * @param {Program} program
 * @returns {Promise<string[]>} the faults
 */
async function measure({ file, what, limitBytes, goalBytes = limitBytes, mechanisms, later = [] }) {
  const outdir = join(root, "node_modules/.cache/sasl/size");
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, "scripts/size", file)],
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    metafile: true,
    // The maps of the packages lead through to their sources.
    sourcemap: "external",
    sourcesContent: false,
    write: false,
    outdir,
    external: ["ltx", "@xmldom/xmldom"],
    logLevel: "error",
  });
  const files = new Map(outputFiles.map(({ path, text }) => [relative(root, path).replaceAll("\\", "/"), text]));
  const chunks = [...files.keys()].filter((name) => name.endsWith(".js"));
  const initial = initialFiles(metafile);

  /** @param {readonly string[]} names */
  const sourcesOf = (names) =>
    names
      .flatMap((name) => sizeBySource(files.get(name) ?? "", JSON.parse(files.get(`${name}.map`) ?? "{}")))
      .map(({ source, size }) => ({ source: join(outdir, source).replaceAll("\\", "/"), size }));

  const minified = sum(initial.map((name) => Buffer.byteLength(files.get(name) ?? "")));
  const gzipped = sum(initial.map((name) => gzipSync(files.get(name) ?? "", { level: 9 }).length));
  const atStart = sourcesOf(initial);
  const everything = sourcesOf(chunks);

  const faults = [];
  if (gzipped > limitBytes) faults.push(`${gzipped} bytes gzipped, limit ${limitBytes}`);
  for (const { source } of everything) {
    if (nodeOnly.test(source)) faults.push(`${packageOf(source)} is for Node.js only`);
  }
  const known = new Set(["index", ...mechanisms]);
  for (const { source, size } of everything) {
    const mechanism = mechanismFile.exec(source)?.[1];
    if (mechanism !== undefined && !mechanisms.includes("*") && !known.has(mechanism)) {
      faults.push(`${size} bytes of ${packageOf(source)}, a mechanism that this program does not use`);
    }
  }
  for (const name of mechanisms) {
    const found = name === "*" || atStart.some(({ source }) => mechanismFile.exec(source)?.[1] === name);
    if (!found) faults.push(`nothing of the mechanism ${name}: are the source maps complete?`);
  }
  for (const pattern of later) {
    const early = atStart.filter(({ source }) => pattern.test(source));
    for (const { source } of early) faults.push(`${packageOf(source)} is loaded at the start`);
    const exists = everything.some(({ source }) => pattern.test(source));
    if (!exists) faults.push(`nothing matches ${pattern}: is it loaded at all?`);
  }

  const goal = gzipped > goalBytes ? `, goal ${goalBytes} NOT MET` : "";
  say(`${what}: ${minified} minified, ${gzipped} gzipped of ${limitBytes}${goal}`);
  sizes.push({ what, minified, gzipped });
  if (process.argv.includes("-v")) {
    for (const { source, size } of atStart) say(`  ${String(size).padStart(6)}  ${packageOf(source)}`);
  }
  return faults.map((fault) => `${file}: ${fault}`);
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, n) => total + n, 0);
}

/** @type {{ what: string, minified: number, gzipped: number }[]} */
const sizes = [];
const faults = [];
for (const program of programs) {
  try {
    faults.push(...(await measure(program)));
  } catch (error) {
    // esbuild has shown what was wrong with the sources.
    faults.push(`${program.file}: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`);
  }
}
for (const fault of faults) say(`FAULT ${fault}`);
if (process.argv.includes("--json")) writeFileSync(process.argv.at(-1) ?? "", JSON.stringify(sizes));
process.exitCode = faults.length === 0 ? 0 : 1;
