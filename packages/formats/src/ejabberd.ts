/**
 * Accounts of ejabberd: rows of its SQL table `users` and records of its Mnesia table `passwd`. Sources: `ejabberd_auth_sql`,
 * `ejabberd_auth_mnesia`, `ejd2sql` and `sql/*.sql` of ejabberd 26.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import {
  type AccountFormat,
  type AccountFormatOptions,
  checkEnabled,
  credentialOf,
  type ParsedAccount,
} from "./account-format.js";
import { type ErlangTerm, formatErlangBinary, parseErlang } from "./erlang.js";
import { firstLineOf, isHeader, rowsOf, splitTabs } from "./lines.js";
import { checkedLocalpart, checkedName } from "./names.js";
import { checkedVerifier, FormatError, fromBase64, parseIterations, toBase64 } from "./parts.js";
import { identifierOf, isWord, quoteText, type SqlStatement, type SqlToken, statementsOf } from "./sql-text.js";

/** What a row of `users` says about the password. */
export interface EjabberdRow {
  /** 1 password, 2 SHA-1, 3 SHA-256, 4 SHA-512, 0 a row of before there were types. */
  readonly type: number;
  /** The password itself, or StoredKey in base64; in rows of type 0 with `sha256:` or `sha512:` before it. */
  readonly password: string;
  /** Base64; empty with a password. */
  readonly serverkey: string;
  /** Base64; empty with a password. */
  readonly salt: string;
  /** 0 with a password. */
  readonly iterationcount: number;
}

/** One hash: how SCRAM, Mnesia, the column `type` and rows of type 0 call it. */
interface HashName {
  readonly hash: string;
  readonly atom: string;
  readonly type: number;
  readonly prefix: string;
}

const hashNames: readonly HashName[] = [
  { hash: "SHA-256", atom: "sha256", type: 3, prefix: "sha256:" },
  { hash: "SHA-512", atom: "sha512", type: 4, prefix: "sha512:" },
  { hash: "SHA-1", atom: "sha", type: 2, prefix: "" },
];
const PLAIN = 1;

/** Reads what a row holds: a verifier, or a password. @throws {FormatError} */
export function parseEjabberdRow(
  row: EjabberdRow,
): { readonly verifier: ScramVerifier } | { readonly password: string } {
  const { type, password, serverkey, salt, iterationcount } = row;
  if (serverkey === "" && salt === "" && iterationcount === 0) {
    if (type > PLAIN || password === "") throw new FormatError("a row without keys that is not of type 1");
    return { password };
  }
  const name = hashNames.find((each) => (type === 0 ? password.startsWith(each.prefix) : each.type === type));
  if (name === undefined) throw new FormatError("a row of a type that is not 0 to 4");
  const storedKey = type === 0 ? password.slice(name.prefix.length) : password;
  return { verifier: verifierOf(name.hash, storedKey, serverkey, salt, iterationcount) };
}

/** Inverse of {@link parseEjabberdRow}, with types 2 to 4. @throws {FormatError} for a hash ejabberd does not have. */
export function formatEjabberdRow(verifier: ScramVerifier): EjabberdRow {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  return {
    type: nameOf(hash).type,
    password: toBase64(storedKey),
    serverkey: toBase64(serverKey),
    salt: toBase64(salt),
    iterationcount: iterations,
  };
}

/** Reads a record of Mnesia: `{scram,<<StoredKey>>,<<ServerKey>>,<<salt>>,sha256,4096}`. @throws {FormatError} */
export function parseEjabberdScram(text: string): ScramVerifier {
  return verifierOfTerm(parseErlang(text));
}

/** Inverse of {@link parseEjabberdScram}. @throws {FormatError} for a hash ejabberd does not have. */
export function formatEjabberdScram(verifier: ScramVerifier): string {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  const [stored, server, salted] = [storedKey, serverKey, salt].map((octets) => `<<"${toBase64(octets)}">>`);
  return `{scram,${stored},${server},${salted},${nameOf(hash).atom},${iterations}}`;
}

/**
 * An account as `ejabberdctl dump_table FILE passwd` prints it: a record for each verifier, or one for the password. A file for
 * `ejabberdctl load` begins with `{tables,[{passwd,[{record_name,passwd},{attributes,[us,password]}]}]}.`
 *
 * @param host the virtual host.
 * @throws {FormatError} for a name or an account ejabberd cannot hold.
 */
export function formatEjabberdRecords(name: string, host: string, properties: AccountProperties): string {
  checkEnabled(properties, "ejabberd");
  const us = [checkedLocalpart(name), checkedLocalpart(host)].map((each) => formatErlangBinary(Buffer.from(each)));
  const credential = credentialOf(properties, "ejabberd", hashesOfEjabberd);
  if ("password" in credential) {
    return `{passwd,{${us.join(",")},plain},${formatErlangBinary(Buffer.from(credential.password))}}.\n`;
  }
  return credential.verifiers
    .map((each) => `{passwd,{${us.join(",")},${nameOf(each.hash).atom}},${formatEjabberdScram(each)}}.\n`)
    .join("");
}

