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
export function packAll(folder) {
  return Promise.all(
    publishedPackages().map(async ({ path, manifest: { name, version } }) => {
      const into = join(folder, name);
      mkdirSync(into);
      // pnpm writes real versions where the manifests say "workspace:".
      await must(`packing ${name}`, "pnpm", ["pack", "--pack-destination", into], { cwd: path, quiet: true });
      return { name, tarball: join(into, `${name}-${version}.tgz`) };
    }),
  );
}

/**
 * What has to be installed beside the packages: the libraries they are for, in the versions they were tested with. The newest
 * of one may want what a registry does not have.
 *
 * @returns {string[]} as npm takes them
 */
export function testedPeers() {
  return publishedPackages().flatMap(({ manifest }) => {
    const { peerDependencies = {}, peerDependenciesMeta = {}, devDependencies = {} } = manifest;
    const needed = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
    return needed.map((name) => `${name}@${devDependencies[name] ?? peerDependencies[name]}`);
  });
}
