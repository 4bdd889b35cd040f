/**
 * Stringprep with the data of Unicode 3.2, for the two profiles SASL knows. Source: RFC 3454, RFC 4013 §2, RFC 4505 §3.
 *
 * Loaded with the first text beyond printable ASCII; `saslprep.ts` and `trace.ts` are the doors to it.
 *
 * The platform's `normalize()` knows a newer Unicode. For characters that 3.2 has, the stability rules of UAX #15 keep
 * its results, but for the five of Corrigendum 4, which are swapped beforehand. Characters that came later stand alone
 * between two pieces that are normalized: in 3.2 they neither decompose nor compose nor move (R-PREP-04). Blocking of
 * composition is read as Corrigendum 5 has it, as all implementations of 3.2 that kept their output stable did.
 *
 * @module
 */
import { corrections, runs } from "./stringprep-tables.js";

/** Why a text is refused for what it is, whatever was done to it before. */
export type OutputRefusal = "prohibited" | "bidirectional";

/** Why a text is refused. */
export type Refusal = OutputRefusal | "unassigned" | "too-many-marks";

/** What preparation gives: a text, which may be empty, or the reason why there is none. */
export type Prepared = { readonly text: string } | { readonly refused: Refusal };

/**
 * More combining characters in a row are refused: `normalize()` sorts them in quadratic time, and the "stream-safe" text
 * of UAX #15 §13 has at most 30.
 */
export const MAX_MARKS_IN_A_ROW = 64;

/** Halfwidth sound marks (U+FF9E, U+FF9F) are letters by category and turn into marks by NFKC. */
const tooManyMarks: RegExp = new RegExp(`[\\p{M}\\uff9e\\uff9f]{${MAX_MARKS_IN_A_ROW + 1}}`, "u");

/** The letters of the table; what each stands for is written there. */
const [LEFT, RIGHT, UNASSIGNED, TO_SPACE, TO_NOTHING, TO_NOTHING_NO_TRACE, NO_SASLPREP, PROHIBITED, CORRECTED] = [
  0x4c, 0x52, 0x55, 0x57, 0x4e, 0x54, 0x53, 0x58, 0x43,
] as const;

const normalized: ReadonlyMap<number, string> = new Map(corrections);
const classOf: (codePoint: number) => number = decodeTable();

/**
 * SASLprep. Source: RFC 4013 §2, the steps in the order of RFC 3454 §2.
 *
 * @param text well-formed, any length. The result can be up to 18 times as long.
 * @param usage "stored" refuses code points that Unicode 3.2 does not assign, "query" keeps them as they are.
 */
export function prepareSASLprep(text: string, usage: "stored" | "query"): Prepared {
  const folded = mapAndNormalize(text, usage === "query");
  if (typeof folded !== "string") return folded;
  // RFC 4013 §2.3: what is still to be mapped here would be one of C.1.2, or of B.1 and C.2.2 at once.
  const refused = checkOutput(folded, [PROHIBITED, NO_SASLPREP, TO_SPACE, TO_NOTHING_NO_TRACE]);
  return refused === undefined ? { text: folded } : { refused };
}

/**
 * The "trace" profile, which changes nothing and keeps unassigned code points. Source: RFC 4505 §3.
 *
 * @param text well-formed, any length.
 * @returns the reason to refuse it, or `undefined`.
 */
export function refuseTrace(text: string): OutputRefusal | undefined {
  return checkOutput(text, [PROHIBITED, TO_NOTHING_NO_TRACE]);
}

/** RFC 4013 §2.1, §2.2 and §2.5: mapping, NFKC, unassigned code points. */
function mapAndNormalize(text: string, unassignedAllowed: boolean): string | { refused: Refusal } {
  let done = "";
  let piece = "";
  let copied = 0; // everything before is in `done` or `piece`
  for (let at = 0, next: number; at < text.length; at = next) {
    const codePoint = text.codePointAt(at) as number;
    next = at + (codePoint > 0xffff ? 2 : 1);
    const kind = classOf(codePoint);
    let replacement: string;
    // RFC 4013 §2.1. U+200B is in C.1.2 and in B.1: the table has it as a space.
    if (kind === TO_SPACE) replacement = " ";
    else if (kind === TO_NOTHING || kind === TO_NOTHING_NO_TRACE) replacement = "";
    else if (kind === CORRECTED) replacement = normalized.get(codePoint) as string;
    else if (kind === UNASSIGNED) {
      if (!unassignedAllowed) return { refused: "unassigned" };
      piece += text.slice(copied, at);
      if (hasTooManyMarks(piece)) return { refused: "too-many-marks" };
      done += piece.normalize("NFKC") + text.slice(at, next);
      piece = "";
      copied = next;
      continue;
    } else continue;
    piece += text.slice(copied, at) + replacement;
    copied = next;
  }
  piece += text.slice(copied);
  if (hasTooManyMarks(piece)) return { refused: "too-many-marks" };
  return done + piece.normalize("NFKC");
}

function hasTooManyMarks(piece: string): boolean {
  return piece.length > MAX_MARKS_IN_A_ROW && tooManyMarks.test(piece);
}

/** RFC 3454 §5 and §6: prohibited output and directions. */
function checkOutput(text: string, prohibited: readonly number[]): OutputRefusal | undefined {
  let first = 0;
  let last = 0;
  let right = false;
  let left = false;
  for (let at = 0; at < text.length; ) {
    const codePoint = text.codePointAt(at) as number;
    at += codePoint > 0xffff ? 2 : 1;
    last = classOf(codePoint);
    if (prohibited.includes(last)) return "prohibited";
    first ||= last;
    right ||= last === RIGHT;
    left ||= last === LEFT || last === CORRECTED;
  }
  // §6 items 2 and 3: with one RandALCat there is no LCat, and the text starts and ends with RandALCat.
  return right && (left || first !== RIGHT || last !== RIGHT) ? "bidirectional" : undefined;
}

/** A look-up made from the runs: one array for the BMP, a search among the few runs above it. */
function decodeTable(): (codePoint: number) => number {
  const bmp = new Uint8Array(0x10000);
  const starts: number[] = [];
  const kinds: number[] = [];
  let at = 0;
  for (const [, length, name] of runs.matchAll(/([0-9a-z]*)([A-Z])/g)) {
    const kind = (name as string).charCodeAt(0);
    const end = at + (length === "" ? 1 : Number.parseInt(length as string, 36));
    bmp.fill(kind, at, end);
    if (end > 0x10000) {
      starts.push(at);
      kinds.push(kind);
    }
    at = end;
  }
  return (codePoint) => {
    if (codePoint < 0x10000) return bmp[codePoint] as number;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= codePoint) low = middle;
      else high = middle;
    }
    return kinds[low] as number;
  };
}
