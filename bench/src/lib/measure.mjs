/**
 * One interleaved run: every candidate in turn, round after round, so that what disturbs the machine disturbs all.
 * A figure is the median over rounds; a ratio is the median of the ratios inside each round.
 *
 * @module
 */
import { performance } from "node:perf_hooks";

/**
 * @typedef {object} Sample what one slot cost per operation, µs.
 * @property {number} cpu CPU time of the whole process, helper threads included
 * @property {number} wall
 * @property {number} [busy] time the event loop was not waiting
 *
 * @typedef {object} Candidate
 * @property {string} name
 * @property {(count: number) => Promise<Sample>} run one slot of `count` operations
 * @property {"ours" | "reference"} [role] ratios are to the one `reference`
 * @property {number} [maxCount] largest slot
 *
 * @typedef {{ median: number, min: number, max: number }} Spread
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {"ours" | "reference" | undefined} role
 * @property {Record<keyof Sample, Spread>} value
 * @property {Record<keyof Sample, Spread>} ratio to the reference of the same round
 */

/**
 * A candidate that runs in this process.
 *
 * @param {string} name
 * @param {() => unknown} once one operation; awaited when it returns a promise
 * @param {Partial<Candidate>} [more]
 * @returns {Candidate}
 */
export function inProcess(name, once, more = {}) {
  return {
    name,
    async run(count) {
      const loop = performance.eventLoopUtilization();
      const cpu = process.cpuUsage();
      const wall = process.hrtime.bigint();
      for (let i = 0; i < count; i++) {
        const result = once();
        if (result instanceof Promise) await result;
      }
      return perOperation(count, cpu, wall, loop);
    },
    ...more,
  };
}

/**
 * A candidate made of timed and untimed parts: `run` gets a stop watch to start and stop around what counts.
 *
 * @param {string} name
 * @param {(count: number, watch: Watch) => Promise<void>} batch
 * @param {Partial<Candidate>} [more]
 * @returns {Candidate}
 */
export function inBatches(name, batch, more = {}) {
  return {
    name,
    async run(count) {
      const watch = new Watch();
      await batch(count, watch);
      return { cpu: watch.cpu / count, wall: watch.wall / count };
    },
    ...more,
  };
}

/** Adds up CPU and wall time, µs, between `start` and `stop`. */
export class Watch {
  cpu = 0;
  wall = 0;
  #cpu = process.cpuUsage();
  #wall = 0n;
  start() {
    this.#wall = process.hrtime.bigint();
    this.#cpu = process.cpuUsage();
  }
  stop() {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.cpu += user + system;
    this.wall += Number(process.hrtime.bigint() - this.#wall) / 1000;
  }
}

/**
 * A candidate of a C program.
 *
 * @param {string} name
 * @param {import("./native.mjs").Native} program
 * @param {string} scenario
 * @param {Partial<Candidate>} [more]
 * @returns {Candidate}
 */
export function inProgram(name, program, scenario, more = {}) {
  return {
    name,
    async run(count) {
      const [cpu, wall] = await program.ask(scenario, count);
      return { cpu: cpu / count / 1000, wall: wall / count / 1000 };
    },
    ...more,
  };
}

/**
 * Warms every candidate up, finds how many operations fill a slot, then runs the rounds.
 *
 * @param {Candidate[]} candidates
 * @param {{ rounds: number, slotMs: number }} options
 * @returns {Promise<Row[]>}
 */
export async function interleave(candidates, { rounds, slotMs }) {
  const counts = [];
  for (const candidate of candidates) counts.push(await warmUp(candidate, slotMs));
  /** @type {Sample[][]} */
  const samples = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < candidates.length; turn++) {
      // A different one begins each round, so that no candidate always follows the same neighbour.
      const i = (turn + round) % candidates.length;
      // No forced collection here: it also shrinks the young generation, which doubles the cost of what follows.
      samples[i].push(await candidates[i].run(counts[i]));
    }
  }
  const reference = samples[candidates.findIndex((c) => c.role === "reference")];
  return candidates.map(({ name, role }, i) => ({
    name,
    role,
    value: spreads(samples[i], (sample) => sample),
    ratio:
      reference === undefined
        ? /** @type {any} */ ({})
        : spreads(samples[i], (s, round) => divide(s, reference[round])),
  }));
}

/**
 * Runs a candidate until the compiler has done what it will do for it, and says how many operations fill a slot.
 * Paths through many small asynchronous functions take tens of thousands of rounds to be compiled well.
 */
async function warmUp(/** @type {Candidate} */ candidate, /** @type {number} */ slotMs) {
  const limit = candidate.maxCount ?? Number.POSITIVE_INFINITY;
  let count = 1;
  for (let spent = 0; spent < slotMs * 10; ) {
    const begun = performance.now();
    const { wall } = await candidate.run(count);
    spent += Math.max(1, performance.now() - begun);
    const fitting = Math.max(1, Math.round((slotMs * 1000) / Math.max(wall, 0.01)));
    count = Math.min(limit, Math.min(count * 8, fitting));
  }
  return count;
}

function perOperation(
  /** @type {number} */ count,
  /** @type {NodeJS.CpuUsage} */ cpu0,
  /** @type {bigint} */ wall0,
  /** @type {import("node:perf_hooks").EventLoopUtilization} */ loop0,
) {
  const wall = Number(process.hrtime.bigint() - wall0) / 1000;
  const { user, system } = process.cpuUsage(cpu0);
  const { idle } = performance.eventLoopUtilization(loop0);
  return { cpu: (user + system) / count, wall: wall / count, busy: (wall - idle * 1000) / count };
}

/** @param {Sample} a @param {Sample} b @returns {Sample} */
function divide(a, b) {
  return { cpu: a.cpu / b.cpu, wall: a.wall / b.wall, busy: (a.busy ?? Number.NaN) / (b.busy ?? Number.NaN) };
}

/** @param {Sample[]} samples @param {(s: Sample, round: number) => Sample} map */
function spreads(samples, map) {
  const mapped = samples.map(map);
  return {
    cpu: spread(mapped.map((s) => s.cpu)),
    wall: spread(mapped.map((s) => s.wall)),
    busy: spread(mapped.map((s) => s.busy ?? Number.NaN)),
  };
}

/** @param {number[]} values @returns {Spread} */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}
