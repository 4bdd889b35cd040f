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
 * How many characters of a generated file come from which source, by its source map; largest first. What the bundler
 * itself wrote has no source and is left out.
 *
 * @param {string} code
 * @param {{ sources: readonly string[], mappings: string }} map version 3, of this code
 * @returns {{ source: string, size: number }[]}
 */
export function sizeBySource(code, { sources, mappings }) {
  /** @type {Map<string, number>} */
  const sizes = new Map();
  const lines = code.split("\n");
  let sourceIndex = 0;
  for (const [index, line] of mappings.split(";").entries()) {
    const length = lines[index]?.length ?? 0;
    let column = 0;
    /** @type {string | undefined} */
    let current;
    for (const segment of line === "" ? [] : line.split(",")) {
      const [columnDelta = 0, sourceDelta] = decodeVlq(segment);
      if (current !== undefined) sizes.set(current, (sizes.get(current) ?? 0) + columnDelta);
      column += columnDelta;
      sourceIndex += sourceDelta ?? 0;
      current = sourceDelta === undefined ? undefined : sources[sourceIndex];
    }
    if (current !== undefined) sizes.set(current, (sizes.get(current) ?? 0) + length - column);
  }
  return [...sizes].map(([source, size]) => ({ source, size })).sort((a, b) => b.size - a.size);
}

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * The numbers of one source map segment: base64 digits of five bits, least significant first, the lowest bit the sign.
 *
 * @param {string} segment
 * @returns {number[]}
 */
function decodeVlq(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = base64.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) === 0) {
      numbers.push(value & 1 ? -(value >> 1) : value >> 1);
      value = shift = 0;
    }
  }
  return numbers;
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
