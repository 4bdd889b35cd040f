import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { sameProperty } from "sasl-core/plugin";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type FileAccounts, type FileAccountsOptions, fileAccounts } from "./index.js";
import { acquire } from "./replace-lock.js";

const verifier: ScramVerifier = {
  hash: "SHA-256",
  salt: new Uint8Array(16).fill(1),
  iterations: 4096,
  storedKey: new Uint8Array(32).fill(2),
  serverKey: new Uint8Array(32).fill(3),
};

let folder: string;
let path: string;
let opened: FileAccounts[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sasl-store-file-"));
  path = join(folder, "users");
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()));
  await rm(folder, { recursive: true, force: true });
});

/** A store over this text, that looks at the file each time it is asked. */
async function over(text: string | Uint8Array, options: FileAccountsOptions = {}): Promise<FileAccounts> {
  await writeFile(path, text, { mode: 0o600 });
  return reopened(options);
}

async function reopened(options: FileAccountsOptions = {}): Promise<FileAccounts> {
  const store = await fileAccounts(path, { checkIntervalMs: 0, ...options });
  opened.push(store);
  return store;
}

async function found(store: FileAccounts, name: string): Promise<AccountProperties | undefined> {
  const properties = await store.lookup(name);
  return properties && { ...properties };
}

