/**
 * Which packages there are, read from the folders themselves.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {string} version
 * @property {boolean} [private]
 * @property {string} [packageManager]
 * @property {Record<string, unknown>} [exports]
 * @property {Record<string, unknown>} [imports]
 * @property {Record<string, string>} [bin]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, { optional?: boolean }>} [peerDependenciesMeta]
 * @property {Record<string, string>} [devDependencies]
 */

/** @typedef {{ folder: string, path: string, manifest: Manifest }} WorkspacePackage `folder` is relative to the root */

/**
 * @param {string} file
 * @returns {Manifest}
 */
export function readManifest(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** @returns {WorkspacePackage[]} every package below the root, in the order of their folders */
export function workspacePackages() {
  const folders = [...below("packages"), ...below("examples"), "bench", ...below("tests")];
  return folders.flatMap((folder) => {
    const path = join(root, folder);
    const file = join(path, "package.json");
    return existsSync(file) ? [{ folder, path, manifest: readManifest(file) }] : [];
  });
}

/** @returns {WorkspacePackage[]} the packages that are published */
export function publishedPackages() {
  return workspacePackages().filter(({ manifest }) => manifest.private !== true);
}

/** @param {string} folder */
function below(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .sort()
    .map((name) => `${folder}/${name}`);
}
