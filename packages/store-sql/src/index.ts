/**
 * SASL accounts in SQLite and PostgreSQL.
 *
 * @module
 */
export type { SqlAccounts } from "./accounts.js";
export { SqlStoreError, type SqlStoreErrorCode } from "./errors.js";
export type { SqlAccountsOptions } from "./options.js";
export { type OwnDatabaseOptions, sqlAccounts } from "./own-database.js";
export { type PostgresAccountsOptions, postgresAccounts } from "./postgres.js";
export { saslPlugin } from "./sasl-plugin.js";
export { type SqliteAccountsOptions, sqliteAccounts } from "./sqlite.js";
export type { SqlDialect } from "./tables.js";
