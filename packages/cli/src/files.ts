/**
 * Files that are named on the command line.
 *
 * @module
 */
import { CommandError } from "./errors.js";

const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EACCES", "you may not read it"],
  ["EISDIR", "it is a folder"],
]);

/** Why a file cannot be read. @param error what a call of the system threw. */
export function unreadable(path: string, error: unknown): CommandError {
  const { code = "" } = error as NodeJS.ErrnoException;
  return new CommandError("unreadable-file", `cannot read ${path}: ${reasons.get(code) ?? (code || "unknown error")}`);
}
