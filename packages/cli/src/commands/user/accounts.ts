/**
 * What the commands about accounts share: the store they work on, and the name they are about.
 *
 * @module
 */
import {
  type AccountProperties,
  type AccountStore,
  type Canonicalizer,
  isSASLError,
  type Mechanism,
  saslprepName,
} from "sasl-core";
import type { LoadedPlugins } from "sasl-core/node";
import { secretProperties } from "sasl-core/plugin";
import { CommandError, type ExitCode, oneLine, usageError } from "../../errors.js";
import type { Io } from "../../output.js";
import { loadNamed } from "../../plugins.js";
import { closing, guarded, openStore } from "../../stores.js";

/** As the argument parser gives them. */
export interface UserOptions {
  readonly store: string;
  readonly plugin: readonly string[];
  readonly prep: "saslprep" | "none";
  readonly json?: boolean;
}

/** A store at work. */
export interface Accounts {
  readonly store: AccountStore;
  readonly plugins: LoadedPlugins;
  /** The rules for names, in order. */
  readonly canonicalizers: readonly Canonicalizer[];
}

/** Opens the store, works on it, and closes it whatever happened. @throws {CommandError} */
export async function withAccounts(
  options: UserOptions & { readonly create?: boolean },
  io: Io,
  work: (accounts: Accounts) => Promise<ExitCode>,
): Promise<ExitCode> {
  const plugins = await loadNamed(options.plugin);
  try {
    const onMade = (path: string): void => void io.stderr.write(`${oneLine(`sasl user: made the file ${path}`)}\n`);
    const opened = await openStore(options.store, { plugins, onMade: options.create ? onMade : undefined });
    return await closing(opened, () => {
      const canonicalizers = [...(options.prep === "none" ? [] : [saslprepName]), ...plugins.canonicalizers];
      return work({ store: guarded(opened), plugins, canonicalizers });
    });
  } finally {
    await plugins.close();
  }
}

const MAX_NAME_OCTETS = 1024;

/**
 * A name as servers look it up.
 *
 * @throws {CommandError} `usage` for a name that cannot be one.
 */
export async function canonicalName(
  name: string,
  { canonicalizers }: Pick<Accounts, "canonicalizers">,
): Promise<string> {
  let current = checkedName(name);
  for (const { side, canonicalize } of canonicalizers) {
    if (side === "client") continue;
    try {
      const request = { role: "both", side: "server", mechanism: "", service: undefined, host: undefined } as const;
      current = checkedName(await canonicalize(current, request));
    } catch (error) {
      if (!isSASLError(error)) throw error;
      const advice = /SASLprep|Text (?:holds|mixes)/.test(error.message) ? "; --prep none takes names as they are" : "";
      throw usageError(`this name cannot be used: ${error.message}${advice}`);
    }
  }
  return current;
}

function checkedName(name: unknown): string {
  if (typeof name !== "string" || name === "") throw usageError("the name of an account is empty");
  if (/\0/.test(name) || !name.isWellFormed())
    throw usageError("the name of an account holds a NUL or half a character");
  if (Buffer.byteLength(name) > MAX_NAME_OCTETS) {
    throw usageError(`the name of an account is longer than ${MAX_NAME_OCTETS} octets`);
  }
  return name;
}

/**
 * Takes every secret away that is made of a password or was given for one, whichever mechanism's it is: none outlives the
 * password. Changes for `AccountStore.store`.
 */
export function withoutSecrets(mechanisms: readonly Mechanism[]): AccountProperties {
  const names = [...secretProperties, ...mechanisms.flatMap(({ ownSecrets = [] }) => ownSecrets)];
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** The error for a name nobody has. */
export function noSuchAccount(name: string): CommandError {
  return new CommandError("no-such-account", `there is no account ${JSON.stringify(name)}; sasl user list shows all`);
}

/** The error for a store that lacks a method. @param what it cannot do: `write`. */
export function notSupported(what: string): CommandError {
  return new CommandError("not-supported", `this store cannot ${what} accounts; do that where they are kept`);
}

/** Something that is no error, on a line of its own. */
export function note(io: Io, command: string, text: string): void {
  io.stderr.write(`${oneLine(`sasl user ${command}: ${text}`)}\n`);
}
