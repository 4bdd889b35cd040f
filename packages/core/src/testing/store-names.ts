/**
 * Checks of an account store: every name is its own account, or nobody's.
 *
 * @module
 */
import type { AccountStore } from "../accounts.js";
import type { MaybePromise } from "../runtime/contract.js";
import { expect, messageOf } from "./checks.js";
import { hostileNames, unusableNames } from "./names.js";
import { expectAccount, namesIn, quote, type StoreCheckOptions, type Writable } from "./store-subject.js";

export async function checkUnknown(store: AccountStore, { accounts = {} }: StoreCheckOptions): Promise<void> {
  const there = new Set(Object.keys(accounts).map(folded));
  for (const name of ["nobody-of-this-name", ...hostileNames]) {
    if (there.has(folded(name))) continue;
    for (const requests of [[], ["userPassword", "authPassword", "quota"]]) {
      const found = await store.lookup(name, requests);
      expect(found === undefined, `lookup of ${quote(name)} gives an account in an empty store`);
    }
  }
}

export async function checkAccounts(
  store: AccountStore,
  { accounts = {}, readOnly }: StoreCheckOptions,
): Promise<void> {
  expect(!readOnly || Object.keys(accounts).length > 0, "a store that only looks up needs `accounts` to look for");
  for (const [name, properties] of Object.entries(accounts)) await expectAccount(store, name, properties);
}

export async function checkRemove(store: Writable): Promise<void> {
  if (store.remove === undefined) return;
  expect((await store.remove("nobody")) === false, "remove() of a name nobody has is not false");
  await store.store("tim", { userPassword: "x", quota: 1 });
  await store.store("anna", { userPassword: "y" });
  expect((await store.remove("tim")) === true, "remove() of an account is not true");
  expect((await store.remove("tim")) === false, "remove() is true a second time");
  expect((await store.lookup("tim", ["userPassword"])) === undefined, "a removed account is found");
  await expectAccount(store, "anna", { userPassword: "y" });
  expect((await store.store("tim", { quota: 2 }, null)) === true, "a removed account cannot be made again");
  await expectAccount(store, "tim", { quota: 2, userPassword: undefined });
}

export async function checkList(store: Writable, { accounts = {} }: StoreCheckOptions): Promise<void> {
  if (store.list === undefined) return;
  const there = Object.keys(accounts);
  expectSameNames(await namesIn(store), there);
  const names = Array.from({ length: 250 }, (_, i) => `user${i}`);
  for (const name of names) await store.store(name, { userPassword: "x" });
  await store.store("user7", { userPassword: "y" });
  await store.remove?.("user8");
  const left = names.filter((name) => name !== "user8" || store.remove === undefined);
  expectSameNames(await namesIn(store), [...there, ...left]);
  for await (const name of store.list()) {
    expect([...there, ...left].includes(name), "list() gives something else the second time");
    break; // whoever reads it may stop
  }
}

export async function checkNames(
  store: Writable,
  { refusesNames, foldsNames, accounts = {} }: StoreCheckOptions,
): Promise<void> {
  const plain = /^[\x20-\x7e]+$/;
  const names = foldsNames ? hostileNames.filter((name) => plain.test(name) && name === folded(name)) : hostileNames;
  await store.store("tim", { userPassword: "canary" });
  const stored: string[] = [];
  for (const [mark, name] of names.entries()) {
    let gave: boolean | undefined;
    try {
      gave = await store.store(name, { mark }, null);
    } catch (error) {
      expect(refusesNames === true, `store() of ${quote(name)} throws ${messageOf(error)}`);
      const found = await Promise.resolve(store.lookup(name, ["mark"])).catch(() => undefined);
      expect(found === undefined, `${quote(name)} was refused and is found`);
      continue;
    }
    expect(gave === true, `${quote(name)} is taken for a name that is there already`);
    stored.push(name);
  }
  for (const name of stored) await expectAccount(store, name, { mark: names.indexOf(name) });
  if (store.list) expectSameNames(await namesIn(store), [...Object.keys(accounts), "tim", ...stored]);
  for (const name of stored) {
    expect(
      (await store.store(name, { mark: -1 }, { mark: names.indexOf(name) })) === true,
      `${quote(name)} does not change`,
    );
  }
  await expectAccount(store, "tim", { userPassword: "canary", mark: undefined });
  for (const name of stored) {
    await expectAccount(store, name, { mark: -1 });
    if (store.remove) expect((await store.remove(name)) === true, `${quote(name)} cannot be removed`);
  }
  await expectAccount(store, "tim", { userPassword: "canary" });
}

/** The most a directory's matching rules make of a name: case, form, and spaces. */
function folded(name: string): string {
  return name.normalize("NFKC").toLowerCase().trim().replaceAll(/\s+/g, " ");
}

export async function checkUnusable(store: Writable): Promise<void> {
  for (const name of ["tim", "", "tim\ufffd", "\ufffd"]) {
    await Promise.resolve(store.store(name, { userPassword: "canary" })).catch(() => {});
  }
  const harmless = async (what: string, work: () => MaybePromise<unknown>, fine: (given: unknown) => boolean) => {
    let given: unknown;
    try {
      given = await work();
    } catch {
      return; // refused
    }
    expect(fine(given), what);
  };
  for (const name of unusableNames) {
    await harmless(
      `lookup of ${quote(name)} finds another account`,
      () => store.lookup(name, []),
      (found) => found === undefined,
    );
    await harmless(
      `remove of ${quote(name)} removes another account`,
      () => store.remove?.(name),
      (removed) => removed !== true,
    );
    await expectAccount(store, "tim", { userPassword: "canary" });
  }
}

function expectSameNames(listed: readonly string[], names: readonly string[]): void {
  expect(new Set(listed).size === listed.length, "list() gives a name twice");
  const lost = names.find((name) => !listed.includes(name));
  expect(lost === undefined, `list() leaves out ${quote(lost ?? "")}`);
  const more = listed.find((name) => !names.includes(name));
  expect(more === undefined, `list() gives ${quote(more ?? "")}, which nobody stored`);
}
