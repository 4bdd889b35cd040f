/**
 * Reading esbuild's account of a bundle.
 *
 * @module
 */

/** @typedef {import("esbuild").Metafile} Metafile */

/**
 * The output files that are loaded before the first line of the entry runs.
 *
 * @param {Metafile} metafile of a build with one entry
 * @returns {string[]} the entry first
 */
export function initialFiles({ outputs }) {
  const entry = Object.keys(outputs).find((name) => outputs[name]?.entryPoint !== undefined && !isLazy(outputs, name));
  if (entry === undefined) throw new TypeError("The bundle has no entry.");
  const found = [entry];
  // `found` grows while it is walked.
  for (const name of found) {
    for (const { path, kind, external } of outputs[name]?.imports ?? []) {
      if (kind === "import-statement" && external !== true && !found.includes(path)) found.push(path);
    }
  }
  return found;
}

/**
 * What is in the given output files, largest first; inputs of which nothing was kept are left out.
 *
 * @param {Metafile} metafile
 * @param {readonly string[]} names of output files
 * @returns {{ name: string, bytes: number }[]} `name` begins with a slash
 */
export function inputsOf({ outputs }, names) {
  return names
    .flatMap((output) => Object.entries(outputs[output]?.inputs ?? {}))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([name, { bytesInOutput }]) => ({ name: `/${name}`, bytes: bytesInOutput }))
    .sort((a, b) => b.bytes - a.bytes);
}

/**
 * A path without what comes before its package's folder.
 *
 * @param {string} name
 */
export function packageOf(name) {
  return name.replace(/^.*\/(?:node_modules|packages)\//, "");
}

/**
 * With code splitting esbuild names an entry point for dynamic imports too.
 *
 * @param {Metafile["outputs"]} outputs
 * @param {string} name
 */
function isLazy(outputs, name) {
  return Object.values(outputs).some(({ imports }) =>
    imports.some(({ path, kind }) => path === name && kind === "dynamic-import"),
  );
}
