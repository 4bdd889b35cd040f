/**
 * Running other programs and saying what goes on. Plain Node.js: it works before anything is installed.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The top folder of the project, with a separator at its end. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A program that ended with another exit code than 0. */
export class StepFailed extends Error {
  /**
   * @param {string} what the step, in the words it was announced with
   * @param {number} exitCode at least 1
   */
  constructor(what, exitCode) {
    super(`${what}: exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** @param {string} text one line */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * Announces a step, runs it and says how long it took.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function step(what, body) {
  say(`> ${what} ...`);
  const started = performance.now();
  const result = await body();
  say(`  done in ${seconds(performance.now() - started)}`);
  return result;
}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Runs a program in the project's folder with this terminal as its own.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, cwd?: string, quiet?: boolean }} [options] `quiet` shows the output only on failure
 * @returns {Promise<number>} the exit code; 1 when a signal ended it
 */
export function run(command, args, { env = {}, cwd = root, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
      shell: process.platform === "win32" && !command.endsWith(".exe"),
    });
    /** @type {Buffer[]} */
    const output = [];
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) process.stdout.write(Buffer.concat(output));
      resolve(code ?? 1);
    });
  });
}

/**
 * As `run`, and a failure is an error.
 *
 * @param {string} what
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export async function must(what, command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) throw new StepFailed(what, code);
}

/**
 * Runs a program and returns what it wrote.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, cwd?: string }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function capture(command, args, { env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32" && !command.endsWith(".exe"),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}
