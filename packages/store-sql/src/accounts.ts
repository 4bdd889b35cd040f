/**
 * The account store over two tables, whichever database they are in. Every name and every value reaches the database as a
 * bound parameter (R-STO-01). Nothing is cached: what another process wrote is seen by the next look-up (R-STO-05).
 *
 * @module
 */
import { type CompiledQuery, type Kysely, sql, type Transaction } from "kysely";
import type { AccountProperties, AccountStore, PropertyName } from "sasl-core";
import { isAsExpected, SASLFailure } from "sasl-core/plugin";
import { describeFault } from "./errors.js";
import type { SqlDialect, TableNames, Tables } from "./tables.js";
import { type Changes, canBeKey, formatChanges, type Row, readAccount } from "./values.js";

/** An account store that can do all a store can. */
export interface SqlAccounts extends AccountStore {
  lookup(name: string, requests: readonly PropertyName[]): Promise<AccountProperties | undefined>;
  store(name: string, changes: AccountProperties, expected?: AccountProperties | null): Promise<boolean>;
  remove(name: string): Promise<boolean>;
  list(): AsyncIterable<string>;
  close(): Promise<void>;
}

/** What the store works with. */
export interface SqlAccountsParts {
  readonly dialect: SqlDialect;
  readonly tables: TableNames;
  /** For writing, and for reading where there is no `reader`. */
  readonly db: Kysely<Tables>;
  /** For reading: SQLite has one connection for each, so that nobody who logs in waits for a writer. */
  readonly reader?: Kysely<Tables> | undefined;
  /** A shorter way than kysely's to run one statement that reads, for look-ups; the rows. */
  readonly select?: ((query: CompiledQuery) => Promise<readonly unknown[]>) | undefined;
  /** Called before each use; throws while the database cannot be used. */
  readonly ready: () => Promise<void>;
  /** Lets go of the connections. */
  readonly close: () => Promise<void>;
}

const PAGE = 500;
/** Texts of look-ups kept, by how many properties they ask for. */
const MAX_LOOKUPS_KEPT = 32;
const updated = { updated_at: sql`current_timestamp` };
const created = { created_at: sql`current_timestamp`, ...updated };

/** Puts a store together. */
export function makeSqlAccounts(parts: SqlAccountsParts): SqlAccounts {
  return new Store(parts);
}

