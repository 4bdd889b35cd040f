/**
 * The packages as they would be published.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { must } from "./run.mjs";
import { publishedPackages } from "./workspace.mjs";

/**
 * Packs every published package; needs the build and `pnpm` on the PATH.
 *
 * @param {string} folder an existing empty folder that takes the tarballs
 * @returns {Promise<{ name: string, tarball: string }[]>}
 */
export async function packAll(folder) {
  const packed = [];
  for (const { path, manifest } of publishedPackages()) {
    const into = join(folder, manifest.name);
    mkdirSync(into);
    // pnpm writes real versions where the manifests say "workspace:".
    await must(`packing ${manifest.name}`, "pnpm", ["pack", "--pack-destination", into], { cwd: path, quiet: true });
    packed.push({ name: manifest.name, tarball: join(into, `${manifest.name}-${manifest.version}.tgz`) });
  }
  return packed;
}
