import { IDBFactory as FakeIndexedDB } from "fake-indexeddb";
import { describe, expect, test } from "vitest";
import { codeOf, recorded, serverWith } from "../../test/support.js";
import { type AuthenticateOptions, authenticate } from "../authenticate.js";
import type { Credentials } from "../credentials.js";
import { SASLFailure } from "../errors.js";
import type { SASLInterface } from "../interface.js";
import { encodeUtf8 } from "../internal/text.js";
import { hashSha224, hashSha256, SCRAM, type ScramHash, scramSha224, scramSha256 } from "../mechanisms/index.js";
import { memoryAccounts } from "../memory-accounts.js";
import { makeScramVerifier } from "../verifier.js";
import { type BrowserKeyCacheOptions, browserKeyCache } from "./key-cache.js";
import { importMacKey } from "./mac-key.js";

/** The page's own where there is one, so that this runs on the real thing in a browser. */
const indexedDB: IDBFactory = globalThis.indexedDB ?? new FakeIndexedDB();
const host = "example.com";
const password = "tanstaaftanstaaf";
const salt = new Uint8Array(16).fill(1);
const typed = { username: "tim", password };
const untyped = { username: "tim", keys: "cached" } as const;

/** A cache on a database of its own, and others on the same, as after a reload. */
function newCaches(options: BrowserKeyCacheOptions = {}) {
  const database = `key-cache-test-${crypto.randomUUID()}`;
  return () => browserKeyCache({ database, indexedDB, ...options });
}

async function serverOf(names: readonly string[] = ["tim"], hash: ScramHash = hashSha256) {
  const verifier = await makeScramVerifier(hash, password, { iterations: 4096, salt });
  const accounts = memoryAccounts(Object.fromEntries(names.map((name) => [name, { authPassword: [verifier] }])));
  return { accounts, server: serverWith([scramSha256, scramSha224], { accounts }) };
}

/** Counts derivations outside WebCrypto. */
function counting(hash: ScramHash = hashSha256) {
  const count = { derived: 0 };
  const pbkdf2: ScramHash["digest"]["pbkdf2"] = (...given) => {
    count.derived++;
    return hash.digest.pbkdf2(...given);
  };
  return { count, hashes: [{ ...hash, digest: { ...hash.digest, pbkdf2 } }] };
}

function logIn(
  at: Awaited<ReturnType<typeof serverOf>>,
  credentials: Credentials,
  options: AuthenticateOptions,
  { hashes = [hashSha256] as readonly ScramHash[], wire = at.server.session({ secure: true }) as SASLInterface } = {},
) {
  const names = hashes.map(({ name }) => name);
  return authenticate(wire, names, [SCRAM(credentials, { hashes })], { host, ...options });
}

