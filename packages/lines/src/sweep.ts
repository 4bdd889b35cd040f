/**
 * Time limits for many connections with one timer.
 *
 * @module
 */

/** Something that can run out of time. */
export interface Perishable {
  /** @param now milliseconds since the epoch. */
  expired(now: number): boolean;
  /** Called once, after which the sweep has forgotten it. */
  expire(): void;
}

/** Looks at everything it holds once in a while. Its timer runs only while it holds something. */
export class Sweep {
  readonly #held: Set<Perishable> = new Set();
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param intervalMs time between two looks, and so how late an end may come. Default 1000. */
  constructor(intervalMs = 1000) {
    this.#intervalMs = intervalMs;
  }

  /** What it holds at present. */
  get held(): Iterable<Perishable> & { readonly size: number } {
    return this.#held;
  }

  add(item: Perishable): void {
    this.#held.add(item);
    this.#timer ??= setInterval(() => this.look(Date.now()), this.#intervalMs);
  }

  delete(item: Perishable): void {
    this.#held.delete(item);
    this.#rest();
  }

  /** Ends what has expired. */
  look(now: number): void {
    for (const item of this.#held) {
      if (!item.expired(now)) continue;
      this.#held.delete(item);
      item.expire();
    }
    this.#rest();
  }

  #rest(): void {
    if (this.#held.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
