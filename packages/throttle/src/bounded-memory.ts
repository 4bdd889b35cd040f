/**
 * The library's counters in memory, with a bound: left alone they hold a record and a timer for every key until its
 * window ends, and an attacker chooses the keys.
 *
 * @module
 */
import { type IRateLimiterOptions, RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

/** Counters for at most `maxEntries` keys; what was counted longest ago is forgotten first. */
export class BoundedMemory extends RateLimiterMemory {
  readonly #maxEntries: number;
  /** Keys that may be held, the latest last. */
  readonly #keys = new Set<string>();

  constructor(options: IRateLimiterOptions & { readonly maxEntries: number }) {
    super(options);
    this.#maxEntries = options.maxEntries;
  }

  /** The one way in which `Counter` adds a key. */
  override async penalty(key: string, points?: number): Promise<RateLimiterRes> {
    this.#keys.delete(key);
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > this.#maxEntries && oldest !== undefined) {
      this.#keys.delete(oldest);
      await super.delete(oldest);
    }
    return super.penalty(key, points);
  }

  override delete(key: string): Promise<boolean> {
    this.#keys.delete(key);
    return super.delete(key);
  }
}
