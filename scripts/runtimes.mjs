/**
 * `npm run runtimes`: the suite and the packed packages on every runtime, the declarations with every TypeScript, and the
 * table of it in the documentation. `-- node-22 typescript` tries only those, and leaves the rest of the table; `-- bun core`
 * only that project of the suite, and leaves all of it.
 *
 * The runtimes come from npm and stay in the cache.
 *
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { heldFigures, keepFigures } from "./lib/figures.mjs";
import { packAll, testedPeers } from "./lib/pack.mjs";
import { capture, must, root, say, step } from "./lib/run.mjs";
import { imported, required } from "./lib/smoke.mjs";
import { closingLine } from "./lib/tests.mjs";
import { publishedPackages } from "./lib/workspace.mjs";

/**
 * @typedef {object} Runtime
 * @property {string} id
 * @property {string} label
 * @property {string} from of npm
 * @property {string} binary in its `node_modules`
 * @property {readonly string[]} args before the program
 * @property {boolean} whole everything has to pass; otherwise what fails is told
 */

/** @type {readonly Runtime[]} */
const runtimes = [
  ...[20, 22, 24, 26].map((major) => ({
    id: `node-${major}`,
    label: `Node.js ${major}`,
    from: `node@${major}`,
    binary: "node/bin/node",
    args: [],
    whole: true,
  })),
  { id: "bun", label: "Bun", from: "bun@1", binary: ".bin/bun", args: ["--bun"], whole: false },
  { id: "deno", label: "Deno", from: "deno@2", binary: ".bin/deno", args: ["run", "-A"], whole: false },
];

/** Declarations have to be good for all of these. */
const compilers = ["5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "6.0", "7.0"];

/** The whole suite, but what looks at this repository and not at the packages. */
const projects = publishedPackages().map(({ folder }) => folder.replace("packages/", ""));

const cache = join(root, "node_modules", ".cache", "sasl", "runtimes");

/** @param {Runtime} runtime @returns {Promise<{ command: string, version: string }>} */
async function installed({ id, from, binary, args }) {
  const folder = join(cache, id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  await must(from, "npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", from], {
    cwd: folder,
    quiet: true,
  });
  const command = join(folder, "node_modules", binary);
  const { stdout } = await capture(command, ["--version"]);
  if (args.length === 0 && !stdout.startsWith("v")) throw new Error(`${command} is no Node.js`);
  return {
    command,
    version:
      stdout
        .trim()
        .replace(/^(v|deno )/, "")
        .split(" ")[0] ?? "",
  };
}

/**
 * @param {string} command
 * @param {Runtime} runtime
 * @param {readonly string[]} only
 * @returns {Promise<{ passed: number, failed: number, report: string }>}
 */
async function suite(command, { id, args, whole }, only) {
  const counts = join(cache, `${id}.json`);
  rmSync(counts, { force: true });
  const { stdout, stderr } = await capture(
    command,
    [
      ...args,
      "node_modules/vitest/vitest.mjs",
      "run",
      "--reporter=dot",
      "--reporter=./scripts/lib/count-reporter.mjs",
      // Where something is missing, tests wait for what never comes.
      ...(whole ? [] : ["--testTimeout=5000"]),
      ...only.flatMap((name) => ["--project", name]),
    ],
    { env: { SASL_TEST_COUNTS: counts, NO_COLOR: "1", PATH: `${join(command, "..")}:${process.env.PATH}` } },
  );
  const report = stdout + stderr;
  writeFileSync(join(cache, `${id}.log`), report);
  try {
    return { ...JSON.parse(readFileSync(counts, "utf8")), report };
  } catch {
    return { passed: 0, failed: 1, report };
  }
}

/** The files in which most tests failed, and how many in each. @param {string} report of vitest */
function whereOf(report) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const [, name, file] of report.matchAll(/^ *FAIL +\|([\w-]+)\| (\S+) >/gm)) {
    const where = `${name} \`${file}\``;
    counts.set(where, (counts.get(where) ?? 0) + 1);
  }
  const files = [...counts].sort(([, a], [, b]) => b - a).map(([where, count]) => `${where} (${count})`);
  const more = files.length > 5 ? `, and ${files.length - 5} files with fewer` : "";
  return files.slice(0, 5).join(", ") + more;
}

/** An empty project with the packages as they would be published. @returns {Promise<string>} its folder */
async function packedProject() {
  const folder = join(cache, "packed");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "tarballs"), { recursive: true });
  const tarballs = (await packAll(join(folder, "tarballs"))).map(({ tarball }) => tarball);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(folder, "smoke.js"), imported);
  writeFileSync(join(folder, "smoke.cjs"), required);
  writeFileSync(join(folder, "entries.ts"), everyEntry());
  const options = ["--no-audit", "--no-fund", "--loglevel=error"];
  await must("npm install", "npm", ["install", ...options, ...tarballs, ...testedPeers(), "@types/node@20"], {
    cwd: folder,
    quiet: true,
  });
  return folder;
}

/** A program that looks at the declarations of every entry. */
function everyEntry() {
  const entries = publishedPackages().flatMap(({ manifest }) =>
    Object.keys(manifest.exports ?? {})
      .filter((entry) => !entry.endsWith(".json"))
      .map((entry) => manifest.name + entry.slice(1)),
  );
  return entries.map((entry, i) => `export * as entry${i} from "${entry}";\n`).join("");
}

