/** SQLite: the file, the processes that share it, and values of every kind. */
import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import fc from "fast-check";
import { Kysely, SqliteDialect } from "kysely";
import Database from "libsql";
import type { PropertyValue } from "sasl-core";
import { describe, expect, test } from "vitest";
import { compileChild, linesOf } from "../test/run-child.js";
import { sqliteQuery, withFolder } from "../test/sqlite-database.js";
import { type SqliteAccountsOptions, saslPlugin, sqlAccounts, sqliteAccounts } from "./index.js";

const temporary = { kind: "SASLFailure", code: "temporary" };

describe("the file", () => {
  test("R-STO-07 is made for its owner alone, with all that belongs to it", async () => {
    await withFolder(async (folder) => {
      const accounts = await sqliteAccounts(join(folder, "accounts.db"));
      await accounts.store("alice", { userPassword: "pencil" });
      const files = readdirSync(folder);
      expect(files).toContain("accounts.db");
      for (const file of files) expect([file, statSync(join(folder, file)).mode & 0o777]).toEqual([file, 0o600]);
      await accounts.close();
    });
  });

  test("keeps the mode an operator has given it", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "accounts.db");
      await (await sqliteAccounts(file)).close();
      chmodSync(file, 0o640);
      await (await sqliteAccounts(file)).close();
      expect(statSync(file).mode & 0o777).toBe(0o640);
    });
  });

  test("R-STO-04 is refused when it is no database, or not to be had", async () => {
    await withFolder(async (folder) => {
      const text = join(folder, "text");
      writeFileSync(text, "alice:pencil\n".repeat(100));
      await expect(sqliteAccounts(text)).rejects.toMatchObject({ name: "SqlStoreError", code: "unsuitable" });
      for (const path of [folder, join(folder, "missing", "accounts.db")]) {
        await expect(sqliteAccounts(path)).rejects.toMatchObject({ name: "SqlStoreError", code: "unreachable" });
      }
    });
  });

  const options: readonly [why: string, path: string, options: SqliteAccountsOptions, error: typeof Error][] = [
    ["no path", "", {}, TypeError],
    ["a path with NUL", "a\0b", {}, TypeError],
    ["no time", ":memory:", { timeoutMs: 0 }, RangeError],
    ["time without end", ":memory:", { timeoutMs: Number.POSITIVE_INFINITY }, RangeError],
  ];
  for (const [why, path, each, error] of options) {
    test(`is refused with ${why}`, async () => {
      await expect(sqliteAccounts(path, each)).rejects.toThrow(error);
    });
  }

  test("is never taken for a place in the network", async () => {
    await withFolder(async (folder) => {
      const before = process.cwd();
      process.chdir(folder);
      try {
        // A path below a folder that is not there; the driver alone would open a connection.
        await expect(sqliteAccounts("http://127.0.0.1:1/x")).rejects.toMatchObject({ code: "unreachable" });
        await expect(sqliteAccounts("libsql://127.0.0.1:1")).rejects.toMatchObject({ code: "unreachable" });
      } finally {
        process.chdir(before);
      }
    });
  });
});

describe("by URL", () => {
  const store = saslPlugin.stores?.[0];

  test("opens relative and absolute paths and memory", async () => {
    await withFolder(async (folder) => {
      expect(saslPlugin.apiVersion).toBe(1);
      expect(store).toMatchObject({ name: "sql", schemes: ["sqlite", "postgres", "postgresql"] });
      const urls: readonly [url: string, name: string][] = [
        [`sqlite:${folder}/absolute.db`, "absolute.db"],
        [`sqlite://${folder}/slashes.db`, "slashes.db"],
        [`SQLITE:${folder}/upper.db`, "upper.db"],
        [`sqlite:${relative(process.cwd(), folder)}/relative.db`, "relative.db"],
        [`sqlite:${folder}/as it is%41?x.db`, "as it is%41?x.db"],
      ];
      for (const [url, name] of urls) {
        const accounts = await store?.open(url);
        expect(await accounts?.store?.("alice", { a: 1 }, null), url).toBe(true);
        await accounts?.close?.();
        expect(existsSync(join(folder, basename(name))), url).toBe(true);
      }
      const accounts = await store?.open("sqlite::memory:");
      expect(await accounts?.store?.("alice", { a: 1 }, null)).toBe(true);
      expect(await accounts?.lookup("alice", ["a"])).toEqual({ a: 1 });
      await accounts?.close?.();
    });
  });

  test("refuses what is neither", async () => {
    for (const url of ["sqlite:", "sqlite://host/path", "mysql://host/db", "/tmp/x", ""]) {
      await expect(store?.open(url), url).rejects.toThrow(TypeError);
    }
  });
});

