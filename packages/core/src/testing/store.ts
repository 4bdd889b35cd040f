/**
 * What every account store has to do: the suite for auxiliary property plug-ins. Source: `AccountStore`; R-STO-01, -02,
 * -04, -06.
 *
 * @module
 */
import type { AccountProperties, AccountStore, PropertyValue } from "../accounts.js";
import { sameProperty } from "../internal/same-property.js";
import type { MaybePromise } from "../runtime/contract.js";
import { type Check, type ComplianceReport, expect, messageOf, runChecks, within } from "./checks.js";
import { hostileNames, unusableNames } from "./names.js";

/**
 * Opens a store.
 *
 * @param place a name for the data, `[a-z0-9]{1,16}`: another one each time the suite needs an empty store, the same one
 *   when it opens data again. Stores that keep nothing pass it over. Whoever opens cleans up afterwards.
 */
export type OpenStore = (place: string) => MaybePromise<AccountStore>;

/** What the suite has to know about a store. */
export interface StoreCheckOptions {
  /** Opened at the same place again, it has the same accounts, also while it is open already. Default false. */
  readonly persistent?: boolean | undefined;
  /** It only looks up. Default false. Then `accounts` have to be there, at every place. */
  readonly readOnly?: boolean | undefined;
  /** Accounts that are there already, at every place; none called `tim`, `anna` or `user1`, as the suite's own are. */
  readonly accounts?: Readonly<Record<string, AccountProperties>> | undefined;
  /** Properties written and read back. Default: every shape a `PropertyValue` has, a password, and SCRAM verifiers. */
  readonly values?: AccountProperties | undefined;
  /** It may refuse to store names its backend has no way to write, by throwing. Default false: any name without a NUL. */
  readonly refusesNames?: boolean | undefined;
  /** It takes names for the same that differ in case, in Unicode form or in spaces at their ends. Default false. */
  readonly foldsNames?: boolean | undefined;
  /** A name and its password, where the store has `checkPassword`; both are there at every place. */
  readonly password?: { readonly name: string; readonly password: string } | undefined;
  /** Opens a store whose backend cannot be reached, or whose data cannot be read. Left out: not checked. */
  readonly unreachable?: (() => MaybePromise<AccountStore>) | undefined;
  /** How many writers compete. Default 8. */
  readonly writers?: number | undefined;
  /** Longest time for one check, in milliseconds. Default 30000. */
  readonly timeoutMs?: number | undefined;
}

/** A store that can be written to. */
type Writable = AccountStore & Required<Pick<AccountStore, "store">>;

const octets = (length: number, factor: number) => Uint8Array.from({ length }, (_, i) => (i * factor + 1) & 0xff);

/** Every shape of a property. */
const everyShape: AccountProperties = /* @__PURE__ */ Object.freeze({
  userPassword: "pass\u00e9 'word' \"\\ $1 % _ ; -- \ud83d\ude00",
  passwordHash: ["$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA", "{X}y"],
  authPassword: ["SHA-1", "SHA-256"].map((hash, i) => ({
    hash,
    salt: octets(16, 7),
    iterations: 4096 + i,
    storedKey: octets(i ? 32 : 20, 31),
    serverKey: octets(i ? 32 : 20, 101),
  })),
  disabled: false,
  quota: 9007199254740991,
  ratio: -0.125,
  zero: 0,
  yes: true,
  nothing: null,
  empty: "",
  text: "line\r\nline\ttab\u0000nul\u007f\u2028\u00ad\ufeff",
  octets: octets(256, 1),
  noOctets: new Uint8Array(0),
  list: ["a", 1, false, null, [], {}],
  nested: { a: { b: [{ c: octets(3, 5) }] }, "": "an empty name", "x.y": "a dot", $set: "an operator" },
  "mailbox path; \"'`$.\\": "a hostile property name",
});

/**
 * Checks a store against everything `AccountStore` promises. Made for stores with data of their own for each place.
 *
 * @throws {ComplianceFailure} with all that does not hold.
 */
export function checkStore(open: OpenStore, options: StoreCheckOptions = {}): Promise<ComplianceReport> {
  return runChecks("account store", storeChecks(open, options), 0);
}

/** The same checks one by one, for test runners that show each: `for (const { name, run } of storeChecks(…)) test(name, run)`. */
export function storeChecks(open: OpenStore, options: StoreCheckOptions = {}): readonly Check[] {
  const { timeoutMs = 30_000, readOnly, persistent, password, unreachable } = options;
  const checks: Check[] = [];
  let places = 0;
  const check = (name: string, work: (store: AccountStore, place: string) => Promise<void>) => {
    const run = async () => {
      const place = `check${++places}`;
      const store = await open(place);
      try {
        await within(timeoutMs, work(store, place));
      } finally {
        await store.close?.();
      }
    };
    checks.push({ name, run });
  };
  const writing = (name: string, work: (store: Writable, place: string) => Promise<void>) =>
    check(name, (store, place) => {
      expect(store.store !== undefined, "it has no store(): say readOnly if that is meant");
      return work(store as Writable, place);
    });

  check("R-STO-04 a name nobody has is undefined, and no error", (store) => checkUnknown(store, options));
  check("the accounts that are there are found, with what was asked for", (store) => checkAccounts(store, options));
  if (!readOnly) {
    writing("every shape of a property comes back as it was", (store) => checkShapes(store, options));
    writing("what is asked for is there, and disabled always is", checkRequests);
    writing("only what is named changes, and undefined removes it", checkChanges);
    writing("a change that cannot be written changes nothing", checkAllOrNothing);
    writing("R-STO-06 expected: written only when the account is as expected", checkExpected);
    writing("R-STO-06 of several who create an account one succeeds", (store, place) =>
      checkCreators(store, () => another(place), options),
    );
    writing("R-STO-06 no change of competing writers is lost", (store, place) =>
      checkCounter(store, () => another(place), options),
    );
    writing("remove takes an account with all it has, once", checkRemove);
    writing("list gives every name once", (store) => checkList(store, options));
    writing("R-STO-01 hostile names are names like others", (store) => checkNames(store, options));
    writing("R-STO-01 names that cannot be are never taken for others", (store) => checkUnusable(store));
    writing("R-LIM-04 names of properties reach nothing that is inherited", checkInherited);
    if (persistent)
      writing("what was written is there when it is opened again", (store, place) =>
        checkAgain(store, () => another(place)),
      );
  }
  if (password)
    check("R-STO-02 checkPassword takes the password and nothing else", (store) => checkPasswords(store, password));
  if (unreachable) {
    const run = async () => within(timeoutMs, checkUnreachable(await unreachable(), options));
    checks.push({ name: "R-STO-04 a store that cannot answer throws, and never says unknown", run });
  }
  check("a closed store answers nothing", checkClosed);
  return checks;

  /** The same data through another door, where there is one. */
  async function another(place: string): Promise<AccountStore | undefined> {
    return persistent ? open(place) : undefined;
  }
}

