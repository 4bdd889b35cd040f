/**
 * Joins a package's compiled modules from `dist/` into `lib/`. Run in a package's folder, after tsc.
 *
 * Node.js takes about half a millisecond for each module it has to find and read, so that the many small files the
 * source is made of would cost more than the program they hold. So everything is in one file, and each entry of the
 * manifest hands out its own names from there. What is loaded when needed stays in files of its own, and entries that
 * not every program can load are joined by themselves.
 *
 * Nothing is minified, other packages and the `#…` imports of the package stay imports, and bundlers can still drop what
 * is not used.
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

/** Entries that only some programs can load: they need Node.js, or a package that is not always there. */
const apart = entries.filter((file) => file.startsWith("node/") || file.startsWith("jwt"));
const together = entries.filter((file) => !apart.includes(file));

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
  external: ["#*", "node:*"],
  chunkNames: "chunks/[name]-[hash]",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
};

await rm("lib", { recursive: true, force: true });
const contents = together.map((file) => `export * from "./${file}";`).join("\n");
const all = { contents, resolveDir: "dist", sourcefile: "dist/all.js" };
await build({ ...options, stdin: all, entryNames: "all" });
await build({ ...options, entryPoints: apart.map((file) => `dist/${file}`) });

// The names of an entry are those its module exports; esbuild knows them without running anything.
const { metafile } = await build({
  ...options,
  entryPoints: together.map((file) => `dist/${file}`),
  write: false,
  metafile: true,
});
for (const file of together) {
  const names = metafile.outputs[`lib/${file}`]?.exports ?? [];
  const from = posix.relative(posix.dirname(file), "all.js");
  await mkdir(dirname(`lib/${file}`), { recursive: true });
  const path = from.startsWith("../") ? from : `./${from}`;
  await writeFile(`lib/${file}`, `export { ${names.join(", ")} } from "${path}";\n`);
}
