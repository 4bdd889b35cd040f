/**
 * The canonical order of combining characters, in linear time. Source: UAX #15, canonical ordering algorithm.
 *
 * `normalize()` sorts marks by insertion: one message of 64 KiB full of them would take 800 ms. It has nothing left to do
 * where the marks are in order already, so long rows of them are sorted here first.
 *
 * @module
 */
import { combiningClasses } from "./stringprep-tables.js";

/** Rows of marks longer than any that text is written with; the shorter ones cost `normalize()` nothing worth saving. */
const longRows: RegExp = /[\p{M}\uff9e\uff9f]{17,}/gu;

/** Characters of class 0 that decompose into marks: Tibetan vowel signs and halfwidth sound marks. */
const hiddenMarks: RegExp = /[\u0f73\u0f75\u0f81\uff9e\uff9f]/g;

const classes: ReadonlyMap<string, number> = decodeClasses();

/**
 * A text with the same normal forms as the one given, whose long rows of marks are in canonical order.
 *
 * @param text any length, of characters that Unicode 3.2 assigns.
 */
export function sortLongRows(text: string): string {
  return text.replace(longRows, (row) => sortRow(row.replace(hiddenMarks, (mark) => mark.normalize("NFKD"))));
}

/** Stable by class; a character of class 0 stays where it is and parts what stands around it. */
function sortRow(row: string): string {
  let sorted = "";
  let waiting = new Map<number, string>();
  const flush = (): void => {
    for (const key of [...waiting.keys()].sort((a, b) => a - b)) sorted += waiting.get(key);
    waiting = new Map();
  };
  for (const mark of row) {
    const key = classes.get(mark);
    if (key === undefined) {
      if (waiting.size > 0) flush();
      sorted += mark;
    } else waiting.set(key, (waiting.get(key) ?? "") + mark);
  }
  flush();
  return sorted;
}

function decodeClasses(): ReadonlyMap<string, number> {
  const decoded = new Map<string, number>();
  let next = 0;
  for (const run of combiningClasses.split(";")) {
    const [gap, length, key] = run.split(",").map((digits) => Number.parseInt(digits, 36)) as [number, number, number];
    const end = next + gap + length;
    for (next += gap; next < end; next++) decoded.set(String.fromCodePoint(next), key);
  }
  return decoded;
}
