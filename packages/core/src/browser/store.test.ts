import { IDBFactory as FakeIndexedDB } from "fake-indexeddb";
import { expect, test } from "vitest";
import { type BrowserStoreOptions, browserStore } from "./store.js";

/** The page's own where there is one, so that this runs on the real thing in a browser. */
const real: IDBFactory = globalThis.indexedDB ?? new FakeIndexedDB();
let databases = 0;
const newName = () => `store-test-${databases++}-${crypto.randomUUID()}`;

function storeOn(name: string, options: BrowserStoreOptions = {}) {
  const reasons: unknown[] = [];
  const onFallback = (reason: unknown) => reasons.push(reason);
  return { store: browserStore<string>(name, { indexedDB: real, onFallback, ...options }), reasons };
}

/** A database whose `open` does this. */
function opening(open: (name: string, version?: number) => unknown): IDBFactory {
  return { open } as unknown as IDBFactory;
}

/** The real one, with other transactions. */
function transacting(change: (transaction: IDBDatabase["transaction"]) => IDBDatabase["transaction"]): IDBFactory {
  return opening((name, version) => {
    const request = real.open(name, version);
    request.addEventListener("success", () => {
      const db = request.result;
      Object.defineProperty(db, "transaction", { value: change(db.transaction.bind(db)) });
    });
    return request;
  });
}

test("entries are there for the next store of the name", async () => {
  const name = newName();
  const { store, reasons } = storeOn(name);
  expect(await store.get("a")).toBeUndefined();
  expect(await store.change("a", (old) => `${old}1`)).toBe("undefined1");
  await store.change("b", () => "2");
  const { store: next } = storeOn(name);
  expect(await next.get("a")).toBe("undefined1");
  expect([...(await next.all())].sort()).toEqual(["2", "undefined1"]);
  expect(await next.change("a", () => undefined)).toBeUndefined();
  expect(await store.get("a")).toBeUndefined();
  await next.clear();
  expect(await store.all()).toEqual([]);
  expect(reasons).toEqual([]);
});

test.each([2 ** 31, Number.POSITIVE_INFINITY])(
  "%s milliseconds are no time that is over at once",
  async (timeoutMs) => {
    const { store, reasons } = storeOn(newName(), { timeoutMs });
    await store.change("a", () => "1");
    expect(reasons).toEqual([]);
  },
);

test("R-LIM-03 the ones written longest ago leave first", async () => {
  const { store } = storeOn(newName(), { maxEntries: 2 });
  for (const key of ["a", "b", "c"]) {
    await store.change(key, () => key);
    await new Promise((resolve) => setTimeout(resolve, 2)); // the clock of an entry counts milliseconds
  }
  expect([...(await store.all())].sort()).toEqual(["b", "c"]);
  await store.change("b", () => "b2");
  await new Promise((resolve) => setTimeout(resolve, 2));
  await store.change("d", () => "d");
  expect([...(await store.all())].sort()).toEqual(["b2", "d"]);
});

test("a change is one step, also between two stores", async () => {
  const name = newName();
  const stores = [storeOn(name).store, storeOn(name).store];
  const all = Array.from({ length: 20 }, (_, i) => stores[i % 2]?.change("n", (old = "") => `${old}.`));
  await Promise.all(all);
  expect(await stores[0]?.get("n")).toBe(".".repeat(20));
});

const broken: readonly [why: string, indexedDB: IDBFactory][] = [
  [
    "open throws, as in a sandboxed frame",
    opening(() => {
      throw new DOMException("no", "SecurityError");
    }),
  ],
  [
    "open fails, as in a private window",
    opening(() => {
      const request = { error: new DOMException("no", "InvalidStateError") } as unknown as IDBOpenDBRequest;
      setTimeout(() => request.onerror?.(new Event("error")));
      return request;
    }),
  ],
  ["open never answers", opening(() => ({}))],
  [
    "the disk is full",
    transacting((transaction) => (tables, mode) => {
      if (mode === "readwrite") throw new DOMException("no", "QuotaExceededError");
      return transaction(tables, mode);
    }),
  ],
  [
    "every transaction is aborted",
    transacting((transaction) => (tables, mode) => {
      const begun = transaction(tables, mode);
      queueMicrotask(() => begun.abort());
      return begun;
    }),
  ],
];

test.each(broken)("when %s, memory takes over and one is told once", async (_, indexedDB) => {
  const { store, reasons } = storeOn(newName(), { indexedDB, timeoutMs: 100, maxEntries: 2 });
  for (const key of ["a", "b", "c"]) await store.change(key, () => key);
  expect(await store.all()).toEqual(["b", "c"]);
  expect(await store.get("b")).toBe("b");
  expect(await store.change("b", () => undefined)).toBeUndefined();
  expect(await store.all()).toEqual(["c"]);
  expect(reasons).toHaveLength(1);
});

test("a value that cannot be stored stays in memory", async () => {
  const reasons: unknown[] = [];
  const store = browserStore<() => void>(newName(), { indexedDB: real, onFallback: (why) => reasons.push(why) });
  const value = () => {};
  await store.change("a", () => value);
  expect(await store.get("a")).toBe(value);
  expect(reasons).toHaveLength(1);
});

test("a later version of the database is left alone", async () => {
  const name = newName();
  await new Promise<void>((resolve, reject) => {
    const request = real.open(name, 2);
    request.onsuccess = () => resolve(request.result.close());
    request.onerror = () => reject(request.error);
  });
  const { store, reasons } = storeOn(name);
  await store.change("a", () => "1");
  expect(await store.get("a")).toBe("1");
  expect(reasons).toMatchObject([{ name: "VersionError" }]);
  await expect(store.clear()).rejects.toMatchObject({ name: "VersionError" });
  expect(await store.all()).toEqual([]);
});

test("another tab may delete the database; the next entry makes it anew", async () => {
  const name = newName();
  const { store, reasons } = storeOn(name);
  await store.change("a", () => "1");
  await new Promise<void>((resolve, reject) => {
    const request = real.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = request.onblocked = () => reject(new Error("the store held on to it"));
  });
  expect(await store.get("a")).toBeUndefined();
  await store.change("a", () => "2");
  expect(await store.get("a")).toBe("2");
  expect(reasons).toEqual([]);
});

test("clear rejects when entries may still be there, and forgets those in memory", async () => {
  const indexedDB = opening(() => {
    throw new DOMException("no", "SecurityError");
  });
  const { store } = storeOn(newName(), { indexedDB });
  await store.change("a", () => "1");
  await expect(store.clear()).rejects.toMatchObject({ name: "SecurityError" });
  expect(await store.all()).toEqual([]);
});

test("what onFallback throws is nobody's problem", async () => {
  const indexedDB = opening(() => {
    throw new Error("no");
  });
  const onFallback = () => {
    throw new Error("of the application");
  };
  const store = browserStore<string>(newName(), { indexedDB, onFallback });
  expect(await store.change("a", () => "1")).toBe("1");
});

test.each([{ maxEntries: 0 }, { maxEntries: 1.5 }, { timeoutMs: 0 }, { timeoutMs: Number.NaN }])(
  "%j is out of range",
  (options) => {
    expect(() => browserStore(newName(), options)).toThrow(RangeError);
  },
);
