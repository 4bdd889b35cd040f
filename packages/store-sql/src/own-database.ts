/**
 * Accounts in a database the application has opened itself.
 *
 * @module
 */
import type { Kysely } from "kysely";
import { makeSqlAccounts, type SqlAccounts } from "./accounts.js";
import type { SqlAccountsOptions } from "./options.js";
import { prepareTables, type SqlDialect, type Tables, tableNames } from "./tables.js";

/** How to use an own database. */
export interface OwnDatabaseOptions extends SqlAccountsOptions {
  /** The SQL it speaks. */
  readonly dialect: SqlDialect;
}

/**
 * Accounts in a database of the application's own, through its kysely. Timeouts and the number of connections are the
 * application's too. Closing the store leaves the database open.
 *
 * @param db any kysely; its plug-ins are not applied.
 * @throws {SqlStoreError} when the tables do not fit; whatever the driver throws when it cannot be reached.
 */
export async function sqlAccounts<DB>(db: Kysely<DB>, options: OwnDatabaseOptions): Promise<SqlAccounts> {
  const { dialect, tablePrefix = "sasl_", migrate = true } = options;
  const tables = tableNames(tablePrefix);
  const own = db.withoutPlugins() as unknown as Kysely<Tables>;
  await prepareTables(own, dialect, tables, migrate);
  return makeSqlAccounts({ dialect, tables, db: own, ready: async () => {}, close: async () => {} });
}
