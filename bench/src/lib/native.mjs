/**
 * The C programs: compiled when a section first needs them, driven line by line over a pipe.
 *
 * @module
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nativeEnvironment } from "./account.mjs";

/** @type {Record<string, { label: string, flags: string[], packages: string }>} */
const programs = {
  gsasl: { label: "GNU SASL", flags: ["-lgsasl"], packages: "gcc libgsasl-dev" },
  cyrus: { label: "Cyrus SASL", flags: ["-lsasl2"], packages: "gcc libsasl2-dev libsasl2-modules" },
};

/**
 * @typedef {object} Native one running program.
 * @property {string} version what it said of itself
 * @property {(scenario: string, count: number) => Promise<[number, number]>} ask CPU and wall time, ns in total
 */

/** @type {Map<string, Promise<Native | string>>} */
const running = new Map();
/** @type {(() => void)[]} */
const closers = [];

/**
 * @param {"gsasl" | "cyrus"} name
 * @returns {Promise<Native | string>} the program, or in words why it is missing.
 */
export function native(name) {
  let program = running.get(name);
  if (program === undefined) {
    program = start(name);
    running.set(name, program);
  }
  return program;
}

/** Ends all programs and removes what was compiled. */
export function closeNative() {
  for (const close of closers.splice(0)) close();
  running.clear();
}

/** @param {string} name @returns {Promise<Native | string>} */
async function start(name) {
  const { label, flags, packages } = programs[name];
  const directory = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  const source = fileURLToPath(new URL(`../native/${name}.c`, import.meta.url));
  const binary = join(directory, name);
  try {
    execFileSync("gcc", ["-O2", "-Wall", "-o", binary, source, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  } catch {
    return `${label} missing: does not compile here (apt-get install ${packages})`;
  }
  const child = spawn(binary, { env: { ...process.env, ...nativeEnvironment }, stdio: ["pipe", "pipe", "ignore"] });
  closers.push(() => child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const hello = await lines.next();
  if (hello.done) return `${label} missing: the program ended at once`;
  return {
    version: hello.value,
    async ask(scenario, count) {
      child.stdin.write(`${scenario} ${count}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error(`${name} ended during ${scenario}`);
      if (answer.value.startsWith("error ")) throw new Error(`${name} ${scenario}: ${answer.value.slice(6)}`);
      const [cpu, wall] = answer.value.split(" ").map(Number);
      return [cpu, wall];
    },
  };
}
