/**
 * Checks of an account store: several who use it at once, what stays, and what answers when it cannot.
 *
 * @module
 */
import type { AccountStore } from "../accounts.js";
import type { MaybePromise } from "../runtime/contract.js";
import { expect } from "./checks.js";
import { everyShape, expectAccount, namesIn, quote, type StoreCheckOptions, type Writable } from "./store-subject.js";

type Another = () => Promise<AccountStore | undefined>;

/** Writers in turn on one door and on the other. */
async function withDoors(store: Writable, another: Another, work: (doors: readonly Writable[]) => Promise<void>) {
  const second = (await another()) as Writable | undefined;
  try {
    await work(second ? [store, second] : [store]);
  } finally {
    await second?.close?.();
  }
}

export async function checkCreators(
  store: Writable,
  another: Another,
  { writers = 8 }: StoreCheckOptions,
): Promise<void> {
  await withDoors(store, another, async (doors) => {
    for (let round = 0; round < 4; round++) {
      const name = `new${round}`;
      const create = async (i: number) => (doors[i % doors.length] as Writable).store(name, { winner: i }, null);
      const gave = await Promise.all(Array.from({ length: writers }, (_, i) => create(i)));
      const winners = gave.flatMap((won, i) => (won ? [i] : []));
      expect(winners.length === 1, `${winners.length} of ${writers} made the same account`);
      for (const door of doors) {
        const found = await door.lookup(name, ["winner"]);
        expect(found?.winner === winners[0], "the account is another one than the winner's");
      }
    }
  });
}

export async function checkCounter(
  store: Writable,
  another: Another,
  { writers = 8 }: StoreCheckOptions,
): Promise<void> {
  await store.store("tim", { counter: 0, untouched: "x" });
  await withDoors(store, another, async (doors) => {
    const count = async (i: number) => {
      const door = doors[i % doors.length] as Writable;
      for (let attempt = 0; attempt < writers * 20; attempt++) {
        const counter = (await door.lookup("tim", ["counter"]))?.counter;
        expect(typeof counter === "number", "the counter is gone");
        if (await door.store("tim", { counter: counter + 1 }, { counter })) return;
      }
      expect(false, "a writer never got its turn");
    };
    await Promise.all(Array.from({ length: writers }, (_, i) => count(i)));
    for (const door of doors) await expectAccount(door, "tim", { counter: writers, untouched: "x" });
  });
}

export async function checkAgain(store: Writable, another: Another): Promise<void> {
  await store.store("tim", everyShape);
  await store.store("anna", { quota: 1 });
  await store.remove?.("anna");
  await store.close?.();
  const again = (await another()) as AccountStore;
  try {
    await expectAccount(again, "tim", everyShape);
    if (store.remove) expect((await again.lookup("anna", [])) === undefined, "a removed account is back");
  } finally {
    await again.close?.();
  }
}

export async function checkPasswords(store: AccountStore, right: { name: string; password: string }): Promise<void> {
  expect(store.checkPassword !== undefined, "a password was given, and the store has no checkPassword()");
  const { name, password } = right;
  const rows: readonly (readonly [name: string, password: string, fits: boolean])[] = [
    [name, password, true],
    [name, `${password}x`, false],
    [name, password.slice(0, -1), false],
    [name, "", false],
    [name, "\0", false],
    [name, `${password}\0`, false],
    ["nobody-of-this-name", password, false],
    ["", password, false],
    ["*", password, false],
    [`${name})(uid=*`, password, false],
    [name, password, true],
  ];
  for (const [who, what, fits] of rows) {
    const given = await Promise.resolve(store.checkPassword(who, what)).catch((error: unknown) => {
      if (fits || (who === name && what !== "" && !what.includes("\0"))) throw error;
      return false; // refused
    });
    expect(given === fits, `checkPassword of ${quote(who)} and ${what.length} characters gives ${String(given)}`);
  }
}

export async function checkUnreachable(store: AccountStore, { readOnly }: StoreCheckOptions): Promise<void> {
  const calls: Readonly<Record<string, (() => MaybePromise<unknown>) | undefined>> = {
    lookup: () => store.lookup("tim", ["userPassword"]),
    store: readOnly ? undefined : () => (store as Writable).store("tim", { quota: 1 }),
    remove: store.remove && (() => store.remove?.("tim")),
    list: store.list && (() => namesIn(store)),
    checkPassword: store.checkPassword && (() => store.checkPassword?.("tim", "x")),
  };
  try {
    for (const [name, call] of Object.entries(calls)) {
      if (call) expect(await throws(call), `${name}() of a store that cannot answer gives an answer`);
    }
  } finally {
    await Promise.resolve(store.close?.()).catch(() => {});
  }
}

export async function checkClosed(store: AccountStore): Promise<void> {
  if (store.close === undefined) return;
  await store.close();
  expect(await throws(() => store.lookup("tim", [])), "lookup() answers after close()");
  if (store.store) expect(await throws(() => store.store?.("tim", { quota: 1 })), "store() answers after close()");
  if (store.list) expect(await throws(() => namesIn(store)), "list() answers after close()");
  // The suite closes it once more: that has to be harmless, since programs end in more than one way.
}

async function throws(work: () => MaybePromise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch {
    return true;
  }
}
