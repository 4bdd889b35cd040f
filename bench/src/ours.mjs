/**
 * Our rows of sections a to d: everything here that knows the interface of `sasl-core`.
 *
 * @module
 */

/**
 * @typedef {object} Ours
 * @property {() => Promise<void>} clientExchange password login against the scripted server
 * @property {() => Promise<void>} cachedBothEnds SCRAM-SHA-256, client with derived keys against a session of ours
 * @property {() => Promise<void>} plainBothEnds
 * @property {(count: number, watch: import("./lib/measure.mjs").Watch) => Promise<void>} serverHalf
 */

/** @returns {Promise<Ours | string>} the rows, or why they are missing. */
export async function ours() {
  return "sasl-core: no rows yet";
}
