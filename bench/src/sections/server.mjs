/**
 * Section d: what a server can do on one core. SCRAM-SHA-256 with stored keys, the server's two steps alone; and PLAIN,
 * both ends through engine and session in memory.
 *
 * @module
 */
import * as account from "../lib/account.mjs";
import { FloorClient } from "../lib/floor.mjs";
import { inBatches, inProcess } from "../lib/measure.mjs";
import { bar, perSecond, times } from "../lib/report.mjs";
import { measureTable, programRow } from "../lib/rows.mjs";
import { ScriptedServer } from "../lib/scripted-server.mjs";
import { ours } from "../ours.mjs";

/** Sessions held open between the two timed halves. */
const batch = 500;
const rate = {
  head: "per second and core",
  cell: (/** @type {import("../lib/measure.mjs").Row} */ row) => perSecond(1e6 / row.value.cpu.median),
};

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const our = await ours();
  const scram = await measureTable(
    [
      inBatches("floor: bare node:crypto server", floorServer, { role: "reference" }),
      typeof our === "string" ? our : inBatches("sasl-core", our.serverHalf, { role: "ours" }),
      await programRow("gsasl", "scram-server", "stored keys", { maxCount: 5000 }),
      // Its client derives each time, untimed: 5 ms for each of these.
      await programRow("cyrus", "scram-server", "stored keys", { maxCount: options.quick ? 20 : 50 }),
    ],
    options,
    { title: "SCRAM-SHA-256, server half, stored keys", metrics: ["cpu", "wall"], extra: rate },
  );
  const plain = await measureTable(
    [
      await programRow("gsasl", "plain", "both ends", { role: "reference" }),
      await programRow("cyrus", "plain", "both ends"),
      typeof our === "string" ? our : inProcess("sasl-core", our.plainBothEnds, { role: "ours" }),
    ],
    options,
    { title: "PLAIN, both ends", metrics: ["cpu", "wall"], extra: rate },
  );
  const each = (/** @type {import("../lib/measure.mjs").Row | undefined} */ row) => row && 1e6 / row.value.cpu.median;
  return {
    tables: [...scram.result.tables, ...plain.result.tables],
    bars: [
      bar("SCRAM-SHA-256 server half, per second and core", each(scram.ours), "at least", 60_000, perSecond),
      bar(
        "the same against the floor (60,000/s where it took 9.5 µs)",
        scram.ours?.ratio.cpu.median,
        "at most",
        1e6 / 60_000 / 9.5,
        times,
      ),
      bar("PLAIN both ends, per second and core", each(plain.ours), "at least", 150_000, perSecond),
      bar(
        "the same against GNU SASL (150,000/s where it did 151,000)",
        plain.ours?.ratio.cpu.median,
        "at most",
        151 / 150,
        times,
      ),
    ],
    missing: [...new Set([...scram.result.missing, ...plain.result.missing])],
    notes: [
      `server half: ${batch} sessions at a time, timed up to the challenge and from the proof on; clients are not timed`,
    ],
  };
}

/** @param {number} count @param {import("../lib/measure.mjs").Watch} watch */
async function floorServer(count, watch) {
  for (let done = 0; done < count; done += batch) {
    const clients = Array.from({ length: Math.min(batch, count - done) }, () => new FloorClient());
    const firsts = clients.map((client) => client.first());
    watch.start();
    const servers = firsts.map(() => new ScriptedServer());
    const challenges = servers.map((server, i) => server.first(firsts[i]));
    watch.stop();
    const finals = challenges.map((text, i) => clients[i].final(text, account.clientKey, account.serverKey));
    watch.start();
    const verdicts = servers.map((server, i) => server.final(finals[i]));
    watch.stop();
    for (const [i, verdict] of verdicts.entries()) clients[i].verify(verdict);
  }
}
