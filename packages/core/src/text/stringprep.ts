/**
 * Stringprep with the data of Unicode 3.2, for the two profiles SASL knows. Source: RFC 3454, RFC 4013 §2, RFC 4505 §3.
 *
 * Loaded with the first text beyond printable ASCII; `saslprep.ts` and `trace.ts` are the doors to it.
 *
 * The platform's `normalize()` knows a newer Unicode. For characters that 3.2 has, the stability rules of UAX #15 keep
 * its results, but for the five of Corrigendum 4, which are swapped beforehand. Characters that came later stand alone
 * between two pieces that are normalized: in 3.2 they neither decompose nor compose nor move (R-PREP-04). What blocks a
 * composition is read as in Corrigendum 5, without which NFKC would not be stable under itself.
 *
 * @module
 */
import { sortLongRows } from "./canonical-order.js";
import { corrections, runs } from "./stringprep-tables.js";

/** Why a text is refused for what it is, whatever was done to it before. */
export type OutputRefusal = "prohibited" | "bidirectional";

/** Why a text is refused. */
export type Refusal = OutputRefusal | "unassigned";

/** What preparation gives: a text, which may be empty, or the reason why there is none. */
export type Prepared = { readonly text: string } | { readonly refused: Refusal };

/** The letters of the table, in no special order; what each stands for is written there. */
const KINDS = "ALRUWNTSXC";
/** One bit per letter, so that one number says which kinds a text has. */
const bit = (kind: string): number => 1 << KINDS.indexOf(kind);
const LEFT: number = bit("L") | bit("C");
const RIGHT: number = bit("R");
const UNASSIGNED: number = bit("U");
const TO_SPACE: number = bit("W");
const TO_NOTHING: number = bit("N") | bit("T");
const CORRECTED: number = bit("C");
/** RFC 4505 §3: C.2.1, C.2.2, C.3, C.4, C.5, C.6, C.8, C.9. */
const NO_TRACE: number = bit("X") | bit("T");
/** RFC 4013 §2.3: the same, C.7, and C.1.2, which mapping has removed. */
const NO_SASLPREP: number = NO_TRACE | bit("S") | bit("W");

const corrected: ReadonlyMap<number, string> = new Map(corrections);
const table: Table = decodeRuns();

/**
 * SASLprep. Source: RFC 4013 §2, the steps in the order of RFC 3454 §2.
 *
 * @param text well-formed, any length. The result can be up to 18 times as long.
 * @param usage "stored" refuses code points that Unicode 3.2 does not assign, "query" keeps them as they are.
 */
export function prepareSASLprep(text: string, usage: "stored" | "query"): Prepared {
  const kinds = kindsOf(text);
  // RFC 4013 §2.5. Neither mapping nor NFKC adds or removes an unassigned code point.
  if (kinds & UNASSIGNED && usage === "stored") return { refused: "unassigned" };
  const plain = (kinds & (UNASSIGNED | TO_SPACE | TO_NOTHING | CORRECTED)) === 0;
  const output = plain ? nfkc(text) : mapAndNormalize(text);
  const refused = refuseOutput(output, NO_SASLPREP);
  return refused === undefined ? { text: output } : { refused };
}

/**
 * The "trace" profile, which changes nothing and keeps unassigned code points. Source: RFC 4505 §3.
 *
 * @param text well-formed, any length.
 * @returns the reason to refuse it, or `undefined`.
 */
export function refuseTrace(text: string): OutputRefusal | undefined {
  return refuseOutput(text, NO_TRACE);
}

/** RFC 4013 §2.1 and §2.2: mapping, then NFKC of what stands between unassigned code points. */
function mapAndNormalize(text: string): string {
  let done = "";
  let piece = "";
  for (const character of text) {
    const codePoint = character.codePointAt(0) as number;
    const kind = kindOf(codePoint);
    // §2.1. U+200B is in C.1.2 and in B.1: the table has it as a space.
    if (kind & TO_SPACE) piece += " ";
    else if (kind & CORRECTED) piece += corrected.get(codePoint);
    else if (kind & UNASSIGNED) {
      if (piece !== "") done += nfkc(piece);
      done += character;
      piece = "";
    } else if ((kind & TO_NOTHING) === 0) piece += character;
  }
  return done + nfkc(piece);
}

function nfkc(text: string): string {
  return sortLongRows(text, "NFKD").normalize("NFKC");
}

/** RFC 3454 §5 and §6: prohibited output and directions. */
function refuseOutput(text: string, prohibited: number): OutputRefusal | undefined {
  const kinds = kindsOf(text);
  if (kinds & prohibited) return "prohibited";
  if ((kinds & RIGHT) === 0) return undefined;
  // §6 items 2 and 3: with one RandALCat there is no LCat, and the text starts and ends with RandALCat.
  if (kinds & LEFT) return "bidirectional";
  return kindOf(firstOf(text)) & kindOf(lastOf(text)) & RIGHT ? undefined : "bidirectional";
}

function firstOf(text: string): number {
  return text.codePointAt(0) as number;
}

function lastOf(text: string): number {
  const unit = text.charCodeAt(text.length - 1);
  return isSurrogate(unit) && text.length > 1 ? (text.codePointAt(text.length - 2) as number) : unit;
}

function isSurrogate(unit: number): boolean {
  return (unit & 0xf800) === 0xd800;
}

/** The kinds of all characters of a text together. */
function kindsOf(text: string): number {
  let kinds = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isSurrogate(unit)) {
      const codePoint = text.codePointAt(at) as number;
      kinds |= kindOf(codePoint);
      if (codePoint > 0xffff) at++;
    } else kinds |= table.bmp[unit] as number;
  }
  return kinds;
}

function kindOf(codePoint: number): number {
  if (codePoint <= 0xffff) return table.bmp[codePoint] as number;
  const { ends, kinds } = table;
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (codePoint < (ends[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return kinds[low] as number;
}

/** The kind of a code point as a bit: one array for the BMP, the runs themselves above it. */
interface Table {
  readonly bmp: Uint16Array;
  readonly ends: readonly number[];
  readonly kinds: readonly number[];
}

function decodeRuns(): Table {
  const bmp = new Uint16Array(0x10000);
  const ends: number[] = [];
  const kinds: number[] = [];
  let end = 0;
  for (const [, length, name] of runs.matchAll(/([0-9a-z]*)([A-Z])/g)) {
    const kind = bit(name as string);
    const start = end;
    end += length === "" ? 1 : Number.parseInt(length as string, 36);
    bmp.fill(kind, start, end);
    if (end <= 0x10000) continue;
    ends.push(end);
    kinds.push(kind);
  }
  return { bmp, ends, kinds };
}
