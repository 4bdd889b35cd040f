/**
 * What each format of accounts can do, and what all of them share.
 *
 * @module
 */
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { FormatError } from "./parts.js";
import type { SqlDialect } from "./sql-text.js";

/** Settings of one import or export. Each format takes what concerns it and leaves the rest. */
export interface AccountFormatOptions {
  /** Prosody: name of the file, `alice.dat`, with or without folders before it. The user's name is nowhere else. */
  readonly fileName?: string | undefined;
  /** ejabberd: the virtual host. Import: its accounts alone. Export: written into `server_host` when given. */
  readonly host?: string | undefined;
  /** LDIF, export: the entry the accounts are below, `ou=people,dc=example,dc=org`. None when left out. */
  readonly base?: string | undefined;
  /**
   * Export. Prosody: which hash its `password_hash` says, `SHA-1` or `SHA-256`; needed for accounts that have both. ejabberd:
   * which hash its `auth_scram_hash` says, `SHA-1`, `SHA-256` or `SHA-512`, for tables without the column `type`, as those of
   * ejabberd before 25; left out, a row for each hash is written, with its type.
   */
  readonly hash?: string | undefined;
  /**
   * ejabberd: how SQL quotes text, `standard` for PostgreSQL and SQLite or `mysql`, where a backslash escapes. Needed where there
   * is a backslash: in an export, and in an import that does not say it itself, as do `pg_dump`, `mysqldump`, `sqlite3 .dump`
   * and `ejabberdctl export2sql`, which is `mysql` unless its server is set up for SQLite.
   */
  readonly dialect?: SqlDialect | undefined;
}

/** One account read, or why a line could not be read. */
export type ParsedAccount =
  | {
      /** Line of the text it begins at, counted from 1. */
      readonly line: number;
      /** Untrusted: 1 to 1024 octets without a NUL, not yet canonical. */
      readonly name: string;
      readonly properties: AccountProperties;
      readonly fault?: undefined;
    }
  | { readonly line: number /** Holds nothing of the line itself. */; readonly fault: string };

/** A way to write down accounts. */
export interface AccountFormat {
  /** One word: `postgresql`. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /**
   * Reads a whole text. Lines that cannot be read come as faults and the rest is read all the same.
   *
   * @throws {FormatError} when no part of the text can be made out.
   */
  parse(text: string, options?: AccountFormatOptions): Iterable<ParsedAccount>;
  /**
   * One account as text with a line end, ready to be put behind others (Prosody: the content of the user's file).
   * Verifiers and hashes are written where the format holds them; the password itself only for accounts that have nothing
   * else. Properties that are no credentials stay behind.
   *
   * @throws {FormatError} for a name or an account the format cannot hold, with what to do about it.
   */
  format(name: string, properties: AccountProperties, options?: AccountFormatOptions): string;
  /** Where each account is a file of its own: its name. @throws {FormatError} */
  fileName?(name: string): string;
}

/** What a format that has SCRAM verifiers and clear passwords writes. */
export type Credential =
  | { readonly verifiers: readonly [ScramVerifier, ...ScramVerifier[]] }
  | { readonly password: string };

/**
 * Chooses what to write of an account: the verifiers of the hashes the format has, or the password where there are none.
 *
 * @param program for the message.
 * @param hashes the hashes it has, `SHA-256`.
 * @throws {FormatError} when the account has neither.
 */
export function credentialOf(properties: AccountProperties, program: string, hashes: readonly string[]): Credential {
  const { authPassword = [], userPassword } = properties;
  const [first, ...others] = authPassword.filter(({ hash }) => hashes.includes(hash));
  if (first !== undefined) return { verifiers: [first, ...others] };
  if (userPassword !== undefined && userPassword !== "" && authPassword.length === 0) return { password: userPassword };
  throw new FormatError(
    `${program} needs a verifier of SCRAM-${hashes.join(" or SCRAM-")}: set the password again for it`,
  );
}

/** Refuses accounts that may not log in where the format cannot say so. @throws {FormatError} */
export function checkEnabled(properties: AccountProperties, program: string): void {
  if (properties.disabled)
    throw new FormatError(`${program} cannot hold a disabled account: leave it out or enable it`);
}

/** Whatever the reader of one line returns; a {@link FormatError} becomes its fault. */
export function orFault(line: number, read: () => ParsedAccount): ParsedAccount {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { line, fault: error.message };
  }
}
