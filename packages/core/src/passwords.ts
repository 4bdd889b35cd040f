/**
 * Secrets of accounts at the server: passwords checked and verifiers found, at the same cost whether the account exists.
 *
 * @module
 */
import type { Account, ScramVerifier } from "./accounts.js";
import type { MechanismContext } from "./mechanism.js";
import { scramHashNamed } from "./mechanisms/scram/hashes.js";
import { keysFromPassword, verifierFromKeys } from "./mechanisms/scram/keys.js";
import type { Digest } from "./runtime/contract.js";
import type { ScramHabits } from "./scram-habits.js";

/**
 * Whether a password is the account's: compared with a stored one, or derived and compared with a verifier.
 *
 * @param password as it came from the peer; prepared here as configured.
 */
export async function passwordMatches(
  ctx: MechanismContext,
  habits: ScramHabits,
  account: Account,
  password: string,
): Promise<boolean> {
  const given = ctx.bytes(await ctx.prepare(password, "query"));
  if (given.length === 0) return false; // RFC 4616 §2
  const { userPassword, authPassword } = account.properties;
  const stored = authPassword?.find((each) => scramHashNamed(each.hash));
  if (stored) habits.learn(stored);
  const derived = await matchesVerifier(ctx, habits, account.name, stored, given);
  if (userPassword === undefined) return derived && stored !== undefined;
  return ctx.equal(given, ctx.bytes(await ctx.prepare(userPassword, "stored")));
}

/** Derives once wherever accounts here have verifiers, so that those without one take as long (R-SCRAM-25). */
async function matchesVerifier(
  ctx: MechanismContext,
  habits: ScramHabits,
  name: string,
  stored: ScramVerifier | undefined,
  password: Uint8Array,
): Promise<boolean> {
  const digest = scramHashNamed(stored?.hash ?? habits.usualHash ?? "")?.digest;
  if (digest === undefined) return false;
  const { salt, iterations } = stored ?? (await habits.invent(digest, name));
  const keys = await keysFromPassword(ctx, digest, password, salt, iterations);
  return ctx.equal(await ctx.hash(digest, keys.clientKey), stored?.storedKey ?? keys.serverKey);
}

/**
 * The account's verifier for a hash; made from its password where there is one; otherwise one that no proof satisfies,
 * with the salt and count the name would have (R-SCRAM-25).
 */
export async function verifierFor(
  ctx: MechanismContext,
  habits: ScramHabits,
  account: Account,
  digest: Digest,
): Promise<ScramVerifier> {
  const { userPassword, authPassword } = account.properties;
  const stored = authPassword?.find((each) => each.hash === digest.name);
  if (stored !== undefined) {
    habits.learn(stored);
    return stored;
  }
  const { salt, iterations } = await habits.invent(digest, account.name);
  if (userPassword !== undefined) habits.derives = true;
  if (!habits.derives) {
    return {
      hash: digest.name,
      salt,
      iterations,
      storedKey: ctx.random(digest.size),
      serverKey: ctx.random(digest.size),
    };
  }
  const password = userPassword === undefined ? ctx.random(16) : ctx.bytes(await ctx.prepare(userPassword, "stored"));
  return verifierFromKeys(ctx, digest, await keysFromPassword(ctx, digest, password, salt, iterations));
}
