/**
 * The `sasl user` command of this project, on one store.
 *
 * @module
 */
import type { Children, Finished } from "./children.js";
import { lastWords } from "./clients/verdict.js";

/** Accounts of one store, changed by the command as a person would. */
export class SaslUser {
  readonly store: string;
  readonly #children: Children;
  readonly #command: string;

  /**
   * @param command file of the `sasl` command
   * @param store URL of the store
   */
  constructor(children: Children, command: string, store: string) {
    this.#children = children;
    this.#command = command;
    this.store = store;
  }

  /** Make an account. @throws {Error} when the command fails. */
  async add(name: string, password: string, ...options: string[]): Promise<void> {
    await this.#must(["add", name, "--password-stdin", ...options], password);
  }

  /** Change a password. @throws {Error} when the command fails. */
  async passwd(name: string, password: string, ...options: string[]): Promise<void> {
    await this.#must(["passwd", name, "--password-stdin", ...options], password);
  }

  /** @returns the account in a format of another program. @throws {Error} when the command fails. */
  async export(name: string, format: string, ...options: string[]): Promise<string> {
    return (await this.#must(["export", name, "--format", format, ...options])).stdout;
  }

  /** @returns all accounts in a format of another program. @throws {Error} when the command fails. */
  async exportAll(format: string, ...options: string[]): Promise<string> {
    return (await this.#must(["export", "--all", "--format", format, ...options])).stdout;
  }

  /** Take accounts of another program. @param text given on standard input. @throws {Error} when the command fails. */
  async import(format: string, text: string, ...options: string[]): Promise<void> {
    await this.#must(["import", "-", "--format", format, ...options], text);
  }

  /** Take accounts of files of another program. @throws {Error} when the command fails. */
  async importFiles(format: string, files: readonly string[], ...options: string[]): Promise<void> {
    await this.#must(["import", ...files, "--format", format, ...options]);
  }

  async #must(args: readonly string[], input = ""): Promise<Finished> {
    const command = [this.#command, "user", ...args, "--store", this.store];
    const finished = await this.#children.run(process.execPath, command, { input });
    if (finished.exit !== 0) throw new Error(`sasl user ${args.slice(0, 2).join(" ")}: ${lastWords(finished)}`);
    return finished;
  }
}
