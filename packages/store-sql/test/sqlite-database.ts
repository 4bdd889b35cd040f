/** Files of SQLite for tests, each in a folder of its own that goes when the test ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { type SqlAccounts, sqliteAccounts } from "../src/index.js";
import type { TestDatabase } from "./suite.js";

export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sasl-store-sql-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function withSqlite(work: (database: TestDatabase) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const file = join(folder, "accounts.db");
    const opened: SqlAccounts[] = [];
    try {
      await work({
        async open(options) {
          const accounts = await sqliteAccounts(file, options);
          opened.push(accounts);
          return accounts;
        },
        sql: async (text) => sqliteQuery(file, text),
      });
    } finally {
      await Promise.all(opened.map((accounts) => accounts.close()));
    }
  });
}

export function sqliteQuery(file: string, text: string): Record<string, unknown>[] {
  const database = new Database(file, { timeout: 5000 } as Database.Options);
  try {
    const named = text.replace(/\{(\w+)\}/g, "sasl_$1");
    const statement = database.prepare(named);
    if (statement.reader) return statement.all([]) as Record<string, unknown>[];
    statement.run([]);
    return [];
  } finally {
    database.close();
  }
}
