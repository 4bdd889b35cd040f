/**
 * A Redis of Debian's package `redis-server`, for what several machines count together.
 *
 * @module
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Children } from "../children.js";

/** A server that runs until it is stopped. */
export interface RunningRedis {
  /** `redis://127.0.0.1:` and a port, which stays the same over restarts. */
  readonly url: string;
  /** Ends it and everything in it. */
  stop(): Promise<void>;
  /** Ends it, if it runs, and starts an empty one. */
  restart(): Promise<void>;
}

const PATIENCE_MS = 10_000;

/**
 * Starts a server on a free port of the loopback address that writes nothing to disk.
 *
 * @param folder where it may put files; stays the caller's.
 * @throws {Error} when the program is not installed, or does not answer.
 */
export async function startRedis(folder: string): Promise<RunningRedis> {
  const children = new Children();
  const port = await freePort();
  const settings = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: folder, loglevel: "warning" };
  const argv = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  let end = async (): Promise<void> => {};

  const start = async (): Promise<void> => {
    const child = children.start("redis-server", argv);
    let told = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        told = (told + text).slice(-4096);
      });
    }
    child.on("error", (error) => {
      told += error.message;
    });
    const closed = once(child, "close").catch(() => {});
    end = async () => {
      child.kill();
      await closed;
    };
    for (const start = Date.now(); !(await answers(port)); await sleep(50)) {
      if (child.exitCode === null && child.pid !== undefined && Date.now() - start < PATIENCE_MS) continue;
      await end();
      throw new Error(`redis-server did not start: ${told.trim()}`);
    }
  };
  const stop = async (): Promise<void> => {
    await end();
    end = async () => {};
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    stop,
    async restart() {
      await stop();
      await start();
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { readonly port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1").setTimeout(1000, () => socket.destroy(new Error("timed out")));
  socket.write("PING\r\n");
  try {
    const [data] = (await once(socket, "data")) as [Buffer];
    return data.toString().startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
