/**
 * `sasl user add` and `sasl user passwd`: an account with a new password, all of its secrets in one step.
 *
 * @module
 */
import { isSASLError, type Mechanism, type PasswordChange, type PasswordOptions, passwordChange } from "sasl-core";
import { cramMd5, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import { argon2id } from "sasl-passwords";
import { CommandError, type ExitCode, exitCodes, oneLine, usageError } from "../../errors.js";
import { withPlugins } from "../../known-mechanisms.js";
import { type Io, printJson } from "../../output.js";
import { newPassword, type SecretOptions } from "../../secrets.js";
import { canBeServed } from "../../server/offered.js";
import { chooseServed } from "../served-mechanisms.js";
import {
  type Accounts,
  canonicalName,
  noSuchAccount,
  note,
  notSupported,
  type UserOptions,
  withAccounts,
  withoutSecrets,
} from "./accounts.js";

/** As the argument parser gives them. */
export interface SetPasswordOptions extends UserOptions, SecretOptions {
  readonly mechanisms?: readonly string[];
  readonly plaintext?: boolean;
  readonly iterations?: number;
}

/** Makes an account. @throws {CommandError} `account-exists` */
export function add(name: string, options: SetPasswordOptions, io: Io): Promise<ExitCode> {
  return withAccounts({ ...options, create: true }, io, async (accounts) => {
    const canonical = await canonicalName(name, accounts);
    const exists = new CommandError(
      "account-exists",
      `there is an account ${JSON.stringify(canonical)} already; sasl user passwd changes its password`,
    );
    // Before somebody types a password in vain; what counts is the look that is one step with the write.
    if ((await accounts.store.lookup(canonical, [])) !== undefined) throw exists;
    const change = await write(canonical, options, io, accounts, null);
    if (change === undefined) throw exists;
    return report("add", canonical, change, options, io);
  });
}

/** Changes the password of an account. @throws {CommandError} `no-such-account` */
export function passwd(name: string, options: SetPasswordOptions, io: Io): Promise<ExitCode> {
  return withAccounts(options, io, async (accounts) => {
    const canonical = await canonicalName(name, accounts);
    if ((await accounts.store.lookup(canonical, [])) === undefined) throw noSuchAccount(canonical);
    const change = await write(canonical, options, io, accounts, {});
    if (change === undefined) throw noSuchAccount(canonical);
    return report("passwd", canonical, change, options, io);
  });
}

/** @param expected as for `AccountStore.store`. @returns `undefined` when the account was not as expected. */
async function write(
  name: string,
  options: SetPasswordOptions,
  io: Io,
  { store, plugins }: Accounts,
  expected: null | Record<string, never>,
): Promise<PasswordChange | undefined> {
  if (store.store === undefined) throw notSupported("write");
  const { plaintext = false, iterations, prep } = options;
  const known = withPlugins(plugins.mechanisms);
  const mechanisms = chosen(options, known);
  const password = await newPassword(options, `New password of ${oneLine(name)}:`, io);
  const change = await changeFor(password, {
    name,
    mechanisms,
    scheme: argon2id,
    iterations,
    plaintext,
    prepare: prep,
  });
  if (change.unserved.length > 0) {
    const names = change.unserved.join(", ");
    throw usageError(`${names}: needs the password itself, which --plaintext stores; nothing was written`);
  }
  const changes = { ...withoutSecrets(known), ...change.changes };
  return (await store.store(name, changes, expected)) ? change : undefined;
}

function chosen({ mechanisms, plaintext }: SetPasswordOptions, known: readonly Mechanism[]): readonly Mechanism[] {
  const named = mechanisms === undefined ? [scramSha256, scramSha512] : chooseServed(mechanisms, known);
  const idle = named.find((each) => each.setPassword === undefined);
  if (idle && !canBeServed(idle) && idle.needs === "password") {
    throw usageError(`${idle.name}: what an account needs is made with a key of the server's, which no option gives`);
  }
  if (idle) throw usageError(`${idle.name} uses no password; sasl mechanisms shows which ones there are`);
  return plaintext && !named.includes(cramMd5) ? [...named, cramMd5] : named; // CRAM-MD5 needs the password as it is
}

async function changeFor(password: string, options: PasswordOptions): Promise<PasswordChange> {
  try {
    return await passwordChange(password, options);
  } catch (error) {
    if (!isSASLError(error)) throw error;
    throw usageError(`this password cannot be used: ${error.message}; --prep none takes it as it is`);
  }
}

/** What has words of its own in the report; mechanisms may have properties that they alone know. */
const named: readonly string[] = ["userPassword", "passwordHash", "authPassword"];

function report(
  command: "add" | "passwd",
  name: string,
  { changes }: PasswordChange,
  options: SetPasswordOptions,
  io: Io,
): ExitCode {
  const { userPassword, passwordHash = [] } = changes;
  const verifiers = changes.authPassword ?? [];
  const stored = [
    ...verifiers.map(({ hash, iterations }) => `a verifier for SCRAM-${hash} (${iterations} iterations)`),
    ...passwordHash.map(() => "an argon2id hash"),
    ...(userPassword === undefined ? [] : ["the password itself"]),
    ...Object.keys(changes).filter((property) => changes[property] !== undefined && !named.includes(property)),
  ];
  if (userPassword !== undefined) {
    note(io, command, "the password itself is stored: whoever reads the store, or a copy of it, can log in with it");
  }
  if (options.json) {
    const properties = Object.keys(changes).filter((property) => changes[property] !== undefined);
    printJson(io, { ok: true, name, properties, scramHashes: verifiers.map(({ hash }) => hash) });
  } else {
    io.stdout.write(`${oneLine(`${command === "add" ? "added" : "changed"} ${name}: ${stored.join(", ")}`)}\n`);
  }
  return exitCodes.done;
}
