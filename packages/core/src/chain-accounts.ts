/**
 * Account stores that are made of others, or of a function.
 *
 * @module
 */
import { type AccountProperties, type AccountStore, type PropertyName, secretProperties } from "./accounts.js";

/** Options of {@link chainAccounts}. */
export interface ChainOptions {
  /**
   * `property` (default): each property comes from the first store that has it, all secrets together from the first that
   * has any. `account`: everything comes from the first store that knows the name, and no other is asked.
   */
  readonly answer?: "property" | "account" | undefined;
}

/**
 * Several stores as one. When one that is asked cannot answer, nobody can: an account must not change because its store
 * is down (R-STO-04). An account that is disabled in one of those that are asked is disabled.
 *
 * What is written goes to the store the secrets are from, or else to the first that knows the name, or else to the first
 * that can write; secrets that another store has are removed there, so that a change leaves no old password good. Only the
 * first of these steps is atomic. Removing removes from all.
 *
 * @param stores at least one, in the order in which they are asked. They belong to the chain: closing closes all.
 */
export function chainAccounts(stores: readonly AccountStore[], options: ChainOptions = {}): AccountStore {
  const { answer = "property" } = options;
  if (stores.length === 0) throw new RangeError("a chain of no stores");
  const writable = stores.find((each) => each.store);
  let closed = false;

  const checkOpen = () => {
    if (closed) throw new TypeError("the account store is closed");
  };

  /** The stores that know a name, with what they say. */
  const ask = async (
    name: string,
    requests: readonly PropertyName[],
    all = answer === "property",
  ): Promise<Answer[]> => {
    checkOpen();
    const answers: Answer[] = [];
    for (const store of stores) {
      const found = await store.lookup(name, requests);
      if (found === undefined || found === null) continue;
      answers.push({ store, found });
      if (!all) break;
    }
    return answers;
  };

  return {
    async lookup(name, requests) {
      // Which store the secrets are from must not hang on which of them somebody asks for.
      const secret = requests.some((each) => secretProperties.includes(each));
      const answers = await ask(name, secret ? [...new Set([...requests, ...secretProperties])] : requests);
      return answers.length === 0 ? undefined : merged(answers, requests);
    },
    ...(writable && {
      async store(name: string, changes: AccountProperties, expected?: AccountProperties | null) {
        const answers = await ask(name, secretProperties);
        const { store: owner } = answers.find(holdsSecrets) ?? answers[0] ?? { store: writable };
        const secrets = secretProperties.some((each) => Object.hasOwn(changes, each));
        const others = answers.filter((each) => secrets && each.store !== owner && holdsSecrets(each));
        for (const { store } of [{ store: owner }, ...others]) {
          if (store.store === undefined) throw new TypeError("a store that has this account cannot write");
        }
        if (!(await owner.store?.(name, changes, expected))) return false;
        for (const { store } of others) await store.store?.(name, noSecrets);
        return true;
      },
    }),
    ...(stores.some((each) => each.remove) && {
      async remove(name: string) {
        const answers = await ask(name, ["disabled"], true);
        for (const { store } of answers) {
          if (store.remove === undefined) throw new TypeError("a store that has this account cannot remove it");
        }
        let removed = false;
        for (const { store } of answers) if (await store.remove?.(name)) removed = true;
        return removed;
      },
    }),
    ...(stores.some((each) => each.list) && {
      async *list() {
        checkOpen();
        const seen = new Set<string>();
        for (const each of stores) {
          for await (const name of each.list?.() ?? []) {
            if (!seen.has(name)) yield name;
            seen.add(name);
          }
        }
      },
    }),
    ...(stores.some((each) => each.checkPassword) && {
      async checkPassword(name: string, password: string) {
        // Whose account it is judges; for a name nobody has, the first that can, for the time it takes.
        const knowing = (await ask(name, ["disabled"])).map(({ store }) => store);
        const judge = (knowing.length > 0 ? knowing : stores).find((each) => each.checkPassword);
        const yes = (await judge?.checkPassword?.(name, password)) === true;
        return yes && knowing.length > 0;
      },
    }),
    async close() {
      closed = true;
      const ended = await Promise.allSettled(stores.map(async (each) => each.close?.()));
      for (const each of ended) if (each.status === "rejected") throw each.reason;
    },
  };
}

const noSecrets: AccountProperties = /* @__PURE__ */ (() =>
  Object.fromEntries(secretProperties.map((name) => [name, undefined])))();

/** What one store says of a name. */
interface Answer {
  readonly store: AccountStore;
  readonly found: AccountProperties;
}

function holdsSecrets({ found }: Pick<Answer, "found">): boolean {
  return secretProperties.some((name) => found[name] !== undefined);
}

function merged(answers: readonly Answer[], requests: readonly PropertyName[]): AccountProperties {
  const secrets = answers.find(holdsSecrets)?.found;
  const result: Record<string, unknown> = Object.create(null);
  for (const name of requests) {
    const from = secretProperties.includes(name)
      ? secrets
      : answers.find(({ found }) => Object.hasOwn(found, name) && found[name] !== undefined)?.found;
    if (from !== undefined) result[name] = from[name];
  }
  if (answers.some(({ found }) => found.disabled === true)) result.disabled = true;
  return result;
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
