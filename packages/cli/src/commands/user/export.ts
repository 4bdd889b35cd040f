/**
 * `sasl user export`: an account as another program keeps it.
 *
 * @module
 */
import type { PropertyName } from "sasl-core";
import { secretProperties } from "sasl-core/plugin";
import { FormatError } from "sasl-formats";
import { CommandError, type ExitCode, exitCodes, usageError } from "../../errors.js";
import { type Io, printJson } from "../../output.js";
import { canonicalName, noSuchAccount, note, type UserOptions, withAccounts } from "./accounts.js";
import { type FormatOptions, formatNamed, formatSettings } from "./formats.js";

/** As the argument parser gives them. */
export interface ExportOptions extends UserOptions, FormatOptions {}

/** What formats write: secrets, and the fields of a passwd-file. */
const wanted: readonly PropertyName[] = [...secretProperties, "disabled", "uid", "gid", "gecos", "home", "shell"];

/** Prints the account. @throws {CommandError} `no-such-account`, `not-exportable` */
export function exportAccount(name: string, options: ExportOptions, io: Io): Promise<ExitCode> {
  const format = formatNamed(options.format);
  return withAccounts(options, io, async (accounts) => {
    const canonical = await canonicalName(name, accounts);
    const properties = await accounts.store.lookup(canonical, wanted);
    if (properties === undefined) throw noSuchAccount(canonical);
    let text: string;
    let fileName: string | undefined;
    try {
      text = format.format(canonical, properties, formatSettings(options));
      fileName = format.fileName?.(canonical);
    } catch (error) {
      if (error instanceof FormatError) throw new CommandError("not-exportable", error.message);
      throw error instanceof RangeError || error instanceof TypeError ? usageError(error.message) : error;
    }
    if (options.json)
      printJson(io, { ok: true, name: canonical, format: format.name, fileName: fileName ?? null, text });
    else io.stdout.write(text);
    if ((io.stdout as { isTTY?: boolean }).isTTY) {
      note(io, "export", "this is secret: whoever has it can guess the password at leisure, or pose as the server");
    }
    if (fileName !== undefined && !options.json) note(io, "export", `the file of this account is called ${fileName}`);
    return exitCodes.done;
  });
}
