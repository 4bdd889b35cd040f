/**
 * Section a: what a whole client exchange costs beyond the one PBKDF2 call it cannot do without.
 *
 * @module
 */
import { barePbkdf2, floorClient } from "../lib/floor.mjs";
import { inProcess } from "../lib/measure.mjs";
import { bar, times } from "../lib/report.mjs";
import { measureTable, peer, programRow } from "../lib/rows.mjs";
import { ours } from "../ours.mjs";
import { pg, stanza, strophe } from "../peers/clients.mjs";

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const our = await ours();
  const { result, ours: row } = await measureTable(
    [
      inProcess("one bare crypto.pbkdf2, asynchronous", barePbkdf2, { role: "reference" }),
      inProcess("floor: bare node:crypto client", floorClient),
      typeof our === "string" ? our : inProcess("sasl-core", our.clientExchange, { role: "ours" }),
      await peer("pg", async () => inProcess("pg 8.23", await pg())),
      await peer("strophe.js", async () => inProcess("strophe.js 5.0", await strophe())),
      await peer("stanza", async () => inProcess("stanza 12.22", await stanza())),
      await programRow("gsasl", "scram-full", "client derives, server has stored keys"),
      await programRow("cyrus", "scram-full", "client derives, server has stored keys"),
    ],
    options,
    { metrics: ["cpu", "wall"] },
  );
  result.bars.push(bar("client exchange, CPU against the bare call", row?.ratio.cpu.median, "at most", 1.15, times));
  result.notes.push(
    "all npm clients and the floor log in to the same scripted server in this process, whose share is in their rows",
  );
  return result;
}
