/**
 * Texts in lines, and rows of columns as database clients print them.
 *
 * @module
 */
import { FormatError } from "./parts.js";

/** A line without its end, and its number from 1. */
export interface Line {
  readonly line: number;
  readonly text: string;
}

/** The lines of a text, ended by LF or CRLF. */
export function* linesOf(text: string, firstLine = 1): Iterable<Line> {
  let line = firstLine;
  for (let start = 0; start < text.length; line++) {
    const end = text.indexOf("\n", start);
    const stop = end === -1 ? text.length : end;
    const cut = text[stop - 1] === "\r" && stop > start ? stop - 1 : stop;
    yield { line, text: text.slice(start, cut) };
    start = stop + 1;
  }
}

/** One row: its cells by the names of the header, in small letters, or why it cannot be read. */
export type Row =
  | { readonly line: number; readonly cells: ReadonlyMap<string, string>; readonly fault?: undefined }
  | { readonly line: number; readonly fault: string };

/**
 * The first line with more on it than the frame of a table, or an empty text. By it alone can be told what a text is: further
 * down stands what users chose.
 */
export function firstLineOf(text: string): string {
  for (const { text: line } of linesOf(text)) if (!isFrame(line)) return line;
  return "";
}

/** Whether a line is the header of {@link rowsOf}. @param columns names it has to have, in small letters. */
export function isHeader(line: string, columns: readonly string[]): boolean {
  const names = headerOf(line);
  return columns.every((name) => names.includes(name));
}

/**
 * Rows under a header, as `psql`, `mysql` and `sqlite3` print them: separated by tabs, by `|` (with or without a frame) or by
 * commas with quotes.
 *
 * @param columns names of which the header has to have all.
 * @throws {FormatError} when there is no such header.
 */
export function* rowsOf(text: string, columns: readonly string[]): Iterable<Row> {
  let header: readonly string[] | undefined;
  let split: (line: string) => readonly string[] = splitTabs;
  for (const { line, text: row } of linesOf(text)) {
    if (isFrame(row) || /^\(\d+ rows?\)$/.test(row)) continue; // psql counts rows below
    if (header === undefined) {
      if (!isHeader(row, columns)) throw new FormatError(`a table without a header that names ${columns.join(", ")}`);
      split = splitterFor(row);
      header = headerOf(row);
      continue;
    }
    yield readRow(line, row, header, split);
  }
}

function isFrame(line: string): boolean {
  return /^[\s+|-]*$/.test(line);
}

function headerOf(line: string): readonly string[] {
  return splitterFor(line)(line).map((name) => name.toLowerCase());
}

function readRow(
  line: number,
  row: string,
  header: readonly string[],
  split: (line: string) => readonly string[],
): Row {
  const cells = split(row);
  if (cells.length !== header.length) return { line, fault: "a row with another number of columns than its header" };
  return { line, cells: new Map(header.map((name, at) => [name, cells[at] ?? ""])) };
}

function splitterFor(header: string): (line: string) => readonly string[] {
  if (header.includes("\t")) return splitTabs;
  return header.includes("|") ? splitBars : splitCommas;
}

const tabEscapes: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

/** Cells between tabs, with the escapes of `COPY` and of `mysql --batch`; `\N` is an empty cell. */
export function splitTabs(line: string): readonly string[] {
  return line
    .split("\t")
    .map((cell) => (cell === "\\N" ? "" : cell.replace(/\\(.)/g, (_, each: string) => tabEscapes.get(each) ?? each)));
}

function splitBars(line: string): readonly string[] {
  const cells = line.split("|").map((cell) => cell.trim());
  return line.startsWith("|") ? cells.slice(1, -1) : cells;
}

function splitCommas(line: string): readonly string[] {
  const cells: string[] = [];
  for (let at = 0; at <= line.length; at++) {
    let end = line.indexOf(",", at);
    if (line[at] === '"') {
      let quote = line.indexOf('"', at + 1);
      while (quote !== -1 && line[quote + 1] === '"') quote = line.indexOf('"', quote + 2);
      if (quote === -1) return []; // no end: no row
      end = quote + 1;
      cells.push(line.slice(at + 1, quote).replaceAll('""', '"'));
      if (end < line.length && line[end] !== ",") return [];
    } else {
      if (end === -1) end = line.length;
      cells.push(line.slice(at, end));
    }
    at = end;
  }
  return cells;
}
