/**
 * Roles of PostgreSQL with the verifier in `rolpassword`, which is RFC 5803 with SHA-256 alone. Sources: PostgreSQL
 * documentation, pg_authid and ALTER ROLE; output of `pg_dumpall --roles-only`.
 *
 * @module
 */
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { type AccountFormat, credentialOf, orFault, type ParsedAccount } from "./account-format.js";
import { firstLineOf, isHeader, linesOf, rowsOf } from "./lines.js";
import { checkedName } from "./names.js";
import { FormatError } from "./parts.js";
import { formatRfc5803, parseRfc5803 } from "./rfc5803.js";
import { identifierOf, isWord, quoteName, quoteText, type SqlStatement, statementsOf } from "./sql-text.js";

const HASH = "SHA-256";
/** PostgreSQL cuts longer ones off without a word. */
const MAX_ROLE_OCTETS = 63;
/** How a text of statements begins. */
const sqlStart = /^\s*(?:--|\/\*|\\|(?:ALTER|BEGIN|COMMENT|CREATE|DROP|GRANT|RESET|REVOKE|SELECT|SET)\s)/i;
/** Name and verifier in `pg_authid` and in `pg_shadow`. */
const tableColumns: readonly (readonly [name: string, verifier: string])[] = [
  ["rolname", "rolpassword"],
  ["usename", "passwd"],
];

/** Reads `rolpassword`. @throws {FormatError} for MD5 and for anything else that is no SCRAM-SHA-256 verifier. */
export function parsePostgresql(text: string): ScramVerifier {
  if (/^md5[0-9a-f]{32}$/.test(text)) {
    throw new FormatError("an MD5 password, which no mechanism can use: set it again with scram-sha-256");
  }
  if (!text.startsWith("SCRAM-")) throw new FormatError("a password that is no SCRAM verifier");
  if (text.includes(" ")) throw new FormatError("a verifier with spaces, which PostgreSQL does not take");
  return ofPostgresql(parseRfc5803(text));
}

/** Inverse of {@link parsePostgresql}. @throws {FormatError} for another hash than SHA-256. */
export function formatPostgresql(verifier: ScramVerifier): string {
  return formatRfc5803(ofPostgresql(verifier));
}

/**
 * PostgreSQL: reads what `pg_dumpall --roles-only` writes, `ALTER ROLE … PASSWORD '…'` of other origin, the output of `SELECT
 * rolname, rolpassword FROM pg_authid` with its header, and rows of name, tab and verifier. Roles without a password are
 * passed over; those that may not log in are disabled. Writes `ALTER ROLE`.
 */
export const postgresqlFormat: AccountFormat = {
  name: "postgresql",
  description: "PostgreSQL roles: ALTER ROLE statements with SCRAM-SHA-256 verifiers",
  parse(text: string): Iterable<ParsedAccount> {
    const first = firstLineOf(text);
    const columns = tableColumns.find((names) => isHeader(first, names));
    if (columns !== undefined) return rolesOfTable(text, ...columns);
    const isRow = /\t(?:SCRAM-|md5)\S*$/.test(first);
    return !isRow && sqlStart.test(first) ? rolesOfSql(text) : rolesOfLines(text);
  },
  format(name: string, properties: AccountProperties): string {
    if (Buffer.byteLength(checkedName(name)) > MAX_ROLE_OCTETS) {
      throw new FormatError(`a role of PostgreSQL has at most ${MAX_ROLE_OCTETS} octets: rename the account`);
    }
    const credential = credentialOf({ ...properties, userPassword: undefined }, "PostgreSQL", [HASH]);
    if (!("verifiers" in credential)) throw new FormatError("an account without a verifier");
    const password = quoteText(formatPostgresql(credential.verifiers[0]), "standard");
    return `ALTER ROLE ${quoteName(name)} WITH ${properties.disabled ? "NOLOGIN " : ""}PASSWORD ${password};\n`;
  },
};

function ofPostgresql(verifier: ScramVerifier): ScramVerifier {
  if (verifier.hash !== HASH) throw new FormatError(`PostgreSQL has SCRAM-${HASH} alone, not SCRAM-${verifier.hash}`);
  return verifier;
}

function* rolesOfSql(text: string): Iterable<ParsedAccount> {
  for (const { line, tokens } of statementsOf(text, "standard")) {
    const password = literalAfter(tokens, "PASSWORD");
    const isRole = isWord(tokens[0], "ALTER") || isWord(tokens[0], "CREATE");
    if (!isRole || !(isWord(tokens[1], "ROLE") || isWord(tokens[1], "USER")) || password === undefined) continue;
    const disabled = tokens.slice(3).some((token) => isWord(token, "NOLOGIN"));
    yield role(line, identifierOf(tokens[2]) ?? "", password, disabled);
  }
}

function literalAfter(tokens: SqlStatement["tokens"], word: string): string | undefined {
  const at = tokens.findIndex((token, index) => index > 2 && isWord(token, word));
  const literal = at === -1 ? undefined : tokens[at + 1];
  return literal?.kind === "text" ? literal.value : undefined;
}

function* rolesOfTable(text: string, nameColumn: string, passwordColumn: string): Iterable<ParsedAccount> {
  for (const row of rowsOf(text, [nameColumn, passwordColumn])) {
    const password = row.fault === undefined ? row.cells.get(passwordColumn) : undefined;
    if (row.fault !== undefined) yield row;
    else if (password)
      yield role(row.line, row.cells.get(nameColumn) ?? "", password, row.cells.get("rolcanlogin") === "f");
  }
}

function* rolesOfLines(text: string): Iterable<ParsedAccount> {
  for (const { line, text: row } of linesOf(text)) {
    if (row === "") continue;
    const [name = "", password, ...others] = row.split("\t");
    if (password !== undefined && others.length === 0) yield role(line, name, password, false);
    else yield { line, fault: "a row that is not name, tab and verifier" };
  }
}

function role(line: number, name: string, password: string, disabled: boolean): ParsedAccount {
  return orFault(line, () => {
    const properties = { authPassword: [parsePostgresql(password)], ...(disabled ? { disabled } : {}) };
    return { line, name: checkedName(name), properties };
  });
}
