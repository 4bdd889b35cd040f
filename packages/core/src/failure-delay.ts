/**
 * Slows guessing down without locking anybody out (R-LIM-08). RFC 4422 §6 leaves this to implementations.
 *
 * @module
 */
import type { Throttle } from "./throttle.js";

/** Options of {@link failureDelay}. */
export interface FailureDelayOptions {
  /** Wait after the first failure; each further one doubles it. Default 1000. */
  readonly firstMs?: number | undefined;
  /** Longest wait. Default 15000. */
  readonly maxMs?: number | undefined;
  /** Failures are forgotten this long after the last one. Default 300000. */
  readonly forgetMs?: number | undefined;
  /** Most networks and accounts remembered; the ones that failed longest ago are forgotten first. Default 10000. */
  readonly maxEntries?: number | undefined;
}

interface Entry {
  failures: number;
  /** When this network's next attempt may begin. */
  nextAt: number;
  lastAt: number;
}

/**
 * The ready-made rule, with two parts. After a refusal, the next attempts from the same network (an IPv4 address, the
 * first 48 bits of an IPv6 one) begin one after the other with a growing wait between them, so that hanging up early
 * gains nothing. And refusals for the same account come later and later, wherever they are asked for, while a right
 * answer from another network never waits. Keep one for all services of a process.
 */
export function failureDelay(options: FailureDelayOptions = {}): Throttle {
  const { firstMs = 1000, maxMs = 15_000, forgetMs = 300_000, maxEntries = 10_000 } = options;
  const entries = new Map<string, Entry>();

  const find = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    return entry && Date.now() - entry.lastAt < forgetMs ? entry : undefined;
  };
  const waitAfter = ({ failures }: Entry): number => Math.min(maxMs, firstMs * 2 ** Math.min(30, failures - 1));
  const fail = (key: string): number => {
    const now = Date.now();
    const entry = find(key) ?? { failures: 0, nextAt: 0, lastAt: now };
    entry.failures++;
    entry.lastAt = now;
    entry.nextAt = Math.max(entry.nextAt, now + waitAfter(entry));
    entries.delete(key); // the latest go to the end
    entries.set(key, entry);
    if (entries.size > maxEntries) entries.delete(entries.keys().next().value as string);
    return waitAfter(entry);
  };

  return {
    begin(remote) {
      const entry = remote === undefined ? undefined : find(`network ${networkOf(remote)}`);
      if (entry === undefined) return undefined;
      const now = Date.now();
      const at = Math.max(now, entry.nextAt);
      entry.nextAt = Math.min(at + waitAfter(entry), now + maxMs);
      return at > now ? pause(Math.min(maxMs, at - now)) : undefined;
    },
    ended({ code, remote, authcid }) {
      if (code !== "refused" && code !== "authorization-refused") return undefined;
      if (remote !== undefined) fail(`network ${networkOf(remote)}`);
      return authcid === undefined ? undefined : pause(fail(`account ${authcid}`));
    },
  };
}

/** Waits without keeping a process alive that has nothing else to do. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer: { unref?: () => void } | number = setTimeout(resolve, ms);
    if (typeof timer === "object") (timer as { unref?: () => void }).unref?.();
  });
}

/** What one attacker can be expected to have: a whole IPv4 address, the first 48 bits of an IPv6 one. Ports do not count. */
export function networkOf(remote: string): string {
  const address = remote.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1] as string;
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === "" ? [] : tail.split(":");
  while (groups.length + rest.length < 8) groups.push("0");
  return [...groups, ...rest]
    .slice(0, 3)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
