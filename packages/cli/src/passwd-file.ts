/**
 * Accounts in a passwd-file as Dovecot writes it: `name:{SCHEME}secret[:uid:gid:gecos:home:shell:extra]`, one line each.
 * Source: Dovecot's documentation of passwd-file and password schemes; RFC 5803 for what a verifier holds.
 *
 * Schemes: `{PLAIN}`, `{CLEAR}`, `{CLEARTEXT}`, each also as `.b64`, `.base64` or `.hex`, and `{SCRAM-…}` with
 * `iterations,salt,StoredKey,ServerKey`, the last three in base64. Lines of the same user with different schemes are one
 * account. `nologin` among the extra fields disables an account. Lines that are empty or begin with `#` are passed over.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import type { AccountProperties, AccountStore, ScramVerifier } from "sasl-core";
import { CommandError } from "./errors.js";
import { scramHashes } from "./known-mechanisms.js";

const MAX_FILE_BYTES = 67_108_864;
const MAX_LINE_CHARACTERS = 65_536;
const MAX_NAME_BYTES = 1024;
const MAX_SALT_BYTES = 1024;
/** Clients take no fewer (RFC 7677 §4). */
const MIN_ITERATIONS = 4096;
/** What PLAIN costs against a verifier: 10 million rounds are seconds. */
const MAX_ITERATIONS = 10_000_000;

/** What went wrong in which line. */
function malformed(file: string, line: number, why: string): CommandError {
  return new CommandError("malformed-file", `${file}:${line}: ${why}`);
}

/** The properties of an account while its lines are read. */
type Entry = {
  userPassword?: string;
  authPassword?: ScramVerifier[];
  disabled?: true;
};

/**
 * Reads the text of a passwd-file.
 *
 * @param text any text; lines end with LF or CRLF.
 * @param file its name, for errors.
 * @returns accounts by name, which is taken as it stands.
 * @throws {CommandError} `malformed-file` with file and line. The message holds no secret.
 */
export function parsePasswdFile(text: string, file: string): Map<string, AccountProperties> {
  const accounts = new Map<string, Entry>();
  let number = 0;
  for (const raw of lines(text)) {
    number++;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (/^[ \t]*(#|$)/.test(line)) continue;
    try {
      addLine(accounts, line);
    } catch (error) {
      throw error instanceof LineFault ? malformed(file, number, error.message) : error;
    }
  }
  return accounts;
}

/** Lines one after the other, so that a large file is not held twice. */
function* lines(text: string): Generator<string> {
  for (let start = 0; start <= text.length; ) {
    const end = text.indexOf("\n", start);
    yield text.slice(start, end < 0 ? text.length : end);
    if (end < 0) return;
    start = end + 1;
  }
}

class LineFault extends Error {}

function addLine(accounts: Map<string, Entry>, line: string): void {
  if (line.length > MAX_LINE_CHARACTERS) throw new LineFault(`longer than ${MAX_LINE_CHARACTERS} characters`);
  const [name = "", secret, ...rest] = line.split(":");
  if (name === "") throw new LineFault("no user name before the first colon");
  if (/\p{Cc}|\ufffd/u.test(line)) throw new LineFault("a control character, or octets that are not UTF-8");
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw new LineFault(`a user name longer than ${MAX_NAME_BYTES} octets`);
  if (secret === undefined || secret === "") throw new LineFault("no {SCHEME}secret behind the user name");
  const entry = accounts.get(name) ?? {};
  addSecret(entry, secret);
  if ((rest[5] ?? "").split(/[ \t]+/).some((field) => /^nologin(=y(es)?)?$/i.test(field))) entry.disabled = true;
  accounts.set(name, entry);
}

function addSecret(entry: Entry, text: string): void {
  const [, scheme = "", secret = ""] = /^\{([A-Za-z0-9._-]{1,40})\}(.*)$/s.exec(text) ?? [];
  if (scheme === "") throw new LineFault(`the secret has no {SCHEME} before it; known: ${knownSchemes}`);
  const name = scheme.toUpperCase();
  const [, plain, encoding] = /^(?:PLAIN|CLEAR|CLEARTEXT)()(?:\.(B64|BASE64|HEX))?$/.exec(name) ?? [];
  if (plain !== undefined) {
    if (entry.userPassword !== undefined) throw new LineFault("this user has a password on a line before");
    entry.userPassword = clearText(secret, encoding);
    return;
  }
  const hash = name.startsWith("SCRAM-") ? name.slice(6) : "";
  const size = scramHashes.get(hash);
  if (size === undefined) throw new LineFault(`the scheme {${scheme}} is not known; known: ${knownSchemes}`);
  entry.authPassword ??= [];
  if (entry.authPassword.some((each) => each.hash === hash)) {
    throw new LineFault(`this user has a {${name}} secret on a line before`);
  }
  entry.authPassword.push(verifier(hash, size, secret));
}

const knownSchemes: string = ["PLAIN", "CLEAR", "CLEARTEXT", ...[...scramHashes.keys()].map((hash) => `SCRAM-${hash}`)]
  .map((name) => `{${name}}`)
  .join(", ");

function clearText(secret: string, encoding: string | undefined): string {
  const password = encoding === undefined ? secret : decodeText(secret, encoding);
  if (password === "") throw new LineFault("an empty password");
  return password;
}

function decodeText(secret: string, encoding: string): string {
  const octets = encoding === "HEX" ? hexOctets(secret) : base64Octets(secret, "password");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new LineFault("a password that is not UTF-8");
  }
}

/** Dovecot's order: iterations, salt, StoredKey, ServerKey. */
function verifier(hash: string, size: number, text: string): ScramVerifier {
  const fields = text.split(",");
  const [count = "", salt = "", stored = "", server = ""] = fields;
  if (fields.length !== 4) throw new LineFault("a SCRAM secret is iterations,salt,StoredKey,ServerKey");
  const iterations = /^[1-9][0-9]{0,8}$/.test(count) ? Number(count) : 0;
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
    throw new LineFault(`an iteration count that is not ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`);
  }
  const result: ScramVerifier = {
    hash,
    salt: base64Octets(salt, "salt"),
    iterations,
    storedKey: base64Octets(stored, "StoredKey"),
    serverKey: base64Octets(server, "ServerKey"),
  };
  if (result.salt.length === 0 || result.salt.length > MAX_SALT_BYTES) {
    throw new LineFault(`a salt that is not 1 to ${MAX_SALT_BYTES} octets`);
  }
  if (result.storedKey.length !== size || result.serverKey.length !== size) {
    throw new LineFault(`keys of SCRAM-${hash} have ${size} octets`);
  }
  return result;
}

