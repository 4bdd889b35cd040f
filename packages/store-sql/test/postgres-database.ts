/** The PostgreSQL that SASL_TEST_POSTGRES names; each test has tables with a prefix of its own, which go when it ends. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { type PostgresAccountsOptions, postgresAccounts, type SqlAccounts } from "../src/index.js";
import type { TestDatabase } from "./suite.js";

/** `postgres://…` of a database the tests may fill; without it, what needs one is left out. */
export const postgresUrl: string | undefined = process.env.SASL_TEST_POSTGRES;

export interface PostgresTestDatabase extends TestDatabase {
  open(options?: PostgresAccountsOptions & { readonly url?: string }): Promise<SqlAccounts>;
}

export async function withPostgres(work: (database: PostgresTestDatabase) => Promise<void>): Promise<void> {
  const tablePrefix = `t${randomBytes(8).toString("hex")}_`;
  const client = new pg.Client({ connectionString: postgresUrl ?? "" });
  await client.connect();
  const opened: SqlAccounts[] = [];
  const sql = async (text: string): Promise<Record<string, unknown>[]> =>
    (await client.query(text.replace(/\{(\w+)\}/g, `${tablePrefix}$1`))).rows;
  try {
    await work({
      async open({ url = postgresUrl ?? "", ...options } = {}) {
        const accounts = await postgresAccounts(url, { tablePrefix, maxConnections: 4, ...options });
        opened.push(accounts);
        return accounts;
      },
      sql,
    });
  } finally {
    await Promise.all(opened.map((accounts) => accounts.close()));
    await sql("drop table if exists {properties}, {accounts}, {migrations}, {migrations_lock}");
    await client.end();
  }
}
