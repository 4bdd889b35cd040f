/**
 * `sasl user import`: accounts of another program, each of them whole or not at all.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { AccountProperties, AccountStore } from "sasl-core";
import { type AccountFormat, FormatError, type ParsedAccount } from "sasl-formats";
import { passwordSchemes } from "sasl-passwords";
import { CommandError, type ExitCode, exitCodes } from "../../errors.js";
import { unreadable } from "../../files.js";
import { withPlugins } from "../../known-mechanisms.js";
import { type Io, printJson } from "../../output.js";
import { CommandFailure } from "../facts.js";
import {
  type Accounts,
  canonicalName,
  note,
  notSupported,
  type UserOptions,
  withAccounts,
  withoutSecrets,
} from "./accounts.js";
import { type FormatOptions, formatNamed, formatSettings } from "./formats.js";
import { Progress } from "./progress.js";

/** As the argument parser gives them. */
export interface ImportOptions extends UserOptions, FormatOptions {
  readonly replace?: boolean;
}

/** An account that was not imported. */
interface Skipped {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Left out where the line could not be read. */
  readonly name?: string;
  readonly reason: string;
}

/** What came of one account. */
type Outcome = "added" | "replaced" | { readonly skipped: Skipped };

/**
 * Imports the accounts of files.
 *
 * @param files paths; `-` is standard input.
 * @throws {CommandFailure} `import-incomplete` when some were skipped; the others are in the store.
 */
export function importAccounts(files: readonly string[], options: ImportOptions, io: Io): Promise<ExitCode> {
  const format = formatNamed(options.format);
  return withAccounts({ ...options, create: true }, io, async (accounts) => {
    const { store } = accounts.store;
    if (store === undefined) throw notSupported("write");
    const progress = new Progress(io, "sasl user import");
    const counts = { added: 0, replaced: 0 };
    const skipped: Skipped[] = [];
    const importer = new Importer(store, accounts, options.replace === true);
    try {
      for (const file of files) {
        const settings = formatSettings(options, basename(file));
        const parsed = parse(format, await textOf(file, io), settings, file);
        for await (const outcome of importer.import(parsed, file)) {
          if (typeof outcome === "object") skipped.push(outcome.skipped);
          else counts[outcome]++;
          progress.show(counts.added + counts.replaced + skipped.length);
        }
      }
    } catch (error) {
      const idle = counts.added + counts.replaced + skipped.length === 0;
      const reported = idle ? error : withCounts(error, summaryOf(counts, skipped));
      throw new CommandFailure(reported, { ...counts, skipped });
    } finally {
      progress.end();
      for (const { file, line, name, reason } of skipped) {
        note(io, "import", `${file}:${line}: ${name === undefined ? "" : `${name}: `}${reason}`);
      }
    }
    const summary = summaryOf(counts, skipped);
    if (skipped.length > 0) {
      const failure = new CommandError("import-incomplete", `${summary}; each skipped one is named above`);
      throw new CommandFailure(failure, { ...counts, skipped });
    }
    if (options.json) printJson(io, { ok: true, ...counts, skipped });
    else io.stdout.write(`${summary}\n`);
    return exitCodes.done;
  });
}

function summaryOf(counts: { added: number; replaced: number }, skipped: readonly Skipped[]): string {
  return `${counts.added} added, ${counts.replaced} replaced, ${skipped.length} skipped`;
}

/** Of an error of ours, how far the import had got. */
function withCounts(error: unknown, summary: string): unknown {
  if (!(error instanceof CommandError)) return error;
  return new CommandError(error.code, `${error.message}; until then ${summary}`, { cause: error });
}

const MAX_FILE_BYTES = 268_435_456;

async function textOf(file: string, { stdin }: Io): Promise<string> {
  if (file !== "-") {
    try {
      return checkedText(await readFile(file), file);
    } catch (error) {
      throw error instanceof CommandError ? error : unreadable(file, error);
    }
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    size += chunk.length;
    if (size > MAX_FILE_BYTES) break;
  }
  return checkedText(Buffer.concat(chunks), "standard input");
}

/** Octets that are not UTF-8 become U+FFFD; accounts with them are skipped. */
function checkedText(octets: Buffer, where: string): string {
  if (octets.length > MAX_FILE_BYTES) {
    throw new CommandError("malformed-file", `${where}: more than ${MAX_FILE_BYTES} octets; split it`);
  }
  return octets.toString("utf8").replace(/^\ufeff/, "");
}

