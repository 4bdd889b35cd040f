/**
 * What the store has to do whichever database is below it: one suite, run on each.
 */
import { inspect } from "node:util";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { describe, expect, test } from "vitest";
import type { SqlAccounts, SqlAccountsOptions } from "../src/index.js";

/** A database of one test alone. */
export interface TestDatabase {
  /** Opens a store on it; each has connections of its own. All are closed when the test ends. */
  open(options?: SqlAccountsOptions): Promise<SqlAccounts>;
  /** Runs SQL of the test's own, in which `{accounts}`, `{properties}` and `{migrations}` are the tables' names. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

export type WithDatabase = (work: (database: TestDatabase) => Promise<void>) => Promise<void>;

const octets = (length: number, first: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) % 256);

const verifier: ScramVerifier = {
  hash: "SHA-256",
  salt: octets(16, 200),
  iterations: 4096,
  storedKey: octets(32, 1),
  serverKey: octets(32, 77),
};

/** Names that mean something to SQL, shells, paths or people: here they are just names. */
const names: readonly [why: string, name: string][] = [
  ["a quote", "o'brien"],
  ["a quote that ends a text", "'; DROP TABLE sasl_accounts; --"],
  ["a condition that is always true", "' OR '1'='1"],
  ["double quotes", '"alice"'],
  ["a backslash", "a\\"],
  ["a backslash and a quote", "\\' or 1=1 --"],
  ["the wildcard %", "%"],
  ["the wildcard _", "_lice"],
  ["a path", "../../etc/passwd"],
  ["an absolute path", "/etc/passwd"],
  ["a placeholder of PostgreSQL", "$1"],
  ["a placeholder of SQLite", "?1"],
  ["a dollar quote", "$$; select 1; $$"],
  ["a comment", "alice/*"],
  ["a line end", "alice\r\nbob"],
  ["a control character", "alice\x01"],
  ["a space at the end", "alice "],
  ["another case", "ALICE"],
  ["the word null", "null"],
  ["a name of JavaScript's", "__proto__"],
  ["a composed letter", "caf\u00e9"],
  ["a decomposed letter", "cafe\u0301"],
  ["a character beyond the BMP", "\u{1F511}"],
  ["1024 octets", "\u00e9".repeat(512)],
];

const impossible: readonly [why: string, name: string][] = [
  ["no character", ""],
  ["a NUL", "alice\0"],
  ["a NUL and more", "alice\0bob"],
  ["a lone surrogate", "alice\ud800"],
  ["1025 octets", "x".repeat(1025)],
  ["1026 octets in 513 characters", "\u00e9".repeat(513)],
];

const full: AccountProperties = {
  userPassword: "pencil",
  authPassword: [verifier, { ...verifier, hash: "SHA-1", storedKey: octets(20, 3), serverKey: octets(20, 9) }],
  passwordHash: ["$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "$2b$12$abc"],
  disabled: false,
  quota: { bytes: 1e15, ratio: -0.5, hard: true, none: null },
  picture: octets(300, 0),
  mail: ["a@example.org", "b\0\ud800@example.org"],
  "quo'te\"%": "x",
  ["__proto__"]: "y",
};

/** `isAsExpected` seen through a store. */
const comparisons: readonly [
  why: string,
  before: AccountProperties | undefined,
  expected: AccountProperties | null,
  written: boolean,
][] = [
  ["absent and is", undefined, null, true],
  ["absent and is not", {}, null, false],
  ["there and is", {}, {}, true],
  ["there and is not", undefined, {}, false],
  ["a value and has it", { a: 1 }, { a: 1 }, true],
  ["a value and has another", { a: 1 }, { a: 2 }, false],
  ["a value and has the same in another type", { a: 1 }, { a: "1" }, false],
  ["a value and lacks it", {}, { a: 1 }, false],
  ["a value and account is absent", undefined, { a: 1 }, false],
  ["a lack and lacks it", { b: 1 }, { a: undefined }, true],
  ["a lack and has it", { a: 1 }, { a: undefined }, false],
  ["a lack of an absent account", undefined, { a: undefined }, false],
  ["verifiers and has them", { authPassword: [verifier] }, { authPassword: [{ ...verifier }] }, true],
  ["verifiers and has others", { authPassword: [verifier] }, { authPassword: [] }, false],
  ["octets and has them", { a: octets(3, 1) }, { a: octets(3, 1) }, true],
  ["fields in another order", { a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 } }, true],
  ["disabled and is", { disabled: true }, { disabled: true }, true],
  ["disabled and is not", { disabled: false }, { disabled: true }, false],
  ["disabled unsaid and is", {}, { disabled: undefined }, true],
  ["disabled unsaid and is false", { disabled: false }, { disabled: undefined }, false],
  ["several of which one differs", { a: 1, b: 2 }, { a: 1, b: 3 }, false],
];

const malformed: readonly [why: string, property: string, value: string][] = [
  ["no JSON", "userPassword", "pencil"],
  ["nothing", "userPassword", ""],
  ["JSON that ends early", "quota", '{"a":'],
  ["JSON and more", "quota", "1 2"],
  ["JSON nested too deep", "quota", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ["octets that are no base64", "quota", '{"$base64":"***"}'],
  ["octets that are no text", "quota", '{"$base64":{"__proto__":1}}'],
  ["a password that is a list", "userPassword", '["pencil"]'],
  ["a password that is null", "userPassword", "null"],
  ["hashes that are one text", "passwordHash", '"$2b$12$abc"'],
  ["hashes that are numbers", "passwordHash", "[1]"],
  ["verifiers that are no list", "authPassword", '"SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA"'],
  ["a verifier that is an object", "authPassword", '[{"hash":"SHA-256"}]'],
  ["a verifier of an unknown scheme", "authPassword", '["MD5$c2FsdA==$AAAA"]'],
  ["a verifier with keys too short", "authPassword", '["SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA"]'],
  ["a verifier with hostile cost", "authPassword", '["SCRAM-SHA-256$999999999999:c2FsdA==$AAAA:AAAA"]'],
];

const unstorable: readonly [why: string, changes: AccountProperties][] = [
  ["a function", { a: () => 1 }],
  ["a number that is not finite", { a: Number.NaN }],
  ["a property without a name", { "": 1 }],
  ["a property's name with NUL", { "a\0": 1 }],
  ["a property's name that is too long", { ["x".repeat(1025)]: 1 }],
  ["a password that is a number", { userPassword: 1 as never }],
  ["hashes that are one text", { passwordHash: "$2b$" as never }],
  ["verifiers that are no list", { authPassword: verifier as never }],
  ["a verifier that is null", { authPassword: [null as never] }],
  ["a verifier without a salt", { authPassword: [{ ...verifier, salt: new Uint8Array() }] }],
  ["disabled that is a text", { disabled: "no" as never }],
];

const temporary = { kind: "SASLFailure", code: "temporary" };

async function all(accounts: SqlAccounts): Promise<string[]> {
  const found: string[] = [];
  for await (const name of accounts.list()) found.push(name);
  return found;
}

export function storeSuite(kind: string, withDatabase: WithDatabase): void {
  describe(`accounts in ${kind}`, () => {
    test("give back what was stored, properties of every kind", async () => {
      await withDatabase(async ({ open }) => {
        expect(await (await open()).store("alice", full, null)).toBe(true);
        const found = await (await open()).lookup("alice", Object.keys(full));
        expect(found).toEqual(full);
        expect(Object.getPrototypeOf(found)).toBe(null);
      });
    });

    test("give only what was asked for, and disabled", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", { userPassword: "pencil", passwordHash: [], disabled: true });
        expect(await accounts.lookup("alice", [])).toEqual({ disabled: true });
        expect(await accounts.lookup("alice", ["passwordHash"])).toEqual({
          disabled: true,
          passwordHash: [],
        });
        const many = Array.from({ length: 60 }, (_, i) => `p${i}`);
        expect(await accounts.lookup("alice", [...many, "userPassword"])).toEqual({
          disabled: true,
          userPassword: "pencil",
        });
      });
    });

    test("tell a name nobody has from an account without properties", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", {});
        for (const requests of [[], ["userPassword"], ["userPassword", "authPassword"]]) {
          expect(await accounts.lookup("alice", requests)).toEqual({});
          expect(await accounts.lookup("bob", requests)).toBeUndefined();
        }
      });
    });

    test("R-STO-01 take every name for a name", async () => {
      await withDatabase(async ({ open, sql }) => {
        const accounts = await open();
        await accounts.store("alice", { a: "alice" });
        for (const [, name] of names) expect(await accounts.lookup(name, ["a"])).toBeUndefined();
        for (const [why, name] of names) expect(await accounts.store(name, { a: why }, null), why).toBe(true);
        for (const [why, name] of names) expect(await accounts.lookup(name, ["a"]), why).toEqual({ a: why });
        for (const [why, name] of names) expect(await accounts.lookup("alice", [name]), why).toEqual({});
        expect((await all(accounts)).sort()).toEqual(["alice", ...names.map(([, name]) => name)].sort());
        for (const [why, name] of names) {
          expect(await accounts.remove(name), why).toBe(true);
          expect(await accounts.remove(name), why).toBe(false);
        }
        expect(await accounts.lookup("alice", ["a"])).toEqual({ a: "alice" });
        expect(await sql("select account from {properties}")).toEqual([{ account: "alice" }]);
      });
    });

    test("R-STO-01 know nobody under a name that cannot be", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", {});
        for (const [why, name] of impossible) {
          expect(await accounts.lookup(name, ["a"]), why).toBeUndefined();
          expect(await accounts.remove(name), why).toBe(false);
          await expect(accounts.store(name, {}), why).rejects.toThrow(TypeError);
          expect(await accounts.lookup("alice", [name]), why).toEqual({});
        }
        expect(await all(accounts)).toEqual(["alice"]);
      });
    });

    test("set some properties, remove some, leave the others", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", { a: 1, b: 2, c: 3, disabled: true });
        await accounts.store("alice", { a: undefined, b: 20, d: 4, missing: undefined });
        const requests = ["a", "b", "c", "d"];
        expect(await accounts.lookup("alice", requests)).toEqual({ b: 20, c: 3, d: 4, disabled: true });
        await accounts.store("alice", { disabled: undefined });
        expect(await accounts.lookup("alice", requests)).toEqual({ b: 20, c: 3, d: 4 });
      });
    });

    for (const [why, before, expected, written] of comparisons) {
      test(`R-STO-06 write ${written ? "" : "nothing "}where the writer expects ${why}`, async () => {
        await withDatabase(async ({ open }) => {
          const accounts = await open();
          if (before !== undefined) await accounts.store("alice", before);
          const requests = ["a", "b", "authPassword", "new"];
          const found = await accounts.lookup("alice", requests);
          expect(await accounts.store("alice", { new: 1 }, expected)).toBe(written);
          const after = await accounts.lookup("alice", requests);
          expect(after).toEqual(written ? { ...found, new: 1 } : found);
        });
      });
    }

    test("R-STO-06 let exactly one of many create an account", async () => {
      await withDatabase(async ({ open }) => {
        const stores = await Promise.all(Array.from({ length: 4 }, () => open()));
        for (let round = 0; round < 10; round++) {
          const name = `user${round}`;
          const tries = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => stores[i % 4]?.store(name, { by: i }, null));
          const won = (await Promise.all(tries)).flatMap((ok, i) => (ok ? [i] : []));
          expect(won).toHaveLength(1);
          expect(await stores[0]?.lookup(name, ["by"])).toEqual({ by: won[0] });
        }
      });
    });

    test("R-STO-06 lose no count that several keep", async () => {
      await withDatabase(async ({ open }) => {
        const stores = await Promise.all(Array.from({ length: 3 }, () => open()));
        await stores[0]?.store("alice", { n: 0 });
        const count = async (accounts: SqlAccounts): Promise<void> => {
          for (let done = 0; done < 20; ) {
            const n = (await accounts.lookup("alice", ["n"]))?.n as number;
            if (await accounts.store("alice", { n: n + 1 }, { n })) done++;
          }
        };
        await Promise.all(stores.map(count));
        expect(await stores[0]?.lookup("alice", ["n"])).toEqual({ n: 60 });
      });
    });

    test("R-STO-06 survive removal and writing at once", async () => {
      await withDatabase(async ({ open, sql }) => {
        const [a, b] = await Promise.all([open(), open()]);
        for (let round = 0; round < 15; round++) {
          await a.store("alice", { x: 0, y: 0 });
          const [removed] = await Promise.all([b.remove("alice"), a.store("alice", { x: round, z: round })]);
          expect(removed).toBe(true);
        }
        expect(
          await sql(
            "select p.account from {properties} p left join {accounts} a on a.name = p.account where a.name is null",
          ),
        ).toEqual([]);
      });
    });

    for (const [why, changes] of unstorable) {
      test(`write nothing of changes with ${why}`, async () => {
        await withDatabase(async ({ open }) => {
          const accounts = await open();
          await expect(accounts.store("alice", { good: 1, ...changes })).rejects.toThrow(TypeError);
          expect(await accounts.lookup("alice", ["good"])).toBeUndefined();
        });
      });
    }

    test("write all of a change or, where the database refuses a part, none", async () => {
      await withDatabase(async ({ open, sql }) => {
        const accounts = await open();
        await accounts.store("alice", { a: 1 });
        await sql("alter table {properties} rename column value to was");
        await expect(accounts.store("alice", { disabled: true, a: 2 })).rejects.toMatchObject(temporary);
        await expect(accounts.store("bob", { a: 2 })).rejects.toMatchObject(temporary);
        await sql("alter table {properties} rename column was to value");
        expect(await accounts.lookup("alice", ["a"])).toEqual({ a: 1 });
        expect(await accounts.lookup("bob", ["a"])).toBeUndefined();
      });
    });

    test("list names page by page, also while others write", async () => {
      await withDatabase(async ({ open, sql }) => {
        const accounts = await open();
        expect(await all(accounts)).toEqual([]);
        const many = Array.from({ length: 1203 }, (_, i) => `user${String(i).padStart(5, "0")}`);
        await sql(`insert into {accounts} (name) values ${many.map((name) => `('${name}')`).join(",")}`);
        const found: string[] = [];
        for await (const name of accounts.list()) {
          found.push(name);
          await accounts.remove(name);
        }
        expect(found).toEqual(many);
        expect(await all(accounts)).toEqual([]);
      });
    });

    for (const [why, property, value] of malformed) {
      test(`R-STO-04 answer temporary for a record with ${why}, for this account alone`, async () => {
        await withDatabase(async ({ open, sql }) => {
          const accounts = await open();
          await accounts.store("alice", { [property]: undefined, other: 1 });
          await accounts.store("bob", { other: 2 });
          await sql(`insert into {properties} values ('alice', '${property}', '${value}')`);
          const fault: unknown = await accounts.lookup("alice", [property]).catch((error: unknown) => error);
          expect(fault).toMatchObject(temporary);
          expect(inspect(fault)).not.toContain(value || "pencil");
          expect(await accounts.lookup("alice", ["other"])).toEqual({ other: 1 });
          expect(await accounts.lookup("bob", [property, "other"])).toEqual({ other: 2 });
          expect(await accounts.store("alice", { [property]: undefined })).toBe(true);
          expect(await accounts.lookup("alice", [property])).toEqual({});
        });
      });
    }

    test("R-STO-05 see at once what another has written", async () => {
      await withDatabase(async ({ open }) => {
        const [a, b] = await Promise.all([open(), open()]);
        for (let n = 0; n < 5; n++) {
          await a.store("alice", { n });
          expect(await b.lookup("alice", ["n"])).toEqual({ n });
        }
        await a.remove("alice");
        expect(await b.lookup("alice", ["n"])).toBeUndefined();
      });
    });

    test("make their tables once, however many open at the same time", async () => {
      await withDatabase(async ({ open, sql }) => {
        const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
        await Promise.all(stores.map((accounts, i) => accounts.store(`user${i}`, {}, null)));
        expect((await all(await open())).length).toBe(8);
        expect(await sql("select name from {migrations}")).toEqual([{ name: "0001_accounts" }]);
      });
    });

    test("find older, newer and right tables when they only check", async () => {
      await withDatabase(async ({ open, sql }) => {
        await expect(open({ migrate: "check" })).rejects.toMatchObject({ code: "schema-older" });
        await open();
        const checked = await open({ migrate: "check" });
        expect(await checked.store("alice", {})).toBe(true);
        await sql("insert into {migrations} values ('9999_later', '2020-01-01T00:00:00Z')");
        for (const migrate of [true, "check"] as const) {
          await expect(open({ migrate })).rejects.toMatchObject({
            code: "schema-newer",
            message: expect.stringContaining("9999_later"),
          });
        }
        await sql("delete from {migrations}");
        await expect(open({ migrate: "check" })).rejects.toMatchObject({
          code: "schema-older",
          message: expect.stringContaining("0001_accounts"),
        });
      });
    });

    test("refuse a prefix that is no plain name", async () => {
      await withDatabase(async ({ open }) => {
        for (const tablePrefix of ['"', "a b", "a;", "A", "1a", "\u00e4", "a.b", "x".repeat(41), 1 as never]) {
          await expect(open({ tablePrefix })).rejects.toThrow(TypeError);
        }
      });
    });

    test("throw once they are closed", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", {});
        await accounts.close();
        await accounts.close();
        await expect(accounts.lookup("alice", [])).rejects.toThrow("closed");
        await expect(accounts.store("alice", {})).rejects.toThrow("closed");
        await expect(accounts.remove("alice")).rejects.toThrow("closed");
        await expect(all(accounts)).rejects.toThrow("closed");
      });
    });

    test("R-GEN-30 show nothing of what they hold when inspected", async () => {
      await withDatabase(async ({ open }) => {
        const accounts = await open();
        await accounts.store("alice", { userPassword: "pencil" });
        await accounts.lookup("alice", ["userPassword"]);
        expect(inspect(accounts, { depth: 20, showHidden: true })).not.toMatch(/pencil|postgres:|sqlite|password/i);
        expect(JSON.stringify(accounts)).toBe("{}");
      });
    });

    test("are readable for a person: RFC 5803 verifiers, plain columns", async () => {
      await withDatabase(async ({ open, sql }) => {
        const accounts = await open();
        await accounts.store("alice", { authPassword: [verifier], disabled: true });
        const rows = await sql("select property, value from {properties} where account = 'alice'");
        expect(rows).toEqual([
          { property: "authPassword", value: expect.stringMatching(/^\["SCRAM-SHA-256\$4096:[^$]+\$[^:]+:[^:]+"\]$/) },
        ]);
        const [account] = await sql("select name, disabled, created_at, updated_at from {accounts}");
        expect([true, 1]).toContain(account?.disabled);
        expect(account?.name).toBe("alice");
      });
    });
  });
}
