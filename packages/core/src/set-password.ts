/**
 * New passwords: what an account has to keep so that its mechanisms work, in one atomic step.
 *
 * @module
 */
import { randomBytes } from "#runtime";
import {
  type AccountProperties,
  type AccountStore,
  type HashingScheme,
  hashedTokensProperty,
  secretProperties,
} from "./accounts.js";
import { SASLFailure } from "./errors.js";
import type { Prepare } from "./internal/context.js";
import type { Mechanism, PasswordContext } from "./mechanism.js";
import { usualIterations } from "./scram-habits.js";
import { compareStrength } from "./strength.js";
import { saslprep } from "./text/saslprep.js";

/** Options of {@link passwordChange} and {@link setPassword}. */
export interface PasswordOptions {
  /**
   * Canonical name of the account, for mechanisms that make what they store from name and password: without it they make
   * nothing. {@link setPassword} knows it.
   */
  readonly name?: string | undefined;
  /** The mechanisms that should work with the password. */
  readonly mechanisms: readonly Mechanism[];
  /** Makes the one-way hash for PLAIN and LOGIN where nothing else is kept that they can use. Default: none is made. */
  readonly scheme?: HashingScheme | undefined;
  /** Iterations of new SCRAM verifiers, at least 4096 (RFC 7677 §4). Default 10000. */
  readonly iterations?: number | undefined;
  /** Store the password itself, for mechanisms that need it (CRAM-MD5): whoever reads the store can use it. Default false. */
  readonly plaintext?: boolean | undefined;
  /** As the server's `prepare`. Default `saslprep`. */
  readonly prepare?: Prepare | undefined;
  /** Random octets instead of the runtime's, for tests. */
  readonly random?: ((count: number) => Uint8Array) | undefined;
}

/** What a new password comes to. */
export interface PasswordChange {
  /** For `AccountStore.store`: new secrets, and `undefined` for each that must not outlive the old password, tokens too. */
  readonly changes: AccountProperties;
  /** Names of the given mechanisms that will not work for the account: what they need was not allowed to be stored. */
  readonly unserved: readonly string[];
}

/**
 * The secrets for a new password; nothing is written.
 *
 * @param password `undefined` takes the password away: nobody can log in with one.
 * @throws {SASLFailure} `malformed-message` for a password that preparation refuses, is empty or holds a NUL.
 * @throws {RangeError} for fewer than 4096 iterations.
 */
export async function passwordChange(password: string | undefined, options: PasswordOptions): Promise<PasswordChange> {
  const mechanisms = [...options.mechanisms].sort(compareStrength);
  const own = mechanisms.flatMap((each) => each.ownSecrets ?? []);
  const secrets = [...secretProperties, hashedTokensProperty, ...own];
  const none: AccountProperties = Object.fromEntries(secrets.map((name) => [name, undefined]));
  const ctx = contextFor(options);
  if (password === undefined) return { changes: none, unserved: namesLacking(mechanisms, none) };
  const prepared = await preparedPassword(password, options.prepare);
  const changes = await contributions(prepared, mechanisms, none, ctx);
  return { changes, unserved: namesLacking(mechanisms, changes) };
}

function namesLacking(mechanisms: readonly Mechanism[], properties: AccountProperties): readonly string[] {
  return mechanisms.filter((each) => each.available?.(properties, false) === false).map((each) => each.name);
}

/**
 * Changes an account's password, all of its secrets in one step, and makes the account where there is none.
 *
 * @param name canonical.
 * @param expected see `AccountStore.store`; `null` for an account that must be new.
 * @returns what was written, or `undefined` when the account was not as expected.
 * @throws {SASLFailure} `mechanism-unsupported` when the store cannot write; `no-credentials` when none of the mechanisms
 *   would work; and as {@link passwordChange}.
 */
export async function setPassword(
  accounts: AccountStore,
  name: string,
  password: string | undefined,
  options: PasswordOptions,
  expected?: AccountProperties | null,
): Promise<PasswordChange | undefined> {
  if (accounts.store === undefined) throw new SASLFailure("mechanism-unsupported", "this account store cannot write");
  const change = await passwordChange(password, { ...options, name });
  const served = options.mechanisms.some((each) => each.setPassword && !change.unserved.includes(each.name));
  if (password !== undefined && !served) {
    throw new SASLFailure("no-credentials", "none of the mechanisms can work with what may be stored");
  }
  return (await accounts.store(name, change.changes, expected)) ? change : undefined;
}

/** A password as it is stored. */
export async function preparedPassword(password: string, prepare: Prepare = "saslprep"): Promise<string> {
  const prepared =
    prepare === "none"
      ? password
      : await (prepare === "saslprep" ? saslprep(password, "stored") : prepare(password, "stored", "password"));
  if (prepared === "") throw new SASLFailure("malformed-message", "the password is empty");
  if (prepared.includes("\0")) throw new SASLFailure("malformed-message", "the password holds a NUL");
  return prepared;
}

function contextFor(options: PasswordOptions): PasswordContext {
  const { name, plaintext = false, iterations = usualIterations, scheme, random = randomBytes } = options;
  if (!Number.isInteger(iterations) || iterations < 4096) throw new RangeError("iterations must be at least 4096");
  return { name, plaintext, iterations, random, hashPassword: (password) => scheme?.hash(password) };
}

/**
 * What mechanisms add to an account, one after the other, each seeing what the ones before it added.
 *
 * @param password prepared.
 * @returns `stored` with the additions; lists are added to.
 */
async function contributions(
  password: string,
  mechanisms: readonly Mechanism[],
  stored: AccountProperties,
  ctx: PasswordContext,
): Promise<AccountProperties> {
  let all = stored;
  for (const each of mechanisms) {
    const added = await each.setPassword?.(ctx, password, all);
    if (added) all = merged(all, added);
  }
  return all;
}

function merged(stored: AccountProperties, added: AccountProperties): AccountProperties {
  const result: Record<string, unknown> = { ...stored };
  for (const [name, value] of Object.entries(added)) {
    const before = result[name];
    result[name] = Array.isArray(value) && Array.isArray(before) ? [...before, ...value] : value;
  }
  return result;
}

/**
 * What an account lacks for some mechanisms, made from a password that was just verified.
 *
 * @param password as it came from the peer.
 * @param stored every secret the account has.
 * @returns changes with what they expect, for `AccountStore.store`; nothing when nothing is missing.
 */
export async function missingSecrets(
  password: string,
  stored: AccountProperties,
  options: PasswordOptions,
): Promise<{ changes: AccountProperties; expected: AccountProperties } | undefined> {
  const lacking = options.mechanisms.filter((each) => each.available?.(stored, false) === false);
  if (lacking.length === 0) return undefined;
  const prepared = await preparedPassword(password, options.prepare);
  const all = await contributions(prepared, [...lacking].sort(compareStrength), stored, contextFor(options));
  const names = Object.keys(all).filter((name) => all[name] !== stored[name]);
  if (names.length === 0) return undefined;
  // Whatever a change of the password changes must be as it was when the password was looked at.
  const watched = [...new Set([...secretProperties, ...names])];
  return { changes: pick(all, names), expected: pick(stored, watched) };
}

function pick(properties: AccountProperties, names: readonly string[]): AccountProperties {
  return Object.fromEntries(names.map((name) => [name, properties[name]]));
}
