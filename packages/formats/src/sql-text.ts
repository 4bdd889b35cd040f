/**
 * SQL as database programs dump it, cut into words: enough to find values in it, and nothing of it is run.
 *
 * @module
 */
import { FormatError } from "./parts.js";

/** How `'…'` is written: `standard` in PostgreSQL and SQLite, with escapes in MySQL. */
export type SqlDialect = "standard" | "mysql";

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
 * In `'…'` a backslash stands for itself or escapes, and where a literal ends depends on it. Programs that dump say which at the
 * start of the text. In `E'…'` it always escapes.
 *
 * @param dialect says it for texts that do not, and against those that do.
 * @throws {FormatError} for a text or a comment that does not end, and for a backslash of which nobody said what it means.
 */
export function* statementsOf(sql: string, dialect?: SqlDialect): Iterable<SqlStatement> {
  const reader = new SqlReader(sql, dialect ?? dialectOf(sql));
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

/** A literal. @throws {FormatError} for a NUL, and for a backslash where nobody said which SQL it is. */
export function quoteText(text: string, dialect: SqlDialect | undefined): string {
  if (dialect === undefined && text.includes("\\")) {
    throw new FormatError("a backslash, which databases write differently: say which dialect it is for");
  }
  const quoted = withoutNul(text).replaceAll("'", "''");
  return `'${dialect === "mysql" ? quoted.replaceAll("\\", "\\\\") : quoted}'`;
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

/** As a dump says before its first row; in rows stands what users chose. */
function dialectOf(sql: string): SqlDialect | undefined {
  const start = sql.slice(0, 4096);
  const rows = start.search(/^[ \t]*(?:COPY|DELETE|INSERT|REPLACE|UPDATE)\b/im);
  const preamble = rows === -1 ? start : start.slice(0, rows);
  if (/^[ \t]*(?:SET standard_conforming_strings = on;|PRAGMA )/m.test(preamble)) return "standard"; // pg_dump, sqlite3
  const isMysql = /^(?:-- (?:MySQL|MariaDB) dump |\/\*M?!\d|SET standard_conforming_strings = off;)/m.test(preamble);
  const isExport = preamble.includes("-- Mnesia table: "); // `ejabberdctl export2sql`
  const isQuoted = rows !== -1 && /^[ \t]*(?:INSERT|REPLACE)\s+INTO\s+`/i.test(start.slice(rows));
  return isMysql || isExport || isQuoted ? "mysql" : undefined;
}

class SqlReader {
  readonly #sql: string;
  readonly #dialect: SqlDialect | undefined;
  #at = 0;
  #line = 1;
  #counted = 0;

  constructor(sql: string, dialect: SqlDialect | undefined) {
    this.#sql = sql;
    this.#dialect = dialect;
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
      return { kind: "text", value: this.#quoted("'", "mysql") };
    }
    if (first === "'") return { kind: "text", value: this.#quoted("'", this.#dialect) };
    if (first === '"' || first === "`") return { kind: "name", value: this.#quoted(first, "standard") };
    const word = /[\w\u0080-\uffff$.+-]+/y;
    word.lastIndex = this.#at;
    const match = /[\w\u0080-\uffff+-]/.test(first) ? word.exec(this.#sql) : null;
    const value = match?.[0] ?? first;
    this.#at += value.length;
    return { kind: match === null ? "symbol" : "word", value };
  }

  #quoted(quote: string, dialect: SqlDialect | undefined): string {
    const special = dialect === "standard" ? new RegExp(quote, "g") : /['\\]/g;
    const parts: string[] = [];
    for (let from = this.#at + 1; ; ) {
      special.lastIndex = from;
      const at = special.exec(this.#sql)?.index ?? this.#find(quote, this.#sql.length);
      parts.push(this.#sql.slice(from, at));
      const next = this.#sql[at + 1] ?? "";
      if (this.#sql[at] === "\\") {
        if (dialect === undefined) {
          throw new FormatError(`SQL with a backslash (line ${this.#lineHere()}): say which dialect it is`);
        }
        parts.push(escapes.get(next) ?? next);
      } else if (next === quote) parts.push(quote);
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
