/**
 * Programs out of the README of a package, to be run against something real.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../run.js";

/**
 * Writes a program of a README to a file beside the package's dependencies. The folder is the caller's to remove.
 *
 * @param name folder below `packages`
 * @param block which of its `ts` blocks, from 0; it must be JavaScript too
 * @param replacements what stands there, and what to put in its place: names, ports, passwords
 * @throws {Error} for a block or a text that is not there
 */
export function readmeProgram(
  name: string,
  block: number,
  replacements: Readonly<Record<string, string>>,
): { readonly file: string; readonly folder: string } {
  const page = readFileSync(join(repository, "packages", name, "README.md"), "utf8");
  const found = [...page.matchAll(/^```ts[^\n]*\n(.*?)^```$/gms)][block]?.[1];
  if (found === undefined) throw new Error(`packages/${name}/README.md has no block ${block}`);
  let text = found;
  for (const [old, fresh] of Object.entries(replacements)) {
    if (!text.includes(old)) throw new Error(`packages/${name}/README.md does not say ${old}`);
    text = text.replaceAll(old, fresh);
  }
  const cache = join(repository, "packages", name, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "peers-"));
  const file = join(folder, "program.mjs");
  writeFileSync(file, text);
  return { file, folder };
}
