/**
 * Joins a package's compiled modules into one file for each entry and chunks for what entries share, from `dist/` into
 * `lib/`. Run in a package's folder, after tsc. Node.js takes about half a millisecond for each module it has to find and
 * read, so that the many small files the source is made of would cost more than the program they hold.
 *
 * Nothing is minified, other packages and the `#…` imports of the package stay imports, and bundlers can still drop what
 * is not used: unused code behind a pure call stays marked as such.
 *
 * @module
 */
import { readFile, rm } from "node:fs/promises";
import { build } from "esbuild";

const manifest = JSON.parse(await readFile("package.json", "utf8"));

/** `./lib/x.js` in the manifest is made from `dist/x.js`. */
const entryPoints = Object.values(manifest.exports)
  .map((entry) => entry.default)
  .filter((file) => file?.startsWith("./lib/"))
  .map((file) => file.replace("./lib/", "dist/"));

await rm("lib", { recursive: true, force: true });
await build({
  entryPoints,
  outbase: "dist",
  outdir: "lib",
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
});
