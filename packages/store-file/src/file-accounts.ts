/**
 * Accounts in a passwd-file, found by an index in memory, and written by replacing the file.
 */
import { open, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type AccountProperties, type AccountStore, isSASLError, SASLFailure } from "sasl-core";
import { isAsExpected } from "sasl-core/plugin";
import { FormatError, formatPasswdAccount, parsePasswdAccount, passwdLineOf } from "sasl-formats";
import { fileFault, recordFault } from "./faults.js";
import { type LineChanges, LineIndex } from "./line-index.js";
import { Pace } from "./pace.js";
import { type Access, acquire, type ReplaceLock, sweep, syncFolder } from "./replace-lock.js";
import { refreshed, type State } from "./state.js";

/** Settings of one file of accounts. */
export interface FileAccountsOptions {
  /** Makes an empty file, for its owner alone, where there is none. Without it, that is an error. */
  readonly create?: boolean | undefined;
  /** How old an answer may be when another program changed the file; 0 or more, 100 by default. 0 looks every time. */
  readonly checkIntervalMs?: number | undefined;
  /** How long a change waits for other writers before it fails; 15,000 by default. */
  readonly lockTimeoutMs?: number | undefined;
  /**
   * Writes even where everybody may read the file. What is lost: any user of the machine can then try passwords at leisure,
   * or pose as the server, or read them if they are in the clear.
   */
  readonly allowWorldReadable?: boolean | undefined;
}

/**
 * An account store over one file. Everything it throws about the file or a record is a `SASLFailure` with code `temporary`,
 * whose `detail` names file and line; a name or a value that the file cannot hold is `malformed-message`.
 */
export interface FileAccounts extends AccountStore {
  /** How many accounts there are, as of the last look. */
  readonly size: number;
  /** Iteration counts of their SCRAM verifiers, each once: a value for `scramIterations` of a server. As of the last look. */
  readonly iterations: readonly number[];
  lookup(name: string): AccountProperties | undefined | Promise<AccountProperties | undefined>;
  /** Changes that are asked for at the same time are written together; waiting for each in turn writes the file each time. */
  store(name: string, changes: AccountProperties, expected?: AccountProperties | null): Promise<boolean>;
  remove(name: string): Promise<boolean>;
  list(): AsyncIterable<string>;
  /** Waits for changes on their way. */
  close(): Promise<void>;
}

/**
 * Opens a file of accounts.
 *
 * @param path relative to the working folder of now, or absolute. Links are followed.
 * @throws {SASLFailure} `temporary` when it is not there or cannot be read; the message says which and why.
 * @throws {RangeError} for times that are none.
 */
export async function fileAccounts(path: string, options: FileAccountsOptions = {}): Promise<FileAccounts> {
  const { create = false, checkIntervalMs = 100, lockTimeoutMs = 15_000, allowWorldReadable = false } = options;
  for (const ms of [checkIntervalMs, lockTimeoutMs]) {
    if (!(ms >= 0 && ms <= 86_400_000)) throw new RangeError("a time is 0 to 86,400,000 ms");
  }
  if (path === "" || path.includes("\0")) throw new TypeError("the path of a file of accounts is empty or holds a NUL");
  if (create) await createEmpty(path);
  const store = new PasswdFileAccounts(path, { checkIntervalMs, lockTimeoutMs, allowWorldReadable });
  await store.open();
  return store;
}

