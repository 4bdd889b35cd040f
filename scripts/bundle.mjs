/**
 * Joins a package's compiled modules from `dist/` into `lib/`. Run in a package's folder, after tsc.
 *
 * Node.js takes about half a millisecond for each module it has to find and read, so that the many small files the
 * source is made of would cost more than the program they hold. So everything is in one file, and each entry of the
 * manifest hands out its own names from there. What is loaded when needed stays in files of its own, and entries that
 * not every program can load are joined by themselves. All of it is there twice: for Node.js, under the condition of that
 * name, and for the rest of the world.
 *
 * Nothing is minified, other packages stay imports, and bundlers can still drop what is not used.
 *
 * @module
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, posix } from "node:path";
import { build } from "esbuild";

const manifest = JSON.parse(await readFile("package.json", "utf8"));

/** `./lib/x.js` in the manifest is made from `./dist/x.js`. */
const entries = Object.values(manifest.exports)
  .map((entry) => entry.default)
  .filter((file) => file?.startsWith("./lib/"))
  .map((file) => file.replace("./lib/", ""));

/** For Node.js alone. */
const nodeOnly = entries.filter((file) => file.startsWith("node/"));
/**
 * Entries that only some programs load: they need a package that is not always there, or are for tests. What they hold is not
 * to be in every program.
 */
const apart = entries.filter((file) => /^(jwt|ecdsa|browser|legacy|experimental|testing)[/.]/.test(file));
const together = entries.filter((file) => !apart.includes(file) && !nodeOnly.includes(file));

/** @type {import("esbuild").BuildOptions} */
const options = {
  outdir: "lib",
  outbase: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  target: "es2023",
  packages: "external",
  external: ["node:*"],
  chunkNames: "chunks/[name]-[hash]",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
};

/**
 * Everything in one file below `folder`, with what the `#…` imports of the package mean under these conditions.
 *
 * @param {string} folder
 * @param {string[]} conditions
 */
async function join(folder, conditions) {
  const contents = together.map((file) => `export * from "./${file}";`).join("\n");
  const stdin = { contents, resolveDir: "dist", sourcefile: "dist/all.js" };
  await build({ ...options, stdin, conditions, entryNames: "all", outdir: folder });
  for (const file of together) {
    const from = posix.relative(posix.dirname(file), "all.js");
    const path = from.startsWith("../") ? from : `./${from}`;
    await mkdir(dirname(`${folder}/${file}`), { recursive: true });
    await writeFile(`${folder}/${file}`, `export { ${(names.get(file) ?? []).join(", ")} } from "${path}";\n`);
  }
}

await rm("lib", { recursive: true, force: true });
// The names of an entry are those its module exports; esbuild knows them without running anything.
const entryPoints = together.map((file) => `dist/${file}`);
const { metafile } = await build({ ...options, entryPoints, external: ["#*"], write: false, metafile: true });
const names = new Map(together.map((file) => [file, metafile.outputs[`lib/${file}`]?.exports ?? []]));

for (const [outdir, conditions] of /** @type {const} */ ([
  ["lib", []],
  ["lib/on-node", ["node"]],
])) {
  await join(outdir, [...conditions]);
  await build({ ...options, outdir, conditions: [...conditions], entryPoints: apart.map((file) => `dist/${file}`) });
}
await build({ ...options, conditions: ["node"], entryPoints: nodeOnly.map((file) => `dist/${file}`) });