class Store implements SqlAccounts {
  readonly #parts: SqlAccountsParts;
  readonly #reader: Kysely<Tables>;
  readonly #lookups = new Map<number, CompiledQuery>();
  readonly #underWay = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(parts: SqlAccountsParts) {
    this.#parts = parts;
    this.#reader = parts.reader ?? parts.db;
  }

  async lookup(name: string, requests: readonly PropertyName[]): Promise<AccountProperties | undefined> {
    this.#mustBeOpen();
    if (!canBeKey(name)) return undefined;
    const properties = requests.filter((property) => property !== "disabled" && canBeKey(property));
    return this.#use(async () => {
      const rows = await this.#find(name, properties);
      return rows.length === 0 ? undefined : readAccount(rows);
    });
  }

  async store(name: string, changes: AccountProperties, expected?: AccountProperties | null): Promise<boolean> {
    this.#mustBeOpen();
    if (!canBeKey(name)) throw new TypeError("an account's name has 1 to 1024 octets of Unicode and no NUL");
    const formatted = formatChanges(changes);
    return this.#use(() =>
      this.#transaction(async (tx) => {
        if (!(await this.#claim(tx, name, expected))) return false;
        await this.#write(tx, name, formatted);
        return true;
      }),
    );
  }

  async remove(name: string): Promise<boolean> {
    this.#mustBeOpen();
    if (!canBeKey(name)) return false;
    const { accounts, properties } = this.#parts.tables;
    return this.#use(() =>
      this.#transaction(async (tx) => {
        // The account first: whoever writes to it holds its row, and takes both in this order too.
        const [removed] = await tx.deleteFrom(accounts).where("name", "=", name).execute();
        await tx.deleteFrom(properties).where("account", "=", name).execute(); // SQLite without foreign keys
        return removed !== undefined && removed.numDeletedRows > 0n;
      }),
    );
  }

  async *list(): AsyncGenerator<string, void, undefined> {
    let last = "";
    for (;;) {
      this.#mustBeOpen();
      const page = await this.#use(() =>
        this.#reader
          .selectFrom(this.#parts.tables.accounts)
          .select("name")
          .where("name", ">", last)
          .orderBy("name")
          .limit(PAGE)
          .execute(),
      );
      for (const { name } of page) yield name;
      if (page.length < PAGE) return;
      last = page.at(-1)?.name ?? last;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  /** Waits for calls under way: a connection closed in the middle of a transaction may keep it open. */
  async #end(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#parts.close();
  }

  #mustBeOpen(): void {
    if (this.#closed !== undefined) throw new Error("this account store is closed");
  }

  /** One round trip for all properties; no row for a name nobody has, one without a property for an account without. */
  async #find(name: string, properties: readonly string[]): Promise<readonly Row[]> {
    let query = this.#lookups.get(properties.length);
    if (query === undefined) {
      query = this.#lookupQuery(properties);
      if (this.#lookups.size < MAX_LOOKUPS_KEPT) this.#lookups.set(properties.length, query);
    }
    const bound = { ...query, parameters: [...properties, name] };
    const { select } = this.#parts;
    return (select === undefined ? (await this.#reader.executeQuery(bound)).rows : await select(bound)) as Row[];
  }

  /** In its text the properties come before the name. */
  #lookupQuery(properties: readonly string[]): CompiledQuery {
    const { accounts, properties: held } = this.#parts.tables;
    const none = sql<string | null>`null`;
    if (properties.length === 0) {
      return this.#reader
        .selectFrom(`${accounts} as a`)
        .select(["a.disabled", none.as("property"), none.as("value")])
        .where("a.name", "=", "")
        .compile();
    }
    return this.#reader
      .selectFrom(`${accounts} as a`)
      .leftJoin(`${held} as p`, (join) => join.onRef("p.account", "=", "a.name").on("p.property", "in", properties))
      .select(["a.disabled", "p.property", "p.value"])
      .where("a.name", "=", "")
      .compile();
  }

  /**
   * Looks whether the account is as expected, and keeps every other writer from it until the transaction ends (R-STO-06).
   * It begins with a write: PostgreSQL then holds the account's row, and SQLite the file. The look comes in a statement of
   * its own, since only that sees what a writer we waited for has left.
   */
  async #claim(tx: Transaction<Tables>, name: string, expected?: AccountProperties | null): Promise<boolean> {
    const { accounts, properties } = this.#parts.tables;
    if (expected === null || expected === undefined) {
      const insert = tx.insertInto(accounts).values({ name, ...created });
      const [added] = await insert
        .onConflict((conflict) =>
          expected === null ? conflict.column("name").doNothing() : conflict.column("name").doUpdateSet(updated),
        )
        .execute();
      return added !== undefined && (added.numInsertedOrUpdatedRows ?? 0n) > 0n;
    }
    const [held] = await tx.updateTable(accounts).set(updated).where("name", "=", name).execute();
    if (held === undefined || held.numUpdatedRows === 0n) return false;
    const wanted = Object.keys(expected).filter((property) => property !== "disabled" && canBeKey(property));
    const { disabled } = await tx
      .selectFrom(accounts)
      .select("disabled")
      .where("name", "=", name)
      .executeTakeFirstOrThrow();
    const found: Row[] =
      wanted.length === 0
        ? []
        : await tx
            .selectFrom(properties)
            .select([sql<unknown>`null`.as("disabled"), "property", "value"])
            .where("account", "=", name)
            .where("property", "in", wanted)
            .execute();
    return isAsExpected(readAccount([{ disabled, property: null, value: null }, ...found]), expected);
  }

  async #write(tx: Transaction<Tables>, name: string, { disabled, set, removed }: Changes): Promise<void> {
    const { accounts, properties } = this.#parts.tables;
    if (disabled !== undefined) {
      const value = this.#parts.dialect === "sqlite" && disabled !== null ? Number(disabled) : disabled;
      await tx.updateTable(accounts).set({ disabled: value }).where("name", "=", name).execute();
    }
    if (removed.length > 0) {
      await tx.deleteFrom(properties).where("account", "=", name).where("property", "in", removed).execute();
    }
    if (set.length > 0) {
      await tx
        .insertInto(properties)
        .values(set.map(([property, value]) => ({ account: name, property, value })))
        .onConflict((conflict) =>
          conflict.columns(["account", "property"]).doUpdateSet((row) => ({ value: row.ref("excluded.value") })),
        )
        .execute();
    }
  }

  /** Runs `work` in a transaction, which is undone when it answers false. */
  async #transaction(work: (tx: Transaction<Tables>) => Promise<boolean>): Promise<boolean> {
    const tx = await this.#parts.db
      .startTransaction()
      .setIsolationLevel("read committed") // what the order of statements above is made for; SQLite has but one
      .execute();
    let done: boolean;
    try {
      done = await work(tx);
      if (done) await tx.commit().execute();
    } catch (error) {
      // What failed first says why; undoing may fail too: on a full disk SQLite has done so by itself.
      await tx
        .rollback()
        .execute()
        .catch(() => {});
      throw error;
    }
    if (!done) await tx.rollback().execute();
    return done;
  }

  async #use<T>(work: () => Promise<T>): Promise<T> {
    const use = this.#parts.ready().then(work);
    this.#underWay.add(use);
    try {
      return await use;
    } catch (error) {
      throw temporary(error);
    } finally {
      this.#underWay.delete(use);
    }
  }
}

/** R-STO-04. The driver's error is not handed on: it may hold rows, and the connection with its password. */
function temporary(thrown: unknown): SASLFailure {
  return new SASLFailure("temporary", "the account database cannot answer", { detail: describeFault(thrown) });
}
