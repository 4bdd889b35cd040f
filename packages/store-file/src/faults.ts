/**
 * What a file of accounts can fail with: always `temporary`, so that nobody becomes an unknown user by it (R-STO-04).
 */
import { SASLFailure } from "sasl-core";

const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["EISDIR", "it is a folder"],
  ["ENOTDIR", "a part of the path is no folder"],
  ["ENOSPC", "the disk is full"],
  ["EROFS", "the disk is read-only"],
]);

/**
 * The failure for something that went wrong with the file as a whole.
 *
 * @param why text, or what a call of the system threw.
 */
export function fileFault(what: "read" | "write", path: string, why: unknown): SASLFailure {
  const { code = "" } = (why ?? {}) as { readonly code?: string };
  const text = typeof why === "string" ? why : (reasons.get(code) ?? (code || "unknown error"));
  const message = `cannot ${what} ${path}: ${text}`;
  return new SASLFailure("temporary", message, { detail: message, ...(typeof why !== "string" && { cause: why }) });
}

/** The failure for one account whose lines cannot be read. */
export function recordFault(path: string, line: number, why: string): SASLFailure {
  return new SASLFailure("temporary", "an account is malformed", { detail: `${path}:${line}: ${why}` });
}
