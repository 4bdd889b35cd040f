/**
 * `npm run size`: what a browser has to load, minified and gzipped, against limits.
 *
 * Each program in `scripts/size/` is bundled from the built packages with code splitting. What counts is what the
 * program loads before it runs: its own chunk and every chunk imported statically, each gzipped by itself.
 *
 * @module
 */
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { initialFiles, inputsOf, packageOf } from "./lib/bundle.mjs";
import { root, say } from "./lib/run.mjs";

/**
 * @typedef {object} Program
 * @property {string} file in `scripts/size/`
 * @property {string} what
 * @property {number} limitBytes gzipped
 * @property {readonly string[]} mechanisms files or folders of `packages/core/dist/mechanisms/` it may load; all others add nothing
 * @property {readonly RegExp[]} [later] loaded when needed: there is such an input, and none of them at the start
 */

const saslprepTables = /\/packages\/core\/dist\/.*(saslprep|stringprep).*tables/;

/** @type {readonly Program[]} */
const programs = [
  {
    file: "xmpp-client.ts",
    what: "sasl-xmpp client with PLAIN and SCRAM-SHA-256",
    limitBytes: 7000,
    mechanisms: ["plain", "scram"],
    later: [saslprepTables],
  },
  {
    file: "xmpp-plain.ts",
    what: "sasl-xmpp client with PLAIN only",
    limitBytes: 6000,
    mechanisms: ["plain"],
    later: [saslprepTables],
  },
  {
    file: "core-all.ts",
    what: "sasl-core with every mechanism, clients and servers",
    limitBytes: 20_000,
    mechanisms: [""],
    later: [saslprepTables],
  },
];

/** Never in a browser, whatever the program. */
const nodeOnly = /\/packages\/[a-z]+\/dist\/(node\/|runtime\/(soft-digests-)?node\.js)/;
const mechanismFile = /\/packages\/core\/dist\/mechanisms\/([^/.]+)/;

/**
 * @param {Program} program
 * @returns {Promise<string[]>} the faults
 */
async function measure({ file, what, limitBytes, mechanisms, later = [] }) {
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
    write: false,
    outdir: join(root, "node_modules/.cache/sasl/size"),
    external: ["ltx", "@xmldom/xmldom"],
    logLevel: "error",
  });
  const bytes = new Map(
    outputFiles.map(({ path, contents }) => [relative(root, path).replaceAll("\\", "/"), contents]),
  );
  const initial = initialFiles(metafile);
  const minified = sum(initial.map((name) => bytes.get(name)?.length ?? 0));
  const gzipped = sum(initial.map((name) => gzipSync(bytes.get(name) ?? "", { level: 9 }).length));
  const inputs = inputsOf(metafile, initial);

  const faults = [];
  if (gzipped > limitBytes) faults.push(`${gzipped} bytes gzipped, limit ${limitBytes}`);
  for (const { name } of inputs) {
    if (nodeOnly.test(name)) faults.push(`${name} is for Node.js only`);
    const mechanism = mechanismFile.exec(name)?.[1];
    const known =
      mechanism === undefined || mechanism === "index" || mechanisms.some((m) => m === "" || m === mechanism);
    if (!known) faults.push(`${name} is a mechanism this program does not use`);
  }
  const everything = inputsOf(metafile, Object.keys(metafile.outputs));
  for (const pattern of later) {
    const early = inputs.filter(({ name }) => pattern.test(name));
    for (const { name } of early) faults.push(`${name} is loaded at the start`);
    if (!everything.some(({ name }) => pattern.test(name)))
      faults.push(`nothing matches ${pattern}: is it loaded at all?`);
  }

  say(`${what}: ${minified} minified, ${gzipped} gzipped of ${limitBytes}`);
  if (process.argv.includes("-v")) {
    for (const { name, bytes: size } of inputs) say(`  ${String(size).padStart(6)}  ${packageOf(name)}`);
  }
  return faults.map((fault) => `${file}: ${fault}`);
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, n) => total + n, 0);
}

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
process.exitCode = faults.length === 0 ? 0 : 1;
