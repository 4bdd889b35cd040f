/**
 * SQL as database programs dump it, cut into words: enough to find values in it, and nothing of it is run.
 *
 * @module
 */
import { FormatError } from "./parts.js";

/** One word of SQL. */
export interface SqlToken {
  /** `name` is a quoted identifier, `word` an unquoted one or a number, `text` a literal, `symbol` one character. */
  readonly kind: "word" | "name" | "text" | "symbol";
  /** Without quotes and escapes. */
  readonly value: string;
}

/** One statement without its `;`. */
export interface SqlStatement {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly tokens: readonly SqlToken[];
  /** After `COPY … FROM stdin`: the lines up to `\.`, and the number of the first. */
  readonly data?: { readonly line: number; readonly text: string } | undefined;
}

/**
 * The statements of a dump, one after the other.
 *
 * In `'…'` a backslash escapes, as MySQL and ejabberd write it, unless the dump says otherwise: `pg_dump` sets
 * `standard_conforming_strings`, `sqlite3` begins with `PRAGMA`. In `E'…'` it always does.
 *
 * @param dialect says which it is, for texts that do not.
 * @throws {FormatError} for a text or a comment that does not end.
 */
export function* statementsOf(sql: string, dialect?: "standard" | "mysql"): Iterable<SqlStatement> {
  const says = /^\s*(?:SET standard_conforming_strings = on|PRAGMA )/m.test(sql.slice(0, 4096));
  const reader = new SqlReader(sql, dialect === undefined ? !says : dialect === "mysql");
  for (let next = reader.statement(); next !== undefined; next = reader.statement()) yield next;
}

/** Whether a token is this keyword or symbol; quoted names never are. */
export function isWord(token: SqlToken | undefined, word: string): boolean {
  return (token?.kind === "word" || token?.kind === "symbol") && token.value.toUpperCase() === word;
}

/** What an identifier names: unquoted ones in small letters, as PostgreSQL folds them. */
export function identifierOf(token: SqlToken | undefined): string | undefined {
  if (token?.kind === "name") return token.value;
  return token?.kind === "word" ? token.value.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase()) : undefined;
}

/** A literal of standard SQL. @throws {FormatError} for a NUL. */
export function quoteText(text: string): string {
  return `'${withoutNul(text).replaceAll("'", "''")}'`;
}

/** A quoted identifier of standard SQL. @throws {FormatError} for a NUL. */
export function quoteName(name: string): string {
  return `"${withoutNul(name).replaceAll('"', '""')}"`;
}

function withoutNul(text: string): string {
  if (text.includes("\0")) throw new FormatError("SQL text cannot hold a NUL");
  return text;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ["0", "\0"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["Z", "\x1a"],
]);

class SqlReader {
  readonly #sql: string;
  readonly #backslashes: boolean;
  #at = 0;
  #line = 1;
  #counted = 0;

  constructor(sql: string, backslashes: boolean) {
    this.#sql = sql;
    this.#backslashes = backslashes;
  }

  statement(): SqlStatement | undefined {
    this.#skip(true);
    if (this.#at >= this.#sql.length) return undefined;
    const line = this.#lineHere();
    const tokens: SqlToken[] = [];
    while (this.#at < this.#sql.length && this.#sql[this.#at] !== ";") {
      tokens.push(this.#token());
      this.#skip(false);
    }
    this.#at++;
    const isCopy = isWord(tokens[0], "COPY") && isWord(tokens.at(-1), "STDIN");
    return { line, tokens, ...(isCopy ? { data: this.#data() } : {}) };
  }

  #lineHere(): number {
    for (; this.#counted < this.#at; this.#counted++) if (this.#sql[this.#counted] === "\n") this.#line++;
    return this.#line;
  }

  /** Spaces and comments; between statements also what is meant for psql. */
  #skip(between: boolean): void {
    const ignored = between ? /[\s;]+|--.*|#.*|\\.*/y : /\s+|--.*/y;
    for (;;) {
      ignored.lastIndex = this.#at;
      if (this.#sql.startsWith("/*", this.#at)) this.#at = this.#find("*/", this.#at + 2) + 2;
      else if (ignored.test(this.#sql)) this.#at = ignored.lastIndex;
      else return;
    }
  }

  #find(end: string, from: number): number {
    const at = this.#sql.indexOf(end, from);
    if (at === -1) throw new FormatError(`SQL in which something begins and does not end (line ${this.#lineHere()})`);
    return at;
  }

  #token(): SqlToken {
    const first = this.#sql[this.#at] ?? "";
    if (/[Ee]/.test(first) && this.#sql[this.#at + 1] === "'") {
      this.#at++;
      return { kind: "text", value: this.#quoted("'", true) };
    }
    if (first === "'") return { kind: "text", value: this.#quoted("'", this.#backslashes) };
    if (first === '"' || first === "`") return { kind: "name", value: this.#quoted(first, false) };
    const word = /[\w\u0080-\uffff$.+-]+/y;
    word.lastIndex = this.#at;
    const match = /[\w\u0080-\uffff+-]/.test(first) ? word.exec(this.#sql) : null;
    const value = match?.[0] ?? first;
    this.#at += value.length;
    return { kind: match === null ? "symbol" : "word", value };
  }

  #quoted(quote: string, backslashes: boolean): string {
    const special = quote === "'" && backslashes ? /['\\]/g : new RegExp(quote, "g");
    const parts: string[] = [];
    for (let from = this.#at + 1; ; ) {
      special.lastIndex = from;
      const at = special.exec(this.#sql)?.index ?? this.#find(quote, this.#sql.length);
      parts.push(this.#sql.slice(from, at));
      const next = this.#sql[at + 1] ?? "";
      if (this.#sql[at] === "\\") parts.push(escapes.get(next) ?? next);
      else if (next === quote) parts.push(quote);
      else {
        this.#at = at + 1;
        return parts.join("");
      }
      from = at + 2;
    }
  }

  #data(): { readonly line: number; readonly text: string } {
    const start = this.#find("\n", this.#at) + 1;
    this.#at = start;
    const line = this.#lineHere();
    if (this.#sql.startsWith("\\.", start)) return { line, text: "" };
    const end = this.#find("\n\\.", start);
    this.#at = end;
    return { line, text: this.#sql.slice(start, end) };
  }
}
