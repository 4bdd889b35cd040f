/**
 * Accounts of Prosody's default storage: one file for each user, `accounts/NAME.dat`, a table of Lua. Sources:
 * `mod_auth_internal_hashed`, `mod_auth_internal_plain`, `util.datamanager` and `util.serialization` of Prosody 0.12.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import {
  type AccountFormat,
  type AccountFormatOptions,
  type Credential,
  credentialOf,
  orFault,
  type ParsedAccount,
} from "./account-format.js";
import { formatLuaString, type LuaValue, parseLua } from "./lua.js";
import { checkedLocalpart, checkedName } from "./names.js";
import { checkedVerifier, FormatError, keySizes } from "./parts.js";

const hashes: readonly string[] = ["SHA-1", "SHA-256"];

/**
 * Reads the content of one file of `accounts/`.
 *
 * The hash is not in it: keys of 20 octets are SHA-1, of 32 SHA-256. An account without password and keys, which Prosody
 * makes for invitations, has no credentials.
 *
 * @throws {FormatError} for a text that is not a table of Lua, and for fields of another kind than Prosody writes.
 */
export function parseProsody(text: string): AccountProperties {
  const table = parseLua(text);
  if (!(table instanceof Map)) throw new FormatError("an account that is not a Lua table");
  const fields: ReadonlyMap<string, LuaValue> = table;
  const password = textOf(fields, "password");
  const disabled = fields.get("disabled") === true ? { disabled: true } : {};
  // Prosody itself looks at the password first, and at the keys only without one.
  if (password !== undefined && password !== "") return { userPassword: password, ...disabled };
  const keys = ["stored_key", "server_key", "salt", "iteration_count"].filter((name) => fields.has(name));
  // A count alone is left of an account whose password was taken away.
  if (keys.every((name) => name === "iteration_count")) return disabled;
  return { authPassword: [verifierOf(fields)], ...disabled };
}

/**
 * Content of one file of `accounts/`. Prosody holds one verifier, of the hash its `password_hash` names. `disabled` is
 * obeyed by Prosody 13 and later.
 *
 * @param options `hash`, needed for accounts with verifiers of both hashes.
 * @throws {FormatError} for accounts with neither a verifier of SHA-1 or SHA-256 nor a password.
 */
export function formatProsody(properties: AccountProperties, options: AccountFormatOptions = {}): string {
  const { hash } = options;
  if (hash !== undefined && !hashes.includes(hash)) throw new FormatError(`Prosody has no SCRAM-${hash}`);
  const credential = credentialOf(properties, "Prosody", hash === undefined ? hashes : [hash]);
  const lines = fieldsOf(credential);
  if (properties.disabled) lines.push(["disabled", "true"]);
  return `return {\n${lines.map(([name, value]) => `\t["${name}"] = ${value};\n`).join("")}};\n`;
}

/** The file of a user: what is no ASCII letter or digit becomes `%xx`, octet by octet. @throws {FormatError} */
export function formatProsodyFileName(name: string): string {
  const octets = Buffer.from(checkedLocalpart(name));
  const encoded = Array.from(octets, (octet) => {
    const character = String.fromCharCode(octet);
    return /[A-Za-z0-9]/.test(character) ? character : `%${octet.toString(16).padStart(2, "0")}`;
  });
  return `${encoded.join("")}.dat`;
}

/**
 * The user a file belongs to.
 *
 * @param fileName with or without folders before it.
 * @throws {FormatError} for a name Prosody would not have given a file.
 */
export function parseProsodyFileName(fileName: string): string {
  const file = fileName.slice(Math.max(fileName.lastIndexOf("/"), fileName.lastIndexOf("\\")) + 1);
  if (!/^(?:[A-Za-z0-9]|%[0-9A-Fa-f]{2})+\.dat$/.test(file))
    throw new FormatError("no file name of Prosody's accounts");
  const octets = file
    .slice(0, -".dat".length)
    .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return checkedName(utf8Of(Buffer.from(octets, "latin1"), "file name"));
}

/** Prosody, one file for each account. */
export const prosodyFormat: AccountFormat = {
  name: "prosody",
  description: "Prosody's internal storage, one file accounts/NAME.dat for each user",
  *parse(text: string, options: AccountFormatOptions = {}): Iterable<ParsedAccount> {
    const { fileName } = options;
    if (fileName === undefined) throw new FormatError("a Prosody account has its name in the name of the file: say it");
    const name = parseProsodyFileName(fileName);
    yield orFault(1, () => ({ line: 1, name, properties: parseProsody(text) }));
  },
  format(name: string, properties: AccountProperties, options?: AccountFormatOptions): string {
    checkedLocalpart(name);
    return formatProsody(properties, options);
  },
  fileName: formatProsodyFileName,
};

function fieldsOf(credential: Credential): [string, string][] {
  if ("password" in credential) return [["password", formatLuaString(Buffer.from(credential.password))]];
  const [verifier, ...others] = credential.verifiers;
  if (others.length > 0) {
    throw new FormatError("Prosody holds one verifier: say the hash its password_hash names, SHA-1 unless configured");
  }
  const { storedKey, serverKey, salt, iterations } = checkedVerifier(verifier);
  return [
    ["stored_key", `"${Buffer.from(storedKey).toString("hex")}"`],
    ["server_key", `"${Buffer.from(serverKey).toString("hex")}"`],
    ["salt", formatLuaString(salt)],
    ["iteration_count", String(iterations)],
  ];
}

function verifierOf(fields: ReadonlyMap<string, LuaValue>): ScramVerifier {
  const storedKey = hexOf(fields, "stored_key");
  const hash = hashes.find((each) => keySizes.get(each) === storedKey.length);
  if (hash === undefined) throw new FormatError("a stored_key that is neither 20 nor 32 octets");
  const iterations = fields.get("iteration_count");
  const salt = fields.get("salt");
  if (typeof iterations !== "number") throw new FormatError("an iteration_count that is no number");
  if (!(salt instanceof Uint8Array)) throw new FormatError("a salt that is no string");
  return checkedVerifier({ hash, salt, iterations, storedKey, serverKey: hexOf(fields, "server_key") });
}

function hexOf(fields: ReadonlyMap<string, LuaValue>, name: string): Uint8Array {
  const hex = textOf(fields, name) ?? "";
  if (!/^(?:[0-9a-f]{2})+$/i.test(hex)) throw new FormatError(`a ${name} that is not hexadecimal`);
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function textOf(fields: ReadonlyMap<string, LuaValue>, name: string): string | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof Uint8Array)) throw new FormatError(`a ${name} that is no string`);
  return utf8Of(value, name);
}

function utf8Of(octets: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new FormatError(`a ${what} that is not UTF-8`);
  }
}
