/**
 * What checks of an account store are made on, and how they look at it.
 *
 * @module
 */
import type { AccountProperties, AccountStore, PropertyValue } from "../accounts.js";
import { sameProperty } from "../internal/same-property.js";
import type { MaybePromise } from "../runtime/contract.js";
import { expect } from "./checks.js";

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
export type Writable = AccountStore & Required<Pick<AccountStore, "store">>;

export const octets = (length: number, factor: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * factor + 1) & 0xff);

/** Every shape of a property. */
export const everyShape: AccountProperties = /* @__PURE__ */ Object.freeze({
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

export async function expectAccount(store: AccountStore, name: string, properties: AccountProperties): Promise<void> {
  const found = await store.lookup(name, Object.keys(properties));
  expect(found !== undefined, `${quote(name)} is not found`);
  for (const [property, value] of Object.entries(properties) as [string, PropertyValue | undefined][]) {
    const there = Object.hasOwn(found, property) ? found[property] : undefined;
    expect(sameProperty(there, value), `${property} of ${quote(name)} is not what was stored`);
  }
}

export async function namesIn(store: AccountStore): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list?.() ?? []) names.push(name);
  return names;
}

export function quote(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 60 ? `${text.slice(0, 60)}… (${name.length} characters)` : text;
}
