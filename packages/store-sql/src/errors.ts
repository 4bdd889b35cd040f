/**
 * What went wrong with a database, in words an operator can act on and that hold nothing of any account.
 *
 * @module
 */

/** Who has to act, when a store cannot be opened. */
export type SqlStoreErrorCode =
  | "unreachable" //  nobody answers, or the file is not there: may pass by itself
  | "refused" //      it answers and says no: the login, the database's name, its rights, TLS
  | "unsuitable" //   what is there cannot hold accounts
  | "schema-older" // its tables have to be brought up to date first
  | "schema-newer"; // its tables were made by a later version of this package

/** A database that cannot be used. The message names it without user name and password. */
export class SqlStoreError extends Error {
  override readonly name = "SqlStoreError";
  readonly code: SqlStoreErrorCode;

  constructor(code: SqlStoreErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A record no store of ours has written. */
export class MalformedRecord extends Error {
  override readonly name = "MalformedRecord";
}

/**
 * A fault in one line, for the log. Nothing of a driver's error but its code and, where that cannot quote a row, its
 * message: PostgreSQL's `detail` shows the values of rows, and the errors of classes 22 and 23 quote them.
 */
export function describeFault(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "an error that is none";
  const { code } = thrown as { code?: unknown };
  const known = typeof code === "string" && /^[A-Z0-9_]{2,40}$/.test(code) ? code : undefined;
  if (sqlState(thrown) !== undefined && !/^(?:08|25|28|3D|40|42|53|54|55|57|58)/.test(known ?? "")) {
    return `error ${known}`;
  }
  if (known === undefined) return firstLine(thrown.message);
  return thrown.message === "" || thrown.message.includes(known)
    ? firstLine(thrown.message || known)
    : `${firstLine(thrown.message)} (${known})`;
}

/** Whether the fault is one that passes by itself, or an answer that will be the same next time. */
export function isUnreachable(thrown: unknown): boolean {
  const state = sqlState(thrown);
  if (state !== undefined) return /^(?:08|53|57)/.test(state);
  const { code, syscall, message } = thrown as { code?: unknown; syscall?: unknown; message?: unknown };
  if (typeof syscall === "string" || thrown instanceof AggregateError) return true;
  if (typeof code === "string") return code === "SQLITE_BUSY" || code === "ECONNRESET";
  return typeof message === "string" && /time(?:d )?out|terminated/i.test(message);
}

/** The five characters of an error PostgreSQL sent; nothing for errors that arose on this side. */
export function sqlState(thrown: unknown): string | undefined {
  const { code, severity } = (thrown ?? {}) as { code?: unknown; severity?: unknown };
  return typeof severity === "string" && typeof code === "string" ? code : undefined;
}

function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").slice(0, 200);
}