async function checkUnknown(store: AccountStore, { accounts = {} }: StoreCheckOptions): Promise<void> {
  const there = new Set(Object.keys(accounts).map(folded));
  for (const name of ["nobody-of-this-name", ...hostileNames]) {
    if (there.has(folded(name))) continue;
    for (const requests of [[], ["userPassword", "authPassword", "quota"]]) {
      const found = await store.lookup(name, requests);
      expect(found === undefined, `lookup of ${quote(name)} gives an account in an empty store`);
    }
  }
}

async function checkAccounts(store: AccountStore, { accounts = {}, readOnly }: StoreCheckOptions): Promise<void> {
  expect(!readOnly || Object.keys(accounts).length > 0, "a store that only looks up needs `accounts` to look for");
  for (const [name, properties] of Object.entries(accounts)) await expectAccount(store, name, properties);
}

async function checkShapes(store: Writable, { values = everyShape }: StoreCheckOptions): Promise<void> {
  expect((await store.store("tim", values)) === true, "store() of a new account is not true");
  await expectAccount(store, "tim", values);
  for (const [name, value] of Object.entries(values)) {
    const alone = `only ${name}`.replaceAll(/[^a-z ]/gi, "");
    expect((await store.store(alone, { [name]: value })) === true, `store() of ${quote(name)} alone is not true`);
    await expectAccount(store, alone, { [name]: value });
  }
}

async function checkRequests(store: Writable): Promise<void> {
  await store.store("tim", { userPassword: "secret", disabled: true });
  for (const requests of [[], ["userPassword"], ["authPassword"], ["userPassword", "authPassword"]]) {
    const found = await store.lookup("tim", requests);
    expect(found !== undefined, `an account is unknown when asked for ${JSON.stringify(requests)}`);
    expect(found.disabled === true, "disabled is left out where nobody asks for it");
    if (requests.includes("userPassword")) expect(found.userPassword === "secret", "what was asked for is left out");
    expect(found.authPassword === undefined, "a property that was never stored is there");
  }
}

async function checkChanges(store: Writable): Promise<void> {
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

async function checkAllOrNothing(store: Writable): Promise<void> {
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

async function checkExpected(store: Writable): Promise<void> {
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

async function checkCreators(store: Writable, another: Another, { writers = 8 }: StoreCheckOptions): Promise<void> {
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

async function checkCounter(store: Writable, another: Another, { writers = 8 }: StoreCheckOptions): Promise<void> {
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

async function checkRemove(store: Writable): Promise<void> {
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

async function checkList(store: Writable, { accounts = {} }: StoreCheckOptions): Promise<void> {
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

async function checkNames(
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

async function checkUnusable(store: Writable): Promise<void> {
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

async function checkInherited(store: Writable): Promise<void> {
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

async function checkAgain(store: Writable, another: Another): Promise<void> {
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

async function checkPasswords(store: AccountStore, right: { name: string; password: string }): Promise<void> {
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

async function checkUnreachable(store: AccountStore, { readOnly }: StoreCheckOptions): Promise<void> {
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

async function checkClosed(store: AccountStore): Promise<void> {
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

async function expectAccount(store: AccountStore, name: string, properties: AccountProperties): Promise<void> {
  const found = await store.lookup(name, Object.keys(properties));
  expect(found !== undefined, `${quote(name)} is not found`);
  for (const [property, value] of Object.entries(properties) as [string, PropertyValue | undefined][]) {
    const there = Object.hasOwn(found, property) ? found[property] : undefined;
    expect(sameProperty(there, value), `${property} of ${quote(name)} is not what was stored`);
  }
}

async function namesIn(store: AccountStore): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list?.() ?? []) names.push(name);
  return names;
}

function expectSameNames(listed: readonly string[], names: readonly string[]): void {
  expect(new Set(listed).size === listed.length, "list() gives a name twice");
  const lost = names.find((name) => !listed.includes(name));
  expect(lost === undefined, `list() leaves out ${quote(lost ?? "")}`);
  const more = listed.find((name) => !names.includes(name));
  expect(more === undefined, `list() gives ${quote(more ?? "")}, which nobody stored`);
}

function quote(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 60 ? `${text.slice(0, 60)}… (${name.length} characters)` : text;
}
