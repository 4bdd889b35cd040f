/**
 * Section c: client and server in one process, the client with derived keys, the server with stored keys: no PBKDF2,
 * so that parsing, nonces and the engine are what is left.
 *
 * @module
 */
import { bareCalls, floorCached } from "../lib/floor.mjs";
import { inProcess } from "../lib/measure.mjs";
import { bar, times, us } from "../lib/report.mjs";
import { measureTable, peer, programRow } from "../lib/rows.mjs";
import { ours } from "../ours.mjs";
import { strophe } from "../peers/clients.mjs";

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const our = await ours();
  const { result, ours: row } = await measureTable(
    [
      inProcess("bare node:crypto calls, no protocol", bareCalls),
      inProcess("floor: bare node:crypto client and server", floorCached, { role: "reference" }),
      typeof our === "string" ? our : inProcess("sasl-core", our.cachedBothEnds, { role: "ours" }),
      await programRow("gsasl", "scram-cached", "client has the salted password"),
      await peer("strophe.js", async () => inProcess("strophe.js 5.0 client, floor server", await strophe("cached"))),
    ],
    options,
    { metrics: ["cpu", "wall"] },
  );
  result.bars.push(
    bar("client and server together, CPU", row?.value.cpu.median, "at most", 25, us),
    bar("the same against the floor (25 µs where it took 18)", row?.ratio.cpu.median, "at most", 25 / 18, times),
  );
  return result;
}
