/**
 * What both kinds of databases are opened with.
 *
 * @module
 */

/** Options of every store in SQL. */
export interface SqlAccountsOptions {
  /** Begins the names of all tables: lower-case letters, digits and `_`, at most 40. Default `sasl_`; may be empty. */
  readonly tablePrefix?: string | undefined;
  /**
   * True, the default: makes the tables where they are missing and brings older ones up to date. `check`: only looks, fails
   * with `schema-older` where something is missing, and needs no right to create tables.
   */
  readonly migrate?: true | "check" | undefined;
}
