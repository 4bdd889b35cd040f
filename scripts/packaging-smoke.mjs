/**
 * The packages as a user gets them: packed, installed with npm into an empty project, then imported and required.
 *
 * @module
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { preparePath } from "./lib/install.mjs";
import { packAll, testedPeers } from "./lib/pack.mjs";
import { must, say, step } from "./lib/run.mjs";
import { imported, required } from "./lib/smoke.mjs";

await preparePath();
const folder = await mkdtemp(join(tmpdir(), "sasl-smoke-"));
try {
  const tarballFolder = join(folder, "packed");
  const project = join(folder, "project");
  await Promise.all([mkdir(tarballFolder), mkdir(project)]);
  const packed = await step("Packing the packages", () => packAll(tarballFolder));
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "smoke", private: true, type: "module" }));
  await writeFile(join(project, "smoke.js"), imported);
  await writeFile(join(project, "smoke.cjs"), required);
  const tarballs = packed.map(({ tarball }) => tarball);
  await step("Installing them with npm into an empty project", () =>
    must(
      "npm install",
      "npm",
      ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs, ...testedPeers()],
      {
        cwd: project,
      },
    ),
  );
  await must("import", process.execPath, ["smoke.js"], { cwd: project });
  await must("require", process.execPath, ["--no-warnings", "smoke.cjs"], { cwd: project });
  await must("the installed command", "npx", ["--no-install", "sasl", "mechanisms"], { cwd: project, quiet: true });
  say("The packed packages work.");
} finally {
  await rm(folder, { recursive: true, force: true });
}
