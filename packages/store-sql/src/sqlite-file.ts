/**
 * The file of a SQLite database: made before SQLite opens it, and watched while it is open.
 *
 * Nothing here opens a file that is there. A process that closes any descriptor of a file loses all its locks on it, also
 * those SQLite holds for another store (https://www.sqlite.org/howtocorrupt.html §2.2); the next program to leave the
 * database would then take itself for the last, and remove the log that is still written.
 *
 * @module
 */
import { type BigIntStats, closeSync, openSync, statSync } from "node:fs";
import { SqlStoreError } from "./errors.js";

/** What to do with the file before it is opened. */
export interface DatabaseFileOptions {
  /** Makes an empty one, for its owner alone, where there is none. */
  readonly create: boolean;
  /** Takes one that everybody may read. */
  readonly allowWorldReadable: boolean;
}

/** A file that can be opened, and a way to tell later that it still is the one that was. */
export class DatabaseFile {
  readonly #path: string;
  readonly #stats: BigIntStats;

  /**
   * @param path absolute.
   * @throws {SqlStoreError} when what is there is no file, or everybody may write it.
   * @throws what the system throws when the file cannot be looked at or made.
   */
  constructor(path: string, { create, allowWorldReadable }: DatabaseFileOptions) {
    this.#path = path;
    this.#stats = look(path) ?? made(path, create);
    if (!this.#stats.isFile()) throw new SqlStoreError("unsuitable", `${path} is no regular file`);
    if (process.platform === "win32") return; // where the bits mean nothing
    if ((this.#stats.mode & 0o002n) !== 0n)
      throw new SqlStoreError("refused", `everybody may write ${path}: chmod o-w`);
    if ((this.#stats.mode & 0o004n) !== 0n && !allowWorldReadable) {
      throw new SqlStoreError("refused", `everybody may read ${path}: chmod o-r, or set allowWorldReadable`);
    }
  }

  /**
   * Looks whether its path still leads to it: what is written to a file that has none goes with the process.
   *
   * @throws {SqlStoreError} `unreachable`
   */
  mustBeInPlace(): void {
    const { dev, ino } = this.#stats;
    const now = look(this.#path);
    if (now?.ino === ino && now.dev === dev) return;
    const what = now === undefined ? "was removed" : "was replaced";
    throw new SqlStoreError("unreachable", `${this.#path} ${what}: put it back, or open the accounts anew`);
  }
}

function look(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function made(path: string, create: boolean): BigIntStats {
  if (!create) throw new SqlStoreError("schema-older", `there is no ${path}: open once with migrate: true`);
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was faster
  }
  return statSync(path, { bigint: true }); // throws for a link that leads nowhere
}
