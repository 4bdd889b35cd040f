/**
 * Failures of one kind, counted by `rate-limiter-flexible` in windows that begin with a key's first failure.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  type RateLimiterAbstract,
  RateLimiterRedis,
  type RateLimiterRes,
  RLWrapperTimeouts,
} from "rate-limiter-flexible";
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

/** How many failures of a key are counted where. Each failure is counted in one of the two places. */
export interface Failures {
  readonly shared: number;
  readonly own: number;
}

/**
 * Counts of failures by key, a key being any strings. What Redis does not take is counted in memory, and both are read: a Redis
 * that answers may still refuse to be written to, as a replica does, or one with a full disk. None of the methods ever fails.
 */
export class Counter {
  readonly #memory: BoundedMemory;
  readonly #redis: RateLimiterAbstract | undefined;

  constructor(kind: string, options: CounterOptions) {
    const { windowMs, maxEntries, redis, redisPrefix, redisTimeoutMs } = options;
    const keyPrefix = `${redisPrefix}${kind}`;
    const basics = { points: 0, duration: Math.ceil(windowMs / 1000), keyPrefix };
    this.#memory = new BoundedMemory({ ...basics, maxEntries });
    if (redis === undefined) return;
    const limiter = new RateLimiterRedis({ ...basics, storeClient: redis, rejectIfRedisNotReady: true });
    // A connection that hangs answers as late as TCP gives up.
    this.#redis = new RLWrapperTimeouts({ limiter, timeoutMs: redisTimeoutMs });
  }

  /** @returns failures of this key in its window, at least 0: the larger of both counts. */
  async count(...key: string[]): Promise<number> {
    const { shared, own } = await this.#failures(keyOf(key));
    return Math.max(shared, own);
  }

  /** One more. @returns how many there are now, at least 1. */
  async add(...key: string[]): Promise<number> {
    const name = keyOf(key);
    const shared = pointsOf(await this.#redis?.penalty(name).catch(() => null));
    const own = await (shared === 0 ? this.#memory.penalty(name) : this.#memory.get(name));
    return Math.max(1, shared, pointsOf(own));
  }

  /** Forgets a key. @returns how many there were; of several callers at once one gets them. */
  async take(...key: string[]): Promise<Failures> {
    const name = keyOf(key);
    const { shared, own } = await this.#failures(name);
    const [isShared, isOwn] = await Promise.all([
      shared > 0 && this.#redis?.delete(name).catch(() => false),
      own > 0 && this.#memory.delete(name),
    ]);
    return { shared: isShared ? shared : 0, own: isOwn ? own : 0 };
  }

  /** Takes some back from where they were counted, never more than there are: a window may have ended since. */
  async forgive(failures: Failures, ...key: string[]): Promise<void> {
    const name = keyOf(key);
    const found = await this.#failures(name);
    const [shared, own] = [Math.min(failures.shared, found.shared), Math.min(failures.own, found.own)];
    await Promise.all([
      shared > 0 && this.#redis?.reward(name, shared).catch(() => null),
      own > 0 && this.#memory.reward(name, own),
    ]);
  }

  async #failures(name: string): Promise<Failures> {
    const [shared, own] = await Promise.all([this.#redis?.get(name).catch(() => null), this.#memory.get(name)]);
    return { shared: pointsOf(shared), own: pointsOf(own) };
  }
}

/** At least 0. What is in Redis under our keys may be somebody else's and no number. */
function pointsOf(found: RateLimiterRes | null | undefined): number {
  return Math.max(0, found?.consumedPoints || 0);
}

/**
 * A key as any store may see it (R-STO-01): of one length and of letters that separate nothing, whatever an address or a
 * name is made of, and different for different lists of strings.
 */
function keyOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
