/**
 * One state of a file: its content, and what tells it from the next state.
 */
import type { Buffer } from "node:buffer";
import { type BigIntStats, constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { fileFault } from "./faults.js";

const MAX_FILE_BYTES = 1_073_741_824n;
/** File systems keep times in steps of up to 10 ms; a change within one step cannot be seen by them. */
const QUIET_MS = 50;
/** Some keep whole seconds, FAT two of them. */
const COARSE_QUIET_MS = 2000;
const MAX_ATTEMPTS = 20;

/** What changes when a file does. */
export interface Signature {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
  /** When the file was made; 0 where that is not known. */
  readonly created: bigint;
}

export interface Snapshot {
  readonly content: Buffer;
  readonly signature: Signature;
  /** False when the file was written so lately that another change could look the same. */
  readonly settled: boolean;
}

export function signatureOf(stats: BigIntStats): Signature {
  const { dev: device, ino: inode, size, mtimeNs: modified, ctimeNs: changed, birthtimeNs } = stats;
  // Node.js has the time of change where the system does not tell that of birth.
  return { device, inode, size, modified, changed, created: birthtimeNs === changed ? 0n : birthtimeNs };
}

/** Whether a file was written in place, and not replaced by another, which may get the number of one that is gone. */
export function sameFile(a: Signature, b: Signature): boolean {
  const sameBirth = a.created === b.created || a.created === 0n || b.created === 0n;
  return a.device === b.device && a.inode === b.inode && sameBirth;
}

export function sameSignature(a: Signature, b: Signature): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.size === b.size &&
    a.modified === b.modified &&
    a.changed === b.changed
  );
}

/** Whether nothing has happened to the file for so long that its times can be relied on. */
function isSettled(signature: Signature): boolean {
  return isQuiet(signature, signature.changed % 1_000_000_000n === 0n ? COARSE_QUIET_MS : QUIET_MS);
}

/** Whether the file has been left alone for so long. */
export function isQuiet({ changed }: Signature, ms: number): boolean {
  return Math.abs(Date.now() - Number(changed / 1_000_000n)) > ms;
}

/** @throws {SASLFailure} `temporary` */
export async function readSignature(path: string): Promise<Signature> {
  try {
    return signatureOf(await stat(path, { bigint: true }));
  } catch (error) {
    throw fileFault("read", path, error);
  }
}

/**
 * Reads a file that others may be writing.
 *
 * @param known what was there before. A file that is the same one with other content is being written in place, by an
 *   editor: it is believed when it has been left alone for 50 ms.
 * @throws {SASLFailure} `temporary`
 */
export async function readSnapshot(path: string, known?: Signature): Promise<Snapshot> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = await readSignature(path);
    if (known === undefined || !sameFile(known, before) || sameSignature(known, before) || isSettled(before)) {
      const snapshot = await readOnce(path);
      if (snapshot !== undefined) return snapshot;
    }
    await setTimeout(QUIET_MS + 1);
  }
  throw fileFault("read", path, "somebody keeps writing it");
}

/** @returns `undefined` when it was changed meanwhile. */
async function readOnce(path: string): Promise<Snapshot | undefined> {
  // Without waiting for somebody who writes into a pipe.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    throw fileFault("read", path, error);
  });
  try {
    const before = await handle.stat({ bigint: true });
    const fault = faultOf(before);
    if (fault !== undefined) throw fileFault("read", path, fault);
    const content = await handle.readFile().catch((error: unknown) => {
      throw fileFault("read", path, error);
    });
    const signature = signatureOf(await handle.stat({ bigint: true }));
    // A rename or a change of mode while it is read touches the time of change alone.
    const same = signature.size === before.size && signature.modified === before.mtimeNs;
    if (!same || BigInt(content.length) !== signature.size) return undefined;
    if (content.includes(0)) throw fileFault("read", path, "it holds NUL octets: it is no text, or damaged");
    return { content, signature, settled: isSettled(signature) };
  } finally {
    await handle.close();
  }
}

function faultOf(stats: BigIntStats): string | undefined {
  if (stats.isDirectory()) return "it is a folder";
  if (!stats.isFile()) return "it is no regular file";
  if (stats.size > MAX_FILE_BYTES) return `it is larger than ${MAX_FILE_BYTES} octets`;
  // Whoever can write it can add an account. On Windows the bits mean nothing.
  if (process.platform !== "win32" && (stats.mode & 0o002n) !== 0n) return "everybody may write it: chmod o-w";
  return undefined;
}
