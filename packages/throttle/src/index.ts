/**
 * Slows password guessing down, in memory or in Redis, without locking anybody out: a ready-made `throttle` for the
 * servers of `sasl-core` (R-LIM-08).
 *
 * @module
 */
export type { RedisClient } from "./counter.js";
export { networkOf } from "./network.js";
export { type ThrottleOptions, throttle } from "./throttle.js";
