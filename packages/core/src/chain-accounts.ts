/**
 * Account stores that are made of others, or of a function.
 *
 * @module
 */
import type { AccountProperties, AccountStore, PropertyName } from "./accounts.js";

/** Options of {@link chainAccounts}. */
export interface ChainOptions {
  /**
   * `property` (default): each property comes from the first store that has it. `account`: all of them come from the
   * first store that knows the name.
   */
  readonly answer?: "property" | "account" | undefined;
}

/**
 * Several stores, asked one after the other; a later one only for what is missing still. When one cannot answer, nobody
 * can: an account must not change because its store is down (R-STO-04).
 *
 * Writing goes to the store that knows the name, or else to the first that can write. Closing closes all.
 *
 * @param stores at least one, in the order in which they are asked. They belong to the chain.
 */
export function chainAccounts(stores: readonly AccountStore[], options: ChainOptions = {}): AccountStore {
  const { answer = "property" } = options;
  const [first] = stores;
  if (first === undefined) throw new RangeError("a chain of no stores");
  const writable = stores.find((each) => each.store);
  const judge = stores.some((each) => each.checkPassword);

  let closed: Promise<void> | undefined;
  const open = (): readonly AccountStore[] => {
    if (closed) throw new TypeError("the account store is closed");
    return stores;
  };
  const ownerOf = async (name: string): Promise<AccountStore | undefined> => {
    for (const each of open()) if ((await each.lookup(name, ["disabled"])) !== undefined) return each;
    return undefined;
  };

  return {
    async lookup(name, requests) {
      let found: Record<string, unknown> | undefined;
      let missing: readonly PropertyName[] = requests;
      for (const each of open()) {
        if (found !== undefined && missing.length === 0) break;
        const some = await each.lookup(name, missing);
        if (some === undefined || some === null) continue;
        if (answer === "account") return some;
        // A lock in any of them holds.
        found = { ...some, ...present(found), ...((found?.disabled || some.disabled) && { disabled: true }) };
        const have = found;
        missing = missing.filter((property) => have[property] === undefined);
      }
      return found;
    },
    ...(writable && {
      async store(name: string, changes: AccountProperties, expected?: AccountProperties | null) {
        const owner = (await ownerOf(name)) ?? writable;
        if (owner.store === undefined) throw new TypeError("the store that has this account cannot write");
        return owner.store(name, changes, expected);
      },
    }),
    ...(stores.some((each) => each.remove) && {
      async remove(name: string) {
        const owner = await ownerOf(name);
        if (owner === undefined) return false;
        if (owner.remove === undefined) throw new TypeError("the store that has this account cannot remove it");
        return owner.remove(name);
      },
    }),
    ...(stores.some((each) => each.list) && {
      async *list() {
        const seen = new Set<string>();
        for (const each of open()) {
          for await (const name of each.list?.() ?? []) {
            if (!seen.has(name)) yield name;
            seen.add(name);
          }
        }
      },
    }),
    ...(judge && {
      async checkPassword(name: string, password: string) {
        for (const each of open()) if (await each.checkPassword?.(name, password)) return true;
        return false;
      },
    }),
    close() {
      closed ??= closeAll(stores);
      return closed;
    },
  };
}

/** What is there. A property that was removed may be named still, and must not hide what the next store has. */
function present(found: Record<string, unknown> | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(found ?? {}).filter(([, value]) => value !== undefined));
}

async function closeAll(stores: readonly AccountStore[]): Promise<void> {
  const closed = await Promise.allSettled(stores.map(async (each) => each.close?.()));
  for (const each of closed) if (each.status === "rejected") throw each.reason;
}

/**
 * The accounts an application has already: one function.
 *
 *     callbackAccounts(async (name) => {
 *       const user = await users.findByLogin(name);
 *       return user && { passwordHash: [user.bcrypt], displayName: user.name };
 *     })
 *
 * @param lookup finds one account; see {@link AccountStore.lookup}. Throws when it cannot answer now.
 * @param more what else the application can do; left out, the store cannot write.
 */
export function callbackAccounts(
  lookup: AccountStore["lookup"],
  more: Omit<AccountStore, "lookup"> = {},
): AccountStore {
  return { ...more, lookup };
}
