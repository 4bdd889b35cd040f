/**
 * What is known of the file: its content and where everybody is in it; and whether to believe what is there now.
 */
import { fileFault } from "./faults.js";
import { LineIndex } from "./line-index.js";
import { Pace } from "./pace.js";
import { isQuiet, readSignature, readSnapshot, type Snapshot, sameFile, sameSignature } from "./snapshot.js";

const lf = 0x0a;
/** How long a file has to be left alone that was written in place and looks as if that were not all. */
const CUT_SHORT_QUIET_MS = 5000;
/** The same for one that is empty: what makes the new content may be slow to begin. */
const EMPTIED_QUIET_MS = 60_000;

export interface State extends Snapshot {
  readonly index: LineIndex;
}

/**
 * The state of the file now: the known one, if it is still that.
 *
 * @throws {SASLFailure} `temporary`
 */
export async function refreshed(path: string, known: State | undefined): Promise<State> {
  if (known?.settled && sameSignature(known.signature, await readSignature(path))) return known;
  const snapshot = await readSnapshot(path, known?.signature);
  if (known?.content.equals(snapshot.content)) return { ...snapshot, index: known.index };
  const state = { ...snapshot, index: await LineIndex.build(snapshot.content) };
  if (known !== undefined && sameFile(known.signature, state.signature)) await mustBeWhole(path, known, state);
  return state;
}

/**
 * Takes no half for the whole: a file written in place is empty at first, and whoever writes it may pause at any line.
 *
 * @throws {SASLFailure} `temporary`
 */
async function mustBeWhole(path: string, before: State, now: State): Promise<void> {
  if (now.content.length === 0) {
    if (!isQuiet(now.signature, EMPTIED_QUIET_MS)) throw fileFault("read", path, "it was emptied just now");
  } else if (!isQuiet(now.signature, CUT_SHORT_QUIET_MS) && (await isCutShort(before, now))) {
    throw fileFault("read", path, "it was cut short just now, and may not be written to its end");
  }
}

/** Whether its last line has lost its end, or somebody has lost the account. */
async function isCutShort(before: State, now: State): Promise<boolean> {
  if (before.content.at(-1) === lf && now.content.at(-1) !== lf) return true;
  const pace = new Pace();
  for (const name of before.index.names()) {
    if (!now.index.has(name)) return true;
    const turn = pace.step();
    if (turn !== undefined) await turn;
  }
  return false;
}
