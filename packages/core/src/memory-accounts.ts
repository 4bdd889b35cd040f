/**
 * Accounts in memory: for tests, for programs with a handful of users, and as the smallest example of a store.
 *
 * @module
 */
import type { AccountProperties, AccountStore } from "./accounts.js";
import { isAsExpected } from "./internal/same-property.js";

/** A store that forgets everything with the process. */
export interface MemoryAccounts extends AccountStore {
  store(name: string, changes: AccountProperties, expected?: AccountProperties | null): boolean;
  remove(name: string): boolean;
  list(): Iterable<string>;
}

/**
 * Makes one.
 *
 * @param accounts properties by canonical name; a string stands for the password alone. Prepare names before, or give ASCII.
 */
export function memoryAccounts(accounts: Readonly<Record<string, string | AccountProperties>> = {}): MemoryAccounts {
  const held = new Map<string, AccountProperties>();
  for (const [name, account] of Object.entries(accounts)) {
    held.set(name, typeof account === "string" ? { userPassword: account } : { ...account });
  }
  return {
    lookup: (name) => held.get(name),
    store(name, changes, expected) {
      const before = held.get(name);
      if (!isAsExpected(before, expected)) return false;
      held.set(name, Object.freeze({ ...before, ...changes }));
      return true;
    },
    remove: (name) => held.delete(name),
    list: () => held.keys(),
  };
}