/** Strict: Node's own decoder forgives. */
function base64Octets(text: string, what: string): Uint8Array {
  const octets = Buffer.from(text, "base64");
  if (octets.toString("base64") !== text) throw new LineFault(`a ${what} that is not base64`);
  return Uint8Array.from(octets);
}

function hexOctets(text: string): Uint8Array {
  if (!/^(?:[0-9A-Fa-f]{2})*$/.test(text)) throw new LineFault("a password that is not hexadecimal");
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/** A store of accounts that were read from a passwd-file. It does not write. */
export interface PasswdFileStore extends AccountStore {
  /** How many accounts there are. */
  readonly size: number;
  /** Iteration counts of their SCRAM verifiers, each once; a value for `scramIterations` of a server. */
  readonly iterations: readonly number[];
  lookup(name: string): AccountProperties | undefined;
  list(): Iterable<string>;
}

/** A store over what {@link parsePasswdFile} gave. */
export function passwdFileStore(accounts: ReadonlyMap<string, AccountProperties>): PasswdFileStore {
  const counts = new Set<number>();
  for (const { authPassword = [] } of accounts.values()) {
    for (const { iterations } of authPassword) if (iterations >= MIN_ITERATIONS) counts.add(iterations);
  }
  return {
    size: accounts.size,
    iterations: [...counts],
    lookup: (name) => accounts.get(name),
    list: () => accounts.keys(),
  };
}

/**
 * Reads a passwd-file once; later changes to the file have no effect.
 *
 * @param path of a file of at most 64 MiB.
 * @throws {CommandError} `unreadable-file`, or `malformed-file` with file and line.
 */
export async function openPasswdFile(path: string): Promise<PasswdFileStore> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES)
      throw new CommandError("malformed-file", `${path}: larger than ${MAX_FILE_BYTES} octets`);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw unreadable(path, error);
  }
  return passwdFileStore(parsePasswdFile(text, path));
}

/** Why a file that was named on the command line cannot be read. */
export function unreadable(path: string, error: unknown): CommandError {
  const { code } = error as NodeJS.ErrnoException;
  const why: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EACCES: "you may not read it",
    EISDIR: "it is a folder",
  };
  return new CommandError("unreadable-file", `cannot read ${path}: ${why[code ?? ""] ?? code ?? "unknown error"}`);
}
