/**
 * `sasl user remove`.
 *
 * @module
 */
import { type ExitCode, exitCodes, oneLine } from "../../errors.js";
import { type Io, printJson } from "../../output.js";
import { canonicalName, noSuchAccount, notSupported, type UserOptions, withAccounts } from "./accounts.js";

/** Removes an account with all it has. @throws {CommandError} `no-such-account` */
export function remove(name: string, options: UserOptions, io: Io): Promise<ExitCode> {
  return withAccounts(options, io, async (accounts) => {
    if (accounts.store.remove === undefined) throw notSupported("remove");
    const canonical = await canonicalName(name, accounts);
    if (!(await accounts.store.remove(canonical))) throw noSuchAccount(canonical);
    if (options.json) printJson(io, { ok: true, name: canonical });
    else io.stdout.write(`${oneLine(`removed ${canonical}`)}\n`);
    return exitCodes.done;
  });
}