/**
 * @param {string} folder of the project
 * @param {string} version
 * @returns {Promise<{ version: string, complaints: string[] }>} complaints about our declarations; those of others are theirs
 */
async function declarations(folder, version) {
  const home = join(cache, `typescript-${version}`);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ private: true }));
  const install = ["install", "--no-audit", "--no-fund", "--loglevel=error", `typescript@~${version}.0`];
  await must(`typescript ${version}`, "npm", install, { cwd: home, quiet: true });
  const manifest = JSON.parse(readFileSync(join(home, "node_modules/typescript/package.json"), "utf8"));
  const complaints = [];
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    const config = {
      compilerOptions: {
        ...{ module, moduleResolution, target: "es2022", lib: ["ES2023", "DOM"], types: ["node"] },
        ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true },
      },
      files: ["entries.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(home, "node_modules/typescript/bin/tsc");
    const { code, stdout, stderr } = await capture(process.execPath, [tsc, "-p", ".", "--pretty", "false"], {
      cwd: folder,
    });
    const lines = `${stdout}${stderr}`.split("\n");
    const ours = lines.filter((line) => /^(entries\.ts|(\.\.\/)*node_modules\/sasl-)/.test(line));
    complaints.push(...ours);
    if (code !== 0 && !lines.some((line) => /error TS\d/.test(line)))
      complaints.push(`tsc ended with ${code}: ${lines[0]}`);
  }
  return { version: manifest.version, complaints };
}

/**
 * Writes what came out into the table; what else stands there stays, and so does it when this run is broken off.
 *
 * @param {string} label
 * @param {string[] | undefined} row
 * @param {string | undefined} note
 */
function keep(label, row, note) {
  const { rows = [], notes = [] } = heldFigures("runtimes") ?? {};
  const labels = runtimes.map((each) => each.label);
  const place = (/** @type {string} */ text) => labels.findIndex((each) => text.startsWith(each));
  const others = rows.filter(([name = ""]) => !name.startsWith(`${label} (`));
  keepFigures("runtimes", {
    command: "npm run runtimes",
    on: `${process.platform} ${process.arch}`,
    head: ["runtime", "tests passed", "of them", "import", "require()"],
    rows: [...others, ...(row ? [row] : [])].sort(([a = ""], [b = ""]) => place(a) - place(b)),
    notes: [...notes.filter((each) => !each.startsWith(`${label}:`)), ...(note ? [note] : [])].sort(),
  });
}

/** @param {Runtime} runtime */
async function tryRuntime(runtime) {
  const { command, version } = await installed(runtime);
  const { passed, failed, report } = await step(`${runtime.label} ${version}: the suite`, () =>
    suite(command, runtime, only.length > 0 ? only : projects),
  );
  const smoke = await capture(command, [...runtime.args, "smoke.js"], { cwd: project });
  const require = await capture(command, [...runtime.args, "smoke.cjs"], { cwd: project });
  say(`  ${passed} passed, ${failed} failed; import ${yes(smoke)}, require() ${yes(require)}`);
  if (failed > 0) say(`  see ${join(cache, `${runtime.id}.log`)}`);
  for (const { code, stderr } of [smoke, require]) {
    if (code !== 0) say(stderr.trim().split("\n").slice(0, 12).join("\n"));
  }
  totals.passed += passed;
  // What another runtime lacks is told in the table, and no fault of ours.
  if (runtime.whole) totals.failed += failed;
  count(smoke.code === 0);
  count(require.code === 0);
  if (only.length > 0) return;
  const share = failed === 0 ? "all" : `${failed} fail`;
  const row = [`${runtime.label} (${version})`, passed.toLocaleString("en"), share, yes(smoke), yes(require)];
  keep(runtime.label, row, failed === 0 ? undefined : `${runtime.label}: what fails is in ${whereOf(report)}.`);
}

async function tryCompilers() {
  /** @type {string[]} */
  const versions = [];
  for (const each of compilers) {
    const { version, complaints } = await step(`TypeScript ${each}`, () => declarations(project, each));
    for (const line of complaints.slice(0, 10)) say(`  ${line}`);
    count(complaints.length === 0);
    if (complaints.length === 0) versions.push(version);
  }
  const ways = "under `nodenext` and `bundler`";
  keep("TypeScript", undefined, `TypeScript: the declarations are good for ${versions.join(", ")}, ${ways}.`);
}

/** @param {{ code: number }} result */
function yes({ code }) {
  return code === 0 ? "yes" : "no";
}

const ids = [...runtimes.map(({ id }) => id), "typescript"];
const wanted = process.argv.slice(2);
const only = wanted.filter((each) => projects.includes(each));
const named = wanted.filter((each) => ids.includes(each));
const unknown = wanted.filter((each) => ![...only, ...named].includes(each));
if (unknown.length > 0) {
  say(`Unknown: ${unknown.join(", ")}. There are ${ids.join(", ")}; and of the suite ${projects.join(", ")}.`);
  process.exit(64);
}

const totals = { passed: 0, failed: 0 };
/** @param {boolean} ok */
const count = (ok) => (ok ? totals.passed++ : totals.failed++);

mkdirSync(cache, { recursive: true });
const project = await step("Packing the packages into an empty project", packedProject);
const chosen = named.length > 0 ? named : ids;
for (const runtime of runtimes) if (chosen.includes(runtime.id)) await tryRuntime(runtime);
if (chosen.includes("typescript")) await tryCompilers();
say(closingLine(totals));
process.exitCode = totals.failed === 0 ? 0 : 1;