describe("values", () => {
  const value: fc.Arbitrary<PropertyValue> = fc.letrec<{ value: PropertyValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", maxDepth: 6 },
      fc.string({ unit: "binary" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array(),
      fc.array(tie("value")),
      fc.dictionary(
        fc.string().filter((name) => name !== "$base64"),
        tie("value"),
      ),
    ),
  })).value;
  const key = fc.string({ unit: "binary", minLength: 1, maxLength: 50 }).filter((text) => !text.includes("\0"));
  const known = new Set(["disabled", "userPassword", "authPassword", "passwordHash"]);

  test("come back as they went in, under any name", async () => {
    const accounts = await sqliteAccounts(":memory:");
    await fc.assert(
      fc.asyncProperty(
        key,
        key.filter((property) => !known.has(property)),
        value,
        async (name, property, given) => {
          await accounts.store(name, { [property]: given });
          expect(await accounts.lookup(name, [property])).toEqual({ [property]: given });
          expect(await accounts.store(name, { [property]: given }, { [property]: given })).toBe(true);
          expect(await accounts.remove(name)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
    await accounts.close();
  });
});

describe("other processes", () => {
  test("R-STO-04 do not hold up who looks an account up, and who writes waits without holding the loop", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "accounts.db");
      const accounts = await sqliteAccounts(file, { timeoutMs: 60_000 });
      const hasty = await sqliteAccounts(file, { timeoutMs: 20 });
      await accounts.store("alice", { a: 1 });
      const other = new Database(file);
      other.exec("begin immediate");
      let written = false;
      const write = accounts.store("alice", { a: 2 }).then(() => {
        written = true;
      });
      await expect(hasty.store("alice", { a: 3 })).rejects.toMatchObject({
        ...temporary,
        detail: expect.stringContaining("SQLITE_BUSY"),
      });
      expect(await accounts.lookup("alice", ["a"])).toEqual({ a: 1 });
      expect(written).toBe(false);
      other.exec("commit");
      other.close();
      await write;
      expect(await hasty.lookup("alice", ["a"])).toEqual({ a: 2 });
      await Promise.all([accounts.close(), hasty.close()]);
    });
  });

  test("R-STO-06 several count together and lose nothing; one of them makes the account", {
    timeout: 30_000,
  }, async () => {
    const start = await compileChild(new URL("../test/children/count.ts", import.meta.url));
    await withFolder(async (folder) => {
      const url = `sqlite:${join(folder, "accounts.db")}`;
      const lines = await Promise.all(Array.from({ length: 3 }, () => linesOf(start(url, "30"))));
      expect(lines.flat().sort()).toEqual(["found", "found", "made"]);
      const accounts = await sqliteAccounts(join(folder, "accounts.db"));
      expect(await accounts.lookup("counter", ["n"])).toEqual({ n: 90 });
      await accounts.close();
    });
  });

  test("R-STO-07 killed at any moment, lose nothing that was committed", { timeout: 60_000 }, async () => {
    const start = await compileChild(new URL("../test/children/write.ts", import.meta.url));
    await withFolder(async (folder) => {
      const file = join(folder, "accounts.db");
      const committed: string[] = [];
      let killed = 0;
      const writeAndDie = async (round: number): Promise<void> => {
        const child = start(`sqlite:${file}`, `round${round}`);
        let lines = 0;
        const limit = 1 + ((round * 7) % 13);
        committed.push(
          ...(await linesOf(child, () => {
            // After some lines, and not always at the same point after a commit.
            if (++lines === limit) setTimeout(() => child.kill("SIGKILL"), round % 5);
          })),
        );
        if (child.signalCode === "SIGKILL") killed++;
      };
      for (let round = 0; round < 32; round += 2) await Promise.all([writeAndDie(round), writeAndDie(round + 1)]);
      expect(killed).toBe(32);
      expect(committed.length).toBeGreaterThanOrEqual(32);
      expect(sqliteQuery(file, "pragma integrity_check")).toEqual([{ integrity_check: "ok" }]);
      const accounts = await sqliteAccounts(file);
      for (const name of committed) {
        const n = Number(name.split("-")[1]);
        expect(await accounts.lookup(name, ["n", "text"]), name).toEqual({ n: 0 - n, disabled: false });
      }
      // What was not told as committed is there in whole or not at all.
      for await (const name of accounts.list()) {
        const found = await accounts.lookup(name, ["n", "text"]);
        const n = Number(name.split("-")[1]);
        expect(
          [
            { n, text: "x".repeat(n % 5000), disabled: false },
            { n: 0 - n, disabled: false },
          ],
          name,
        ).toContainEqual({
          ...found,
        });
      }
      await accounts.close();
    });
  });
});

describe("a database of the application's own", () => {
  test("holds accounts beside its other tables and stays open", async () => {
    const database = new Database(":memory:");
    const db = new Kysely<never>({ dialect: new SqliteDialect({ database: database as never }) });
    const accounts = await sqlAccounts(db, { dialect: "sqlite", tablePrefix: "" });
    expect(await accounts.store("alice", { a: 1, disabled: true }, null)).toBe(true);
    expect(await accounts.store("alice", { a: 2 }, { a: 3 })).toBe(false);
    expect(await accounts.lookup("alice", ["a"])).toEqual({ a: 1, disabled: true });
    expect(await accounts.remove("alice")).toBe(true);
    expect(database.prepare("select account from properties").all([])).toEqual([]);
    await accounts.close();
    await expect(accounts.lookup("alice", [])).rejects.toThrow("closed");
    expect(database.prepare("select name from migrations").all([])).toEqual([{ name: "0001_accounts" }]);
    await db.destroy();
  });
});
