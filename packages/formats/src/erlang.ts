/**
 * Erlang terms as `io:format("~p")` prints them: tuples, lists, binaries, strings, atoms and whole numbers. Source: Erlang
 * Reference Manual, "Data Types".
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { FormatError } from "./parts.js";

/** A term: a binary or string is octets, an atom its name, a tuple or list its elements. */
export type ErlangTerm =
  | Uint8Array
  | number
  | { readonly atom: string }
  | { readonly tuple: readonly ErlangTerm[] }
  | { readonly list: readonly ErlangTerm[] };

const MAX_DEPTH = 16;

/** Reads one term, with or without the full stop, at most 1 million characters. @throws {FormatError} */
export function parseErlang(text: string): ErlangTerm {
  if (text.length > 1_000_000) throw new FormatError("an Erlang term that is too long");
  const reader = new Reader(text);
  const term = reader.term(0);
  reader.take(/\./y);
  if (!reader.atEnd()) throw reader.fault();
  return term;
}

/** A binary: text between quotes where it is plain ASCII, else its octets as numbers. */
export function formatErlangBinary(octets: Uint8Array): string {
  const text = Buffer.from(octets).toString("latin1");
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? `<<"${text}">>` : `<<${octets.join(",")}>>`;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["d", "\x7f"],
  ["e", "\x1b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["s", " "],
  ["t", "\t"],
  ["v", "\v"],
  ["0", "\0"],
]);

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(pattern: RegExp, spaces = true): RegExpExecArray | null {
    if (spaces) this.take(/\s*/y, false);
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  atEnd(): boolean {
    this.take(/(?:)/y);
    return this.#at === this.#text.length;
  }

  fault(): FormatError {
    return new FormatError("an Erlang term that cannot be read");
  }

  term(depth: number): ErlangTerm {
    if (depth > MAX_DEPTH) throw new FormatError("Erlang terms that are nested too deep");
    if (this.take(/\{/y)) return { tuple: this.#elements(/\}/y, depth) };
    if (this.take(/\[/y)) return { list: this.#elements(/\]/y, depth) };
    if (this.take(/<</y)) return this.#binary();
    if (this.take(/"/y)) return this.#quoted('"');
    if (this.take(/'/y)) return { atom: Buffer.from(this.#quoted("'")).toString() };
    const atom = this.take(/[a-z][A-Za-z0-9_@]*/y);
    if (atom !== null) return { atom: atom[0] };
    const number = this.take(/-?\d{1,15}(?![\w.]\w)/y);
    if (number !== null) return Number(number[0]);
    throw this.fault();
  }

  #elements(end: RegExp, depth: number): readonly ErlangTerm[] {
    const elements: ErlangTerm[] = [];
    if (this.take(end)) return elements;
    for (;;) {
      elements.push(this.term(depth + 1));
      if (this.take(end)) return elements;
      if (!this.take(/,/y)) throw this.fault();
    }
  }

  #binary(): Uint8Array {
    const parts: Uint8Array[] = [];
    if (this.take(/>>/y)) return Uint8Array.of();
    for (;;) {
      const octet = this.take(/\d{1,3}/y);
      if (octet !== null) {
        if (Number(octet[0]) > 255) throw this.fault();
        parts.push(Uint8Array.of(Number(octet[0])));
      } else if (this.take(/"/y)) {
        parts.push(this.#quoted('"'));
        this.take(/\/utf8/y);
      } else throw this.fault();
      if (this.take(/>>/y)) return Uint8Array.from(Buffer.concat(parts));
      if (!this.take(/,/y)) throw this.fault();
    }
  }

  #quoted(quote: string): Uint8Array {
    const plain = quote === '"' ? /[^"\\]+/y : /[^'\\]+/y;
    const parts: string[] = [];
    for (;;) {
      const run = this.take(plain, false);
      if (run !== null) parts.push(run[0]);
      else if (this.take(/["']/y, false)) return Uint8Array.from(Buffer.from(parts.join("")));
      else parts.push(this.#escape());
    }
  }

  #escape(): string {
    const [, letter = "x"] = this.take(/\\([\s\S])/y, false) ?? [];
    if (/[1-7x^]/.test(letter)) throw this.fault(); // by number: ~p writes a list of octets then
    return escapes.get(letter) ?? letter;
  }
}
