/**
 * A private PostgreSQL below a folder of the run, from the programs of Debian's package `postgresql`.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

/** A database of this run alone. */
export interface Postgres {
  /** With user and password, over TCP on the loopback address. */
  readonly url: string;
  /** The same over its Unix socket, without a password. */
  readonly socketUrl: string;
  /** As an operator does, in the middle of whatever is under way; the data stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
}

const exec = promisify(execFile);
const versions = "/usr/lib/postgresql";
const user = "sasl";

/** The folder with `initdb` and `pg_ctl` of the newest version here, or nothing where there is none. */
export function postgresPrograms(): string | undefined {
  if (!existsSync(versions)) return undefined;
  const newest = readdirSync(versions).sort((a, b) => Number(b) - Number(a));
  return newest.map((version) => join(versions, version, "bin")).find((folder) => existsSync(join(folder, "initdb")));
}

/**
 * Starts one, as user `postgres` where this process is root's, since PostgreSQL does not run as root.
 *
 * @param folder of this run, which other users can enter; everything is below `postgresql` in it.
 * @throws when the programs are missing (`apt-get install postgresql`) or do not start.
 */
export async function startPostgres(folder: string): Promise<Postgres> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const home = join(folder, "postgresql");
  const data = join(home, "data");
  const passwordFile = join(home, "password");
  const password = randomBytes(12).toString("hex");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(passwordFile, password);
  const asRoot = process.getuid?.() === 0;
  if (asRoot) {
    const ids = await Promise.all(["-u", "-g"].map((which) => exec("id", [which, "postgres"])));
    const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
    for (const path of [home, passwordFile]) chownSync(path, uid ?? 0, gid ?? 0);
  }
  const run = async (program: string, ...args: string[]): Promise<void> => {
    const command = [join(programs, program), ...args];
    const [file = "", ...rest] = asRoot ? ["runuser", "-u", "postgres", "--", ...command] : command;
    await exec(file, rest, { cwd: home, timeout: 60_000, env: { ...process.env, LC_ALL: "C.UTF-8" } });
  };
  await run(
    "initdb",
    ...["--pgdata", data, "--username", user, "--pwfile", passwordFile, "--encoding", "UTF8", "--no-sync"],
    ...["--auth-local", "trust", "--auth-host", "scram-sha-256"],
  );
  rmSync(passwordFile);
  const port = await freePort();
  const settings = `-p ${port} -k ${home} -c listen_addresses=127.0.0.1 -c fsync=off`;
  const control = (...args: string[]): Promise<void> => run("pg_ctl", "--wait", "--silent", "--pgdata", data, ...args);
  const start = (): Promise<void> => control("--log", join(home, "log"), "--options", settings, "start");
  const stop = (): Promise<void> => control("--mode", "fast", "stop");
  await start();
  return {
    url: `postgres://${user}:${password}@127.0.0.1:${port}/postgres`,
    socketUrl: `postgres://${user}@/postgres?host=${encodeURIComponent(home)}&port=${port}`,
    start,
    stop,
    async restart() {
      await stop();
      await start();
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
