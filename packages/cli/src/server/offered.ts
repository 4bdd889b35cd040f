/**
 * What a server offers where nobody says otherwise: mechanisms that work for every account there is.
 *
 * @module
 */
import type { AccountStore, Mechanism, PropertyName } from "sasl-core";
import { knownMechanisms } from "../known-mechanisms.js";

const properties: readonly PropertyName[] = ["userPassword", "authPassword"];

/**
 * Everything with a server half but ANONYMOUS and what is obsolete. SCRAM with a hash is left out when an account has
 * neither a password nor a verifier for it: a client takes the strongest one offered, and would fail.
 *
 * @param accounts a store that cannot list its accounts counts as one that has passwords.
 */
export async function mechanismsFor(accounts: AccountStore): Promise<Mechanism[]> {
  const able = knownMechanisms.filter((each) => each.server !== undefined && !each.obsolete && each.needs !== "trace");
  let hashes: ReadonlySet<string> | undefined;
  for await (const name of accounts.list?.() ?? []) {
    const account = await accounts.lookup(name, properties);
    if (account === undefined || account.userPassword !== undefined) continue;
    const verifiers = new Set(account.authPassword?.map(({ hash }) => hash));
    hashes = hashes === undefined ? verifiers : new Set([...hashes].filter((hash) => verifiers.has(hash)));
    if (hashes.size === 0) break;
  }
  if (hashes === undefined) return able;
  const common = hashes;
  return able.filter((each) => each.needs !== "scram" || common.has(hashOf(each)));
}

/** RFC 5802 §4: the name of the hash is that of the mechanism, between `SCRAM-` and `-PLUS`. */
function hashOf({ name }: Mechanism): string {
  return name.replace(/^SCRAM-/, "").replace(/-PLUS$/, "");
}
