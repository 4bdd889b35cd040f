/** Long work in slices, between which the event loop turns. */
import { setImmediate } from "node:timers/promises";

/** Calls between two looks at the clock, which costs something too. */
const STRIDE = 64;

/** Counts steps of long work. */
export class Pace {
  readonly #sliceMs: number;
  #steps = 0;
  #since = performance.now();

  constructor(sliceMs = 5) {
    this.#sliceMs = sliceMs;
  }

  /** One step is done. Where it returns a promise, wait for it. */
  step(): Promise<void> | undefined {
    if (++this.#steps % STRIDE !== 0 || performance.now() - this.#since < this.#sliceMs) return undefined;
    return this.#turn();
  }

  async #turn(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
