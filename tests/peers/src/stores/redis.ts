/**
 * A Redis of Debian's package `redis-server`, for what several machines count together.
 *
 * @module
 */
import type { Children } from "../children.js";
import { Daemon, freePort, listens } from "../daemon.js";

/** A server that runs until it is stopped. */
export interface RunningRedis {
  /** `redis://127.0.0.1:` and a port, which stays the same over restarts. */
  readonly url: string;
  /** Ends it and everything in it. */
  stop(): Promise<void>;
  /** Ends it, if it runs, and starts an empty one. */
  restart(): Promise<void>;
}

/**
 * Starts a server on a free port of the loopback address that writes nothing to disk.
 *
 * @param folder where it may put files; stays the caller's.
 * @throws {Error} when the program is not installed, or does not answer.
 */
export async function startRedis(children: Children, folder: string): Promise<RunningRedis> {
  const port = await freePort();
  const settings = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: folder, loglevel: "warning" };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const daemon = new Daemon(children, { command: "redis-server", args, ready: () => listens(port) });
  await daemon.start();
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: () => daemon.stop(),
    restart: () => daemon.restart(),
  };
}
