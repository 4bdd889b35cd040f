/**
 * Dovecot's passwd-file, both ways: `name:{SCHEME}secret:uid:gid:gecos:home:shell:extra`, one line for each user. Source:
 * Dovecot 2.3, passwd-file (`src/auth/db-passwd-file.c`).
 *
 * Dovecot takes one secret for each user and knows nothing of properties. The rest of an account is in comments, which it
 * passes over; a comment of an administrator cannot look like one, since it would be of a user without a name:
 *
 * ```text
 * alice:{SCRAM-SHA-256}4096,…:::::/home/alice::userdb_quota_rule=*:storage=1G
 * #:sasl alice:TAG:{SCRAM-SHA-512}4096,…
 * #:sasl-property alice:displayName:"Alice"
 * ```
 *
 * TAG is a digest of the secret in the line for Dovecot. Where somebody else changed that one, the further secrets belong
 * to the password of before, and count no longer.
 *
 * @module
 */
import { hash } from "node:crypto";
import type { AccountProperties, PropertyValue, ScramVerifier } from "sasl-core";
import type { AccountFormat, ParsedAccount } from "./account-format.js";
import { checkedName } from "./names.js";
import { FormatError } from "./parts.js";
import {
  fieldNames,
  type MainLine,
  reservedNames,
  secretNames,
  splitMain,
  splitToken,
  takeFields,
} from "./passwd-fields.js";
import { formatPasswdSecret, type PasswdSecret, parsePasswdSecret, schemeRank } from "./passwd-schemes.js";
import { formatProperty, parseProperty } from "./property-text.js";

/** What lines of an account begin with, besides its own name: {@link passwdLineOf} tells them apart. */
const secretMark = "#:sasl ";
const propertyMark = "#:sasl-property ";

const MAX_LINE_CHARACTERS = 65_536;

/** Whose line it is. */
export interface PasswdLine {
  readonly name: string;
  /** True for the line Dovecot reads, false for what follows it in comments. */
  readonly main: boolean;
}

/**
 * Says whose a line is.
 *
 * @param line without its line end.
 * @returns `undefined` for comments, blank lines, and lines whose name cannot be a name: those are nobody's.
 */
