/**
 * Accounts in a file of SQLite: for one machine, with any number of processes.
 *
 * The driver works synchronously: a look-up holds the event loop for some ten microseconds, a write for as long as the disk
 * takes to have it. Waiting for another process that writes does not hold it.
 *
 * @module
 */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  Kysely,
  type QueryCompiler,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from "kysely";
import Database from "libsql";
import { makeSqlAccounts, type SqlAccounts } from "./accounts.js";
import { describeFault, isUnreachable, SqlStoreError } from "./errors.js";
import type { SqlAccountsOptions } from "./options.js";
import { DatabaseFile } from "./sqlite-file.js";
import { prepareTables, type Tables, tableNames } from "./tables.js";

/** How to open a file of accounts. */
export interface SqliteAccountsOptions extends SqlAccountsOptions {
  /** How long to wait for others that write, in ms from the call; default 5000, 1 to 600000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Opens the file even where everybody may read it. What is lost: any user of the machine can then try passwords at
   * leisure, or pose as the server, or read them if they are in the clear.
   */
  readonly allowWorldReadable?: boolean | undefined;
}

const MAX_STATEMENTS_KEPT = 64;

/**
 * Opens accounts in a file, and makes it where there is none: for its owner alone (mode 0600).
 *
 * @param path of the file, absolute or from the current folder; `:memory:` for accounts that end with the process.
 * @throws {SqlStoreError} when the file cannot be opened, is no database, or its tables do not fit.
 * @throws {TypeError} or {RangeError} for options out of their range.
 */
export async function sqliteAccounts(path: string, options: SqliteAccountsOptions = {}): Promise<SqlAccounts> {
  const { tablePrefix = "sasl_", migrate = true, timeoutMs = 5000, allowWorldReadable = false } = options;
  const tables = tableNames(tablePrefix);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 600_000) {
    throw new RangeError("timeoutMs is an integer from 1 to 600000");
  }
  if (path === "" || path.includes("\0")) throw new TypeError("a path has at least one character and no NUL");
  const inMemory = path === ":memory:";
  // The driver takes a text that looks like a URL for a remote database.
  const place = inMemory ? path : resolve(path);
  const connect = (): Kysely<Tables> => new Kysely<Tables>({ dialect: new LibsqlDialect(place, timeoutMs) });
  let db: Kysely<Tables> | undefined;
  let reader: Kysely<Tables> | undefined;
  try {
    const file = inMemory ? undefined : new DatabaseFile(place, { create: migrate === true, allowWorldReadable });
    db = connect();
    reader = inMemory ? undefined : connect();
    await prepareTables(db, "sqlite", tables, migrate);
    await reader?.executeQuery(CompiledQuery.raw("select 1")); // opens it now: a file that goes later is not made again
    file?.mustBeInPlace();
    const connections = [db, ...(reader === undefined ? [] : [reader])];
    return makeSqlAccounts({
      dialect: "sqlite",
      tables,
      db,
      reader,
      ready: async () => file?.mustBeInPlace(),
      close: () => closeAll(connections),
    });
  } catch (error) {
    await Promise.all([db?.destroy(), reader?.destroy()]).catch(() => {});
    if (error instanceof SqlStoreError) throw error;
    const code = isUnreachable(error) ? "unreachable" : "unsuitable";
    throw new SqlStoreError(code, `cannot open the accounts in ${place}: ${describeFault(error)}`);
  }
}

/**
 * Closes connections behind what is under way on them. The log is brought into the file first: the driver lets go of a
 * connection when its statements are collected as garbage, so SQLite does it late or never, and a copy of the file would
 * lack what was written last.
 */
async function closeAll(connections: readonly Kysely<Tables>[]): Promise<void> {
  for (const db of connections) {
    // Where another process reads or writes, it does the rest.
    await db.executeQuery(CompiledQuery.raw("pragma wal_checkpoint(truncate)")).catch(() => {});
    await db.destroy();
  }
}

/** kysely's SQLite on libsql, with what several processes on one file need. */
class LibsqlDialect implements Dialect {
  readonly #path: string;
  readonly #timeoutMs: number;

  constructor(path: string, timeoutMs: number) {
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  createDriver(): Driver {
    return new PatientDriver(() => openDatabase(this.#path, this.#timeoutMs), this.#timeoutMs);
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** Migrations run in a transaction, so that of two processes that start together one finds all of it done. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** One connection, whose users wait for each other and for other processes without holding the event loop. */
class PatientDriver extends SqliteDriver {
  readonly #timeoutMs: number;

  constructor(database: () => Promise<SqliteDatabase>, timeoutMs: number) {
    super({ database });
    this.#timeoutMs = timeoutMs;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    const deadline = performance.now() + this.#timeoutMs; // for the time in the queue, too
    const connection = await super.acquireConnection();
    return {
      executeQuery: (query) => whileBusy(deadline, () => connection.executeQuery(query)),
      streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
    };
  }

  /** Takes the right to write at once: of two that have both read, none could go on to write. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}

/** Repeats what found the file locked, which then has done nothing; at least once tried. */
async function whileBusy<T>(deadline: number, work: () => Promise<T> | T): Promise<T> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    try {
      return await work();
    } catch (error) {
      const { code } = error as { code?: unknown };
      const busy = typeof code === "string" && (code.startsWith("SQLITE_BUSY") || code === "SQLITE_LOCKED");
      if (!busy || performance.now() > deadline) throw error;
    }
    await sleep(pause + Math.random() * pause);
  }
}

async function openDatabase(path: string, timeoutMs: number): Promise<SqliteDatabase> {
  const deadline = performance.now() + timeoutMs;
  const database = await whileBusy(deadline, () => new Database(path));
  const set = (pragma: string): Promise<unknown> =>
    whileBusy(deadline, () => database.prepare(`pragma ${pragma}`).all([]));
  try {
    await set("journal_mode = wal"); // who reads and who writes do not wait for each other
    await set("synchronous = full"); // what was committed outlives a loss of power
    await set("foreign_keys = on");
    await set("trusted_schema = off");
  } catch (error) {
    database.close();
    throw error;
  }
  return new KeptStatements(database);
}

/** Compiles each text once. */
class KeptStatements implements SqliteDatabase {
  readonly #database: Database.Database;
  readonly #kept = new Map<string, SqliteStatement>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  prepare(text: string): SqliteStatement {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const statement = this.#database.prepare(text) as SqliteStatement;
    if (this.#kept.size < MAX_STATEMENTS_KEPT) this.#kept.set(text, statement);
    return statement;
  }

  close(): void {
    this.#kept.clear();
    this.#database.close();
  }
}
