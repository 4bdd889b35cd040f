/**
 * Opens server exchanges up to where the client's proof is awaited, and says what they hold.
 * Arguments: `ours` or `floor`, then counts. Needs --expose-gc. Writes one line of JSON: bytes per count.
 *
 * @module
 */
import { FloorClient } from "../lib/floor.mjs";
import { ScriptedServer } from "../lib/scripted-server.mjs";
import { ours } from "../ours.mjs";

const [who, ...counts] = process.argv.slice(2);

/** @returns {Promise<() => unknown>} opens one and returns what keeps it alive */
async function opener() {
  if (who === "floor") {
    return () => {
      const server = new ScriptedServer();
      server.first(new FloorClient().first());
      return server;
    };
  }
  const our = await ours();
  if (typeof our === "string") throw new Error(our);
  return our.halfOpen;
}

/** Bytes of the heap and outside of it, after a collection. */
function held() {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const open = await opener();
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
/** @param {number} count */
async function bytesOf(count) {
  /** @type {unknown[]} */
  const kept = new Array(count);
  await settled();
  const before = held();
  for (let i = 0; i < count; i++) kept[i] = await open();
  await settled();
  const bytes = held() - before;
  // Used again here, so that nothing is collected earlier.
  if (kept.length !== count) throw new Error("lost some");
  return bytes;
}
await bytesOf(200);
/** @type {number[]} */
const result = [];
for (const count of counts.map(Number)) result.push(await bytesOf(count));
console.log(JSON.stringify(result));
// Exchanges may have timers.
process.exit(0);
