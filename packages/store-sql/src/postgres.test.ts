/** PostgreSQL: what can be seen without one, and the whole suite where SASL_TEST_POSTGRES names one. */
import { createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { type PostgresTestDatabase, postgresUrl, withPostgres } from "../test/postgres-database.js";
import { compileChild, linesOf } from "../test/run-child.js";
import { storeSuite } from "../test/suite.js";
import { UnreliableProxy } from "../test/unreliable-proxy.js";
import { type PostgresAccountsOptions, postgresAccounts, type SqlAccounts } from "./index.js";

const temporary = { kind: "SASLFailure", code: "temporary" };
const secret = "s3cr3t";

function thrown(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A port of this machine where nobody listens. */
async function freePort(): Promise<number> {
  const proxy = new UnreliableProxy(1);
  await proxy.open();
  await proxy.close();
  return proxy.port;
}

describe("without a database", () => {
  const urls: readonly [why: string, url: string][] = [
    ["no text", ""],
    ["another scheme", `mysql://u:${secret}@localhost/db`],
    ["no slashes", `postgres:u:${secret}@localhost/db`],
    ["a port that is none", `postgres://u:${secret}@localhost:port/db`],
    ["a password with an unescaped slash", `postgres://u:${secret}/x@localhost/db`],
    ["a password of digits with an unescaped slash", "postgres://u:54321/s3cr3t@localhost/db"],
    ["a password of digits with an unescaped question mark", "postgres://u:54321?s3cr3t@localhost/db"],
    ["a password of digits with an unescaped number sign", "postgres://u:54321#s3cr3t@localhost/db"],
    ["a password with an unescaped @ and slash", "postgres://u:x@54321/s3cr3t@localhost/db"],
  ];
  for (const [why, url] of urls) {
    test(`refuses a URL with ${why}, without a word of it`, async () => {
      const error = await thrown(postgresAccounts(url));
      expect(error).toBeInstanceOf(TypeError);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/s3cr3t|54321/);
    });
  }

  test("says that a certificate the URL names is not there", async () => {
    const error = await thrown(postgresAccounts(`postgres://u:${secret}@localhost/db?sslrootcert=/nonexistent`));
    expect(error).toMatchObject({ name: "SqlStoreError", code: "refused" });
    expect((error as Error).message).toContain("sslrootcert");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
  });

  const options: readonly PostgresAccountsOptions[] = [
    { maxConnections: 0 },
    { maxConnections: 1.5 },
    { timeoutMs: 0 },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { idleTimeoutMs: -1 },
  ];
  for (const each of options) {
    test(`refuses ${inspect(each)}`, async () => {
      await expect(postgresAccounts("postgres://localhost/db", each)).rejects.toThrow(RangeError);
    });
  }

  test("R-STO-04 says where nobody listens, and R-GEN-30 not how to log in there", async () => {
    const place = `127.0.0.1:${await freePort()}/db`;
    for (const url of [`postgres://alice:${secret}@${place}`, `postgresql://${place}?user=alice&password=${secret}`]) {
      const error = await thrown(postgresAccounts(url));
      expect(error).toMatchObject({ name: "SqlStoreError", code: "unreachable" });
      expect((error as Error).message).toContain(place);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/s3cr3t|alice/);
    }
  });

  test("R-STO-04 opens lazily and then answers temporary, every time", async () => {
    const accounts = await postgresAccounts(`postgres://alice:${secret}@127.0.0.1:${await freePort()}/db`, {
      lazy: true,
    });
    for (const call of [
      () => accounts.lookup("alice", ["userPassword"]),
      () => accounts.store("alice", {}),
      () => accounts.remove("alice"),
      async () => {
        for await (const _ of accounts.list());
      },
    ]) {
      const error = await thrown(call());
      expect(error).toMatchObject({ ...temporary, detail: expect.stringContaining("ECONNREFUSED") });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
    }
    await accounts.close();
  });

  test("R-STO-04 gives up on a server that accepts and says nothing", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const url = `postgres://alice:${secret}@127.0.0.1:${port}/db`;
    try {
      expect(await thrown(postgresAccounts(url, { timeoutMs: 50 }))).toMatchObject({ code: "unreachable" });
      const accounts = await postgresAccounts(url, { timeoutMs: 50, lazy: true });
      const lookups = [1, 2, 3].map(() => thrown(accounts.lookup("alice", [])));
      for (const error of await Promise.all(lookups)) expect(error).toMatchObject(temporary);
      await accounts.close();
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});

if (postgresUrl !== undefined) {
  storeSuite("PostgreSQL", withPostgres);

  /** A store whose way to the database is a proxy. */
  const withProxy = (
    work: (proxy: UnreliableProxy, accounts: SqlAccounts, database: PostgresTestDatabase) => Promise<void>,
    options: PostgresAccountsOptions = {},
  ): Promise<void> =>
    withPostgres(async (database) => {
      const url = new URL(postgresUrl ?? "");
      const proxy = new UnreliableProxy(Number(url.port || 5432));
      await proxy.open();
      url.host = `127.0.0.1:${proxy.port}`;
      try {
        await work(proxy, await database.open({ url: url.href, timeoutMs: 300, ...options }), database);
      } finally {
        await proxy.close();
      }
    });
  const many = (accounts: SqlAccounts, count: number): Promise<unknown[]> =>
    Promise.all(Array.from({ length: count }, () => accounts.lookup("alice", ["a"]).catch((error: unknown) => error)));
  const waiting = "select count(*)::int as n from pg_locks where not granted and pid <> pg_backend_pid()";
  const settled = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  describe("with a database that fails", () => {
    test("R-STO-04 answers temporary while it is down and recovers when it is back", async () => {
      await withProxy(async (proxy, accounts) => {
        await accounts.store("alice", { a: 1 });
        for (let round = 0; round < 3; round++) {
          await proxy.close();
          for (const answer of await many(accounts, 20)) expect(answer).toMatchObject(temporary);
          await expect(accounts.store("alice", { a: 2 })).rejects.toMatchObject(temporary);
          await proxy.open();
          for (const answer of await many(accounts, 20)) expect(answer).toEqual({ a: 1 });
          expect(proxy.connections).toBeLessThanOrEqual(4);
        }
        await accounts.close();
        await settled(() => proxy.connections === 0);
      });
    });

    test("R-STO-04 survives connections cut while they are idle and while they are in use", async () => {
      await withProxy(async (proxy, accounts) => {
        await accounts.store("alice", { a: 1 });
        for (let round = 0; round < 10; round++) {
          const answers = many(accounts, 20);
          if (round % 2 === 0) proxy.cut();
          else setImmediate(() => proxy.cut());
          for (const answer of await answers) {
            if (answer instanceof Error) expect(answer).toMatchObject(temporary);
            else expect(answer).toEqual({ a: 1 });
          }
          expect(proxy.connections).toBeLessThanOrEqual(4);
        }
        await settled(() => proxy.connections <= 4);
        expect(await many(accounts, 1)).toEqual([{ a: 1 }]);
      });
    });

    test("R-STO-04 gives up on a database that no longer answers, and leaves no connection behind", async () => {
      await withProxy(async (proxy, accounts) => {
        await accounts.store("alice", { a: 1 });
        await many(accounts, 20);
        proxy.hold();
        for (const answer of await many(accounts, 20)) expect(answer).toMatchObject(temporary);
        proxy.letPass();
        for (const answer of await many(accounts, 20)) expect(answer).toEqual({ a: 1 });
        expect(proxy.connections).toBeLessThanOrEqual(4);
      });
    });

    test("R-STO-04 gives up on a row another holds for too long", async () => {
      await withProxy(async (_, accounts, { sql }) => {
        await accounts.store("alice", { a: 1 });
        await sql("begin");
        await sql("update {accounts} set disabled = true where name = 'alice'");
        await expect(accounts.store("alice", { a: 2 })).rejects.toMatchObject({
          ...temporary,
          detail: expect.stringContaining("57014"),
        });
        expect(await accounts.lookup("alice", ["a"])).toEqual({ a: 1 });
        await sql("rollback");
        expect(await accounts.store("alice", { a: 2 }, { a: 1, disabled: undefined })).toBe(true);
      });
    });

    test("R-STO-04 lets people log in while writers wait for a row another holds", async () => {
      await withProxy(
        async (_, accounts, { sql }) => {
          await accounts.store("alice", { a: 1 });
          await sql("begin");
          await sql("update {accounts} set disabled = true where name = 'alice'");
          let written = 0;
          const writes = Array.from({ length: 20 }, () => accounts.store("alice", { a: 2 }).then(() => written++));
          await settled(async () => Number((await sql(waiting))[0]?.n) >= 2);
          for (const answer of await many(accounts, 20)) expect(answer).toEqual({ a: 1 });
          expect(written).toBe(0);
          await sql("rollback");
          await Promise.all(writes);
        },
        { timeoutMs: 5000 },
      );
    });

    test("R-STO-04 opens before the database and makes the tables when it comes", async () => {
      await withProxy(async (proxy, _, { open, sql }) => {
        await sql("drop table {properties}, {accounts}, {migrations}, {migrations_lock}");
        const url = new URL(postgresUrl ?? "");
        url.host = `127.0.0.1:${proxy.port}`;
        await proxy.close();
        const accounts = await open({ url: url.href, lazy: true, timeoutMs: 300 });
        await expect(accounts.lookup("alice", [])).rejects.toMatchObject(temporary);
        await proxy.open();
        expect(await Promise.all([1, 2, 3].map((n) => accounts.store(`user${n}`, { n }, null)))).toEqual([
          true,
          true,
          true,
        ]);
      });
    });

    test("R-STO-04 answers temporary, in words without rows, when its tables have gone", async () => {
      await withProxy(async (_, accounts, { sql }) => {
        await sql("alter table {accounts} rename to gone_{accounts}");
        await expect(accounts.lookup("alice", ["a"])).rejects.toMatchObject({
          ...temporary,
          detail: expect.stringContaining("42P01"),
        });
        await sql("alter table gone_{accounts} rename to {accounts}");
        await sql("alter table {properties} add check (value <> '\"hidden\"')");
        const error = await thrown(accounts.store("alice", { userPassword: "hidden" }));
        expect(error).toMatchObject({ ...temporary, detail: "error 23514" });
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("hidden");
        expect(await accounts.lookup("alice", [])).toBeUndefined();
      });
    });

    test("R-GEN-30 says that a login was refused without showing it", async () => {
      const url = new URL(postgresUrl ?? "");
      url.password = secret;
      const error = await thrown(postgresAccounts(url.href, { lazy: true }));
      expect(error).toMatchObject({ code: "refused", message: expect.stringContaining("28P01") });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
    });

    test("refuses a database that is not in UTF-8", async () => {
      await withPostgres(async ({ open, sql }) => {
        const name = `latin${process.pid}`;
        await sql(`create database ${name} encoding 'LATIN1' template template0 locale 'C'`);
        const url = new URL(postgresUrl ?? "");
        url.pathname = `/${name}`;
        await expect(open({ url: url.href })).rejects.toMatchObject({
          code: "unsuitable",
          message: expect.stringContaining("LATIN1"),
        });
        await sql(`drop database ${name}`);
      });
    });
  });

  test("R-STO-06 several processes count together and lose nothing", { timeout: 30_000 }, async () => {
    const start = await compileChild(new URL("../test/children/count.ts", import.meta.url));
    await withPostgres(async ({ open, sql }) => {
      // Two schemas, so that tables of one are not taken for those of the other.
      for (const schema of [`a${process.pid}`, `b${process.pid}`]) {
        await sql(`create schema ${schema}`);
        const url = new URL(postgresUrl ?? "");
        url.searchParams.set("options", `-c search_path=${schema}`);
        const lines = await Promise.all(Array.from({ length: 3 }, () => linesOf(start(url.href, "30"))));
        expect(lines.flat().sort()).toEqual(["found", "found", "made"]);
        const accounts = await open({ url: url.href, tablePrefix: "sasl_", migrate: "check" });
        expect(await accounts.lookup("counter", ["n"])).toEqual({ n: 90 });
        await accounts.close();
        await sql(`drop schema ${schema} cascade`);
      }
    });
  });

  test("a look-up is one statement, which the server parses once for each connection", async () => {
    await withProxy(
      async (proxy, accounts) => {
        await accounts.store("alice", { a: 1 });
        proxy.sent = "";
        for (let n = 0; n < 20; n++) expect(await accounts.lookup("alice", ["a", "b"])).toEqual({ a: 1 });
        expect(proxy.sent.match(/left join/g)).toHaveLength(1);
        // Bind, Execute and Sync: one each for every look-up.
        expect(proxy.sent.match(/S\0\0\0\x04/g)).toHaveLength(20);
      },
      { maxConnections: 1 },
    );
  });
}