export function passwdLineOf(line: string): PasswdLine | undefined {
  const mark = [secretMark, propertyMark].find((each) => line.startsWith(each));
  if (mark === undefined && /^[ \t\r]*(?:#|:|$)/.test(line)) return undefined;
  const start = mark?.length ?? 0;
  const end = line.indexOf(":", start);
  const name = line.slice(start, end < 0 ? undefined : end);
  return isPasswdName(name) ? { name, main: mark === undefined } : undefined;
}

/**
 * Whether a passwd-file can hold this name. It has no escapes: a colon ends a name, `#` in front makes a comment of it. A
 * blank in front is refused as well, since behind it `#` is a comment to some readers.
 */
export function isPasswdName(name: string): boolean {
  if (/^[!"$-9;-~][ -9;-~]{0,1023}$/.test(name)) return true; // nearly all
  if (/^[#\s]|[:\p{Cc}\ufffd]/u.test(name)) return false;
  try {
    return checkedName(name) === name;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/**
 * Reads an account from all of its lines.
 *
 * Properties: the secrets; `disabled` for the extra field `nologin`; `uid`, `gid`, `gecos`, `home`, `shell` as text; each
 * other extra field under its own name, as text, or `true` without a `=`; and the properties of the comments. What is in
 * the line for Dovecot counts before what is in a comment.
 *
 * @param lines without line ends, of the same user; the order counts.
 * @returns `undefined` when there are comments alone: an account is what Dovecot sees of it.
 * @throws {FormatError}
 */
export function parsePasswdAccount(lines: readonly string[]): AccountProperties | undefined {
  const { main, comments } = splitLines(lines);
  if (main.length === 0) return undefined;
  const account = new AccountReader();
  for (const line of main) account.addFields(line);
  const own = main.map(({ secret }) => secret);
  const tag = comments.secrets.length > 0 && tagOf(own);
  const further = comments.secrets.filter((each) => each.tag === tag).map(({ secret }) => secret);
  const place = further.indexOf("*");
  if (place >= 0) further.splice(place, 1, ...own);
  else further.unshift(...own);
  for (const secret of further) account.addSecret(parsePasswdSecret(secret));
  for (const [name, text] of comments.properties) account.addProperty(name, text);
  return account.properties;
}

/**
 * Writes an account: the line for Dovecot with the secret it makes most of, then the rest in comments. Inverse of
 * {@link parsePasswdAccount}.
 *
 * `uid` and `gid` (decimal), `gecos`, `home`, `shell` and what is called `userdb_…` go where Dovecot reads them, if they are
 * text that fits there; Dovecot expands `%` in them. Other properties are in its extra fields only if they were before, so
 * that no name an application made up means something to Dovecot (`nopassword`).
 *
 * @param before the lines the account has, of which what is unchanged stays as it is.
 * @returns lines without line ends, at least one. Nothing in a value can end a field or a line.
 * @throws {FormatError} for a name or a secret that cannot be written, or a line longer than 65,536 characters.
 * @throws {TypeError} for what is no property value.
 */
export function formatPasswdAccount(
  name: string,
  properties: AccountProperties,
  before: readonly string[] = [],
): readonly string[] {
  if (!isPasswdName(name)) {
    throw new FormatError(
      "a name a passwd-file cannot hold: 1 to 1024 octets without colon and control characters, not beginning with # or a blank",
    );
  }
  const rest = new Map(Object.entries(properties).filter(([, value]) => value !== undefined));
  const secrets = secretsOf(properties);
  for (const each of secretNames) rest.delete(each);
  const texts = secrets.map(formatPasswdSecret);
  const best = texts.reduce((best, text, i) => (schemeRank(text) < schemeRank(texts[best] ?? "") ? i : best), 0);
  const main = texts[best] ?? "";
  const fields = takeFields(rest, splitLines(before).main);
  const tag = tagOf([main]);
  const lines = [
    [name, main, ...fields].join(":"),
    ...furtherSecrets(secrets, texts, best).map((text) => `${secretMark}${name}:${tag}:${text}`),
    ...[...rest].map(([key, value]) => `${propertyMark}${name}:${propertyName(key)}:${propertyText(value)}`),
  ];
  for (const line of lines) checkLine(line);
  return lines;
}

/** The format of whole files, for import and export. Properties are written too. */
export const passwdFileFormat: AccountFormat = {
  name: "dovecot",
  description: "passwd-file of Dovecot, with further verifiers and properties in comments",
  *parse(text: string): Iterable<ParsedAccount> {
    const accounts = new Map<string, { line: number; lines: string[] }>();
    let number = 0;
    for (const line of text.split("\n")) {
      number++;
      const trimmed = line.endsWith("\r") ? line.slice(0, -1) : line;
      const whose = passwdLineOf(trimmed);
      if (whose === undefined) {
        if (!/^[ \t]*(?:#|$)/.test(trimmed)) yield { line: number, fault: "no user name before the first colon" };
        continue;
      }
      const account = accounts.get(whose.name);
      if (account === undefined) accounts.set(whose.name, { line: number, lines: [trimmed] });
      else account.lines.push(trimmed);
    }
    for (const [name, { line, lines }] of accounts) {
      try {
        const properties = parsePasswdAccount(lines);
        if (properties !== undefined) yield { line, name, properties };
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        yield { line, fault: error.message };
      }
    }
  },
  format: (name: string, properties: AccountProperties) => `${formatPasswdAccount(name, properties).join("\n")}\n`,
};

interface CommentLines {
  readonly secrets: { readonly tag: string; readonly secret: string }[];
  readonly properties: (readonly [name: string, text: string])[];
}

function splitLines(lines: readonly string[]): { main: MainLine[]; comments: CommentLines } {
  const main: MainLine[] = [];
  const comments: CommentLines = { secrets: [], properties: [] };
  for (const line of lines) {
    checkLine(line);
    if (line.startsWith(secretMark)) {
      const [, tag = "", ...secret] = line.split(":").slice(1);
      comments.secrets.push({ tag, secret: secret.join(":") });
    } else if (line.startsWith(propertyMark)) {
      const [, name = "", ...text] = line.split(":").slice(1);
      comments.properties.push([name, text.join(":")]);
    } else {
      main.push(splitMain(line));
    }
  }
  return { main, comments };
}

/** Every line, read or written: what could end it early, or is no text, is not in it. */
function checkLine(line: string): void {
  if (line.length > MAX_LINE_CHARACTERS) throw new FormatError(`longer than ${MAX_LINE_CHARACTERS} characters`);
  if (/^[ -~]*$/.test(line)) return; // nearly all
  if (/\p{Cc}|\ufffd/u.test(line)) throw new FormatError("a control character, or octets that are not UTF-8");
}

function tagOf(secrets: readonly string[]): string {
  return hash("sha256", secrets.join("\n"), "base64url").slice(0, 16);
}

/** An account while its lines are read. Without a prototype: no name in a file has an effect (R-LIM-04). */
class AccountReader {
  readonly #found: Record<string, unknown> = Object.create(null);

  get properties(): AccountProperties {
    return this.#found as AccountProperties;
  }

  addFields({ fields, extra }: MainLine): void {
    for (const [i, name] of fieldNames.entries()) if (fields[i]) this.#found[name] ??= fields[i];
    for (const token of extra) {
      const [name, value] = splitToken(token);
      if (name === "nologin") this.#found.disabled = true;
      else if (!reservedNames.includes(name)) this.#found[name] = value;
    }
  }

  addSecret(secret: PasswdSecret | undefined): void {
    if (secret === undefined) return;
    if (secret.property === "userPassword") {
      if (this.#found.userPassword !== undefined) throw new FormatError("this user has two passwords");
      this.#found.userPassword = secret.value;
    } else if (secret.property === "authPassword") {
      this.#found.authPassword ??= [];
      const verifiers = this.#found.authPassword as ScramVerifier[];
      if (verifiers.some(({ hash }) => hash === secret.value.hash)) {
        throw new FormatError(`this user has two secrets of SCRAM-${secret.value.hash}`);
      }
      verifiers.push(secret.value);
    } else {
      this.#found.passwordHash ??= [];
      const hashes = this.#found.passwordHash as string[];
      if (hashes.includes(secret.value)) throw new FormatError("this user has the same hash twice");
      hashes.push(secret.value);
    }
  }

  addProperty(text: string, json: string): void {
    const name = decodePropertyName(text);
    if (secretNames.includes(name)) throw new FormatError("a secret among the properties");
    const value = parseProperty(json);
    this.#found[name] ??= value;
  }
}

function secretsOf({ userPassword, authPassword = [], passwordHash = [] }: AccountProperties): PasswdSecret[] {
  if (new Set(authPassword.map(({ hash }) => hash)).size !== authPassword.length) {
    throw new FormatError("two verifiers of the same hash");
  }
  return [
    ...(userPassword === undefined ? [] : [{ property: "userPassword", value: userPassword } as const]),
    ...authPassword.map((value) => ({ property: "authPassword", value }) as const),
    ...[...new Set(passwordHash)].map((value) => ({ property: "passwordHash", value }) as const),
  ];
}

/** All but the one for Dovecot. `*` says where that one stands among them, when it is not the first of its kind. */
function furtherSecrets(secrets: readonly PasswdSecret[], texts: readonly string[], best: number): readonly string[] {
  const isFirst = secrets.findIndex(({ property }) => property === secrets[best]?.property) === best;
  return isFirst ? texts.filter((_, i) => i !== best) : texts.map((text, i) => (i === best ? "*" : text));
}

/** A property's name without anything that could end it. */
function propertyName(name: string): string {
  try {
    return encodeURIComponent(name);
  } catch {
    throw new FormatError("a property name with half a character");
  }
}

function decodePropertyName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FormatError("a property name that does not decode");
  }
}

/** JSON on one line of printable characters. */
function propertyText(value: unknown): string {
  return formatProperty(value as PropertyValue).replace(
    /[\x7f-\x9f\u2028\u2029\ufffd]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
