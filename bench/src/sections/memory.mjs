/**
 * Section f: what a server holds for a client that has not finished, and for one that has not begun.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { spread } from "../lib/measure.mjs";
import { native } from "../lib/native.mjs";
import { bar, bytes, emptyResult, kib, range, times } from "../lib/report.mjs";
import { memoryKiB } from "../network/process-tree.mjs";
import { sleep, startBare, startDovecot, startServe } from "../network/servers.mjs";

const counts = [1000, 10_000, 50_000];

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const result = emptyResult();
  await halfOpen(result);
  await idle(result, options);
  return result;
}

/** @param {import("../lib/report.mjs").SectionResult} result */
async function halfOpen(result) {
  /** @type {[name: string, each: number[]][]} */
  const rows = [];
  /** @type {number[] | undefined} */
  let ours;
  for (const [name, who] of [
    ["> sasl-core", "ours"],
    ["  floor: bare node:crypto server", "floor"],
  ]) {
    try {
      const each = await inChild(who);
      if (who === "ours") ours = each;
      rows.push([name, each]);
    } catch (error) {
      const reason = /^Error: (.*)$/m.exec(String(/** @type {any} */ (error).stderr))?.[1];
      result.missing.push(`${name.slice(2)}: ${reason ?? error}`);
    }
  }
  for (const name of /** @type {const} */ (["gsasl", "cyrus"])) {
    const program = await native(name);
    if (typeof program === "string") {
      result.missing.push(program);
      continue;
    }
    // The Cyrus client's unanswered connections cost as much as the server's; 50,000 of both add nothing new.
    const each = [];
    for (const count of counts) each.push((await program.ask("scram-memory", count))[0] / count);
    rows.push([`  ${program.version} (C)`, each]);
  }
  result.tables.push({
    title: "half-open SCRAM-SHA-256 server exchange, bytes each",
    head: ["", ...counts.map((count) => `${count.toLocaleString("en")} open`)],
    rows: rows.map(([name, each]) => [name, ...each.map(bytes)]),
  });
  result.bars.push(
    bar("half-open server exchange, the most of the three", ours && Math.max(...ours), "at most", 2048, bytes),
    bar("growth from 1,000 to 50,000 open, per exchange", ours && ours[2] / ours[0], "at most", 1.1, times),
  );
}

/** @param {string} who @returns {Promise<number[]>} bytes each, per count */
async function inChild(who) {
  const path = fileURLToPath(new URL("../children/half-open.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", path, who, ...counts.map(String)]);
  return JSON.parse(stdout).map((/** @type {number} */ total, /** @type {number} */ i) => total / counts[i]);
}

/** @param {import("../lib/report.mjs").SectionResult} result @param {import("../main.mjs").Options} options */
async function idle(result, { quick }) {
  const [rounds, connections] = quick ? [1, 1000] : [3, 2000];
  /** @type {Map<string, number[]>} */
  const samples = new Map();
  /** @type {Set<string>} */
  const missing = new Set();
  for (let round = 0; round < rounds; round++) {
    for (const start of [startServe, startBare, () => startDovecot("tuned")]) {
      const server = await start();
      if (typeof server === "string") {
        missing.add(server);
        continue;
      }
      try {
        const each = await idleKiB(server, connections);
        samples.set(server.name, [...(samples.get(server.name) ?? []), each]);
      } finally {
        await server.close();
      }
    }
  }
  result.missing.push(...missing);
  result.tables.push({
    title: `idle IMAP connection, greeted, not logged in: memory of the server process (PSS) each, of ${connections}`,
    head: ["", "KiB each"],
    rows: [...samples].map(([name, values]) => [
      `${name === "sasl serve" ? "> " : "  "}${name}`,
      range(spread(values), (value) => value.toFixed(1)),
    ]),
  });
  const ours = samples.get("sasl serve");
  result.bars.push(bar("idle connection of sasl serve", ours && spread(ours).median, "at most", 8, kib));
}

/** @param {import("../network/servers.mjs").Server} server @param {number} connections */
async function idleKiB(server, connections) {
  const settled = async () => {
    server.collectGarbage();
    await sleep(300);
    server.collectGarbage();
    await sleep(500);
    return memoryKiB(server.pid);
  };
  // What the first connections load and compile stays; it belongs to the base.
  for (const socket of await open(server.port, 200)) socket.destroy();
  await sleep(300);
  const base = await settled();
  const sockets = await open(server.port, connections);
  const full = await settled();
  for (const socket of sockets) socket.destroy();
  return (full - base) / connections;
}

/** Opens connections and waits for each one's greeting, 50 at a time. @param {number} port @param {number} count */
async function open(port, count) {
  /** @type {import("node:net").Socket[]} */
  const sockets = [];
  for (let done = 0; done < count; done += 50) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, count - done) }, () => greeted(port)))));
  }
  return sockets;
}

/** @param {number} port @returns {Promise<import("node:net").Socket>} */
function greeted(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", reject).once("data", () => resolve(socket.off("error", reject).on("error", () => {})));
  });
}
