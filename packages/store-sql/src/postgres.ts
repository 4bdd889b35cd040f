/**
 * Accounts in PostgreSQL: for any number of processes on any number of machines.
 *
 * @module
 */
import { type CompiledQuery, Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from "kysely";
import pg from "pg";
import { makeSqlAccounts, type SqlAccounts } from "./accounts.js";
import { describeFault, isUnreachable, SqlStoreError, sqlState } from "./errors.js";
import type { SqlAccountsOptions } from "./options.js";
import { onceReady } from "./ready.js";
import { prepareTables, type Tables, tableNames } from "./tables.js";

/** How to open accounts in PostgreSQL. */
export interface PostgresAccountsOptions extends SqlAccountsOptions {
  /**
   * Connections at most, 1 to 1000; default 10. They are opened when needed. Half of them are for calls that write, so that
   * nobody who logs in waits for writers of a row somebody holds; a single one is for all.
   */
  readonly maxConnections?: number | undefined;
  /** How long an idle connection is kept, in ms; default 30000, 0 to 3600000, where 0 is for ever. */
  readonly idleTimeoutMs?: number | undefined;
  /** How long to wait for a connection, and then for each statement, in ms; default 5000, 1 to 600000. */
  readonly timeoutMs?: number | undefined;
  /**
   * True: a database that cannot be reached when the store is opened is no error. Until it is there, every call fails as
   * temporary; the tables are looked at, or made, by the first that reaches it. Default false.
   */
  readonly lazy?: boolean | undefined;
}

const MAX_STATEMENTS_NAMED = 32;

/**
 * Opens accounts in PostgreSQL.
 *
 * @param url `postgres://user:password@host:port/database`, with what node-postgres understands after `?`: `host` for the
 *   folder of a Unix socket, `sslmode`, `sslrootcert`. What it leaves out comes from PGHOST, PGUSER, PGPASSWORD and so on.
 * @throws {SqlStoreError} when the database cannot be reached or used, or its tables do not fit.
 * @throws {TypeError} when the URL cannot be understood; {RangeError} for options out of their range.
 */
export async function postgresAccounts(url: string, options: PostgresAccountsOptions = {}): Promise<SqlAccounts> {
  const { tablePrefix = "sasl_", migrate = true, lazy = false } = options;
  const tables = tableNames(tablePrefix);
  const where = target(url);
  const { writing, reading } = openPools(url, options);
  const db = onPool(new CarefulPool(writing));
  const lookups = new CarefulPool(reading);
  const ready = onceReady(async () => {
    try {
      await mustBeUtf8(writing);
      await prepareTables(db, "postgres", tables, migrate);
    } catch (error) {
      if (error instanceof SqlStoreError) throw error;
      const code = isUnreachable(error) ? "unreachable" : "refused";
      throw new SqlStoreError(code, `cannot open the accounts in ${where}: ${describeFault(error)}`);
    }
  });
  const close = async (): Promise<void> => {
    await Promise.all([...new Set([writing, reading])].map((pool) => pool.end()));
  };
  try {
    await ready();
  } catch (error) {
    if (!lazy || (error as SqlStoreError).code !== "unreachable") {
      await close();
      throw error;
    }
  }
  return makeSqlAccounts({
    dialect: "postgres",
    tables,
    db,
    reader: onPool(lookups),
    select: (query) => lookups.select(query),
    ready,
    close,
  });
}

function onPool(pool: CarefulPool): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/**
 * The database's place without the login.
 *
 * @throws {TypeError} for what is no URL, and for one that seems to hold an unescaped password, a part of which would be
 *   taken for the place.
 * @throws {SqlStoreError} `refused` when a file it names cannot be read.
 */
function target(url: string): string {
  let why = "postgres://user:password@host:port/database";
  try {
    const [, rest] = /^postgres(?:ql)?:\/\/[^/?#]*(.*)$/is.exec(url) ?? [];
    if (rest === undefined) throw new TypeError("another scheme");
    if (/#|^[^?]*@|\?[^=]*@/s.test(rest)) {
      why = "in a user name or a password / is written %2F, ? is %3F, # is %23, @ is %40";
      throw new TypeError("an @ behind the host");
    }
    const { host, port, database } = new pg.Client({ connectionString: url }); // reads the URL, opens nothing
    return `${host}:${port}/${database ?? ""}`;
  } catch (error) {
    // The cause would quote the URL.
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw new TypeError(`this is no URL of a PostgreSQL database: ${why}`);
    throw new SqlStoreError("refused", `cannot read the file sslrootcert, sslcert or sslkey names: ${code}`);
  }
}

/** One pool for calls that write and one for those that read; the same where there is but one connection. */
function openPools(url: string, options: PostgresAccountsOptions): { writing: pg.Pool; reading: pg.Pool } {
  const { maxConnections = 10 } = options;
  inRange("maxConnections", maxConnections, 1, 1000);
  const writers = Math.ceil(maxConnections / 2);
  const writing = openPool(url, writers, options);
  return { writing, reading: maxConnections === 1 ? writing : openPool(url, maxConnections - writers, options) };
}

function openPool(url: string, max: number, options: PostgresAccountsOptions): pg.Pool {
  const { idleTimeoutMs = 30_000, timeoutMs = 5000 } = options;
  inRange("idleTimeoutMs", idleTimeoutMs, 0, 3_600_000);
  inRange("timeoutMs", timeoutMs, 1, 600_000);
  const pool = new pg.Pool({
    connectionString: url,
    max,
    idleTimeoutMillis: idleTimeoutMs,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    query_timeout: timeoutMs + Math.min(timeoutMs, 1000), // for a server too far gone to keep its own time
    idle_in_transaction_session_timeout: timeoutMs * 2, // a machine that died must not hold a row for ever
    keepAlive: true,
    application_name: "sasl",
  });
  // An idle connection has ended; the pool has let go of it already, and the next look-up opens another.
  pool.on("error", () => {});
  return pool;
}

function inRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} is an integer from ${least} to ${most}`);
  }
}

/** In any other encoding there are names that cannot be asked for. */
async function mustBeUtf8(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ server_encoding: string }>("show server_encoding");
  const encoding = rows[0]?.server_encoding;
  if (encoding !== "UTF8") {
    throw new SqlStoreError("unsuitable", `accounts need a database in UTF8, this one is in ${encoding}`);
  }
}

/**
 * The pool as kysely wants it. A connection with a fault of its own is ended instead of given back: a statement that was
 * given up on may still be running in it.
 */
class CarefulPool implements PostgresPool {
  readonly #pool: pg.Pool;
  readonly #names = new Map<string, string>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async connect(): Promise<PostgresPoolClient> {
    const client = await this.#pool.connect();
    let broken = false;
    const onError = (): void => {
      broken = true; // also thrown by the statement under way
    };
    client.on("error", onError);
    const query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
      try {
        return await client.query(text, [...values]);
      } catch (error) {
        if (sqlState(error) === undefined) broken = true;
        throw error;
      }
    };
    const release = (): void => {
      client.off("error", onError);
      client.release(broken);
    };
    return { query: query as PostgresPoolClient["query"], release };
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  /**
   * Runs a look-up under a name, so that the server parses and plans it once for each connection. Any fault ends the
   * connection.
   */
  async select({ sql: text, parameters }: CompiledQuery): Promise<readonly unknown[]> {
    const name = this.#nameOf(text);
    const query = { text, values: [...parameters], ...(name === undefined ? {} : { name }) };
    return (await this.#pool.query<Record<string, unknown>>(query)).rows;
  }

  #nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= MAX_STATEMENTS_NAMED) return known;
    const name = `sasl_lookup_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}
