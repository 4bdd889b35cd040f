/**
 * The stores of this package by URL, for programs that load plug-ins.
 *
 * @module
 */
import type { Plugin } from "sasl-core/plugin";
import type { SqlAccounts } from "./accounts.js";
import { postgresAccounts } from "./postgres.js";
import { sqliteAccounts } from "./sqlite.js";

/**
 * Brings `sqlite:PATH`, `postgres://…` and `postgresql://…`. A PostgreSQL that cannot be reached yet is no error
 * (`lazy`): a server may start before its database.
 */
export const saslPlugin: Plugin = {
  apiVersion: 1,
  stores: [{ name: "sql", schemes: ["sqlite", "postgres", "postgresql"], open: openAccounts }],
};

async function openAccounts(url: string): Promise<SqlAccounts> {
  if (/^sqlite:/i.test(url)) return sqliteAccounts(sqlitePath(url.slice("sqlite:".length)));
  return postgresAccounts(url, { lazy: true });
}

/** A path as it is, nothing of it decoded; `sqlite:///var/lib/x` says the same as `sqlite:/var/lib/x`. */
function sqlitePath(rest: string): string {
  if (!rest.startsWith("//")) return rest;
  if (!rest.startsWith("///")) throw new TypeError("a sqlite: URL has no host: sqlite:PATH");
  return rest.slice(2);
}
