/** The suite finds what it is there to find: stores with one fault each, and the check that has to notice. */
import { describe, expect, test } from "vitest";
import type { AccountProperties, AccountStore } from "../accounts.js";
import { isAsExpected } from "../internal/same-property.js";
import { memoryAccounts } from "../memory-accounts.js";
import { checkStore, type StoreCheckOptions } from "../testing.js";

type Change = (sound: ReturnType<typeof memoryAccounts>) => Partial<AccountStore>;
const later = () => new Promise((resolve) => setTimeout(resolve, 1));

const faults: readonly (readonly [fault: string, change: Change, noticed: RegExp])[] = [
  ["gives everybody an account", () => ({ lookup: () => ({}) }), /R-STO-04 a name nobody has/],
  ["throws for a name nobody has", ({ lookup }) => ({ lookup(name, requests) { const found = lookup(name, requests); if (!found) throw new Error("no such row"); return found; } }), /R-STO-04 a name nobody has is undefined.*no such row/],
  ["keeps accounts in a plain object", () => inObject(), /R-STO-0[14] .*(?:__proto__|constructor|toString)/],
  ["folds case", (sound) => folding(sound, (name) => name.toLowerCase()), /R-STO-01 hostile names/],
  ["folds Unicode", (sound) => folding(sound, (name) => name.normalize("NFC")), /R-STO-01 hostile names/],
  ["cuts names at 255 characters", (sound) => folding(sound, (name) => name.slice(0, 255)), /R-STO-01 hostile names/],
  ["ends names at a NUL", (sound) => folding(sound, (name) => name.split("\0")[0] as string), /R-STO-01 names that cannot be/],
  ["takes names for paths", (sound) => folding(sound, (name) => name.replace(/^.*\//s, "")), /R-STO-01 hostile names/],
  ["refuses a quote", ({ store }) => ({ store(name, ...rest) { if (name.includes("'")) throw new Error("syntax error"); return store(name, ...rest); } }), /R-STO-01 hostile names.*syntax error/],
  ["writes octets as an object", (sound) => writing(sound, (value) => JSON.parse(JSON.stringify(value))), /every shape.*(?:authPassword|octets) of/],
  ["forgets empty texts", (sound) => writing(sound, (value) => (value === "" ? undefined : value)), /every shape.*empty of/],
  ["forgets null", (sound) => writing(sound, (value) => value ?? undefined), /every shape.*nothing of/],
  ["leaves disabled out", ({ lookup }) => ({ lookup: (name, requests) => pick(lookup(name, requests), requests) }), /what is asked for is there, and disabled/],
  ["knows no account without what is asked for", ({ lookup }) => ({ lookup(name, requests) { const found = lookup(name, requests) as AccountProperties | undefined; return requests.some((each) => found?.[each] !== undefined) ? found : undefined; } }), /an account is unknown when asked for/],
  ["replaces all properties", (sound) => ({ store(name, changes, expected) { if (!isAsExpected(sound.lookup(name, []) as AccountProperties, expected)) return false; sound.remove(name); return sound.store(name, changes); } }), /only what is named changes/],
  ["passes over what is undefined", ({ store }) => ({ store: (name, changes, expected) => store(name, JSON.parse(JSON.stringify(changes)), expected) }), /undefined removes it/],
  ["writes one property after the other", ({ store }) => ({ store(name, changes, expected) { for (const [key, value] of Object.entries(changes)) { if (typeof value === "function" || typeof value === "symbol") throw new TypeError(key); if (!store(name, { [key]: value }, expected)) return false; } return true; } }), /a change that cannot be written changes nothing/],
  ["does not look at what is expected", ({ store }) => ({ store: (name, changes) => store(name, changes) }), /R-STO-06 expected/],
  ["takes null for nothing in particular", ({ store }) => ({ store: (name, changes, expected) => store(name, changes, expected ?? undefined) }), /R-STO-06 expected/],
  ["compares octets by identity", ({ store, lookup }) => ({ store(name, changes, expected) { const found = lookup(name, []) as AccountProperties; if (expected && Object.keys(expected).some((key) => typeof expected[key] === "object" && found?.[key] !== expected[key])) return false; return store(name, changes, expected); } }), /R-STO-06 expected.*octets by content/],
  ["looks first and writes later", (sound) => ({ async store(name, changes, expected) { const fits = isAsExpected((await sound.lookup(name, [])) as AccountProperties | undefined, expected); await later(); return fits && sound.store(name, changes); } }), /R-STO-06 of several who create[\s\S]*R-STO-06 no change of competing/],
  ["removes what is not there", ({ remove }) => ({ remove: (name) => remove(name) || true }), /remove takes an account/],
  ["lists names twice", ({ list }) => ({ list: () => [...list(), ...list()] }), /list\(\) gives a name twice/],
  ["lists a page", ({ list }) => ({ list: () => [...list()].slice(0, 100) }), /list\(\) leaves out/],
  ["makes accounts by assignment", ({ lookup }) => ({ lookup(name, requests) { const found = lookup(name, requests) as AccountProperties | undefined; if (!found) return undefined; const made: Record<string, unknown> = {}; for (const key of Object.keys(found)) made[key] = found[key]; return made; } }), /R-LIM-04 names of properties/],
  ["answers after close", () => ({ close() {} }), /a closed store answers nothing/],
]; // biome-ignore format: a table

describe("the suite notices a store that", () => {
  test.each(faults)("%s", async (_, change, noticed) => {
    const open = () => {
      const sound = memoryAccounts();
      return { ...sound, ...change(sound) };
    };
    await expect(checkStore(open)).rejects.toThrow(noticed);
  });

  test("never answers", async () => {
    const open = () => ({ ...memoryAccounts(), lookup: () => new Promise<undefined>(() => {}) });
    await expect(checkStore(open, { timeoutMs: 50 })).rejects.toThrow("no answer within 50 ms");
  });

  test("forgets what it should keep", async () => {
    await expect(checkStore(() => memoryAccounts(), { persistent: true })).rejects.toThrow(/when it is opened again/);
  });

  test("cannot write", async () => {
    const open = () => ({ lookup: () => undefined });
    await expect(checkStore(open)).rejects.toThrow("it has no store(): say readOnly if that is meant");
    await expect(checkStore(open, { readOnly: true })).rejects.toThrow("needs `accounts` to look for");
  });

  test("lets an empty password in, or a name that is a filter", async () => {
    const accounts = { tim: { quota: 1 } };
    const options: StoreCheckOptions = { readOnly: true, accounts, password: { name: "tim", password: "pw" } };
    const open = (fits: (name: string, password: string) => boolean) => () => ({
      ...memoryAccounts(accounts),
      checkPassword: fits,
    });
    const right = open((name, password) => name === "tim" && password === "pw");
    await expect(checkStore(right, options)).resolves.toMatchObject({ subject: "account store" });
    const wrong = [
      open((_, password) => password === "pw"),
      open((name, password) => name === "tim" && "pw".startsWith(password)),
    ];
    for (const each of wrong) await expect(checkStore(each, options)).rejects.toThrow("R-STO-02");
  });

  test("says unknown where it cannot answer", async () => {
    const down = () => Promise.reject(new Error("connection refused"));
    const unreachable = () => ({
      lookup: down,
      store: down,
      remove: down,
      list: () => ({ [Symbol.asyncIterator]: () => ({ next: down }) }),
    });
    await expect(checkStore(() => memoryAccounts(), { unreachable })).resolves.toMatchObject({
      subject: "account store",
    });
    const unknown = () => ({ ...unreachable(), lookup: () => undefined });
    await expect(checkStore(() => memoryAccounts(), { unreachable: unknown })).rejects.toThrow(
      "R-STO-04 a store that cannot answer",
    );
  });
});

test("stores that fold names, and that refuse some, pass when they say so", async () => {
  const folds = () => {
    const sound = memoryAccounts();
    return { ...sound, ...folding(sound, (name) => name.toLowerCase().trim()) };
  };
  await expect(checkStore(folds, { foldsNames: true })).resolves.toBeTruthy();
  const refuses = () => {
    const { store, ...sound } = memoryAccounts();
    return {
      ...sound,
      store(...[name, ...rest]: Parameters<typeof store>) {
        if (name.includes(":")) throw new TypeError("no colon here");
        return store(name, ...rest);
      },
    };
  };
  await expect(checkStore(refuses, { refusesNames: true })).resolves.toBeTruthy();
});

function folding(sound: ReturnType<typeof memoryAccounts>, fold: (name: string) => string): Partial<AccountStore> {
  return {
    lookup: (name, requests) => sound.lookup(fold(name), requests),
    store: (name, changes, expected) => sound.store(fold(name), changes, expected),
    remove: (name) => sound.remove(fold(name)),
  };
}

function writing(
  { store }: ReturnType<typeof memoryAccounts>,
  write: (value: unknown) => unknown,
): Partial<AccountStore> {
  return {
    store: (name, changes, expected) =>
      store(
        name,
        Object.fromEntries(
          Object.entries(changes).map(([key, value]) => [key, value === undefined ? value : write(value)]),
        ),
        expected,
      ),
  };
}

function pick(found: unknown, names: readonly string[]): AccountProperties | undefined {
  return found === undefined
    ? undefined
    : Object.fromEntries(Object.entries(found as object).filter(([name]) => names.includes(name)));
}

/** The oldest fault of all. */
function inObject(): Partial<AccountStore> {
  const accounts: Record<string, AccountProperties> = {};
  return {
    lookup: (name) => accounts[name],
    store(name, changes, expected) {
      if (!isAsExpected(accounts[name], expected)) return false;
      accounts[name] = { ...accounts[name], ...changes };
      return true;
    },
    remove: (name) => name in accounts && delete accounts[name],
    list: () => Object.keys(accounts),
  };
}
