/**
 * Section b: what a login takes from the event loop, one at a time and two hundred at once.
 *
 * @module
 */
import { barePbkdf2, floorClient } from "../lib/floor.mjs";
import { inProcess, spread } from "../lib/measure.mjs";
import { bar, ms, range } from "../lib/report.mjs";
import { measureTable, peer } from "../lib/rows.mjs";
import { ours } from "../ours.mjs";
import { pg, stanza, strophe } from "../peers/clients.mjs";

const parallel = 200;

/** @param {import("../main.mjs").Options} options */
export async function run(options) {
  const our = await ours();
  const candidates = [
    inProcess("one bare crypto.pbkdf2, asynchronous", barePbkdf2, { role: "reference" }),
    inProcess("floor: bare node:crypto client", floorClient),
    typeof our === "string" ? our : inProcess("sasl-core", our.clientExchange, { role: "ours" }),
    await peer("pg", async () => inProcess("pg 8.23", await pg())),
    await peer("strophe.js", async () => inProcess("strophe.js 5.0", await strophe())),
    await peer("stanza", async () => inProcess("stanza 12.22", await stanza())),
  ];
  const { result, ours: row } = await measureTable(candidates, options, {
    title: "one login after the other",
    metrics: ["busy", "wall"],
  });
  result.bars.push(bar("event loop time per login", row && row.value.busy.median / 1000, "at most", 0.25, ms));

  const bursts = [
    { name: "= bare crypto.pbkdf2", once: barePbkdf2 },
    { name: "  floor: bare node:crypto client", once: floorClient },
    ...(typeof our === "string" ? [] : [{ name: "> sasl-core", once: our.clientExchange }]),
  ];
  /** @type {number[][]} */
  const longest = bursts.map(() => []);
  const rounds = Math.max(5, Math.round(options.rounds / 2));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { once }] of bursts.entries()) longest[i].push(await longestBlock(once));
  }
  const spreads = longest.map(spread);
  result.tables.push({
    title: `${parallel} at once: longest time the event loop did not turn`,
    head: ["", "median (range)"],
    rows: bursts.map(({ name }, i) => [name, range(spreads[i], ms)]),
  });
  const block = typeof our === "string" ? undefined : spreads[bursts.length - 1].median;
  result.bars.push(bar(`longest block while ${parallel} log in`, block, "at most", 10, ms));
  result.notes.push(
    "the longest block is wall time: when other programs want the same core, the bare row is disturbed alike",
  );
  return result;
}

/** The longest gap between turns of the loop while `parallel` operations run, in ms beyond the ticker's own 1 ms. */
async function longestBlock(/** @type {() => unknown} */ once) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  let longest = 0;
  let last = performance.now();
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  };
  const ticker = setInterval(tick, 1);
  await Promise.all(Array.from({ length: parallel }, () => once()));
  tick();
  clearInterval(ticker);
  return longest;
}