describe("opening", () => {
  const faults: readonly [why: string, make: () => Promise<unknown>, message: string][] = [
    ["nothing", async () => undefined, "there is no such file"],
    ["a folder", () => mkdir(path), "it is a folder"],
    ["NUL octets", () => writeFile(path, "alice:{PLAIN}x\n\0\0"), "it holds NUL octets"],
    ["a file everybody may write", () => writeFile(path, "").then(() => chmod(path, 0o602)), "everybody may write it"],
  ];
  for (const [why, make, message] of faults) {
    test(`R-STO-04 fails on ${why}, and says where`, async () => {
      await make();
      const error = await reopened().catch((error: unknown) => error);
      expect(error).toMatchObject({ kind: "SASLFailure", code: "temporary" });
      expect((error as Error).message).toContain(`cannot read ${path}: ${message}`);
    });
  }

  test("R-STO-07 creates an empty file for its owner alone", async () => {
    const store = await reopened({ create: true });
    expect(store.size).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("create leaves alone what is there", async () => {
    await writeFile(path, "alice:{PLAIN}x\n");
    expect((await reopened({ create: true })).size).toBe(1);
  });

  test("refuses times that are none", async () => {
    await expect(fileAccounts(path, { checkIntervalMs: -1 })).rejects.toThrow(RangeError);
    await expect(fileAccounts(path, { lockTimeoutMs: Number.NaN })).rejects.toThrow(RangeError);
    await expect(fileAccounts("")).rejects.toThrow(TypeError);
  });
});

test.skipIf(process.platform === "win32")("R-STO-04 a pipe is no file, and not waited for", async () => {
  execFileSync("mkfifo", [path]);
  for (const create of [false, true]) {
    await expect(reopened({ create })).rejects.toThrow(`cannot read ${path}: it is no regular file`);
  }
});

describe("looking up", () => {
  test("the first account behind a byte order mark, which stays there", async () => {
    const store = await over("\ufeffalice:{PLAIN}a\nbob:{PLAIN}b\n");
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
    expect(await store.store("alice", { userPassword: "c" }, { userPassword: "a" })).toBe(true);
    expect(await readFile(path, "utf8")).toBe("\ufeffalice:{PLAIN}c::::::\nbob:{PLAIN}b\n");
    expect(await names(await reopened())).toEqual(["alice", "bob"]);
  });

  test("all lines of an account, wherever they are", async () => {
    const store = await over(
      "# users\r\nalice:{PLAIN}a:1000\r\nbob:{PLAIN}b\n\nalice:$6$x$y\n#:sasl-property ghost:a:1\ncarol:{PLAIN}c",
    );
    expect(await found(store, "alice")).toEqual({ userPassword: "a", passwordHash: ["$6$x$y"], uid: "1000" });
    expect(await found(store, "carol")).toEqual({ userPassword: "c" });
    expect(await found(store, "ghost")).toBeUndefined();
    expect(store.size).toBe(3);
    expect((await names(store)).sort()).toEqual(["alice", "bob", "carol"]);
  });

  const hostile = [
    "__proto__",
    "constructor",
    "",
    "#",
    "# users",
    "alice:",
    "alice\n",
    "alice\0",
    "../alice",
    "al*",
    "ALICE",
    "\ud800",
    "\ufffd",
  ];
  for (const name of hostile) {
    test(`R-STO-01 nobody is ${JSON.stringify(name)}`, async () => {
      expect(await (await over("# users\nalice:{PLAIN}a\n\ufffd:{PLAIN}b\n")).lookup(name)).toBeUndefined();
    });
  }

  test("R-LIM-04 names of JavaScript are names", async () => {
    const store = await over("__proto__:{PLAIN}a\nconstructor:{PLAIN}b\n");
    expect(await found(store, "__proto__")).toEqual({ userPassword: "a" });
    expect(await found(store, "constructor")).toEqual({ userPassword: "b" });
    expect(await found(store, "toString")).toBeUndefined();
  });

  const malformed = ["{NONSENSE}topsecret", "topsecret", "{PLAIN.b64}topsecret!", "{PLAIN}a\talice:{PLAIN}topsecret"];
  for (const secret of malformed) {
    test(`R-STO-04 a malformed record fails its own account: ${JSON.stringify(secret)}`, async () => {
      const store = await over(`bob:{PLAIN}b\nalice:${secret}\n`);
      const error = await Promise.resolve()
        .then(() => store.lookup("alice"))
        .catch((error: unknown) => error);
      expect(error).toMatchObject({ kind: "SASLFailure", code: "temporary" });
      expect((error as { detail?: string }).detail).toContain(`${path}:2: `);
      expect(inspect(error, { depth: 9 })).not.toContain("topsecret");
      expect(await found(store, "bob")).toEqual({ userPassword: "b" });
      // It is not written over either, but it can be removed.
      await expect(store.store("alice", { userPassword: "x" })).rejects.toMatchObject({ code: "temporary" });
      expect(await store.remove("alice")).toBe(true);
      expect(await found(store, "alice")).toBeUndefined();
    });
  }

  test("counts of verifiers, each once", async () => {
    const store = await over("");
    const strong = {
      ...verifier,
      hash: "SHA-1",
      iterations: 10_000,
      storedKey: new Uint8Array(20),
      serverKey: new Uint8Array(20),
    };
    await store.store("alice", { authPassword: [verifier, strong] });
    await store.store("bob", { authPassword: [verifier] });
    expect([...store.iterations].sort()).toEqual([10_000, 4096]);
    expect([...(await reopened()).iterations].sort()).toEqual([10_000, 4096]);
  });

  test("shows nothing of what it holds", async () => {
    const store = await over("alice:{PLAIN}topsecret\n");
    expect(inspect(store, { depth: 9, showHidden: true })).not.toMatch(/alice|topsecret/);
    expect(JSON.stringify(store)).toBe("{}");
  });
});

describe("R-STO-05 changes by others", () => {
  test("are seen: replaced, appended, in place", async () => {
    const store = await over("alice:{PLAIN}a\n");
    await writeFile(`${path}.new`, "alice:{PLAIN}b\n", { mode: 0o600 });
    await rename(`${path}.new`, path);
    expect(await found(store, "alice")).toEqual({ userPassword: "b" });
    await appendFile(path, "bob:{PLAIN}b\n");
    expect(await found(store, "bob")).toEqual({ userPassword: "b" });
    await writeFile(path, "alice:{PLAIN}c\nbob:{PLAIN}b\n"); // of the same size
    expect(await found(store, "alice")).toEqual({ userPassword: "c" });
  });

  test("of the same size, within one tick of the file system's clock, are seen once that is over", async () => {
    const store = await over("alice:{PLAIN}a\n");
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
    for (const each of "bcdefgh") await writeFile(path, `alice:{PLAIN}${each}\n`);
    expect(await found(store, "alice")).toEqual({ userPassword: "h" });
  });

  test("are not believed before they are complete", async () => {
    const store = await over(`alice:{PLAIN}a\nbob:{PLAIN}b\n`);
    const file = openSync(path, "r+");
    ftruncateSync(file, 0);
    const answer = found(store, "bob");
    writeSync(file, "alice:{PLAIN}a\n", 0);
    setTimeout(() => {
      writeSync(file, "bob:{PLAIN}b\n", 15);
      closeSync(file);
    }, 2);
    expect(await answer).toEqual({ userPassword: "b" });
  });

  test("by another store are seen", async () => {
    const [one, other] = [await over("alice:{PLAIN}a\n"), await reopened()];
    await other.store("alice", { userPassword: "b" });
    expect(await found(one, "alice")).toEqual({ userPassword: "b" });
    await one.store("alice", { note: 1 });
    expect(await found(other, "alice")).toEqual({ userPassword: "b", note: 1 });
  });

  test("of our own are seen at once, however seldom the file is looked at", async () => {
    await over("alice:{PLAIN}a\n");
    const store = await reopened({ checkIntervalMs: 86_400_000 });
    await store.store("alice", { userPassword: "b" });
    expect(await found(store, "alice")).toEqual({ userPassword: "b" });
    await store.remove("alice");
    expect(await found(store, "alice")).toBeUndefined();
  });
});

describe("R-STO-04 a file that cannot be read any more", () => {
  const faults: readonly [why: string, make: () => Promise<unknown>][] = [
    ["is gone", () => rm(path)],
    ["holds NUL octets", () => writeFile(`${path}.new`, "\0".repeat(64)).then(() => rename(`${path}.new`, path))],
    ["may be written by everybody", () => chmod(path, 0o666)],
  ];
  for (const [why, make] of faults) {
    test(`fails every call while it ${why}, and recovers`, async () => {
      const store = await over("alice:{PLAIN}a\n");
      await make();
      const failed = { kind: "SASLFailure", code: "temporary" };
      await expect(async () => store.lookup("alice")).rejects.toMatchObject(failed);
      await expect(async () => store.lookup("nobody")).rejects.toMatchObject(failed);
      await expect(names(store)).rejects.toMatchObject(failed);
      await expect(store.store("bob", { userPassword: "b" })).rejects.toMatchObject(failed);
      await rm(path, { force: true });
      await writeFile(path, "alice:{PLAIN}b\n", { mode: 0o600 });
      expect(await found(store, "alice")).toEqual({ userPassword: "b" });
      expect(await store.store("bob", { userPassword: "b" })).toBe(true);
    });
  }
});

describe("R-STO-04 a file written in place, that lost something", () => {
  const whole = "alice:{PLAIN}a\nbob:{PLAIN}b\ncarol:{PLAIN}c\n";
  const cuts: readonly [what: string, content: string, quietMs: number][] = [
    ["everything", "", 60_000],
    ["the end of a line", "alice:{PLAIN}a\nbob:{PLAIN}b\ncarol:{PLA", 5000],
    ["an account", "alice:{PLAIN}a\nbob:{PLAIN}b\ndave:{PLAIN}d\nerin:{PLAIN}e\n", 5000],
    ["an account, of which a comment is left", "alice:{PLAIN}a\nbob:{PLAIN}b\n#:sasl-property carol:a:1\n", 5000],
  ];
  afterEach(() => vi.useRealTimers());
  for (const [what, content, quietMs] of cuts) {
    test(`${what}: nobody is unknown and nothing is written until the rest is there`, async () => {
      const store = await over(whole);
      await writeFile(path, content);
      for (const _ of [1, 2]) {
        for (const name of ["alice", "carol", "nobody"]) {
          await expect(async () => store.lookup(name)).rejects.toMatchObject({ code: "temporary" });
        }
        await expect(store.store("bob", { note: 1 })).rejects.toMatchObject({ code: "temporary" });
        await expect(store.remove("bob")).rejects.toMatchObject({ code: "temporary" });
      }
      expect(await readFile(path, "utf8")).toBe(content);
      await writeFile(path, whole);
      expect(await found(store, "carol")).toEqual({ userPassword: "c" });
      expect(await store.store("bob", { note: 1 })).toBe(true);
    });

    test(`${what}: that is believed when the file was left alone for ${quietMs} ms`, async () => {
      const store = await over(whole);
      await writeFile(path, content);
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + quietMs - 1000 });
      await expect(async () => store.lookup("nobody")).rejects.toMatchObject({ code: "temporary" });
      vi.setSystemTime(Date.now() + 2000);
      expect(await found(store, "nobody")).toBeUndefined();
      expect(store.size).toBe(content.match(/^\w+:/gm)?.length ?? 0);
    });
  }

  test("is another than one that was replaced, which is believed at once", async () => {
    const store = await over(whole);
    await writeFile(`${path}.new`, "alice:{PLAIN}b", { mode: 0o600 });
    await rename(`${path}.new`, path);
    expect(await found(store, "carol")).toBeUndefined();
  });
});