function* parse(
  format: AccountFormat,
  text: string,
  settings: ReturnType<typeof formatSettings>,
  file: string,
): Generator<ParsedAccount> {
  let found = false;
  try {
    for (const each of format.parse(text, settings)) {
      found = true;
      yield each;
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError("malformed-file", `${file} cannot be read as ${format.name}: ${error.message}`);
  }
  if (found || text.trim() === "") return;
  const where = settings.host === undefined ? "" : " on that host";
  const advice = "look whether it is in another format, and --format says which";
  throw new CommandError(
    "malformed-file",
    `${file}: no ${format.name} account with a password${where} is in it; ${advice}`,
  );
}

/** Accounts written at the same time: few at first, and more as long as the store keeps up. */
const SMALLEST_BATCH = 16;
const LARGEST_BATCH = 4096;
const BATCH_MS = 1000;

/** Writes accounts of one run, whose names are to differ. */
class Importer {
  readonly #store: NonNullable<AccountStore["store"]>;
  readonly #accounts: Accounts;
  readonly #replace: boolean;
  /** No secret of the account that was there before outlives it. */
  readonly #nothing: AccountProperties;
  /** Where each name was met first. */
  readonly #met = new Map<string, string>();
  #batch = SMALLEST_BATCH;

  constructor(store: NonNullable<AccountStore["store"]>, accounts: Accounts, replace: boolean) {
    this.#store = store;
    this.#accounts = accounts;
    this.#replace = replace;
    this.#nothing = { ...withoutSecrets(withPlugins(accounts.plugins.mechanisms)), disabled: undefined };
  }

  async *import(parsed: Iterable<ParsedAccount>, file: string): AsyncGenerator<Outcome> {
    let waiting: Promise<Outcome>[] = [];
    for (const each of parsed) {
      waiting.push(this.#one(each, file));
      if (waiting.length < this.#batch) continue;
      yield* this.#settled(waiting);
      waiting = [];
    }
    yield* this.#settled(waiting);
  }

  /** A store that gathers writes, such as a file, gets them together; one with few connections is not flooded. */
  async *#settled(waiting: readonly Promise<Outcome>[]): AsyncGenerator<Outcome> {
    const began = performance.now();
    const settled = await Promise.allSettled(waiting);
    // All of them are over before the store is closed, whichever failed; and what was written counts, whatever was not.
    yield* settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const each of settled) if (each.status === "rejected") throw each.reason;
    const quick = performance.now() - began < BATCH_MS;
    this.#batch = Math.min(LARGEST_BATCH, Math.max(SMALLEST_BATCH, quick ? this.#batch * 2 : this.#batch >> 1));
  }

  async #one(account: ParsedAccount, file: string): Promise<Outcome> {
    const { line } = account;
    if (account.fault !== undefined) return { skipped: { file, line, reason: account.fault } };
    const { name: given, properties } = account;
    const skip = (name: string, reason: string): Outcome => ({ skipped: { file, line, name, reason } });
    const reason = objection(given, properties);
    if (reason !== undefined) return skip(given, reason);
    try {
      const name = await canonicalName(given, this.#accounts);
      const before = this.#met.get(name);
      if (before !== undefined) return skip(name, `the same name as in ${before}`);
      this.#met.set(name, `${file}:${line}`);
      if (await this.#store(name, properties, null)) return "added";
      if (!this.#replace) return skip(name, "there is such an account already; --replace overwrites it");
      await this.#store(name, { ...this.#nothing, ...properties });
      return "replaced";
    } catch (error) {
      // What concerns this account alone; a store that fails ends the import.
      if (error instanceof CommandError && error.code === "usage") return skip(given, error.message);
      throw error;
    }
  }
}

/** Why an account would be of no use here. */
function objection(name: string, { userPassword, passwordHash = [] }: AccountProperties): string | undefined {
  if (`${name}${userPassword}`.includes("\ufffd")) return "octets that are not UTF-8";
  const unknown = passwordHash.some((hash) => !passwordSchemes.some((scheme) => scheme.recognizes(hash)));
  return unknown ? "a password hash of a kind that cannot be checked here; give the account a new password" : undefined;
}