async function createEmpty(path: string): Promise<void> {
  try {
    const handle = await open(path, "wx", 0o600);
    await handle.close();
    await syncFolder(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileFault("write", path, error);
  }
}

interface Settings {
  readonly checkIntervalMs: number;
  readonly lockTimeoutMs: number;
  readonly allowWorldReadable: boolean;
}

/** A change somebody waits for. */
interface Change {
  readonly name: string;
  /** What becomes of the account; `undefined` when nothing does. Run again when the file changed meanwhile. */
  decide(found: Found): readonly string[] | undefined;
  resolve(changed: boolean): void;
  reject(error: unknown): void;
}

/** An account as a change finds it. */
interface Found {
  readonly lines: readonly string[];
  /** @throws {SASLFailure} `temporary` when the lines cannot be read. */
  properties(): AccountProperties | undefined;
}

type Outcomes = readonly (() => void)[];

/** Tries that a change has, each after another program changed the file. */
const MAX_ATTEMPTS = 100;

class PasswdFileAccounts implements FileAccounts {
  readonly #path: string;
  readonly #settings: Settings;
  /** The last that was good: what comes is judged by it. */
  #state: State | undefined;
  /** Why the file is not good now. */
  #failure: unknown;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #changes: Change[] = [];
  #writing: Promise<void> | undefined;
  #swept = false;
  #closed = false;

  constructor(path: string, settings: Settings) {
    this.#path = path;
    this.#settings = settings;
  }

  async open(): Promise<void> {
    await this.#fresh();
  }

  get size(): number {
    return this.#held().index.size;
  }

  get iterations(): readonly number[] {
    return this.#held().index.iterations;
  }

  lookup(name: string): AccountProperties | undefined | Promise<AccountProperties | undefined> {
    const waiting = this.#fresh();
    if (waiting === undefined) return readAccount(this.#path, this.#held().index, name);
    return waiting.then(() => readAccount(this.#path, this.#held().index, name));
  }

  async store(name: string, changes: AccountProperties, expected?: AccountProperties | null): Promise<boolean> {
    const own = { ...changes }; // the caller's may be another by the time it is written
    return this.#enqueue(name, (found) => {
      const before = found.properties();
      if (!isAsExpected(before, expected)) return undefined;
      const after: Record<string, unknown> = Object.create(null);
      for (const [key, value] of [...Object.entries(before ?? {}), ...Object.entries(own)]) after[key] = value;
      return writtenLines(name, after, before === undefined ? [] : found.lines);
    });
  }

  async remove(name: string): Promise<boolean> {
    // Nothing is parsed: what is malformed can be removed as well.
    return this.#enqueue(name, ({ lines }) => (lines.some((line) => passwdLineOf(line)?.main) ? [] : undefined));
  }

  async *list(): AsyncIterable<string> {
    await this.#fresh();
    for (const name of this.#held().index.names()) {
      this.#checkOpen();
      yield name;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#checking?.catch(() => undefined);
    this.#state = undefined;
  }

  #checkOpen(): void {
    if (this.#closed) throw new SASLFailure("temporary", "the file of accounts is closed", { detail: this.#path });
  }

  #held(): State {
    this.#checkOpen();
    if (this.#failure !== undefined || this.#state === undefined) throw this.#failure;
    return this.#state;
  }

  /** Looks whether the file changed, unless that was done lately. `undefined` when there is nothing to wait for. */
  #fresh(): Promise<void> | undefined {
    this.#checkOpen();
    if (this.#checking === undefined) {
      if (performance.now() - this.#checkedAt < this.#settings.checkIntervalMs) return undefined;
      this.#checking = this.#check().finally(() => {
        this.#checking = undefined;
      });
    }
    return this.#checking;
  }

  /** @throws {SASLFailure} `temporary`, and so does every call until the file is good again. */
  async #check(): Promise<void> {
    const known = this.#state;
    const startedAt = performance.now();
    try {
      const state = await refreshed(this.#path, known);
      if (this.#state === known) this.#accept(state);
    } catch (error) {
      if (this.#state !== known) return; // somebody who wrote meanwhile knows better
      this.#failure = error;
      throw error;
    } finally {
      this.#checkedAt = startedAt;
    }
  }

  #accept(state: State): void {
    this.#state = state;
    this.#failure = undefined;
  }

  #enqueue(name: string, decide: Change["decide"]): Promise<boolean> {
    this.#checkOpen();
    return new Promise((resolve, reject) => {
      this.#changes.push({ name, decide, resolve, reject });
      // All that are asked for in this turn of the event loop, and all that come while the file is written, go together.
      this.#writing ??= new Promise<void>((done) => {
        setImmediate(() => void this.#writeAll().finally(done));
      });
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#changes.length > 0) {
      const batch = this.#changes;
      this.#changes = [];
      try {
        await this.#write(batch);
      } catch (error) {
        const failure = isSASLError(error) ? error : fileFault("write", this.#path, error);
        for (const change of batch) change.reject(failure);
      }
    }
    this.#writing = undefined;
  }

  async #write(batch: readonly Change[]): Promise<void> {
    const path = await realpath(this.#path);
    if (!this.#swept) await sweep(path);
    this.#swept = true;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const lock = await acquire(path, this.#settings.lockTimeoutMs);
      const outcomes = await this.#writeOnce(batch, path, lock).finally(() => lock.release());
      if (outcomes === undefined) continue;
      const pace = new Pace();
      for (const settle of outcomes) {
        settle();
        const turn = pace.step();
        if (turn !== undefined) await turn;
      }
      return;
    }
    throw fileFault("write", path, "somebody keeps changing it");
  }

  /** @returns what to tell everybody; `undefined` when another program was faster, and nothing was written. */
  async #writeOnce(batch: readonly Change[], path: string, lock: ReplaceLock): Promise<Outcomes | undefined> {
    const known = this.#state;
    const state = await refreshed(path, known);
    const access = await accessOf(path, this.#settings);
    const { changed, outcomes } = await decideAll(batch, path, state.index);
    if (changed.size > 0) {
      const content = await state.index.replace(changed);
      const index = await LineIndex.build(content);
      const replaced = await lock.replace(content, access, state.signature);
      if (replaced.outcome === "overtaken") return undefined;
      // Where somebody else wrote since, or looked, the next look tells which of the two is newer.
      if (replaced.signature === undefined || this.#state !== known) this.#checkedAt = Number.NEGATIVE_INFINITY;
      this.#accept({ content, index, settled: false, signature: replaced.signature ?? state.signature });
    }
    return outcomes;
  }
}

/** Who may do what with the file, which stays so. */
async function accessOf(path: string, { allowWorldReadable }: Settings): Promise<Access> {
  const { mode, uid, gid } = await stat(path);
  if (process.platform !== "win32" && (mode & 0o004) !== 0 && !allowWorldReadable) {
    throw fileFault("write", path, "everybody may read it: chmod o-r, or set allowWorldReadable");
  }
  return { mode, uid, gid };
}

/** Every change after the ones before it, and what to tell each of them once the file is written. */
async function decideAll(
  batch: readonly Change[],
  path: string,
  index: LineIndex,
): Promise<{ changed: LineChanges; outcomes: Outcomes }> {
  const changed = new Map<string, readonly string[]>();
  const outcomes: (() => void)[] = [];
  const pace = new Pace();
  for (const { name, decide, resolve, reject } of batch) {
    const before = changed.get(name);
    const numbers = before === undefined ? index.linesOf(name) : undefined;
    const lines = before ?? numbers?.map((line) => index.text(line)) ?? [];
    try {
      const after = decide({ lines, properties: () => parsed(path, lines, numbers) });
      if (after !== undefined) changed.set(name, after);
      outcomes.push(() => resolve(after !== undefined));
    } catch (error) {
      outcomes.push(() => reject(error));
    }
    const turn = pace.step();
    if (turn !== undefined) await turn;
  }
  return { changed, outcomes };
}

function readAccount(path: string, index: LineIndex, name: string): AccountProperties | undefined {
  const numbers = index.linesOf(name);
  if (numbers === undefined) return undefined;
  return parsed(
    path,
    numbers.map((line) => index.text(line)),
    numbers,
  );
}

function parsed(
  path: string,
  lines: readonly string[],
  numbers: readonly number[] = [],
): AccountProperties | undefined {
  try {
    return parsePasswdAccount(lines);
  } catch (error) {
    if (error instanceof FormatError) throw recordFault(path, (numbers[0] ?? 0) + 1, error.message);
    throw error;
  }
}

function writtenLines(name: string, properties: AccountProperties, before: readonly string[]): readonly string[] {
  try {
    return formatPasswdAccount(name, properties, before);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new SASLFailure("malformed-message", `cannot store this account: ${error.message}`, { cause: error });
  }
}
