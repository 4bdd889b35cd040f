/**
 * Section e: logins per second over loopback TCP. Servers on one core, the load on another, all servers up all the time,
 * each loaded in turn.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spread } from "../lib/measure.mjs";
import { bar, emptyResult, perSecond, range, times, us } from "../lib/report.mjs";
import { cpuSeconds } from "../network/process-tree.mjs";
import { pinned, startBare, startDovecot, startServe } from "../network/servers.mjs";

const inFlight = 16;

/** @param {import("../main.mjs").Options} options */
export async function run({ quick }) {
  const result = emptyResult();
  const [rounds, milliseconds] = quick ? [2, 700] : [7, 2000];
  const started = [await startServe(), await startBare(), await startDovecot("tuned"), await startDovecot("shipped")];
  const servers = started.filter((server) => typeof server !== "string");
  result.missing.push(...started.filter((server) => typeof server === "string"));
  const load = startLoad();
  try {
    /** @type {{ rate: number, cpu: number }[][]} */
    const samples = servers.map(() => []);
    for (const server of servers) await load.run(server.port, milliseconds / 2);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < servers.length; turn++) {
        const i = (turn + round) % servers.length;
        const before = cpuSeconds(servers[i].pid);
        const { logins, seconds, failures, failure } = await load.run(servers[i].port, milliseconds);
        if (failures > 0) result.notes.push(`${servers[i].name}: ${failures} logins failed: ${failure}`);
        samples[i].push({ rate: logins / seconds, cpu: ((cpuSeconds(servers[i].pid) - before) * 1e6) / logins });
      }
    }
    const at = (/** @type {string} */ name) => servers.findIndex((server) => server.name === name);
    const [ours, tuned, shipped] = [at("sasl serve"), at("Dovecot, tuned"), at("Dovecot, as shipped")];
    const ratio = (/** @type {number} */ i, /** @type {number} */ to) =>
      i < 0 || to < 0 ? undefined : spread(samples[i].map(({ rate }, round) => rate / samples[to][round].rate));
    result.tables.push({
      head: ["", "logins", "server CPU each", "ratio of logins (range)"],
      rows: servers.map(({ name }, i) => {
        const against = ratio(i, tuned);
        return [
          `${i === ours ? "> " : i === tuned ? "= " : "  "}${name}`,
          range(spread(samples[i].map(({ rate }) => rate)), perSecond),
          us(spread(samples[i].map(({ cpu }) => cpu)).median),
          against === undefined ? "-" : range(against, times),
        ];
      }),
    });
    const promise = (/** @type {string} */ name, /** @type {number} */ to) =>
      bar(`logins per second against ${name}`, ratio(ours, to)?.median, "at least", 3, times);
    result.bars.push(promise("Dovecot tuned", tuned), promise("Dovecot as shipped", shipped));
  } finally {
    load.close();
    for (const server of servers) await server.close();
  }
  const where = pinned(0).length > 0 ? "servers pinned to one core, load to another" : "nothing pinned to a core here";
  result.notes.push(`${inFlight} connections in flight; client keys at hand; ${where}`);
  return result;
}

/** The load client, a process of its own. */
function startLoad() {
  const path = fileURLToPath(new URL("../children/load.mjs", import.meta.url));
  const [program, ...rest] = [...pinned(1), process.execPath, path];
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    /**
     * @param {number} port
     * @param {number} milliseconds
     * @returns {Promise<{ logins: number, seconds: number, failures: number, failure: string }>}
     */
    async run(port, milliseconds) {
      child.stdin.write(`${port} ${milliseconds} ${inFlight}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error("the load client ended");
      return JSON.parse(value);
    },
    close: () => child.kill(),
  };
}
