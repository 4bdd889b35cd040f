/**
 * Slows guessing down without locking anybody out: only answers that say no are late, and later with each of them
 * (R-LIM-08). RFC 4422 §6 leaves this to implementations.
 *
 * @module
 */
import type { ServerEvent } from "./server.js";

/** Options of {@link failureDelay}. */
export interface FailureDelayOptions {
  /** Wait after the first failure; each further one doubles it. Default 1000. */
  readonly firstMs?: number | undefined;
  /** Longest wait. Default 15000. */
  readonly maxMs?: number | undefined;
  /** Failures are forgotten this long after the last one. Default 300000. */
  readonly forgetMs?: number | undefined;
  /** Most peers and accounts remembered; the ones that failed longest ago are forgotten first. Default 10000. */
  readonly maxEntries?: number | undefined;
}

interface Entry {
  readonly failures: number;
  readonly at: number;
}

/**
 * A value for `SASLServer`'s `slowDown`: counts refusals for each network the peers come from (an IPv4 address, the
 * first 48 bits of an IPv6 one) and for each account, and waits as long as the worse of the two asks for.
 * A right answer never waits. Keep one for all services of a process.
 */
export function failureDelay(options: FailureDelayOptions = {}): (event: ServerEvent) => Promise<void> | undefined {
  const { firstMs = 1000, maxMs = 15_000, forgetMs = 300_000, maxEntries = 10_000 } = options;
  const entries = new Map<string, Entry>();

  const count = (key: string): number => {
    const now = Date.now();
    const known = entries.get(key);
    const failures = known && now - known.at < forgetMs ? known.failures + 1 : 1;
    entries.delete(key); // the latest go to the end
    entries.set(key, { failures, at: now });
    if (entries.size > maxEntries) entries.delete(entries.keys().next().value as string);
    return failures;
  };

  return ({ code, remote, authcid }) => {
    if (code !== "refused" && code !== "authorization-refused") return undefined;
    const peer = remote === undefined ? 1 : count(`peer ${networkOf(remote)}`);
    const account = authcid === undefined ? 1 : count(`account ${authcid}`);
    const waitMs = Math.min(maxMs, firstMs * 2 ** (Math.min(30, Math.max(peer, account)) - 1));
    return new Promise((resolve) => {
      setTimeout(resolve, waitMs);
    });
  };
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
