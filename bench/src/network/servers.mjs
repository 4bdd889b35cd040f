/**
 * The servers of sections e and f: `sasl serve`, a bare Node server and Dovecot, each started fresh, pinned to one core
 * where that is possible, and serving IMAP's AUTHENTICATE SCRAM-SHA-256 to the one account with stored keys.
 *
 * @module
 */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { passwdFileLine } from "../lib/account.mjs";
import { dovecotConfiguration } from "./dovecot.mjs";

/**
 * @typedef {object} Server
 * @property {string} name
 * @property {number} port
 * @property {number} pid root of the process tree
 * @property {() => void} collectGarbage asks for it and does not wait
 * @property {() => Promise<void>} close
 */

const local = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const command = local("../../../packages/cli/bin/sasl.js");
const peers = local("../../../../shared/peers/dovecot.sh");

/** Pins to a core, so that server and load do not take each other's time. @param {0 | 1} core @returns {string[]} */
export function pinned(core) {
  return availableParallelism() > 1 && existsSync("/usr/bin/taskset") ? ["/usr/bin/taskset", "-c", String(core)] : [];
}

/** @returns {Promise<Server | string>} or why there is none */
export async function startServe() {
  const name = "sasl serve";
  if (!existsSync(local("../../../packages/cli/dist"))) return `${name}: packages/cli is not built`;
  const directory = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  const store = join(directory, "users");
  writeFileSync(store, `${passwdFileLine}\n`);
  const argv = [command, "serve", "--imap", "0", "--store", `file:${store}`, "--json"];
  return startNode(name, directory, argv, (ready) => ready.imap);
}

/** @returns {Promise<Server | string>} */
export function startBare() {
  const directory = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  return startNode("floor: bare Node server", directory, [local("../children/bare-server.mjs")], (ready) => ready.imap);
}

/**
 * A Node program that writes one line of JSON when it is ready. Its output goes to a file: nobody has to read along.
 *
 * @param {string} name
 * @param {string} directory removed at the end
 * @param {string[]} argv
 * @param {(ready: any) => number} portOf
 * @returns {Promise<Server | string>}
 */
async function startNode(name, directory, argv, portOf) {
  const output = join(directory, "output");
  const file = openSync(output, "w");
  const garbage = ["--expose-gc", "--import", new URL("../children/collect-on-signal.mjs", import.meta.url).href];
  const [program, ...rest] = [...pinned(0), process.execPath, ...garbage, ...argv];
  const child = spawn(program, rest, { stdio: ["ignore", file, "pipe"], cwd: directory });
  closeSync(file);
  let errors = "";
  child.stderr?.on("data", (data) => {
    errors = (errors + data).slice(-500);
  });
  const close = () => end(child, directory);
  const until = Date.now() + 20_000;
  while (child.exitCode === null && child.signalCode === null && Date.now() < until) {
    const [line, more] = readFileSync(output, "utf8").split("\n", 2);
    if (more !== undefined) {
      // taskset replaces itself with the program, so the pid is the server's own.
      const collectGarbage = () => void child.kill("SIGUSR2");
      return { name, port: portOf(JSON.parse(line)), pid: child.pid ?? 0, collectGarbage, close };
    }
    await sleep(20);
  }
  await close();
  return `${name}: did not start: ${errors.trim().split("\n")[0] || "no output"}`;
}

/** @param {import("./dovecot.mjs").Setup} setup @returns {Promise<Server | string>} */
export async function startDovecot(setup) {
  const name = `Dovecot, ${setup === "tuned" ? "tuned" : "as shipped"}`;
  const binary = "/usr/sbin/dovecot";
  if (process.getuid?.() !== 0) return `${name}: needs root to start`;
  if (!existsSync(binary) && existsSync(peers)) installDovecot();
  if (!existsSync(binary)) return `${name}: not installed (apt-get install dovecot-imapd)`;
  const directory = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  for (const name of ["run", "lib", "mail"]) mkdirSync(join(directory, name));
  execFileSync("chmod", ["755", directory]);
  execFileSync("chown", ["nobody", join(directory, "mail")]);
  writeFileSync(join(directory, "users"), `${passwdFileLine}\n`);
  const port = await freePort();
  writeFileSync(join(directory, "dovecot.conf"), dovecotConfiguration(directory, port, setup));
  const [program, ...rest] = [...pinned(0), binary, "-F", "-c", join(directory, "dovecot.conf")];
  const child = spawn(program, rest, { stdio: "ignore" });
  const close = () => end(child, directory);
  const until = Date.now() + 10_000;
  while (child.exitCode === null && Date.now() < until) {
    if (await answers(port)) return { name, port, pid: child.pid ?? 0, collectGarbage() {}, close };
    await sleep(50);
  }
  const log = join(directory, "log");
  const reason = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").at(-1) : "no log";
  await close();
  return `${name}: did not start: ${reason}`;
}

/** The start script of the real servers installs what it starts; what it started is not what we measure. */
function installDovecot() {
  const state = mkdtempSync(join(tmpdir(), "sasl-bench-"));
  try {
    console.log("  installing Dovecot");
    execFileSync(peers, ["start", state], { stdio: "ignore" });
    execFileSync(peers, ["stop", state], { stdio: "ignore" });
  } catch {
    // Said by the caller: not installed.
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** @param {import("node:child_process").ChildProcess} child @param {string} directory */
async function end(child, directory) {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(late);
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(address.port));
    });
  });
}

/** @param {number} port @returns {Promise<boolean>} whether somebody greets there */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (/** @type {boolean} */ answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => done(false));
    socket.once("error", () => done(false)).once("data", () => done(true));
  });
}

/** @param {number} timeMs */
export const sleep = (timeMs) => new Promise((resolve) => setTimeout(resolve, timeMs));
