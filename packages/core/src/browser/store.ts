/**
 * A few entries in IndexedDB, or in memory where that does not work: a private window, a full disk, a database that another
 * tab holds. A login never waits for it for long, and never fails because of it.
 *
 * @module
 */

/** Options of what keeps things in IndexedDB. */
export interface BrowserStoreOptions {
  /** How many entries there may be; the ones written longest ago go first. Default 16. */
  readonly maxEntries?: number | undefined;
  /** Told once, with the reason, when entries stay in memory from now on: the user will have to log in again next time. */
  readonly onFallback?: ((reason: unknown) => void) | undefined;
  /** How long the database may take over one operation, in milliseconds. Default 2000. */
  readonly timeoutMs?: number | undefined;
  /** Another database than the page's, for tests. */
  readonly indexedDB?: IDBFactory | undefined;
}

/** Entries by key. Values are what a structured clone can hold, keys of WebCrypto among it. */
export interface BrowserStore<T> {
  get(key: string): Promise<T | undefined>;
  all(): Promise<readonly T[]>;
  /**
   * Puts what `edit` makes of an entry in its place, in one step also for other tabs.
   *
   * @param edit gets what is there; it may run twice. `undefined`: there is, or is to be, no such entry.
   * @returns what is there now.
   */
  change(key: string, edit: (old: T | undefined) => T | undefined): Promise<T | undefined>;
  /** Removes everything. Rejects when the database may still hold something: then nobody is to believe it is gone. */
  clear(): Promise<void>;
}

interface Row<T> {
  readonly key: string;
  readonly value: T;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const table = "entries";

/**
 * @param name of the database, whose only version is 1.
 * @throws {RangeError} for options out of range.
 */
export function browserStore<T>(name: string, options: BrowserStoreOptions = {}): BrowserStore<T> {
  const { maxEntries = 16, onFallback, timeoutMs = 2000 } = options;
  const factory = () => options.indexedDB ?? globalThis.indexedDB; // which a sandboxed frame may not even ask for
  if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
  if (!(timeoutMs > 0)) throw new RangeError("timeoutMs is no number above 0");
  let database: Promise<IDBDatabase> | undefined;
  let memory: Map<string, T> | undefined;

  /** An open database, which makes room when another tab wants to delete it. */
  function connection(): Promise<IDBDatabase> {
    const forget = () => {
      database = undefined;
    };
    if (database === undefined) {
      database = open(factory(), name).then((db) => {
        db.onversionchange = () => {
          db.close();
          forget();
        };
        db.onclose = forget;
        return db;
      });
      database.catch(forget);
    }
    return database;
  }

  async function transact<R>(mode: IDBTransactionMode, work: Work<T, R>): Promise<R> {
    try {
      return await perform(await connection(), mode, work);
    } catch (error) {
      if ((error as DOMException | undefined)?.name !== "InvalidStateError") throw error;
      database = undefined; // closed in between; a new one may work
      return perform(await connection(), mode, work);
    }
  }

  /** What the database says in time, or else memory, from then on. */
  async function either<R>(
    mode: IDBTransactionMode,
    work: Work<T, R>,
    inMemory: (map: Map<string, T>) => R,
  ): Promise<R> {
    if (memory === undefined) {
      try {
        return await within(timeoutMs, transact(mode, work));
      } catch (reason) {
        if (memory === undefined) {
          memory = new Map();
          tell(onFallback, reason);
        }
      }
    }
    return inMemory(memory);
  }

  return {
    get: (key) =>
      either(
        "readonly",
        (entries, done) => {
          on(entries.get(key), (row) => done(row?.value));
        },
        (map) => map.get(key),
      ),

    all: () =>
      either(
        "readonly",
        (entries, done) => {
          on(entries.getAll(), (rows) => done(rows.map(({ value }) => value)));
        },
        (map) => [...map.values()],
      ),

    change: (key, edit) =>
      either(
        "readwrite",
        (entries, done) => {
          on(entries.get(key), (row) => {
            const value = edit(row?.value);
            if (value !== undefined) entries.put({ key, value, at: Date.now() } satisfies Row<T>);
            else if (row) entries.delete(key);
            if (value !== undefined && row === undefined) bound(entries, key, maxEntries);
            done(value);
          });
        },
        (map) => {
          const value = edit(map.get(key));
          map.delete(key);
          if (value !== undefined) map.set(key, value);
          if (map.size > maxEntries) map.delete(map.keys().next().value as string);
          return value;
        },
      ),

    async clear() {
      memory?.clear();
      if (factory() === undefined) return;
      await within(
        timeoutMs,
        transact<void>("readwrite", (entries, done) => {
          on(entries.clear(), () => done());
        }),
      );
    },
  };
}

/** A transaction's work: it goes on in the callbacks of requests, and says its result with `done`. */
type Work<T, R> = (entries: Entries<T>, done: (result: R) => void) => void;

/** An object store as it is used here, with its type. */
interface Entries<T> {
  get(key: string): IDBRequest<Row<T> | undefined>;
  getAll(): IDBRequest<Row<T>[]>;
  put(row: Row<T>): unknown;
  delete(key: string): unknown;
  clear(): IDBRequest<undefined>;
}

function open(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function perform<T, R>(db: IDBDatabase, mode: IDBTransactionMode, work: Work<T, R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(table, mode);
    let result: R;
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error ?? new Error("the database gave up"));
    work(transaction.objectStore(table) as Entries<T>, (value) => {
      result = value;
    });
  });
}

/** An exception here ends the transaction, and with it what waits for it. */
function on<V>(request: IDBRequest<V>, then: (result: V) => void): void {
  request.onsuccess = () => {
    try {
      then(request.result);
    } catch {
      request.transaction?.abort();
    }
  };
}

function bound<T>(entries: Entries<T>, newest: string, maxEntries: number): void {
  on(entries.getAll(), (rows) => {
    const others = rows.filter(({ key }) => key !== newest).sort((a, b) => b.at - a.at);
    for (const { key } of others.slice(maxEntries - 1)) entries.delete(key);
  });
}

async function within<R>(timeoutMs: number, work: Promise<R>): Promise<R> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const expire = () => reject(new Error("IndexedDB does not answer"));
    timer = setTimeout(expire, Math.min(timeoutMs, 2 ** 31 - 1)); // a longer timer would end at once
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What it throws is no reason for a login to fail. */
function tell(callback: ((reason: unknown) => void) | undefined, reason: unknown): void {
  try {
    callback?.(reason);
  } catch {}
}