describe("keys in the browser", () => {
  test("R-SCRAM-28 log in after a reload, without a password", async () => {
    const at = await serverOf();
    const caches = newCaches();
    const { count, hashes } = counting();
    const first = caches();
    expect(await logIn(at, typed, { keyCache: first }, { hashes })).toMatchObject({ serverVerified: true });
    expect(count.derived).toBe(0); // WebCrypto did, and kept the result to itself
    expect(await first.list()).toEqual([{ host, username: "tim" }]);
    const second = caches();
    expect(await logIn(at, untyped, { keyCache: second }, { hashes })).toMatchObject({
      authcid: "tim",
      serverVerified: true,
    });
    expect(count.derived).toBe(0);
  });

  test("are stored as keys that nothing can read", async () => {
    const at = await serverOf();
    const database = `key-cache-test-${crypto.randomUUID()}`;
    const keyCache = browserKeyCache({ database, indexedDB });
    await logIn(at, typed, { keyCache });
    await keyCache.list();
    const [row] = await rowsOf(database);
    const { saltedPassword, storedKey, serverKey, ...others } = row?.value ?? {};
    for (const key of [saltedPassword, storedKey, serverKey]) {
      expect(key).toMatchObject({ type: "secret", extractable: false, usages: ["sign"], algorithm: { name: "HMAC" } });
      await expect(crypto.subtle.exportKey("raw", key as CryptoKey)).rejects.toThrow("not extractable");
    }
    expect(Object.keys(others).sort()).toEqual(["hash", "host", "id", "iterations", "salt", "username"]);
    expect(others.salt).toEqual(salt);
  });

  test("belong to one server and one user", async () => {
    const at = await serverOf(["tim", "anna"]);
    const keyCache = newCaches()();
    await logIn(at, typed, { keyCache });
    expect(await codeOf(logIn(at, untyped, { keyCache, host: "b.example" }))).toBe("no-credentials");
    expect(await codeOf(logIn(at, { ...untyped, username: "anna" }, { keyCache }))).toBe("no-credentials");
    await logIn(at, { username: "anna", password }, { keyCache });
    expect(await keyCache.list()).toHaveLength(2);
    await keyCache.forget({ host, username: "tim" });
    expect(await keyCache.list()).toEqual([{ host, username: "anna" }]);
    expect(await codeOf(logIn(at, untyped, { keyCache }))).toBe("no-credentials");
  });

  test("are not used for another password, which takes nothing away", async () => {
    const at = await serverOf();
    const caches = newCaches();
    const keyCache = caches();
    await logIn(at, typed, { keyCache });
    for (const cache of [keyCache, caches()]) {
      expect(await codeOf(logIn(at, { username: "tim", password: "wrong" }, { keyCache: cache }))).toBe("refused");
      expect(await cache.list()).toHaveLength(1);
    }
    await logIn(at, untyped, { keyCache: caches() });
  });

  test("R-SCRAM-28 are not used when salt or count changed, and are replaced by those of the password", async () => {
    const at = await serverOf();
    const keyCache = newCaches()();
    await logIn(at, typed, { keyCache });
    for (const change of [{ iterations: 4097 }, { salt: new Uint8Array(16).fill(2) }]) {
      const verifier = await makeScramVerifier(hashSha256, password, { iterations: 4096, salt, ...change });
      at.accounts.store("tim", { authPassword: [verifier] });
      expect(await codeOf(logIn(at, untyped, { keyCache }))).toBe("no-credentials");
      await logIn(at, typed, { keyCache });
      await logIn(at, untyped, { keyCache });
    }
    expect(await keyCache.list()).toHaveLength(1);
  });

  const judged: readonly [
    why: string,
    change: (at: Awaited<ReturnType<typeof serverOf>>) => Promise<SASLInterface>,
    code: string,
    left: number,
  ][] = [
    [
      "the password changed",
      async ({ accounts, server }) => {
        const verifier = await makeScramVerifier(hashSha256, "another", { iterations: 4096, salt });
        accounts.store("tim", { authPassword: [verifier] });
        return server.session({ secure: true });
      },
      "refused",
      0,
    ],
    [
      "the server's signature is forged",
      async ({ server }) =>
        recorded(server.session({ secure: true }), (reply, index) =>
          index === 1 ? { state: "challenge", payload: encodeUtf8(`v=${"A".repeat(43)}=`) } : reply,
        ),
      "peer-not-verified",
      0,
    ],
    [
      "the connection was lost, which says nothing about them",
      async ({ server }) =>
        recorded(server.session({ secure: true }), (reply, index) => {
          if (index === 1) throw new SASLFailure("connection-lost", "gone");
          return reply;
        }),
      "connection-lost",
      1,
    ],
    [
      "the server is in trouble",
      async ({ server }) =>
        recorded(server.session({ secure: true }), (reply, index) => {
          if (index === 1) throw new SASLFailure("temporary", "later");
          return reply;
        }),
      "temporary",
      1,
    ],
  ];
  test.each(judged)("R-GEN-12 when %s: %#", async (_, change, code, left) => {
    const at = await serverOf();
    const keyCache = newCaches()();
    await logIn(at, typed, { keyCache });
    expect(await codeOf(logIn(at, untyped, { keyCache }, { wire: await change(at) }))).toBe(code);
    expect(await keyCache.list()).toHaveLength(left);
  });

  test("R-GEN-12 are not kept before the server proved itself", async () => {
    const at = await serverOf();
    const keyCache = newCaches()();
    const wire = recorded(at.server.session({ secure: true }), (reply, index) =>
      index === 1 ? { state: "challenge", payload: encodeUtf8(`v=${"A".repeat(43)}=`) } : reply,
    );
    expect(await codeOf(logIn(at, typed, { keyCache }, { wire }))).toBe("peer-not-verified");
    expect(await keyCache.list()).toEqual([]);
  });

  test("are gone after clear, those of a login under way too", async () => {
    const at = await serverOf(["tim", "anna"]);
    const keyCache = newCaches()();
    await logIn(at, { ...typed, username: "anna" }, { keyCache });
    const wire = recorded(at.server.session({ secure: true }), async (reply, index) => {
      if (index === 1) await keyCache.clear();
      return reply;
    });
    await logIn(at, { username: "tim", password }, { keyCache }, { wire });
    expect(await keyCache.list()).toEqual([]);
    expect(await codeOf(logIn(at, untyped, { keyCache }))).toBe("no-credentials");
  });

  test("R-LIM-03 are bounded in number", async () => {
    const at = await serverOf(["a", "b", "c"]);
    const keyCache = newCaches({ maxEntries: 2 })();
    for (const username of ["a", "b", "c"]) await logIn(at, { username, password }, { keyCache });
    expect(await keyCache.list()).toHaveLength(2);
  });

  test("of a hash that WebCrypto lacks are derived as ever, and not kept", async () => {
    const at = await serverOf(["tim"], hashSha224);
    const keyCache = newCaches()();
    const { count, hashes } = counting(hashSha224);
    await logIn(at, typed, { keyCache }, { hashes });
    expect(count.derived).toBe(1);
    expect(await keyCache.list()).toEqual([]);
  });

  test("stay in memory where there is no database, which is told once", async () => {
    const reasons: unknown[] = [];
    const none = {
      open() {
        throw new DOMException("no", "SecurityError");
      },
    } as unknown as IDBFactory;
    const keyCache = browserKeyCache({ indexedDB: none, onFallback: (why) => reasons.push(why) });
    const at = await serverOf();
    await logIn(at, typed, { keyCache });
    await logIn(at, untyped, { keyCache });
    await logIn(at, typed, { keyCache });
    expect(reasons).toHaveLength(1);
  });

  test("R-GEN-12 stay when a login that nobody heard is given up", async () => {
    const at = await serverOf();
    const keyCache = newCaches()();
    await logIn(at, typed, { keyCache });
    const controller = new AbortController();
    const slow: typeof keyCache = {
      ...keyCache,
      async keysFor(ctx, request) {
        controller.abort();
        await new Promise((resolve) => setTimeout(resolve, 5)); // the exchange has ended by then
        return keyCache.keysFor(ctx, request);
      },
    };
    const { signal } = controller;
    expect(await codeOf(logIn(at, untyped, { keyCache: slow, signal }))).toBe("aborted");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await keyCache.list()).toHaveLength(1);
  });

  test("a login that keeps keys derives once, as one that does not", async () => {
    const at = await serverOf();
    const { subtle } = crypto;
    const blocks: (number | undefined)[] = [];
    const names = ["deriveBits", "deriveKey"] as const;
    for (const name of names) {
      const original = subtle[name].bind(subtle) as (...given: unknown[]) => Promise<unknown>;
      Object.defineProperty(subtle, name, {
        configurable: true,
        value: (...given: unknown[]) => {
          const [, , target] = given;
          blocks.push(typeof target === "number" ? target : (target as HmacImportParams).length);
          return original(...given);
        },
      });
    }
    try {
      const keyCache = newCaches()();
      await logIn(at, typed, { keyCache });
      await keyCache.list();
      expect(blocks).toEqual([256]); // one block of the hash: one PBKDF2
      await logIn(at, typed, { keyCache });
      await logIn(at, untyped, { keyCache });
      expect(blocks).toHaveLength(1);
    } finally {
      for (const name of names) delete (subtle as Partial<SubtleCrypto>)[name];
    }
  });

  const strange: readonly unknown[] = [
    null,
    5,
    "text",
    { saltedPassword: "x" },
    {
      id: "x",
      host,
      username: "tim",
      hash: "SHA-256",
      salt,
      iterations: 4096,
      saltedPassword: {},
      storedKey: {},
      serverKey: {},
    },
    JSON.parse('{"__proto__": {"hash": "SHA-256", "saltedPassword": {"algorithm": {"name": "HMAC"}}}}'),
  ];
  test.each(strange)("somebody else's entry in the database is none: %j", async (value) => {
    const at = await serverOf();
    const database = `key-cache-test-${crypto.randomUUID()}`;
    await browserKeyCache({ database, indexedDB }).list();
    await put(database, { key: JSON.stringify([host, "tim"]), at: 1, value });
    const keyCache = browserKeyCache({ database, indexedDB });
    expect(await codeOf(logIn(at, untyped, { keyCache }))).toBe("no-credentials");
    expect(await keyCache.list()).toEqual([]);
    await logIn(at, typed, { keyCache });
    await logIn(at, untyped, { keyCache });
    expect(await keyCache.list()).toEqual([{ host, username: "tim" }]);
  });
});

