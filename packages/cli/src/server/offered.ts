/**
 * What a server offers where nobody says otherwise: mechanisms that work for the accounts there are.
 *
 * @module
 */
import { type AccountProperties, type AccountStore, type Mechanism, SASLFailure } from "sasl-core";
import { secretProperties } from "sasl-core/plugin";
import { onlyNamed } from "../known-mechanisms.js";

/** What was found out about accounts. */
export interface Survey {
  /** Hashes every account has a verifier for; `undefined` where passwords are kept themselves, which serve for all. */
  readonly hashes: ReadonlySet<string> | undefined;
  /** Iteration counts of their verifiers, each once. */
  readonly iterations: readonly number[];
  /** Mechanisms with secrets of their own that some account does not have. */
  readonly lacking: ReadonlySet<string>;
  /** Names of accounts, one for each kind by what works for it. */
  readonly examples: readonly string[];
}

/** Accounts to look at: more would say little more, and a database may have millions. */
const MAX_ACCOUNTS = 1000;
const MAX_TIME_MS = 5000;

/** What `sasl user add` stores: assumed of accounts that are yet to come, or cannot be seen. */
const usual = { hashes: new Set(["SHA-256", "SHA-512"]), iterations: [4096, 10_000] };

/**
 * Looks at some accounts. A store that cannot list them counts as one that has passwords, or, where it judges passwords
 * itself, as one that has nothing else.
 *
 * @param report told what goes wrong; the server can start all the same.
 */
export async function survey(
  accounts: AccountStore,
  known: readonly Mechanism[],
  report: (error: unknown) => void,
): Promise<Survey> {
  const own = known.filter(({ needs, available }) => typeof needs === "object" && available !== undefined);
  if (accounts.list === undefined) {
    const judges = accounts.checkPassword !== undefined;
    const lacking = lackingIn(judges ? {} : { userPassword: "?" }, own, judges);
    return { hashes: judges ? new Set() : undefined, iterations: [], lacking: new Set(lacking), examples: [] };
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const failure = new SASLFailure("temporary", "the accounts cannot be listed in time");
    timer = setTimeout(() => reject(failure), MAX_TIME_MS);
  });
  try {
    return await Promise.race([late, lookAround(accounts, accounts.list(), known, own, report)]);
  } catch (error) {
    report(error);
    return { ...usual, lacking: namesOf(own), examples: [] };
  } finally {
    clearTimeout(timer);
  }
}

async function lookAround(
  accounts: AccountStore,
  names: AsyncIterable<string> | Iterable<string>,
  known: readonly Mechanism[],
  own: readonly Mechanism[],
  report: (error: unknown) => void,
): Promise<Survey> {
  const properties = [...new Set([...secretProperties, ...own.flatMap((each) => each.properties ?? [])])];
  const judges = accounts.checkPassword !== undefined;
  const iterations = new Set<number>();
  const lacking = new Set<string>();
  const kinds = new Map<string, string>();
  let hashes: ReadonlySet<string> | undefined;
  let count = 0;
  for await (const name of names) {
    if (count++ === MAX_ACCOUNTS) break;
    let account: AccountProperties | undefined;
    try {
      account = await accounts.lookup(name, properties);
    } catch (error) {
      report(error); // this account cannot log in; the others can
    }
    if (account) {
      for (const mechanism of lackingIn(account, own, judges)) lacking.add(mechanism);
      kinds.set(lackingIn(account, known, judges).join(" "), name);
    }
    const { userPassword, authPassword = [] } = account ?? { userPassword: "" };
    for (const verifier of authPassword) if (verifier.iterations >= 4096) iterations.add(verifier.iterations);
    if (userPassword !== undefined) continue;
    const here = new Set(authPassword.map(({ hash }) => hash));
    hashes = hashes === undefined ? here : new Set([...hashes].filter((hash) => here.has(hash)));
  }
  if (count === 0) return { ...usual, lacking: namesOf(own), examples: [] };
  return { hashes, iterations: [...iterations], lacking, examples: [...kinds.values()] };
}

function namesOf(mechanisms: readonly Mechanism[]): ReadonlySet<string> {
  return new Set(mechanisms.map(({ name }) => name));
}

function lackingIn(account: AccountProperties, own: readonly Mechanism[], judges: boolean): string[] {
  return own.filter(({ available }) => available?.(account, judges) === false).map(({ name }) => name);
}

/** Whether a server half can be offered on some connection: those that a program has to configure cannot. */
export function canBeServed({ server, possible }: Mechanism): boolean {
  const all = { external: { names: ["?"] }, anonymous: "?", verifiesTokens: true };
  return server !== undefined && possible?.(all) !== false;
}

/**
 * Everything with a server half but ANONYMOUS and what has to be named. SCRAM with a hash is left out when an account has
 * neither a password nor a verifier for it, and what works with secrets of its own when an account has none: a client takes
 * the strongest one offered, and would fail.
 */
export function offered(
  known: readonly Mechanism[],
  { hashes, lacking }: Pick<Survey, "hashes" | "lacking">,
): Mechanism[] {
  const able = known.filter(
    (each) => canBeServed(each) && !onlyNamed(each) && each.needs !== "trace" && !lacking.has(each.name),
  );
  return hashes === undefined ? able : able.filter((each) => each.needs !== "scram" || hashes.has(hashOf(each)));
}

/** RFC 5802 §4: the name of the hash is that of the mechanism, between `SCRAM-` and `-PLUS`. */
function hashOf({ name }: Mechanism): string {
  return name.replace(/^SCRAM-/, "").replace(/-PLUS$/, "");
}
