/**
 * The tables accounts are in, as people see them who open the database, and how they came to be.
 *
 * @module
 */
import { type Kysely, type Migration, Migrator, sql } from "kysely";
import { describeFault, SqlStoreError } from "./errors.js";

/** The kinds of SQL this package speaks. */
export type SqlDialect = "sqlite" | "postgres";

/** What kysely knows of our tables. Their real names begin with the prefix; see {@link tableNames}. */
export interface Tables {
  readonly accounts: {
    name: string;
    /** `null` where nobody said anything. SQLite has 0 and 1. */
    disabled: boolean | number | null;
    created_at: unknown;
    updated_at: unknown;
  };
  readonly properties: {
    account: string;
    property: string;
    /** JSON; see `values.ts`. */
    value: string;
  };
  readonly migrations: { name: string };
}

/** Names of tables, typed as what they stand for. */
export interface TableNames {
  readonly accounts: "accounts";
  readonly properties: "properties";
  readonly migrations: "migrations";
  readonly migrationsLock: string;
}

/**
 * Names of our tables.
 *
 * @param prefix lower-case letters, digits and `_`, beginning with a letter or `_`, at most 40 characters; may be empty.
 * @throws {TypeError} for any other.
 */
export function tableNames(prefix: string): TableNames {
  if (typeof prefix !== "string" || !/^(?:[a-z_][a-z0-9_]{0,39})?$/.test(prefix)) {
    throw new TypeError("tablePrefix: lower-case letters, digits and _ only, at most 40");
  }
  return {
    accounts: `${prefix}accounts` as "accounts",
    properties: `${prefix}properties` as "properties",
    migrations: `${prefix}migrations` as "migrations",
    migrationsLock: `${prefix}migrations_lock`,
  };
}

/**
 * Makes sure that the tables are there and as this version knows them. Several processes may do so at once.
 *
 * @param migrate true: makes what is missing; `check`: only looks, and needs no right to create tables.
 * @throws {SqlStoreError} `schema-older`, `schema-newer`, or `refused` when a step fails.
 */
export async function prepareTables(
  db: Kysely<Tables>,
  dialect: SqlDialect,
  names: TableNames,
  migrate: true | "check",
): Promise<void> {
  const known = migrations(dialect, names);
  const schema = dialect === "postgres" ? await currentSchema(db) : undefined;
  const done = await doneMigrations(db, names, schema);
  const foreign = done.find((name) => !Object.hasOwn(known, name));
  if (foreign !== undefined) {
    throw new SqlStoreError("schema-newer", `the tables were made by a later version of sasl-store-sql (${foreign})`);
  }
  const missing = Object.keys(known).filter((name) => !done.includes(name));
  if (missing.length === 0) return;
  if (migrate !== true) {
    throw new SqlStoreError("schema-older", `the tables lack ${missing.join(", ")}: open once with migrate: true`);
  }
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(known) },
    migrationTableName: names.migrations,
    migrationLockTableName: names.migrationsLock,
    ...(schema === undefined ? {} : { migrationTableSchema: schema }),
    nameComparator: (a, b) => (a < b ? -1 : 1),
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  // Another process, of a later version, may have been faster.
  if (/corrupted migrations/.test(describeFault(error))) {
    throw new SqlStoreError("schema-newer", "the tables were made by another version of sasl-store-sql");
  }
  throw error;
}

/** Where PostgreSQL makes tables: the first schema of `search_path` that is there. */
async function currentSchema(db: Kysely<Tables>): Promise<string> {
  const { rows } = await sql<{ schema: string | null }>`select current_schema() as schema`.execute(db);
  const schema = rows[0]?.schema;
  if (typeof schema !== "string") throw new SqlStoreError("unsuitable", "search_path names no schema that is there");
  return schema;
}

async function doneMigrations(db: Kysely<Tables>, names: TableNames, schema: string | undefined): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  const found = tables.some((table) => table.name === names.migrations && table.schema === schema);
  if (!found) return [];
  const rows = await db.selectFrom(names.migrations).select("name").execute();
  return rows.map(({ name }) => name);
}

/** In the order of their names. What is published stays as it is; what changes is a new step. */
function migrations(dialect: SqlDialect, names: TableNames): Record<string, Migration> {
  return {
    "0001_accounts": { up: (db) => (dialect === "postgres" ? createInPostgres(db, names) : createInSqlite(db, names)) },
  };
}

// Names are compared by code points: COLLATE "C" here, BINARY (the default) in SQLite.
async function createInPostgres(db: Kysely<unknown>, names: TableNames): Promise<void> {
  const accounts = sql.table(names.accounts);
  const properties = sql.table(names.properties);
  await sql`
    create table ${accounts} (
      name text collate "C" primary key,
      disabled boolean,
      created_at timestamptz not null default current_timestamp,
      updated_at timestamptz not null default current_timestamp
    )`.execute(db);
  await sql`
    create table ${properties} (
      account text collate "C" not null references ${accounts} (name) on delete cascade,
      property text collate "C" not null,
      value text not null,
      primary key (account, property)
    )`.execute(db);
  await sql`comment on table ${accounts} is 'People who can log in.'`.execute(db);
  await sql`comment on column ${accounts}.name is 'Canonical name, compared by code points.'`.execute(db);
  await sql`comment on column ${accounts}.disabled is 'True: may not log in at present.'`.execute(db);
  await sql`comment on table ${properties} is 'What is known of an account. Holds secrets.'`.execute(db);
  await sql`comment on column ${properties}.value is 'JSON; authPassword: a list of RFC 5803 verifiers.'`.execute(db);
}

async function createInSqlite(db: Kysely<unknown>, names: TableNames): Promise<void> {
  const accounts = sql.table(names.accounts);
  await sql`
    create table ${accounts} (
      name text primary key, -- canonical, compared by code points
      disabled integer check (disabled in (0, 1)), -- 1: may not log in at present
      created_at text not null default current_timestamp,
      updated_at text not null default current_timestamp
    ) strict, without rowid`.execute(db);
  await sql`
    create table ${sql.table(names.properties)} (
      account text not null references ${accounts} (name) on delete cascade,
      property text not null,
      value text not null, -- JSON; authPassword: a list of RFC 5803 verifiers
      primary key (account, property)
    ) strict, without rowid`.execute(db);
}