describe("storing", () => {
  test("sets, keeps and removes properties", async () => {
    const store = await over("");
    await store.store("alice", { userPassword: "a", home: "/a", note: { deep: [1, new Uint8Array([0, 255])] } });
    await store.store("alice", { userPassword: undefined, authPassword: [verifier] });
    const expected = { authPassword: [verifier], home: "/a", note: { deep: [1, new Uint8Array([0, 255])] } };
    expect(sameProperty({ ...(await store.lookup("alice")) }, expected)).toBe(true);
    expect(sameProperty({ ...(await (await reopened()).lookup("alice")) }, expected)).toBe(true);
  });

  test("leaves all other lines alone, octet by octet", async () => {
    const others = Buffer.concat([Buffer.from("# comment\r\nbob:{NONSENSE}x:1\r\n\n:\n"), Buffer.from([0xff, 0x0a])]);
    const store = await over(Buffer.concat([others, Buffer.from("alice:{PLAIN}a\n#end")]));
    await store.store("alice", { userPassword: "b" });
    await store.store("carol", { userPassword: "c" });
    expect(await readFile(path)).toEqual(
      Buffer.concat([others, Buffer.from("alice:{PLAIN}b::::::\n#end\ncarol:{PLAIN}c::::::\n")]),
    );
  });

  test("R-STO-05 a new account has nothing of one that was before", async () => {
    const store = await over("#:sasl-property alice:admin:true\n");
    await store.store("alice", { userPassword: "a" }, null);
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
    await store.remove("alice");
    expect(await readFile(path, "utf8")).toBe("");
  });

  const expectations: readonly [why: string, name: string, expected: AccountProperties | null, outcome: boolean][] = [
    ["nobody there", "bob", null, true],
    ["nobody, but there is somebody", "alice", null, false],
    ["what is there", "alice", { userPassword: "a", home: undefined }, true],
    ["something else", "alice", { userPassword: "b" }, false],
    ["nothing where something is", "alice", { userPassword: undefined }, false],
    ["somebody, but there is nobody", "bob", {}, false],
  ];
  for (const [why, name, expected, outcome] of expectations) {
    test(`R-STO-06 expecting ${why}`, async () => {
      const store = await over("alice:{PLAIN}a\n");
      const before = await readFile(path, "utf8");
      expect(await store.store(name, { note: 1 }, expected)).toBe(outcome);
      expect((await readFile(path, "utf8")) === before).toBe(!outcome);
    });
  }

  test("R-STO-06 of many at once that expect nobody, one wins", async () => {
    const [one, other] = [await over(""), await reopened()];
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? one : other).store("alice", { n: i }, null)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await found(one, "alice")).toEqual({ n: outcomes.indexOf(true) });
  });

  test("R-STO-06 what an editor wrote meanwhile is not lost", async () => {
    const store = await over("alice:{PLAIN}a\n");
    const lock = await acquire(path, 1000);
    const stored = store.store("alice", { note: 1 });
    await writeFile(path, "alice:{PLAIN}a\nbob:{PLAIN}b\n");
    await lock.release();
    expect(await stored).toBe(true);
    expect(await found(store, "bob")).toEqual({ userPassword: "b" });
  });

  test("many at once are one step after the other", async () => {
    const store = await over("");
    expect(
      await Promise.all([
        store.store("alice", { a: 1 }),
        store.store("alice", { b: 2 }, { a: 1 }),
        store.remove("alice"),
        store.remove("alice"),
        store.store("alice", { c: 3 }, null),
      ]),
    ).toEqual([true, true, true, false, true]);
    expect(await found(store, "alice")).toEqual({ c: 3 });
  });

  test("what is stored is what was given, whatever the caller does to it", async () => {
    const store = await over("");
    const changes = { userPassword: "a" };
    const stored = store.store("alice", changes);
    changes.userPassword = "b";
    await stored;
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
  });

  const badNames = ["", "a:b", "#a", " a", "a\nb:{PLAIN}x", "a\0", "a\ud800", "x".repeat(1025)];
  for (const name of badNames) {
    test(`R-STO-01 refuses the name ${JSON.stringify(name.slice(0, 12))}, and writes the others`, async () => {
      const store = await over("");
      const [refused, stored] = await Promise.allSettled([
        store.store(name, { userPassword: "topsecret" }),
        store.store("bob", { userPassword: "b" }),
      ]);
      expect(refused).toMatchObject({ status: "rejected", reason: { kind: "SASLFailure", code: "malformed-message" } });
      expect(inspect(refused)).not.toContain("topsecret");
      expect(stored).toMatchObject({ status: "fulfilled", value: true });
      expect(await readFile(path, "utf8")).toBe("bob:{PLAIN}b::::::\n");
    });
  }

  test("R-STO-01 no value ends a field or a line", async () => {
    const store = await over("bob:{PLAIN}b\n");
    const evil = "x:y\nroot:{PLAIN}z\r\n#:sasl-property bob:admin:true";
    const properties = {
      userPassword: evil,
      home: evil,
      uid: evil,
      userdb_x: evil,
      [evil]: evil,
      passwordHash: [evil],
    };
    await store.store("alice", properties);
    expect(sameProperty({ ...(await (await reopened()).lookup("alice")) }, properties)).toBe(true);
    expect((await names(await reopened())).sort()).toEqual(["alice", "bob"]);
    expect(await found(store, "bob")).toEqual({ userPassword: "b" });
  });

  test("R-STO-01 whatever is stored is read again", async () => {
    const store = await over("");
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    const names = text.filter((name) => !/^[#\s]|[:\p{Cc}\ufffd]/u.test(name));
    const keys = text.filter((key) => !["userPassword", "authPassword", "passwordHash", "disabled"].includes(key));
    const accounts = fc.dictionary(
      names,
      fc.dictionary(keys, fc.oneof(text, fc.integer(), fc.constant(null)), { maxKeys: 4 }),
      { minKeys: 1 },
    );
    await fc.assert(
      fc.asyncProperty(accounts, async (wanted) => {
        for await (const name of store.list()) await store.remove(name);
        await Promise.all(Object.entries(wanted).map(([name, properties]) => store.store(name, properties, null)));
        const again = await fileAccounts(path);
        expect(again.size).toBe(Object.keys(wanted).length);
        for (const [name, properties] of Object.entries(wanted)) {
          expect(sameProperty({ ...(await again.lookup(name)) }, { ...properties })).toBe(true);
        }
        await again.close();
      }),
      { numRuns: 15 },
    );
  }, 30_000);

  test("what is no property value is the programmer's mistake", async () => {
    const store = await over("");
    await expect(store.store("alice", { note: () => 1 })).rejects.toThrow(TypeError);
    expect(store.size).toBe(0);
  });
});

