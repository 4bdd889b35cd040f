/**
 * `sasl user export`: accounts as another program keeps them.
 *
 * @module
 */
import { once } from "node:events";
import type { AccountProperties, PropertyName } from "sasl-core";
import { secretProperties } from "sasl-core/plugin";
import { type AccountFormat, FormatError } from "sasl-formats";
import { totpProperty } from "sasl-xmpp/totp";
import { CommandError, type ExitCode, exitCodes, usageError } from "../../errors.js";
import { type Io, jsonLine } from "../../output.js";
import { CommandFailure } from "../facts.js";
import {
  type Accounts,
  canonicalName,
  noSuchAccount,
  note,
  notSupported,
  type UserOptions,
  withAccounts,
} from "./accounts.js";
import { type FormatOptions, formatNamed, formatSettings } from "./formats.js";

/** As the argument parser gives them. */
export interface ExportOptions extends UserOptions, FormatOptions {
  readonly all?: boolean;
}

/** What formats write: secrets, the fields of a passwd-file, and what it keeps in lines of its own. */
const wanted: readonly PropertyName[] = [
  ...secretProperties,
  "disabled",
  "uid",
  "gid",
  "gecos",
  "home",
  "shell",
  totpProperty,
];

/**
 * Prints one account, or with `--all` every one.
 *
 * @throws {CommandError} `no-such-account`, `not-exportable`
 */
export function exportAccounts(name: string | undefined, options: ExportOptions, io: Io): Promise<ExitCode> {
  const format = formatNamed(options.format);
  if ((name === undefined) !== (options.all === true)) throw usageError("export whom? Name an account, or give --all");
  if (options.all && format.fileName && !options.json) {
    throw usageError(`${format.name} has a file for each account: export them one by one, or give --json`);
  }
  if ((io.stdout as { isTTY?: boolean }).isTTY) {
    note(io, "export", "this is secret: whoever has it can guess the password at leisure, or pose as the server");
  }
  return withAccounts(options, io, (accounts) =>
    name === undefined ? exportAll(format, accounts, options, io) : exportOne(name, format, accounts, options, io),
  );
}

async function exportOne(
  name: string,
  format: AccountFormat,
  accounts: Accounts,
  options: ExportOptions,
  io: Io,
): Promise<ExitCode> {
  const canonical = await canonicalName(name, accounts);
  const properties = await accounts.store.lookup(canonical, wanted);
  if (properties === undefined) throw noSuchAccount(canonical);
  const { text, fileName } = formatted(canonical, properties, format, options);
  if (options.json) {
    io.stdout.write(`${jsonLine({ ok: true, name: canonical, format: format.name, fileName, text })}\n`);
  } else {
    io.stdout.write(text);
    if (fileName !== null) note(io, "export", `the file of this account is called ${fileName}`);
  }
  noteFactor(canonical, properties, format, io);
  return exitCodes.done;
}

async function exportAll(
  format: AccountFormat,
  { store }: Accounts,
  options: ExportOptions,
  io: Io,
): Promise<ExitCode> {
  if (store.list === undefined) throw notSupported("list");
  const skipped: { readonly name: string; readonly reason: string }[] = [];
  let count = 0;
  for await (const name of store.list()) {
    const properties = await store.lookup(name, wanted);
    if (properties === undefined) continue; // removed meanwhile
    try {
      const { text, fileName } = formatted(name, properties, format, options);
      const line = options.json ? `${jsonLine({ name, format: format.name, fileName, text })}\n` : text;
      if (!io.stdout.write(line)) await once(io.stdout, "drain");
      noteFactor(name, properties, format, io);
      count++;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      skipped.push({ name, reason: error.message });
      note(io, "export", `${name}: ${error.message}`);
    }
  }
  if (skipped.length > 0) {
    const text = `${count} exported, ${skipped.length} skipped; each skipped one is named above`;
    throw new CommandFailure(new CommandError("not-exportable", text), { count, skipped });
  }
  if (options.json) io.stdout.write(`${jsonLine({ ok: true, count })}\n`);
  return exitCodes.done;
}

/** A password alone lets in what was an account with a second factor. */
function noteFactor(name: string, properties: AccountProperties, format: AccountFormat, io: Io): void {
  if ((properties[totpProperty] ?? undefined) === undefined || format.name === "dovecot") return;
  note(io, "export", `${name}: the second factor stays behind, as ${format.name} has no place for it`);
}

function formatted(
  name: string,
  properties: AccountProperties,
  format: AccountFormat,
  options: ExportOptions,
): { readonly text: string; readonly fileName: string | null } {
  try {
    return {
      text: format.format(name, properties, formatSettings(options)),
      fileName: format.fileName?.(name) ?? null,
    };
  } catch (error) {
    throw error instanceof FormatError ? new CommandError("not-exportable", error.message) : error;
  }
}
