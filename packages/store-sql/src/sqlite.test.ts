/** SQLite: the file, the processes that share it, and values of every kind. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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
      const path = (name: string): string => join(folder, name);
      writeFileSync(path("text"), "alice:pencil\n".repeat(100), { mode: 0o600 });
      symlinkSync(path("nowhere"), path("link"));
      const faults: readonly [path: string, code: string][] = [
        [path("text"), "unsuitable"],
        [folder, "unsuitable"],
        [path("missing/accounts.db"), "unreachable"],
        [path("link"), "unreachable"],
      ];
      for (const [path, code] of faults) {
        await expect(sqliteAccounts(path), path).rejects.toMatchObject({ name: "SqlStoreError", code });
      }
      expect(readdirSync(folder).sort()).toEqual(["link", "text"]);
    });
  });

  test.skipIf(process.platform === "win32")("R-STO-04 is not waited for when it is a pipe", async () => {
    await withFolder(async (folder) => {
      execFileSync("mkfifo", [join(folder, "pipe")]);
      await expect(sqliteAccounts(join(folder, "pipe"))).rejects.toMatchObject({ code: "unsuitable" });
    });
  });

  const modes: readonly [mode: number, allowWorldReadable: boolean, taken: boolean][] = [
    [0o666, false, false],
    [0o602, true, false],
    [0o604, false, false],
    [0o644, true, true],
    [0o660, false, true],
  ];
  for (const [mode, allowWorldReadable, taken] of modes) {
    const how = `${taken ? "taken" : "refused"} with mode ${mode.toString(8)}`;
    test.skipIf(process.platform === "win32")(
      `R-STO-07 is ${how}${allowWorldReadable ? ", allowed" : ""}`,
      async () => {
        await withFolder(async (folder) => {
          const file = join(folder, "accounts.db");
          writeFileSync(file, "");
          chmodSync(file, mode);
          const opened = sqliteAccounts(file, { allowWorldReadable });
          if (taken) await (await opened).close();
          else
            await expect(opened).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("chmod") });
        });
      },
    );
  }

  test("is not made by who only checks", async () => {
    await withFolder(async (folder) => {
      const opened = sqliteAccounts(join(folder, "accounts.db"), { migrate: "check" });
      await expect(opened).rejects.toMatchObject({ code: "schema-older" });
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  test("R-STO-07 holds everything once the store is closed, also what was under way", async () => {
    await withFolder(async (folder) => {
      const [file, copy] = [join(folder, "accounts.db"), join(folder, "copy.db")];
      const [accounts, other] = [await sqliteAccounts(file), await sqliteAccounts(file)];
      await accounts.store("alice", { a: 1 });
      const stored = ["bob", "carol"].map((name) => accounts.store(name, { a: 1 }, null));
      await Promise.all([accounts.close(), other.close()]);
      expect(await Promise.all(stored)).toEqual([true, true]);
      copyFileSync(file, copy);
      expect(sqliteQuery(copy, "select name from {accounts}").map(({ name }) => name)).toEqual([
        "alice",
        "bob",
        "carol",
      ]);
    });
  });

  test.skipIf(process.platform === "win32")(
    "R-STO-04 fails every call while another is in its place, or none",
    async () => {
      await withFolder(async (folder) => {
        const [file, away] = [join(folder, "accounts.db"), join(folder, "away.db")];
        const accounts = await sqliteAccounts(file);
        await accounts.store("alice", { a: 1 });
        const fails = async (what: string): Promise<void> => {
          const failure = { ...temporary, detail: expect.stringContaining(`accounts.db ${what}`) };
          await expect(accounts.lookup("alice", ["a"])).rejects.toMatchObject(failure);
          await expect(accounts.lookup("nobody", ["a"])).rejects.toMatchObject(failure);
          await expect(accounts.store("bob", {})).rejects.toMatchObject(failure);
          await expect(accounts.remove("alice")).rejects.toMatchObject(failure);
          await expect(accounts.list()[Symbol.asyncIterator]().next()).rejects.toMatchObject(failure);
        };
        renameSync(file, away);
        await fails("was removed");
        writeFileSync(file, "");
        await fails("was replaced");
        rmSync(file);
        renameSync(away, file);
        expect(await accounts.lookup("alice", ["a"])).toEqual({ a: 1 });
        expect(await accounts.store("bob", {}, null)).toBe(true);
        await accounts.close();
      });
    },
  );

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

  test("R-STO-07 do not take the log away from two stores of this one", async () => {
    const start = await compileChild(new URL("../test/children/leave.ts", import.meta.url));
    await withFolder(async (folder) => {
      const file = join(folder, "accounts.db");
      const accounts = await sqliteAccounts(file);
      await accounts.store("alice", {}, null);
      const other = await sqliteAccounts(file);
      expect(await linesOf(start(file))).toEqual(["refused", "alice"]);
      expect(await accounts.store("bob", {}, null)).toBe(true);
      expect(await other.store("carol", {}, null)).toBe(true);
      expect(await linesOf(start(file))).toEqual(["refused", "alice", "bob", "carol"]);
      await Promise.all([accounts.close(), other.close()]);
    });
  });

  test("R-STO-04 are waited for by all writers together, not by one after the other", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "accounts.db");
      const [hasty, patient] = [
        await sqliteAccounts(file, { timeoutMs: 20 }),
        await sqliteAccounts(file, { timeoutMs: 400 }),
      ];
      const other = new Database(file);
      other.exec("begin immediate");
      let failed = 0;
      const writes = Array.from({ length: 40 }, (_, n) =>
        hasty.store(`user${n}`, {}).catch(() => {
          failed++;
        }),
      );
      await expect(patient.store("alice", {})).rejects.toMatchObject(temporary);
      expect(failed).toBe(40); // one by one they would wait twice as long as the patient one
      other.exec("rollback");
      other.close();
      await Promise.all([...writes, hasty.close(), patient.close()]);
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

  test("R-STO-04 that is full is called so, whatever fails after it", async () => {
    const database = new Database(":memory:");
    const db = new Kysely<never>({ dialect: new SqliteDialect({ database: database as never }) });
    const accounts = await sqlAccounts(db, { dialect: "sqlite" });
    database.prepare("pragma max_page_count = 12").all([]);
    await expect(accounts.store("alice", { a: "x".repeat(100_000) })).rejects.toMatchObject({
      ...temporary,
      detail: expect.stringContaining("SQLITE_FULL"),
    });
    expect(await accounts.lookup("alice", ["a"])).toBeUndefined();
    expect(await accounts.store("alice", { a: 1 }, null)).toBe(true);
    await db.destroy();
  });
});
