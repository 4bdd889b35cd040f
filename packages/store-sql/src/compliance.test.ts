/** What every account store has to do, by the suite for authors of stores. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeChecks } from "sasl-core/testing";
import { afterAll, describe, test } from "vitest";
import { postgresUrl, withPostgres } from "../test/postgres-database.js";
import { sqliteQuery } from "../test/sqlite-database.js";
import { postgresAccounts, sqliteAccounts } from "./index.js";

describe("SQLite", () => {
  const folder = mkdtempSync(join(tmpdir(), "sasl-store-sql-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const open = (place: string) => sqliteAccounts(join(folder, place));
  const unreachable = async () => {
    const accounts = await open("unreachable");
    sqliteQuery(join(folder, "unreachable"), "drop table {accounts}");
    return accounts;
  };
  for (const { name, run } of storeChecks(open, { persistent: true, unreachable })) test(name, run);
});

describe("SQLite in memory", () => {
  for (const { name, run } of storeChecks(() => sqliteAccounts(":memory:"))) test(name, run);
});

if (postgresUrl !== undefined) {
  describe("PostgreSQL", () => {
    const prefixes = new Set<string>();
    afterAll(async () => {
      const dropped = [...prefixes].flatMap((prefix) =>
        ["properties", "accounts", "migrations", "migrations_lock"].map((table) => `${prefix}${table}`),
      );
      await withPostgres(async ({ sql }) => void (await sql(`drop table if exists ${dropped.join(", ")}`)));
    });
    const open = (place: string) => {
      const tablePrefix = `c${process.pid}_${place}_`;
      prefixes.add(tablePrefix);
      return postgresAccounts(postgresUrl ?? "", { tablePrefix, maxConnections: 3 });
    };
    const unreachable = () => postgresAccounts("postgres://nobody@127.0.0.1:1/none", { lazy: true });
    for (const { name, run } of storeChecks(open, { persistent: true, unreachable })) test(name, run);
  });
}
