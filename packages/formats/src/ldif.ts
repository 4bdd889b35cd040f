/**
 * LDIF, read and written. Source: RFC 2849.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { linesOf } from "./lines.js";
import { FormatError, fromBase64 } from "./parts.js";

/** One entry: its values by attribute in small letters, without options; in the order of the text. */
export interface LdifEntry {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
  /** Why it cannot be read. */
  readonly fault?: string | undefined;
}

const MAX_COLUMNS = 76;

/** The entries of a text. Comments and the version are passed over; values are UTF-8. */
export function* parseLdif(text: string): Iterable<LdifEntry> {
  let entry: { line: number; rows: string[] } | undefined;
  for (const { line, text: row } of linesOf(`${text}\n\n`)) {
    if (row === "") {
      if (entry !== undefined) yield* read(entry.line, entry.rows);
      entry = undefined;
    } else if (row.startsWith(" ") && entry !== undefined) entry.rows.push(row);
    else {
      entry ??= { line, rows: [] };
      entry.rows.push(row);
    }
  }
}

/** One attribute and its value with a line end, in base64 where RFC 2849 asks for it, folded at 76 columns. */
export function formatLdifLine(attribute: string, value: string): string {
  const safe = /^(?![ :<])[\x01-\x09\x0b\x0c\x0e-\x7f]*$/.test(value) && !value.endsWith(" ");
  const line = safe ? `${attribute}: ${value}` : `${attribute}:: ${Buffer.from(value).toString("base64")}`;
  const parts = [line.slice(0, MAX_COLUMNS)];
  for (let at = MAX_COLUMNS; at < line.length; at += MAX_COLUMNS - 1)
    parts.push(` ${line.slice(at, at + MAX_COLUMNS - 1)}`);
  return `${parts.join("\n")}\n`;
}

function* read(line: number, rows: readonly string[]): Iterable<LdifEntry> {
  const attributes = new Map<string, string[]>();
  try {
    for (const row of unfold(rows)) {
      const { name, value } = attributeOf(row);
      const values = attributes.get(name);
      if (values === undefined) attributes.set(name, [value]);
      else values.push(value);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    yield { line, attributes: new Map(), fault: error.message };
    return;
  }
  attributes.delete("version");
  if (attributes.size > 0) yield { line, attributes };
}

/** RFC 2849 §2 note 2: a line that begins with a space goes on with the one before; comments are folded as well. */
function unfold(rows: readonly string[]): readonly string[] {
  const lines: string[][] = [];
  for (const row of rows) {
    if (row.startsWith(" ")) lines.at(-1)?.push(row.slice(1));
    else lines.push([row]);
  }
  return lines.map((parts) => parts.join("")).filter((line) => !line.startsWith("#"));
}

function attributeOf(row: string): { readonly name: string; readonly value: string } {
  const [whole, name, mark] = /^([A-Za-z0-9.-]+)(?:;[A-Za-z0-9;-]*)?:([:<]?) */.exec(row) ?? [];
  if (whole === undefined || name === undefined) throw new FormatError("a line that is not attribute: value");
  if (mark === "<") throw new FormatError("a value kept in another file");
  const rest = row.slice(whole.length);
  return { name: name.toLowerCase(), value: mark === ":" ? utf8Of(fromBase64(rest.trimEnd(), "value")) : rest };
}

function utf8Of(octets: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new FormatError("a value that is not UTF-8");
  }
}
