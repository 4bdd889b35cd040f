/**
 * What a server offers where nobody says otherwise: mechanisms that work for the accounts there are.
 *
 * @module
 */
import { type AccountProperties, type AccountStore, type Mechanism, SASLFailure } from "sasl-core";
import { secretProperties } from "sasl-core/plugin";

/** What was found out about accounts. */
export interface Survey {
  /** Hashes every account has a verifier for; `undefined` where passwords are kept themselves, which serve for all. */
  readonly hashes: ReadonlySet<string> | undefined;
  /** Iteration counts of their verifiers, each once. */
  readonly iterations: readonly number[];
}

/** Accounts to look at: more would say little more, and a database may have millions. */
const MAX_ACCOUNTS = 1000;
const MAX_TIME_MS = 5000;

/** What `sasl user add` stores: assumed of accounts that are yet to come, or cannot be seen. */
const usual: Survey = { hashes: new Set(["SHA-256", "SHA-512"]), iterations: [4096, 10_000] };

/**
 * Looks at some accounts. A store that cannot list them counts as one that has passwords, or, where it judges passwords
 * itself, as one that has nothing else.
 *
 * @param report told what goes wrong; the server can start all the same.
 */
export async function survey(accounts: AccountStore, report: (error: unknown) => void): Promise<Survey> {
  if (accounts.list === undefined) {
    return accounts.checkPassword ? { hashes: new Set(), iterations: [] } : { hashes: undefined, iterations: [] };
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const failure = new SASLFailure("temporary", "the accounts cannot be listed in time");
    timer = setTimeout(() => reject(failure), MAX_TIME_MS);
  });
  try {
    return await Promise.race([late, lookAround(accounts, accounts.list(), report)]);
  } catch (error) {
    report(error);
    return usual;
  } finally {
    clearTimeout(timer);
  }
}

async function lookAround(
  accounts: AccountStore,
  names: AsyncIterable<string> | Iterable<string>,
  report: (error: unknown) => void,
): Promise<Survey> {
  const iterations = new Set<number>();
  let hashes: ReadonlySet<string> | undefined;
  let count = 0;
  for await (const name of names) {
    if (count++ === MAX_ACCOUNTS) break;
    let account: AccountProperties | undefined;
    try {
      account = await accounts.lookup(name, secretProperties);
    } catch (error) {
      report(error); // this account cannot log in; the others can
    }
    const { userPassword, authPassword = [] } = account ?? { userPassword: "" };
    for (const verifier of authPassword) if (verifier.iterations >= 4096) iterations.add(verifier.iterations);
    if (userPassword !== undefined) continue;
    const own = new Set(authPassword.map(({ hash }) => hash));
    hashes = hashes === undefined ? own : new Set([...hashes].filter((hash) => own.has(hash)));
  }
  return count === 0 ? usual : { hashes, iterations: [...iterations] };
}

/**
 * Everything with a server half but ANONYMOUS and what is obsolete. SCRAM with a hash is left out when an account has
 * neither a password nor a verifier for it: a client takes the strongest one offered, and would fail.
 */
export function offered(known: readonly Mechanism[], { hashes }: Survey): Mechanism[] {
  const able = known.filter((each) => each.server !== undefined && !each.obsolete && each.needs !== "trace");
  return hashes === undefined ? able : able.filter((each) => each.needs !== "scram" || hashes.has(hashOf(each)));
}

/** RFC 5802 §4: the name of the hash is that of the mechanism, between `SCRAM-` and `-PLUS`. */
function hashOf({ name }: Mechanism): string {
  return name.replace(/^SCRAM-/, "").replace(/-PLUS$/, "");
}