/**
 * ejabberd: reads SQL (`ejabberdctl export2sql`, `pg_dump`, `mysqldump`, `sqlite3 .dump`), tables printed by a database
 * client with their header, and Mnesia (`ejabberdctl dump`, `dump_table`). The rows of one user become one account. Writes SQL.
 */
export const ejabberdFormat: AccountFormat = {
  name: "ejabberd",
  description: "ejabberd: rows of the SQL table users; reads dumps of Mnesia as well",
  parse(text: string, { host, dialect }: AccountFormatOptions = {}): Iterable<ParsedAccount> {
    return accountsOf(entriesOf(text, dialect), host);
  },
  format(name: string, properties: AccountProperties, options: AccountFormatOptions = {}): string {
    checkEnabled(properties, "ejabberd");
    const { host, dialect, hash } = options;
    if (hash !== undefined && !hashesOfEjabberd.includes(hash)) throw new FormatError(`ejabberd has no SCRAM-${hash}`);
    const quote = (text: string) => quoteText(text, dialect);
    const key: [column: string, value: string][] = [["username", quote(checkedLocalpart(name))]];
    if (host !== undefined) key.push(["server_host", quote(checkedLocalpart(host))]);
    const credential = credentialOf(properties, "ejabberd", hash === undefined ? hashesOfEjabberd : [hash]);
    const typed: readonly EjabberdRow[] =
      "password" in credential
        ? [{ type: PLAIN, password: credential.password, serverkey: "", salt: "", iterationcount: 0 }]
        : credential.verifiers.map(formatEjabberdRow);
    const rows = hash === undefined ? typed : typed.map(withoutType);
    const where = key.map(([column, value]) => `${column}=${value}`).join(" AND ");
    // Rows that stay would let an old password in.
    return `DELETE FROM users WHERE ${where};\n${rows.map((row) => insertOf(key, row, quote)).join("")}`;
  },
};

const hashesOfEjabberd: readonly string[] = hashNames.map(({ hash }) => hash);

/** The row as it was before there were types: one for each user, the name of the hash before the key. */
function withoutType(row: EjabberdRow): EjabberdRow {
  const prefix = hashNames.find(({ type }) => type === row.type)?.prefix ?? "";
  return { ...row, type: 0, password: `${prefix}${row.password}` };
}

function insertOf(key: readonly [string, string][], row: EjabberdRow, quote: (text: string) => string): string {
  const columns: readonly [string, string][] = [
    ...key,
    ...(row.type === 0 ? [] : [["type", String(row.type)] satisfies [string, string]]),
    ["password", quote(row.password)],
    ["serverkey", quote(row.serverkey)],
    ["salt", quote(row.salt)],
    ["iterationcount", String(row.iterationcount)],
  ];
  const [names, values] = [0, 1].map((at) => columns.map((column) => column[at]).join(", "));
  return `INSERT INTO users (${names}) VALUES (${values});\n`;
}

function nameOf(hash: string): HashName {
  const name = hashNames.find((each) => each.hash === hash);
  if (name === undefined) throw new FormatError(`ejabberd has no SCRAM-${hash}`);
  return name;
}

function verifierOf(
  hash: string,
  storedKey: string,
  serverKey: string,
  salt: string,
  iterations: number,
): ScramVerifier {
  return checkedVerifier({
    hash,
    salt: fromBase64(salt, "salt"),
    iterations,
    storedKey: fromBase64(storedKey, "StoredKey"),
    serverKey: fromBase64(serverKey, "ServerKey"),
  });
}

/** What one row or record came to. */
type Entry =
  | { readonly line: number; readonly user: string; readonly host: string; readonly properties: AccountProperties }
  | { readonly line: number; readonly fault: string };

/** Puts the rows of each user together, in the order the users begin. */
function* accountsOf(entries: Iterable<Entry>, host: string | undefined): Iterable<ParsedAccount> {
  const accounts = new Map<string, { line: number; name: string; properties: AccountProperties }>();
  let onlyHost = host;
  for (const entry of entries) {
    if ("fault" in entry) {
      yield entry;
      continue;
    }
    const { line, user, properties } = entry;
    if (entry.host !== "") onlyHost ??= entry.host;
    if (entry.host !== "" && entry.host !== onlyHost) {
      // Without a host asked for, the same name on two hosts would become one account.
      if (host === undefined) yield { line, fault: "an account of another host than the first: say which host" };
      continue;
    }
    const known = accounts.get(user);
    const merged = merge(known?.properties ?? {}, properties);
    if (merged === undefined) yield { line, fault: "a second row of one type for one user" };
    else accounts.set(user, { line: known?.line ?? line, name: user, properties: merged });
  }
  yield* accounts.values();
}

