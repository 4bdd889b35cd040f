/**
 * Gets a fresh clone to the point where the tools run, with nothing present but Node.js and npm.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { capture, must, root, StepFailed, step } from "./run.mjs";
import { readManifest, workspacePackages } from "./workspace.mjs";

const pnpm = readManifest(join(root, "package.json")).packageManager ?? "pnpm";
const cache = join(root, "node_modules", ".cache", "sasl");
const stampFile = join(cache, "installed");
const pnpmFolderFile = join(cache, "pnpm-folder");

/** Installs the dependencies unless exactly these are installed already. */
export async function install() {
  const stamp = wanted();
  if (isInstalled(stamp)) return;
  await step(`Installing dependencies with ${pnpm}; the first time this takes 10 to 30 seconds`, () =>
    must("install", "npx", ["-y", pnpm, "install", "--frozen-lockfile", "--reporter=append-only"], {
      // CI: pnpm asks no questions. SASL_BOOTSTRAP: the build that follows an install by hand is done by us.
      env: { CI: "true", SASL_BOOTSTRAP: "1" },
    }),
  );
  mkdirSync(cache, { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Builds every package that changed since its last build. */
export async function build() {
  await preparePath();
  await step("Building what has changed", () =>
    must("build", "turbo", ["run", "build", "--output-logs=errors-only", "--log-order=grouped"], {
      quiet: true,
      env: { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", TURBO_NO_UPDATE_NOTIFIER: "1" },
    }),
  );
}

/** Makes the installed tools and pnpm itself reachable by their names: turbo and publint start `pnpm`. */
export async function preparePath() {
  process.env.PATH = [await pnpmFolder(), join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);
}

function wanted() {
  const hash = createHash("sha256");
  const manifests = workspacePackages().map(({ folder }) => `${folder}/package.json`);
  for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) {
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

/** @param {string} stamp */
function isInstalled(stamp) {
  if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) return false;
  return workspacePackages().every(({ path, manifest }) => {
    const { dependencies = {}, devDependencies = {} } = /** @type {Record<string, object>} */ (
      /** @type {unknown} */ (manifest)
    );
    const count = Object.keys(dependencies).length + Object.keys(devDependencies).length;
    return count === 0 || existsSync(join(path, "node_modules"));
  });
}

/** The folder npx keeps this pnpm in; asked for once, since asking takes a second. */
async function pnpmFolder() {
  if (existsSync(pnpmFolderFile)) {
    const [version, folder = ""] = readFileSync(pnpmFolderFile, "utf8").split("\n");
    if (version === pnpm && existsSync(join(folder, "pnpm"))) return folder;
  }
  const { code, stdout, stderr } = await capture("npx", ["-y", "-p", pnpm, "-c", "node -p process.env.PATH"]);
  const folder = stdout
    .trim()
    .split(delimiter)
    .find((entry) => existsSync(join(entry, "pnpm")));
  if (code !== 0 || folder === undefined) {
    process.stderr.write(stderr);
    throw new StepFailed(`finding ${pnpm}`, code || 1);
  }
  mkdirSync(dirname(pnpmFolderFile), { recursive: true });
  writeFileSync(pnpmFolderFile, `${pnpm}\n${folder}`);
  return folder;
}
