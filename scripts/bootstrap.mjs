/**
 * Behind every root script: `node scripts/bootstrap.mjs TASK [ARGUMENT...]`.
 *
 * It installs what is missing, builds what has changed and runs the task, so that each root script works as the
 * first command in a fresh clone. Plain Node.js without dependencies.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build, install, preparePath } from "./lib/install.mjs";
import { root, run, StepFailed, say } from "./lib/run.mjs";
import { closingLine, runTests } from "./lib/tests.mjs";

/**
 * @typedef {object} Task
 * @property {boolean} [built] whether it needs the build
 * @property {(args: string[]) => Promise<number>} run gives the exit code
 */

/** @type {ReadonlyMap<string, Task>} */
const tasks = new Map(
  Object.entries({
    build: { built: true, run: async () => 0 },
    test: { built: true, run: runTests },
    demo: { built: true, run: program("examples/demo/dist/main.js") },
    check: { run: program("scripts/check.mjs") },
    size: { built: true, run: program("scripts/size.mjs") },
    bench: { built: true, run: program("bench/src/main.mjs") },
    "test:peers": { built: true, run: program("tests/peers/run.mjs") },
    "test:browser": { built: true, run: program("tests/browser/run.mjs") },
    figures: { built: true, run: program("scripts/figures.mjs") },
    runtimes: { built: true, run: program("scripts/runtimes.mjs") },
    requirements: { run: program("scripts/requirements.mjs") },
    format: { run: (args) => run("biome", ["check", "--write", ...args, "."]) },
    changeset: { run: (args) => run("changeset", args) },
  }),
);

/**
 * @param {string} file from the root
 * @param {string[]} nodeOptions
 * @returns {(args: string[]) => Promise<number>}
 */
function program(file, nodeOptions = []) {
  return async (args) => {
    if (!existsSync(join(root, file))) {
      say(`${file} does not exist.`);
      return 1;
    }
    return run(process.execPath, [...nodeOptions, join(root, file), ...args]);
  };
}

/** @param {string} version as in `process.versions.node` */
function isSupported(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 20 || (major === 20 && minor >= 19);
}

/** @param {string[]} argv */
async function main([name = "", ...args]) {
  const task = tasks.get(name);
  if (task === undefined) {
    say(`Unknown task "${name}". Tasks: ${[...tasks.keys()].join(", ")}.`);
    return 64;
  }
  if (!isSupported(process.versions.node)) {
    say(`Node.js ${process.versions.node} is too old; version 20.19 or newer is needed.`);
    return 1;
  }
  await install();
  if (task.built) await build();
  else await preparePath();
  return task.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  say(`Stopped: ${error.message}`);
  if (process.argv[2] === "test") say(closingLine({ passed: 0, failed: 1 }));
  process.exitCode = error.exitCode;
}
