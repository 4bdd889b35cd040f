/**
 * The rule itself: what attempts wait for, when they are refused, and what right and wrong answers change.
 *
 * @module
 */
import { SASLFailure, type Throttle } from "sasl-core";
import { Counter, type CounterOptions, type RedisClient } from "./counter.js";
import { Lanes } from "./lanes.js";
import { networkOf } from "./network.js";

/** Options of {@link throttle}. Times are in milliseconds. */
export interface ThrottleOptions {
  /** Wait after the first failure; each further one doubles it. 0 to `maxMs`, default 2000. */
  readonly firstMs?: number | undefined;
  /** Longest wait. 0 to 2^31 - 1, default 15000. */
  readonly maxMs?: number | undefined;
  /** Failures are forgotten this long after the first of them. At least 1000, rounded up to seconds; default 600000. */
  readonly windowMs?: number | undefined;
  /** Failures of a network after which its attempts are refused until `windowMs` are over. 0 for no limit; default 100. */
  readonly maxFailures?: number | undefined;
  /** Attempts of a network that may be under way at once before it has shown anything. 1 to `maxParallel`, default 10. */
  readonly firstParallel?: number | undefined;
  /** The same for a network with right answers only. At least 1, default 100. */
  readonly maxParallel?: number | undefined;
  /** An attempt that had to wait this long for others of its network is refused. 1 to 2^31 - 1, default 30000. */
  readonly maxWaitMs?: number | undefined;
  /**
   * Peers whose network says nothing of who guesses: a web mailer, a proxy, a monitor. Nothing waits, is counted or
   * refused for their address; refusals of an account are late all the same. Default: none.
   */
  readonly exempt?: ((remote: string) => boolean) | undefined;
  /** Most networks, accounts and pairs of both remembered in memory, each. At least 1, default 10000. */
  readonly maxEntries?: number | undefined;
  /** Client of `ioredis`, to share counts among machines; what it cannot count each counts for itself. Default: none. */
  readonly redis?: RedisClient | undefined;
  /** What its keys begin with, default `sasl:throttle:`. */
  readonly redisPrefix?: string | undefined;
  /** How long an answer of Redis is waited for. 1 to 2^31 - 1, default 500. */
  readonly redisTimeoutMs?: number | undefined;
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Twice the time that an exchange has by default, behind the wait before it. */
const LEASE_MS = 120_000;

/**
 * A rule against guessing; make one for all services of a process.
 *
 * Failures of a network (see {@link networkOf}) make its next attempts begin later and, soon, one after the other; after
 * `maxFailures` of them they are refused, no account being looked at. Failures of an account make its refusals late,
 * wherever they are asked for; a right answer never waits for them. A right answer takes back what its own network failed
 * with the same account before, and nothing else: one's own password buys no guesses at those of others.
 *
 * @throws {RangeError} for an option out of its range.
 */
export function throttle(options: ThrottleOptions = {}): Throttle {
  const { exempt = () => false, redis, redisPrefix = "sasl:throttle:" } = options;
  const maxMs = inRange("maxMs", options.maxMs ?? 15_000, 0, MAX_TIMER_MS);
  const firstMs = inRange("firstMs", options.firstMs ?? Math.min(2000, maxMs), 0, maxMs);
  const windowMs = inRange("windowMs", options.windowMs ?? 600_000, 1000, MAX_TIMER_MS);
  const maxFailures = inRange("maxFailures", options.maxFailures ?? 100, 0);
  const maxParallel = inRange("maxParallel", options.maxParallel ?? 100, 1);
  const firstParallel = inRange("firstParallel", options.firstParallel ?? Math.min(10, maxParallel), 1, maxParallel);
  const maxWaitMs = inRange("maxWaitMs", options.maxWaitMs ?? 30_000, 1, MAX_TIMER_MS);
  const maxEntries = inRange("maxEntries", options.maxEntries ?? 10_000, 1);
  const redisTimeoutMs = inRange("redisTimeoutMs", options.redisTimeoutMs ?? 500, 1, MAX_TIMER_MS);

  const counting: CounterOptions = { windowMs, maxEntries, redis, redisPrefix, redisTimeoutMs };
  const networks = new Counter("network", counting);
  const accounts = new Counter("account", counting);
  const pairs = new Counter("pair", counting);
  const lanes = new Lanes({ firstParallel, maxParallel, maxWaitMs, leaseMs: maxMs + LEASE_MS, windowMs, maxEntries });

  const waitAfter = (failures: number): number =>
    failures === 0 ? 0 : Math.min(maxMs, firstMs * 2 ** Math.min(30, failures - 1));
  const networkFor = (remote: string | undefined): string | undefined =>
    remote === undefined || exempt(remote) ? undefined : networkOf(remote);

  return {
    async begin(remote, attempt) {
      const network = networkFor(remote);
      if (network === undefined) return;
      await lanes.enter(network, attempt);
      const failures = await networks.count(network);
      if (maxFailures > 0 && failures >= maxFailures) {
        lanes.leave(attempt, "neither");
        throw tooManyFailures(failures);
      }
      await pause(waitAfter(failures));
    },

    async ended({ ok, code, remote, authcid }, attempt) {
      const network = networkFor(remote);
      if (ok) {
        lanes.leave(attempt, "right");
        if (network === undefined || authcid === undefined) return;
        const own = await pairs.take(network, authcid);
        if (own.shared + own.own > 0)
          await Promise.all([networks.forgive(own, network), accounts.forgive(own, authcid)]);
        return;
      }
      if (code !== "refused" && code !== "authorization-refused") {
        lanes.leave(attempt, "neither");
        return;
      }
      const [failures] = await Promise.all([
        authcid === undefined ? 0 : accounts.add(authcid),
        network === undefined ? 0 : networks.add(network),
        network === undefined || authcid === undefined ? 0 : pairs.add(network, authcid),
      ]);
      lanes.leave(attempt, "wrong"); // not before it counts, or the next one would not wait for it
      await pause(waitAfter(failures));
    },
  };
}

/** Waits without keeping a process alive that has nothing else to do. */
function pause(ms: number): Promise<void> | undefined {
  return ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms).unref());
}

function tooManyFailures(failures: number): SASLFailure {
  const detail = `${failures} failures of its network`;
  return new SASLFailure("limit-exceeded", "too many failed attempts, try again later", { detail });
}

function inRange(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${name} is not from ${min} to ${max}`);
  return value;
}
