/**
 * The right to replace a file, held by one writer of any process at a time, and the replacing itself.
 *
 * The lock is a folder beside the file, `users.lock`, and in it the draft of the new content under a name nobody else uses.
 * A writer makes the folder elsewhere, draft and all, and renames it into place, which works only where there is no such
 * folder or an empty one. Renaming the draft over the file replaces the file and gives up the lock in one step. Whoever
 * takes the lock from a writer that died or stalled removes its draft; if that writer ever goes on, it has nothing left to
 * rename. So no writer, however late, replaces what it has not seen, and what a killed one leaves goes with its lock.
 */
import type { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync, renameSync, statSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileFault } from "./faults.js";
import { type Signature, sameSignature, signatureOf } from "./snapshot.js";

/** How often a writer shows that it is alive, and after what time without it is taken for dead. */
const BEAT_MS = 500;
const STALE_MS = 3000;
/** A folder somebody is waiting with is no older. */
const LEFTOVER_MS = 600_000;
const POLL_MS = 5;
/** What it means, on one system or another, that somebody has the lock. */
const taken: readonly string[] = ["ENOTEMPTY", "EEXIST", "EPERM", "EACCES", "EBUSY"];

export interface Access {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type Replaced =
  | { readonly outcome: "replaced"; readonly signature: Signature | undefined }
  /** Somebody else took the lock, or changed the file without having it. Nothing was written. */
  | { readonly outcome: "overtaken" };

/**
 * Waits for the lock and takes it.
 *
 * @param path of the file itself, not of a link to it.
 * @throws {SASLFailure} `temporary` after `timeoutMs`, or when the folder cannot be written.
 */
export async function acquire(path: string, timeoutMs: number): Promise<ReplaceLock> {
  try {
    return await acquireOrFail(path, performance.now() + timeoutMs);
  } catch (error) {
    throw (error as { kind?: unknown }).kind === undefined ? fileFault("write", path, error) : error;
  }
}

async function acquireOrFail(path: string, deadline: number): Promise<ReplaceLock> {
  const folder = `${path}.lock`;
  const watch = new Watch(folder);
  let own = await prepare(path);
  try {
    while (true) {
      const error = await rename(own.folder, folder).then(() => undefined, codeOf);
      if (error === undefined) return new ReplaceLock(path, folder, own);
      if (error === "ENOENT") {
        // Taken for a leftover and removed.
        await own.handle.close();
        own = await prepare(path);
      } else if (!taken.includes(error)) {
        throw Object.assign(new Error("lock"), { code: error });
      } else if (await watch.clear()) {
        await sweep(path);
      } else {
        await setTimeout(POLL_MS * (0.5 + Math.random()));
      }
      if (performance.now() > deadline) throw fileFault("write", path, "another writer has it locked");
    }
  } catch (error) {
    await own.handle.close();
    await rm(own.folder, { recursive: true, force: true });
    throw error;
  }
}

interface Prepared {
  readonly folder: string;
  readonly id: string;
  readonly handle: FileHandle;
}

async function prepare(path: string, attempts = 10): Promise<Prepared> {
  const id = `${process.pid}-${machine()}-${randomBytes(8).toString("hex")}`;
  const folder = `${path}.lock-${id}`;
  await mkdir(folder, { mode: 0o700 });
  try {
    return { folder, id, handle: await open(join(folder, id), "wx", 0o600) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    // Somebody who took this process for dead swept the folder away.
    if (codeOf(error) === "ENOENT" && attempts > 1) return prepare(path, attempts - 1);
    throw error;
  }
}

/** Whether a name is one that {@link prepare} gives: nothing else is anybody's to remove. */
function isId(name: string): boolean {
  return /^[1-9][0-9]{0,9}-[0-9a-f]{12}-[0-9a-f]{16}$/.test(name);
}

/** Watches who has the lock while somebody waits for it. By its own clock alone: others may be wrong. */
class Watch {
  readonly #folder: string;
  #seen = "";
  #since = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Removes what a dead writer left. True when the lock may be free now. */
  async clear(): Promise<boolean> {
    const drafts = await readdir(this.#folder).catch(() => []);
    const [draft] = drafts;
    if (draft === undefined) {
      await rmdir(this.#folder).catch(() => undefined); // only ever an empty one
      return true;
    }
    if (!isId(draft)) return false;
    if (!isDead(draft)) {
      const beat = await stat(join(this.#folder, draft), { bigint: true }).catch(() => undefined);
      const seen = `${draft} ${beat?.mtimeNs} ${beat?.size}`;
      if (seen !== this.#seen) {
        this.#seen = seen;
        this.#since = performance.now();
        return false;
      }
      if (performance.now() - this.#since < STALE_MS) return false;
    }
    // By its name, which is of this writer alone: whoever has the lock by now is not disturbed.
    await unlink(join(this.#folder, draft)).catch(() => undefined);
    await rmdir(this.#folder).catch(() => undefined);
    return true;
  }
}

/** Removes folders of writers that were killed while they waited. */
export async function sweep(path: string): Promise<void> {
  const start = `${basename(path)}.lock-`;
  const folder = dirname(path);
  for (const name of await readdir(folder).catch(() => [])) {
    const id = name.slice(start.length);
    if (!name.startsWith(start) || !isId(id)) continue;
    const leftover = join(folder, name);
    const age = await stat(leftover).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (!isDead(id) && age <= LEFTOVER_MS) continue;
    await unlink(join(leftover, id)).catch(() => undefined);
    await rmdir(leftover).catch(() => undefined);
  }
}

/** The right itself. Ends with {@link replace} or {@link release}, whichever comes first. */
export class ReplaceLock {
  readonly #path: string;
  readonly #folder: string;
  readonly #draft: string;
  readonly #handle: FileHandle;
  readonly #beat: NodeJS.Timeout;

  constructor(path: string, folder: string, { id, handle }: Prepared) {
    this.#path = path;
    this.#folder = folder;
    this.#draft = join(folder, id);
    this.#handle = handle;
    this.#beat = setInterval(() => {
      const now = new Date();
      handle.utimes(now, now).catch(() => undefined); // closed meanwhile
    }, BEAT_MS).unref();
  }

  /**
   * Writes the content, makes sure it is on the disk, and puts it in the place of the file.
   *
   * @param access who may do what with the new file.
   * @param before the state the content was made from.
   * @throws what the system throws; nothing was replaced then.
   */
  async replace(content: Buffer, access: Access, before: Signature): Promise<Replaced> {
    await this.#handle.writeFile(content);
    if (process.platform !== "win32") {
      const own = await this.#handle.stat();
      if (own.uid !== access.uid || own.gid !== access.gid) await this.#handle.chown(access.uid, access.gid);
      await this.#handle.chmod(access.mode & 0o7777);
    }
    await this.#handle.sync();
    const { ino } = await this.#handle.stat({ bigint: true });
    await this.#handle.close();
    // An editor takes no lock. Nothing can come between these two but another process.
    if (!sameSignature(signatureOf(statSync(this.#path, { bigint: true })), before)) return { outcome: "overtaken" };
    try {
      renameSync(this.#draft, this.#path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return { outcome: "overtaken" };
      throw error;
    }
    const now = await stat(this.#path, { bigint: true }).catch(() => undefined);
    await syncFolder(dirname(this.#path));
    return { outcome: "replaced", signature: now?.ino === ino ? signatureOf(now) : undefined };
  }

  /** Gives the lock up, if it is still there to give. */
  async release(): Promise<void> {
    clearInterval(this.#beat);
    await this.#handle.close().catch(() => undefined);
    await unlink(this.#draft).catch(() => undefined);
    await rmdir(this.#folder).catch(() => undefined);
  }
}

/** Makes a rename last. File systems that cannot do it for folders say so. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  try {
    await handle?.sync();
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EPERM", "EBADF"].includes(codeOf(error))) throw error;
  } finally {
    await handle?.close();
  }
}

/** Whether the writer that made this name is known to be gone: one of this machine whose process is no more. */
function isDead(id: string): boolean {
  const [pid = "", where = ""] = id.split("-");
  if (!isId(id) || where !== machine()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

/** Where a process number means the same: this system since it started, and this container of it. */
function machine(): string {
  const parts = [hostname()];
  try {
    parts.push(readFileSync("/proc/sys/kernel/random/boot_id", "latin1"), readlinkSync("/proc/self/ns/pid"));
  } catch {
    // No Linux.
  }
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
