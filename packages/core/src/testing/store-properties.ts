/**
 * Checks of an account store: properties come back as they were, and change when they are to.
 *
 * @module
 */
import type { AccountProperties } from "../accounts.js";
import { expect } from "./checks.js";
import { everyShape, expectAccount, octets, quote, type StoreCheckOptions, type Writable } from "./store-subject.js";

export async function checkShapes(store: Writable, { values = everyShape }: StoreCheckOptions): Promise<void> {
  expect((await store.store("tim", values)) === true, "store() of a new account is not true");
  await expectAccount(store, "tim", values);
  for (const [name, value] of Object.entries(values)) {
    const alone = `only ${name}`.replaceAll(/[^a-z ]/gi, "");
    expect((await store.store(alone, { [name]: value })) === true, `store() of ${quote(name)} alone is not true`);
    await expectAccount(store, alone, { [name]: value });
  }
}

export async function checkRequests(store: Writable): Promise<void> {
  await store.store("tim", { userPassword: "secret", disabled: true });
  for (const requests of [[], ["userPassword"], ["authPassword"], ["userPassword", "authPassword"]]) {
    const found = await store.lookup("tim", requests);
    expect(found !== undefined, `an account is unknown when asked for ${JSON.stringify(requests)}`);
    expect(found.disabled === true, "disabled is left out where nobody asks for it");
    if (requests.includes("userPassword")) expect(found.userPassword === "secret", "what was asked for is left out");
    expect(found.authPassword === undefined, "a property that was never stored is there");
  }
}

export async function checkChanges(store: Writable): Promise<void> {
  const { authPassword } = everyShape;
  await store.store("tim", { userPassword: "one", authPassword, disabled: true });
  await store.store("tim", { userPassword: "two" });
  await expectAccount(store, "tim", { userPassword: "two", authPassword, disabled: true });
  await store.store("tim", { authPassword: undefined, disabled: undefined });
  await expectAccount(store, "tim", { userPassword: "two", authPassword: undefined, disabled: undefined });
  await store.store("tim", { userPassword: undefined });
  await expectAccount(store, "tim", { userPassword: undefined });
  await store.store("tim", {});
  expect((await store.lookup("tim", [])) !== undefined, "an account without properties is no account any more");
  expect(
    (await store.store("tim", { userPassword: undefined, disabled: undefined })) === true,
    "removing nothing fails",
  );
}

export async function checkAllOrNothing(store: Writable): Promise<void> {
  await store.store("tim", { userPassword: "before" });
  let deep: unknown = "the bottom";
  for (let depth = 0; depth < 2000; depth++) deep = [deep];
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const impossible: readonly unknown[] = [() => {}, Symbol("s"), 1n, deep, circle, Number.NaN, new Date(0)];
  for (const value of impossible) {
    for (const name of ["tim", "new"]) {
      // The account must look as before where this throws; what a store makes of it otherwise is its own affair.
      const before = await store.lookup(name, ["userPassword", "impossible"]);
      const write = async () => store.store(name, { userPassword: "after", impossible: value });
      const written = await write().catch(() => undefined);
      if (written !== undefined) {
        await store.store(name, { userPassword: "before", impossible: undefined });
        if (name === "new") await store.remove?.(name);
        continue;
      }
      const after = await store.lookup(name, ["userPassword", "impossible"]);
      expect(after?.userPassword === before?.userPassword, "store() threw, and a part was written");
      expect((after === undefined) === (before === undefined), "store() threw, and made an account");
    }
  }
}

export async function checkExpected(store: Writable): Promise<void> {
  const salt = octets(16, 7);
  const same = Uint8Array.from(salt);
  const { authPassword } = everyShape;
  const rows: readonly (readonly [why: string, expected: AccountProperties | null | undefined, written: boolean])[] = [
    ["there is an account and none was expected", null, false],
    ["an account was expected, of whatever kind", {}, true],
    ["one property is as expected", { quota: 5 }, true],
    [
      "all are as expected, octets by content, fields in another order",
      { nested: { b: [same], a: 1 }, quota: 5 },
      true,
    ],
    ["verifiers are as expected", { authPassword: structuredClone(authPassword) }, true],
    ["one of two is not as expected", { quota: 5, userPassword: "other" }, false],
    ["a number was expected and a text is there", { userPassword: 1 } as unknown as AccountProperties, false],
    ["a text was expected and a number is there", { quota: "5" }, false],
    ["an absent one is absent", { missing: undefined }, true],
    ["an absent one was expected to be there", { missing: "x" }, false],
    ["one that is there was expected to be absent", { quota: undefined }, false],
    ["null is no absence", { missing: null }, false],
    ["octets differ in one bit", { nested: { a: 1, b: [octets(16, 9)] } }, false],
    ["nothing was expected in particular", undefined, true],
  ];
  expect((await store.store("new", { quota: 1 }, {})) === false, "an account was expected where none is: not false");
  expect(
    (await store.store("new", { quota: 1 }, { quota: undefined })) === false,
    "expected {…} with no account: not false",
  );
  expect((await store.lookup("new", [])) === undefined, "store() gave false and made an account");
  expect((await store.store("new", { quota: 1 }, null)) === true, "null is expected, there is no account: not true");
  for (const [why, expected, written] of rows) {
    await store.store("tim", { quota: 5, userPassword: "pw", authPassword, nested: { a: 1, b: [salt] }, mark: "old" });
    const gave = await store.store("tim", { mark: "new" }, expected);
    expect(gave === written, `${why}: store() gives ${String(gave)}`);
    const found = await store.lookup("tim", ["mark"]);
    expect(found?.mark === (written ? "new" : "old"), `${why}: store() gives ${String(gave)} and does otherwise`);
  }
}

export async function checkInherited(store: Writable): Promise<void> {
  await store.store("tim", { userPassword: "x" });
  const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];
  const found = await store.lookup("tim", inherited);
  for (const name of inherited) {
    expect(found !== undefined && !Object.hasOwn(found, name), `the account has a property ${name} that nobody stored`);
  }
  // As its own property, the way JSON.parse makes it.
  const polluting = JSON.parse('{ "__proto__": { "disabled": true, "polluted": true } }') as AccountProperties;
  await Promise.resolve(store.store("tim", polluting)).catch(() => {});
  const after = await store.lookup("tim", ["polluted", "__proto__"]);
  expect(after?.polluted === undefined && !after?.disabled, "a property __proto__ has given the account others");
  expect(({} as { polluted?: unknown }).polluted === undefined, "a property __proto__ has given every object others");
}