interface Row {
  readonly key: string;
  readonly at: number;
  readonly value: unknown;
}

interface KeysRow extends Row {
  readonly value: Readonly<Record<string, unknown>>;
}

function rowsOf(database: string): Promise<readonly KeysRow[]> {
  return inside(database, "readonly", (entries) => entries.getAll());
}

async function put(database: string, row: Row): Promise<void> {
  await inside(database, "readwrite", (entries) => entries.put(row));
}

function inside<R>(
  database: string,
  mode: IDBTransactionMode,
  work: (entries: IDBObjectStore) => IDBRequest<R>,
): Promise<R> {
  return new Promise((resolve, reject) => {
    const opened = indexedDB.open(database);
    opened.onerror = () => reject(opened.error);
    opened.onsuccess = () => {
      const request = work(opened.result.transaction("entries", mode).objectStore("entries"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    };
  });
}

test("R-SCRAM-28 an entry whose keys are of another hash logs nobody in", async () => {
  const at = await serverOf();
  const database = `key-cache-test-${crypto.randomUUID()}`;
  const keyCache = browserKeyCache({ database, indexedDB });
  await logIn(at, typed, { keyCache });
  await keyCache.list();
  const [row] = await rowsOf(database);
  const { key: storedKey } = await importMacKey("SHA-1", encodeUtf8("x"));
  await put(database, { ...(row as KeysRow), value: { ...row?.value, storedKey } });
  expect(await codeOf(logIn(at, untyped, { keyCache: browserKeyCache({ database, indexedDB }) }))).toBe(
    "no-credentials",
  );
});

test("a database that never answers holds up no login", async () => {
  const reasons: unknown[] = [];
  const silent = { open: () => ({}) } as unknown as IDBFactory;
  const keyCache = browserKeyCache({ indexedDB: silent, timeoutMs: 20, onFallback: (why) => reasons.push(why) });
  const at = await serverOf();
  expect(await codeOf(logIn(at, untyped, { keyCache }))).toBe("no-credentials");
  await logIn(at, typed, { keyCache });
  await logIn(at, untyped, { keyCache });
  expect(reasons).toHaveLength(1);
  await expect(keyCache.clear()).rejects.toThrow("does not answer");
});
