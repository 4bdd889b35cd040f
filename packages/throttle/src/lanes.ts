/**
 * How many attempts of one network may be under way at the same time. A guess counts when it has failed; were any number
 * let in before, a burst would be judged as a whole before its first failure is known.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";

/** Limits of {@link Lanes}. */
interface LanesOptions {
  readonly firstParallel: number;
  readonly maxParallel: number;
  readonly maxWaitMs: number;
  /** An attempt that has run for this long will not be heard of again: its session was dropped without an abort. */
  readonly leaseMs: number;
  readonly windowMs: number;
  readonly maxEntries: number;
}

/** How an attempt ended, as far as it changes what its network may do. */
type LaneOutcome = "right" | "wrong" | "neither";

interface Waiting {
  readonly go: () => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface Lane {
  readonly network: string;
  /** How many may run. */
  width: number;
  /** Since when each one runs. */
  readonly running: Map<object, number>;
  readonly waiting: Map<object, Waiting>;
  idleSince: number;
}

/**
 * A lane for each network, as wide as the network has earned: a right answer widens it by one, a wrong one halves it, as
 * TCP does with what may be in flight (RFC 5681 §3.1). The users behind one address get in at twice the speed each round;
 * guesses soon follow one another. Lanes nobody is in are forgotten after `windowMs`, or when there are too many of them.
 * There may be as many in use: sessions are dropped without a word, and a network that does not come back never gets its lane
 * emptied. Of too many the one not entered for longest is forgotten; who is in it or waits there goes on as if it were not.
 */
export class Lanes {
  readonly #options: LanesOptions;
  /** The one entered last is the last. */
  readonly #busy = new Map<string, Lane>();
  /** The one left last is the last. */
  readonly #idle = new Map<string, Lane>();
  readonly #laneOf = new WeakMap<object, Lane>();

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /**
   * Settles when the attempt may run.
   *
   * @throws {SASLFailure} `limit-exceeded` after `maxWaitMs`; the attempt has then left.
   */
  enter(network: string, attempt: object): Promise<void> | undefined {
    const lane = this.#open(network);
    this.#laneOf.set(attempt, lane);
    if (lane.running.size >= lane.width) expire(lane, this.#options.leaseMs);
    if (lane.running.size < lane.width && lane.waiting.size === 0) {
      lane.running.set(attempt, performance.now());
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(tooBusy(lane.width));
        this.leave(attempt, "neither");
      }, this.#options.maxWaitMs);
      timer.unref();
      lane.waiting.set(attempt, { go: resolve, timer });
    });
  }

  /** The attempt is over, whether it ran or waited. Nothing happens the second time. */
  leave(attempt: object, outcome: LaneOutcome): void {
    const lane = this.#laneOf.get(attempt);
    if (lane === undefined) return;
    this.#laneOf.delete(attempt);
    const waited = lane.waiting.get(attempt);
    if (waited) {
      clearTimeout(waited.timer);
      lane.waiting.delete(attempt);
      waited.go(); // nobody listens any more, and no promise stays open
    }
    lane.running.delete(attempt);
    if (outcome === "right") lane.width = Math.min(this.#options.maxParallel, lane.width + 1);
    if (outcome === "wrong") lane.width = Math.max(1, Math.floor(lane.width / 2));
    for (const [next, { go, timer }] of lane.waiting) {
      if (lane.running.size >= lane.width) break;
      clearTimeout(timer);
      lane.waiting.delete(next);
      lane.running.set(next, performance.now());
      go();
    }
    if (lane.running.size + lane.waiting.size === 0) this.#close(lane);
  }

  #open(network: string): Lane {
    const found = this.#busy.get(network) ?? this.#idle.get(network);
    const lane =
      found && (this.#busy.has(network) || performance.now() - found.idleSince < this.#options.windowMs)
        ? found
        : { network, width: this.#options.firstParallel, running: new Map(), waiting: new Map(), idleSince: 0 };
    this.#idle.delete(network);
    this.#busy.delete(network);
    this.#busy.set(network, lane);
    forgetOldest(this.#busy, this.#options.maxEntries);
    return lane;
  }

  #close(lane: Lane): void {
    if (this.#busy.get(lane.network) !== lane) return; // forgotten, or another one by now
    this.#busy.delete(lane.network);
    if (lane.width === this.#options.firstParallel) return; // as good as new
    lane.idleSince = performance.now();
    this.#idle.set(lane.network, lane);
    forgetOldest(this.#idle, this.#options.maxEntries);
  }
}

function forgetOldest(lanes: Map<string, Lane>, maxEntries: number): void {
  const [oldest] = lanes.keys();
  if (lanes.size > maxEntries && oldest !== undefined) lanes.delete(oldest);
}

function expire(lane: Lane, leaseMs: number): void {
  for (const [attempt, since] of lane.running) {
    if (performance.now() - since >= leaseMs) lane.running.delete(attempt);
  }
}

function tooBusy(width: number): SASLFailure {
  const detail = `its network has ${width} attempts under way and others waiting`;
  return new SASLFailure("limit-exceeded", "too many attempts at the same time", { detail });
}
