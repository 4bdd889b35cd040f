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
const kindOf: (codePoint: number) => number = decodeRuns();

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
      done += nfkc(piece) + character;
      piece = "";
    } else if ((kind & TO_NOTHING) === 0) piece += character;
  }
  return done + nfkc(piece);
}

function nfkc(text: string): string {
  return sortLongRows(text).normalize("NFKC");
}

/** RFC 3454 §5 and §6: prohibited output and directions. */
function refuseOutput(text: string, prohibited: number): OutputRefusal | undefined {
  const kinds = kindsOf(text);
  if (kinds & prohibited) return "prohibited";
  if ((kinds & RIGHT) === 0) return undefined;
  // §6 items 2 and 3: with one RandALCat there is no LCat, and the text starts and ends with RandALCat.
  if (kinds & LEFT) return "bidirectional";
  const first = kindOf(text.codePointAt(0) as number);
  const last = kindsOf(text.slice(-2).replace(/^[^](?![\udc00-\udfff])/u, ""));
  return first & RIGHT && last & RIGHT ? undefined : "bidirectional";
}