function merge(known: AccountProperties, more: AccountProperties): AccountProperties | undefined {
  const authPassword = [...(known.authPassword ?? []), ...(more.authPassword ?? [])];
  const doubled = new Set(authPassword.map(({ hash }) => hash)).size < authPassword.length;
  if (doubled || (known.userPassword !== undefined && more.userPassword !== undefined)) return undefined;
  return { ...known, ...more, ...(authPassword.length > 0 ? { authPassword } : {}) };
}

/** Runs a reader of one entry; faults name no content. */
function entryOf(line: number, read: () => Omit<Extract<Entry, { user: string }>, "line">): Entry {
  try {
    const { user, host, properties } = read();
    return { line, user: checkedName(user), host, properties };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { line, fault: error.message };
  }
}

function propertiesOf(held: ReturnType<typeof parseEjabberdRow>): AccountProperties {
  return "verifier" in held ? { authPassword: [held.verifier] } : { userPassword: held.password };
}

/** Rows or records, as the first line says. */
function entriesOf(text: string, dialect: AccountFormatOptions["dialect"]): Iterable<Entry> {
  const first = firstLineOf(text).trimStart();
  if (/^[{%]/.test(first)) return recordsOf(text);
  const isStatement = /^(?:insert|copy)\s/i.test(first);
  return !isStatement && isHeader(first, tableColumns) ? rowsOfTable(text) : rowsOfSql(text, dialect);
}

const tableColumns: readonly string[] = ["username", "password"];

function entryOfCells(line: number, cells: ReadonlyMap<string, string>): Entry {
  return entryOf(line, () => {
    const { username = "", password = "" } = { username: cells.get("username"), password: cells.get("password") };
    const row: EjabberdRow = {
      type: Number(/^[0-4]$/.exec(cells.get("type") ?? "0")?.[0] ?? "9"),
      password,
      serverkey: cells.get("serverkey") ?? "",
      salt: cells.get("salt") ?? "",
      iterationcount: countOf(cells.get("iterationcount") ?? ""),
    };
    return { user: username, host: cells.get("server_host") ?? "", properties: propertiesOf(parseEjabberdRow(row)) };
  });
}

function countOf(text: string): number {
  return text === "" || text === "0" ? 0 : parseIterations(text);
}

function* rowsOfTable(text: string): Iterable<Entry> {
  for (const row of rowsOf(text, tableColumns)) {
    yield row.fault === undefined ? entryOfCells(row.line, row.cells) : row;
  }
}

function* rowsOfSql(text: string, dialect: AccountFormatOptions["dialect"]): Iterable<Entry> {
  let found = false;
  for (const statement of statementsOf(text, dialect)) {
    const { line, tokens, data } = statement;
    if (isWord(tokens[0], "{")) yield { line, fault: "a record of Mnesia among rows of SQL: import it by itself" };
    const isInsert = isWord(tokens[0], "INSERT") && isWord(tokens[1], "INTO");
    const tableAt = isInsert ? 2 : isWord(tokens[0], "COPY") ? 1 : undefined;
    if (tableAt === undefined) continue;
    const { table, end } = tableName(tokens, tableAt);
    if (table !== "users") continue;
    found = true;
    const { names, end: behind } = columnNames(tokens, end);
    if (data !== undefined) yield* rowsOfCopy(data, names);
    else {
      for (const values of tuplesOf(tokens, behind)) {
        yield values === undefined
          ? { line, fault: "a row with a value that would have to be worked out" }
          : entryOfCells(line, cellsOf(names, values));
      }
    }
  }
  if (!found) throw new FormatError("no row of a table users with username and password, nor a record of Mnesia");
}

/** `users`, `public.users`, `"public"."users"`: the last part counts. */
function tableName(tokens: readonly SqlToken[], at: number): { table: string | undefined; end: number } {
  if (isWord(tokens[at + 1], ".")) return { table: identifierOf(tokens[at + 2]), end: at + 3 };
  return { table: identifierOf(tokens[at])?.split(".").at(-1), end: at + 1 };
}

function columnNames(tokens: readonly SqlToken[], at: number): { names: readonly string[]; end: number } {
  if (!isWord(tokens[at], "(")) return { names: [], end: at };
  const close = tokens.findIndex((token, index) => index > at && isWord(token, ")"));
  if (close === -1) return { names: [], end: tokens.length };
  const names = tokens.slice(at + 1, close).filter((token) => !isWord(token, ","));
  return { names: names.map((token) => identifierOf(token) ?? ""), end: close + 1 };
}

/** The values of `VALUES (…), (…)`, each a word or a literal; nothing for those with a bracket among them. */
function tuplesOf(tokens: SqlStatement["tokens"], from: number): readonly (readonly SqlToken[] | undefined)[] {
  const tuples: (SqlToken[] | undefined)[] = [];
  let depth = 0;
  for (const token of tokens.slice(from)) {
    if (isWord(token, ")")) depth--;
    else if (!isWord(token, "(")) {
      if (token.kind !== "symbol") tuples.at(-1)?.push(token);
    } else if (++depth === 1) tuples.push([]);
    else tuples[tuples.length - 1] = undefined;
  }
  return tuples;
}

/** The schemas ejabberd has had, told apart by where whole numbers stand when a dump names no columns. */
const schemas: readonly (readonly [numbersAt: string, columns: string])[] = [
  ["1,5", "username,type,password,serverkey,salt,iterationcount,created_at"],
  ["2,6", "username,server_host,type,password,serverkey,salt,iterationcount,created_at"],
  ["4", "username,password,serverkey,salt,iterationcount,created_at"],
  ["5", "username,server_host,password,serverkey,salt,iterationcount,created_at"],
];

function cellsOf(names: readonly string[], values: readonly SqlToken[]): ReadonlyMap<string, string> {
  const numbers = values
    .flatMap(({ kind, value }, at) => (kind === "word" && /^\d+$/.test(value) ? [at] : []))
    .join(",");
  const columns = names.length > 0 ? names : (schemas.find(([at]) => at === numbers)?.[1].split(",") ?? []);
  return new Map(columns.map((column, at) => [column, values[at]?.value ?? ""]));
}

function* rowsOfCopy(
  data: { readonly line: number; readonly text: string },
  names: readonly string[],
): Iterable<Entry> {
  let line = data.line;
  for (const row of data.text === "" ? [] : data.text.split("\n")) {
    const cells = splitTabs(row);
    yield cells.length === names.length
      ? entryOfCells(line, new Map(names.map((name, at) => [name, cells[at] ?? ""])))
      : { line, fault: "a row with another number of columns than its header" };
    line++;
  }
}

/** Each term of a dump begins a line; only those of `passwd` are read. */
function* recordsOf(text: string): Iterable<Entry> {
  let found = false;
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; ) {
    const start = at++;
    while (at < lines.length && !lines[at]?.startsWith("{")) at++;
    const term = lines.slice(start, at).join("\n");
    if (!/^\s*\{\s*passwd\s*,\s*\{/.test(term)) continue;
    found = true;
    yield entryOf(start + 1, () => recordOf(parseErlang(term)));
  }
  if (!found) throw new FormatError("a dump of Mnesia without a record of the table passwd");
}

function recordOf(term: ErlangTerm): Omit<Extract<Entry, { user: string }>, "line"> {
  const [, us, password] = tupleOf(term, 3);
  const names = us !== undefined && typeof us === "object" && "tuple" in us ? us.tuple : [];
  const [user, host] = names;
  if (names.length < 2 || names.length > 3) throw new FormatError("a record whose key is not user, host and kind");
  const properties =
    password instanceof Uint8Array
      ? propertiesOf(
          parseEjabberdRow({ type: 1, password: textOf(password), serverkey: "", salt: "", iterationcount: 0 }),
        )
      : { authPassword: [verifierOfTerm(password)] };
  return { user: textOf(user), host: textOf(host), properties };
}

/** Records of ejabberd before 20.12 have no hash, which is SHA-1 then. */
function verifierOfTerm(term: ErlangTerm | undefined): ScramVerifier {
  const elements = term !== undefined && typeof term === "object" && "tuple" in term ? term.tuple : [];
  const [tag, storedKey, serverKey, salt, ...rest] = elements;
  const [hash, iterations] = rest.length === 1 ? [{ atom: "sha" }, rest[0]] : rest;
  const name = hashNames.find((each) => each.atom === atomOf(hash));
  if (atomOf(tag) !== "scram" || rest.length > 2 || name === undefined || typeof iterations !== "number") {
    throw new FormatError("a record that is not {scram,StoredKey,ServerKey,salt,hash,iterations}");
  }
  return verifierOf(name.hash, textOf(storedKey), textOf(serverKey), textOf(salt), iterations);
}

function tupleOf(term: ErlangTerm, length: number): readonly ErlangTerm[] {
  const tuple = typeof term === "object" && "tuple" in term ? term.tuple : [];
  if (tuple.length !== length) throw new FormatError(`a record that is not of ${length} elements`);
  return tuple;
}

function atomOf(term: ErlangTerm | undefined): string | undefined {
  return typeof term === "object" && "atom" in term ? term.atom : undefined;
}

function textOf(term: ErlangTerm | undefined): string {
  if (!(term instanceof Uint8Array)) throw new FormatError("a field of a record that is no text");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(term);
  } catch {
    throw new FormatError("a field of a record that is not UTF-8");
  }
}
