/**
 * Failures of one kind, counted by `rate-limiter-flexible` in windows that begin with a key's first failure.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type RateLimiterAbstract, RateLimiterRedis, RLWrapperTimeouts } from "rate-limiter-flexible";
import { BoundedMemory } from "./bounded-memory.js";

/** A client of `ioredis`, `Redis` or `Cluster`, which stays the caller's: its errors, its options, its end. */
export interface RedisClient {
  readonly status: string;
  defineCommand(name: string, definition: { readonly lua: string; readonly numberOfKeys?: number }): void;
  multi(...rest: never[]): unknown;
  del(...keys: never[]): unknown;
}

/** Where to count. */
export interface CounterOptions {
  readonly windowMs: number;
  readonly maxEntries: number;
  readonly redis: RedisClient | undefined;
  readonly redisPrefix: string;
  readonly redisTimeoutMs: number;
}

/** Counts of failures by key, a key being any strings. None of the methods ever fails: what cannot be counted is not. */
export class Counter {
  readonly #limiter: RateLimiterAbstract;

  constructor(kind: string, options: CounterOptions) {
    const { windowMs, maxEntries, redis, redisPrefix, redisTimeoutMs } = options;
    const keyPrefix = `${redisPrefix}${kind}`;
    const basics = { points: 0, duration: Math.ceil(windowMs / 1000), keyPrefix };
    const memory = new BoundedMemory({ ...basics, maxEntries });
    this.#limiter = memory;
    if (redis === undefined) return;
    const insured = { storeClient: redis, rejectIfRedisNotReady: true, insuranceLimiter: memory };
    const limiter = new RateLimiterRedis({ ...basics, ...insured });
    // A connection that hangs answers as late as TCP gives up.
    this.#limiter = new RLWrapperTimeouts({ limiter, timeoutMs: redisTimeoutMs });
  }

  /** @returns failures of this key in its window, at least 0. */
  async count(...key: string[]): Promise<number> {
    const found = await this.#limiter.get(keyOf(key)).catch(() => null);
    return atLeast(0, found?.consumedPoints);
  }

  /** One more. @returns how many there are now, at least 1. */
  async add(...key: string[]): Promise<number> {
    const found = await this.#limiter.penalty(keyOf(key)).catch(() => undefined);
    return atLeast(1, found?.consumedPoints);
  }

  /** Forgets a key. @returns how many there were; of several callers at once one gets them. */
  async take(...key: string[]): Promise<number> {
    const count = await this.count(...key);
    if (count === 0) return 0;
    return (await this.#limiter.delete(keyOf(key)).catch(() => false)) ? count : 0;
  }

  /** Takes some back, never more than there are: a window may have ended since. */
  async forgive(failures: number, ...key: string[]): Promise<void> {
    const points = Math.min(failures, await this.count(...key));
    if (points > 0) await this.#limiter.reward(keyOf(key), points).catch(() => undefined);
  }
}

/** What is in Redis under our keys may be somebody else's. */
function atLeast(least: number, found: number | undefined): number {
  return found !== undefined && found > least ? found : least;
}

/**
 * A key as any store may see it (R-STO-01): of one length and of letters that separate nothing, whatever an address or a
 * name is made of, and different for different lists of strings.
 */
function keyOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
