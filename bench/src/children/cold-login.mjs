/**
 * A fresh process: loads one client and logs in once. The scripted server has warmed node:crypto before, for all alike.
 * Argument: `ours`, `floor`, `pg`, `strophe` or `stanza`. Writes one line of JSON: [import ms, login ms].
 *
 * @module
 */
import { floorCached } from "../lib/floor.mjs";

floorCached();
/** @type {Record<string, () => Promise<() => unknown>>} */
const clients = {
  ours: async () => {
    const our = await (await import("../ours.mjs")).ours();
    if (typeof our === "string") throw new Error(our);
    return our.clientExchange;
  },
  floor: async () => (await import("../lib/floor.mjs")).floorClient,
  pg: async () => (await import("../peers/clients.mjs")).pg(),
  strophe: async () => (await import("../peers/clients.mjs")).strophe(),
  stanza: async () => (await import("../peers/clients.mjs")).stanza(),
};
const begun = performance.now();
const login = await clients[process.argv[2]]();
const loaded = performance.now();
await login();
console.log(JSON.stringify([loaded - begun, performance.now() - loaded]));
process.exit(0);
