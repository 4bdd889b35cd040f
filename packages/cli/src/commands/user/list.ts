/**
 * `sasl user list`.
 *
 * @module
 */
import { once } from "node:events";
import { type ExitCode, exitCodes, oneLine } from "../../errors.js";
import { type Io, jsonLine } from "../../output.js";
import { notSupported, type UserOptions, withAccounts } from "./accounts.js";

/** Prints all names, one on each line, as the store gives them: none waits for the others. */
export function list(options: UserOptions, io: Io): Promise<ExitCode> {
  return withAccounts(options, io, async ({ store }) => {
    if (store.list === undefined) throw notSupported("list");
    let count = 0;
    for await (const name of store.list()) {
      count++;
      const line = options.json ? jsonLine({ name }) : oneLine(name);
      if (!io.stdout.write(`${line}\n`)) await once(io.stdout, "drain");
    }
    if (options.json) io.stdout.write(`${jsonLine({ ok: true, count })}\n`);
    return exitCodes.done;
  });
}
