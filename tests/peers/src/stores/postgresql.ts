/**
 * A private PostgreSQL below a folder of the run, from the programs of Debian's package `postgresql`.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Children, type Finished, launcher } from "../children.js";
import { Daemon, freePort } from "../daemon.js";

/** A database of this run alone. */
export interface Postgres {
  /** With user and password, over TCP on the loopback address. */
  readonly url: string;
  /** The same over its Unix socket, without a password. */
  readonly socketUrl: string;
  readonly port: number;
  /** As an operator does, in the middle of whatever is under way; the data stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Runs SQL as `psql` does, as somebody with a password, or as the owner of everything. */
  psql(sql: string, as?: { readonly user: string; readonly password: string }): Promise<Finished>;
  /** A table as `pg_dump` writes it. */
  dump(table: string): Promise<Finished>;
}

const versions = "/usr/lib/postgresql";
const owner = "sasl";

/** The folder with `initdb` and `postgres` of the newest version here, or nothing where there is none. */
function postgresPrograms(): string | undefined {
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
export async function startPostgres(children: Children, folder: string): Promise<Postgres> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const home = join(folder, "postgresql");
  const data = join(home, "data");
  const passwordFile = join(home, "password");
  const password = randomBytes(12).toString("hex");
  const user = process.getuid?.() === 0 ? "postgres" : undefined;
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(passwordFile, password);
  if (user !== undefined) await must(children, ["chown", "-R", `${user}:${user}`, home]);
  await must(children, [
    ...(user === undefined ? [] : launcher("SIGTERM", user)),
    ...[join(programs, "initdb"), "--pgdata", data, "--username", owner, "--pwfile", passwordFile],
    ...["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
    ...["--auth-local", "trust", "--auth-host", "scram-sha-256"],
  ]);
  rmSync(passwordFile);
  const port = await freePort();
  const ready = async (): Promise<boolean> =>
    (await children.run(join(programs, "pg_isready"), ["--host", home, "--port", String(port)])).exit === 0;
  const args = ["-D", data, "-p", String(port), "-k", home, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"];
  // SIGINT is its fast shutdown; SIGTERM would wait for everybody to leave.
  const daemon = new Daemon(children, { command: join(programs, "postgres"), args, user, stopSignal: "SIGINT", ready });
  await daemon.start();
  const client = (
    program: string,
    options: readonly string[],
    as: { readonly user: string; readonly password: string },
    input = "",
  ): Promise<Finished> => {
    const to = ["--host", "127.0.0.1", "--port", String(port), "--username", as.user, "--dbname", "postgres"];
    const env = { PGPASSWORD: as.password, PGPASSFILE: "/nonexistent" };
    return children.run(join(programs, program), [...to, "--no-password", ...options], { input, env });
  };
  return {
    url: `postgres://${owner}:${password}@127.0.0.1:${port}/postgres`,
    socketUrl: `postgres://${owner}@/postgres?host=${encodeURIComponent(home)}&port=${port}`,
    port,
    start: () => daemon.start(),
    stop: () => daemon.stop(),
    restart: () => daemon.restart(),
    psql(sql, as = { user: owner, password }) {
      const options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"];
      return client("psql", options, as, sql);
    },
    dump: (table) => client("pg_dump", ["--table", table], { user: owner, password }),
  };
}

async function must(children: Children, [command = "", ...args]: readonly string[]): Promise<void> {
  const { exit, stdout, stderr } = await children.run(command, args, { timeoutMs: 60_000 });
  if (exit !== 0) throw new Error(`${command} ${args[0]}: ${`${stdout}${stderr}`.trim().slice(-300)}`);
}
