/**
 * Secrets of accounts at the server: passwords checked and verifiers found, at the same cost whether the account exists.
 *
 * @module
 */
import type { Account, AccountStore, PasswordScheme, ScramVerifier } from "./accounts.js";
import { SASLFailure } from "./errors.js";
import { isBytes, wipe } from "./internal/bytes.js";
import { type MechanismContext, noProperties } from "./mechanism.js";
import { scramHashNamed } from "./mechanisms/scram/hashes.js";
import { keysFromPassword, verifierFromKeys } from "./mechanisms/scram/keys.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";
import type { ScramHabits } from "./scram-habits.js";

/** What a password can be judged with, besides the account itself. */
export interface PasswordJudges {
  readonly habits: ScramHabits;
  readonly schemes: readonly PasswordScheme[];
  readonly accounts: Pick<AccountStore, "checkPassword">;
  /** Asks a store or a scheme, which may throw, or never answer. */
  readonly ask: <T>(question: () => MaybePromise<T>) => MaybePromise<T>;
}

/**
 * Whether a password is the account's. Accounts without secrets, and names nobody has, cost what others cost here
 * (R-SCRAM-25, R-GEN-31).
 *
 * @param password as it came from the peer; prepared here as configured.
 */
export async function passwordMatches(
  ctx: MechanismContext,
  judges: PasswordJudges,
  account: Account,
  password: string,
): Promise<boolean> {
  const prepared = await ctx.prepare(password, "query");
  if (prepared === "") return false; // RFC 4616 §2
  const { userPassword, passwordHash = [], authPassword } = account.properties;
  const { habits, accounts, ask } = judges;
  const verifier = authPassword && sound(authPassword.find((each) => scramHashNamed(each.hash)));
  if (userPassword === undefined && passwordHash.length > 0) {
    const fits = await fitsOne(judges, passwordHash, prepared);
    habits.learnHash(passwordHash[0] as string); // one that could be read
    return fits;
  }
  if (userPassword === undefined && verifier === undefined && accounts.checkPassword) {
    const yes = await ask(() => accounts.checkPassword?.(account.name, prepared));
    return yes === true && account.properties !== noProperties; // who has no account is not let in by a judge
  }
  // Who has a verifier pays for it. The others pay for what accounts here have, a hash or a verifier (R-SCRAM-25).
  const made = verifier ? undefined : habits.decoyHash(judges.schemes, account.name);
  const decoy = made instanceof Promise ? await ask(() => made) : made;
  if (decoy !== undefined) await fitsOne(judges, [decoy], prepared);
  if (verifier) habits.learn(verifier);
  const hash = decoy === undefined && scramHashNamed(verifier?.hash ?? habits.usualHash ?? "");
  const given = ctx.bytes(prepared);
  const derived = hash && (await matchesVerifier(ctx, habits, account.name, hash.digest, verifier, given));
  const same = userPassword !== undefined && ctx.equal(given, ctx.bytes(await ctx.prepare(userPassword, "stored")));
  wipe(given);
  return userPassword === undefined ? derived === true && verifier !== undefined : same;
}

/** Whether a password fits one of these hashes; all are tried, so that it does not show which. */
async function fitsOne(
  { schemes, ask }: PasswordJudges,
  hashes: readonly string[],
  password: string,
): Promise<boolean> {
  let fits = false;
  for (const stored of hashes) {
    const scheme = schemes.find((each) => each.recognizes(stored));
    if (scheme === undefined) throw unusable("the account has a password hash that no scheme here reads");
    if ((await ask(() => scheme.verify(password, stored))) === true) fits = true;
  }
  return fits;
}

function unusable(detail: string): SASLFailure {
  return new SASLFailure("temporary", "accounts cannot be looked up at present", { detail });
}
/** The highest count a record may ask a server to spend on one derivation (R-STO-08). */
const maxStoredIterations = 10_000_000;

/** A verifier whose parts can be what they have to be; another one is a fault of the store (R-STO-04). */
function sound(verifier: ScramVerifier | undefined): ScramVerifier | undefined {
  if (verifier === undefined) return undefined;
  const { hash, salt, iterations, storedKey, serverKey } = verifier;
  const size = scramHashNamed(hash)?.digest.size;
  const keys = [storedKey, serverKey].every((key) => isBytes(key) && key.length === size);
  const count = Number.isInteger(iterations) && iterations > 0 && iterations <= maxStoredIterations;
  if (!keys || !count || !isBytes(salt) || salt.length === 0) {
    throw unusable("the account has a malformed SCRAM verifier");
  }
  return verifier;
}

async function matchesVerifier(
  ctx: MechanismContext,
  habits: ScramHabits,
  name: string,
  digest: Digest,
  stored: ScramVerifier | undefined,
  password: Uint8Array,
): Promise<boolean> {
  const { salt, iterations } = stored ?? (await habits.invent(digest, name));
  const keys = await keysFromPassword(ctx, digest, password, salt, iterations);
  return ctx.equal(await ctx.hash(digest, keys.clientKey), stored?.storedKey ?? keys.serverKey);
}

/**
 * The account's verifier for a hash; made from its password where there is one; otherwise one that no proof satisfies,
 * with the salt and count the name would have (R-SCRAM-25).
 */
export function verifierFor(
  ctx: MechanismContext,
  habits: ScramHabits,
  account: Account,
  digest: Digest,
): MaybePromise<ScramVerifier> {
  const stored = sound(account.properties.authPassword?.find((each) => each.hash === digest.name));
  if (stored === undefined) return inventedVerifier(ctx, habits, account, digest);
  habits.learn(stored);
  // Where some accounts make it from their password at each login, all take as long.
  if (!habits.derives) return stored;
  return keysFromPassword(ctx, digest, stored.storedKey, stored.salt, stored.iterations).then(() => stored);
}

async function inventedVerifier(
  ctx: MechanismContext,
  habits: ScramHabits,
  account: Account,
  digest: Digest,
): Promise<ScramVerifier> {
  const { userPassword } = account.properties;
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