describe("R-STO-07 the file", () => {
  test("keeps its mode", async () => {
    const store = await over("");
    await chmod(path, 0o640);
    await store.store("alice", { userPassword: "a" });
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(["users"]);
  });

  test("is not written while everybody may read it, unless that is wanted", async () => {
    const store = await over("alice:{PLAIN}a\n");
    await chmod(path, 0o644);
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
    await expect(store.store("alice", { note: 1 })).rejects.toMatchObject({ code: "temporary" });
    expect(await (await reopened({ allowWorldReadable: true })).store("alice", { note: 1 })).toBe(true);
  });

  test("may be a link, which stays one", async () => {
    await mkdir(join(folder, "real"));
    await writeFile(join(folder, "real", "accounts"), "", { mode: 0o600 });
    await symlink(join("real", "accounts"), path);
    const store = await reopened();
    await store.store("alice", { userPassword: "a" });
    expect(await readFile(join(folder, "real", "accounts"), "utf8")).toBe("alice:{PLAIN}a::::::\n");
    expect(await found(store, "alice")).toEqual({ userPassword: "a" });
    expect((await readdir(folder)).sort()).toEqual(["real", "users"]);
  });

  test("is replaced, never written in place", async () => {
    const store = await over("alice:{PLAIN}a\n");
    const before = await stat(path);
    await store.store("alice", { note: 1 });
    expect((await stat(path)).ino).not.toBe(before.ino);
  });
});

describe("closing", () => {
  test("waits for what is on its way, and ends everything", async () => {
    const store = await over("alice:{PLAIN}a\n");
    const stored = store.store("bob", { userPassword: "b" });
    await store.close();
    expect(await stored).toBe(true);
    expect(await readFile(path, "utf8")).toContain("bob:{PLAIN}b");
    const calls: readonly (() => unknown)[] = [
      () => store.lookup("alice"),
      () => store.store("alice", {}),
      () => store.remove("alice"),
      () => names(store),
      () => store.size,
      () => store.iterations,
    ];
    for (const call of calls) await expect(async () => call()).rejects.toMatchObject({ code: "temporary" });
    await store.close();
  });
});

async function names(store: FileAccounts): Promise<string[]> {
  const all: string[] = [];
  for await (const name of store.list()) all.push(name);
  return all;
}
