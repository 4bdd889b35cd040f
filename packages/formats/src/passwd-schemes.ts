/**
 * Secrets of a passwd-file: `{SCHEME}secret`, as Dovecot's password schemes write them and as properties hold them.
 * Source: Dovecot 2.3, password schemes (`doveadm pw -l`) and passwd-file; RFC 2307 §5.3 for `{SSHA}` and its relatives.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { ScramVerifier } from "sasl-core";
import { formatGsasl, parseGsasl } from "./gsasl.js";
import { FormatError, fromBase64, toBase64 } from "./parts.js";

/** One secret of an account, by the property it belongs to. */
export type PasswdSecret =
  | { readonly property: "userPassword"; readonly value: string }
  | { readonly property: "authPassword"; readonly value: ScramVerifier }
  | { readonly property: "passwordHash"; readonly value: string };

/** Schemes that hold the password itself. The last two are other names of the first. */
const clearSchemes: readonly string[] = ["PLAIN", "CLEAR", "CLEARTEXT"];

/** Schemes that hold a crypt text, by what that begins with. {CRYPT} holds any of them, {MD5} in Dovecot is MD5-CRYPT. */
const cryptSchemes: readonly (readonly [scheme: string, prefix: RegExp])[] = [
  ["ARGON2ID", /^\$argon2id\$/],
  ["ARGON2I", /^\$argon2i\$/],
  ["BLF-CRYPT", /^\$2[a-z]?\$/],
  ["SHA512-CRYPT", /^\$6\$/],
  ["SHA256-CRYPT", /^\$5\$/],
  ["MD5-CRYPT", /^\$1\$/],
  ["CRYPT", /^\$/],
];

/** Schemes that hold a digest in base64: octets of the digest, and whether a salt follows it. */
const digestSchemes: ReadonlyMap<string, readonly [octets: number, salted: boolean]> = new Map([
  ["MD5", [16, false]],
  ["SMD5", [16, true]],
  ["SHA", [20, false]],
  ["SSHA", [20, true]],
  ["SHA256", [32, false]],
  ["SSHA256", [32, true]],
  ["SHA384", [48, false]],
  ["SSHA384", [48, true]],
  ["SHA512", [64, false]],
  ["SSHA512", [64, true]],
]);

/** Dovecot's names where they are others than those of RFC 2307. */
const digestAliases: ReadonlyMap<string, string> = new Map([
  ["LDAP-MD5", "MD5"],
  ["PLAIN-MD5", "MD5"],
  ["SHA1", "SHA"],
]);

/** Holds a notation that Dovecot has no scheme for. Ours, and unknown to Dovecot. */
const foreignHash = "SASL-HASH.b64";

/** What Dovecot makes most of, first: CRAM-MD5 and SCRAM both, SCRAM, PLAIN alone. */
const preferred: readonly string[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT"];
const unknownToDovecot: readonly string[] = ["SCRAM-SHA-", "SCRAM-SHA3-", "SASL-HASH", "SHA384", "SSHA384"];

/** How soon a written secret should be the one Dovecot sees: 0 first. */
export function schemeRank(text: string): number {
  const scheme = text.slice(1, text.indexOf("}")).replace(/\.b64$/, "");
  const rank = preferred.indexOf(scheme);
  if (rank >= 0) return rank;
  return preferred.length + (unknownToDovecot.some((name) => scheme.startsWith(name)) ? 1 : 0);
}

/**
 * Reads `{SCHEME}secret`. Inverse of {@link formatPasswdSecret}. Crypt texts (`$6$…`) may come without a scheme, as Dovecot
 * takes them; the schemes that hold text or base64 take `.b64`, `.base64` and `.hex` behind their names.
 *
 * @returns `undefined` where there is no secret: nothing at all, `*` or `!`.
 * @throws {FormatError} for a scheme that is not known or a secret that does not fit it.
 */
export function parsePasswdSecret(text: string): PasswdSecret | undefined {
  if (text === "" || text === "*" || text === "!") return undefined;
  if (text.startsWith("$")) return cryptSecret("CRYPT", text);
  const [, name = "", secret = ""] = /^\{([A-Za-z0-9._-]{1,40})\}(.*)$/s.exec(text) ?? [];
  if (name === "") throw new FormatError("a secret that has no {SCHEME} before it");
  const [, scheme = "", encoding] = /^(.*?)(?:\.(B64|BASE64|HEX))?$/.exec(name.toUpperCase()) ?? [];
  if (clearSchemes.includes(scheme)) return clearSecret(decodeText(secret, encoding));
  if (scheme.startsWith("SCRAM-")) {
    return { property: "authPassword", value: parseGsasl(`{${scheme}}${decodeText(secret, encoding)}`) };
  }
  if (scheme === "SASL-HASH") return { property: "passwordHash", value: filled(decodeText(secret, encoding)) };
  const digest = digestAliases.get(scheme) ?? scheme;
  // {MD5} is MD5-CRYPT in Dovecot and a bare digest in directories; their first character tells.
  if (digestSchemes.has(digest) && !secret.startsWith("$")) return digestSecret(digest, secret, encoding);
  if (scheme === "DES-CRYPT" || scheme === "MD5" || cryptSchemes.some(([each]) => each === scheme)) {
    return cryptSecret(scheme, decodeText(secret, encoding));
  }
  throw new FormatError("a scheme that is not known here");
}

/**
 * Writes one secret so that it holds no colon, no control character and no line end, whatever its value.
 *
 * @throws {FormatError} for an empty password or hash, half a character, or a verifier nobody could read.
 */
export function formatPasswdSecret({ property, value }: PasswdSecret): string {
  if (property === "authPassword") return formatGsasl(value);
  if (typeof value !== "string" || value === "") throw new FormatError("an empty password or hash");
  if (Buffer.from(value).toString() !== value) throw new FormatError("a password or hash with half a character");
  if (property === "userPassword") {
    return isTame(value) ? `{PLAIN}${value}` : `{PLAIN.b64}${Buffer.from(value).toString("base64")}`;
  }
  const native = nativeHash(value);
  return native ?? `{${foreignHash}}${Buffer.from(value).toString("base64")}`;
}

/** Printable ASCII without a colon, and no blank at either end: what an editor and Dovecot leave alone. */
function isTame(text: string): boolean {
  return /^[!-9;-~](?:[ -9;-~]*[!-9;-~])?$/.test(text);
}

/** A hash in a scheme of Dovecot's, if it has one from which the same text is read again. */
function nativeHash(hash: string): string | undefined {
  if (!isTame(hash) || hash.includes(" ")) return undefined;
  const text = hash.startsWith("$")
    ? `{${cryptSchemes.find(([, prefix]) => prefix.test(hash))?.[0]}}${hash}`
    : hash.replace(/^\{MD5\}/, "{LDAP-MD5}");
  try {
    return parsePasswdSecret(text)?.value === hash ? text : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function clearSecret(value: string): PasswdSecret {
  return { property: "userPassword", value: filled(value) };
}

function cryptSecret(scheme: string, text: string): PasswdSecret {
  if (/[\s\p{Cc}:]/u.test(filled(text))) throw new FormatError("a crypt hash with a blank or a colon");
  const name = scheme === "MD5" ? "MD5-CRYPT" : scheme;
  const prefix = cryptSchemes.find(([each]) => each === name)?.[1];
  if (text.startsWith("$")) {
    if (prefix === undefined || !prefix.test(text)) throw new FormatError("a hash of another scheme than it says");
    return { property: "passwordHash", value: text };
  }
  // What crypt(3) made before it had a notation: two characters of salt, eleven of hash.
  if (scheme !== "CRYPT" && scheme !== "DES-CRYPT") throw new FormatError("a hash of another scheme than it says");
  if (!/^[./0-9A-Za-z]{13}$/.test(text)) throw new FormatError("a crypt hash in no known notation");
  return { property: "passwordHash", value: `{CRYPT}${text}` };
}

function digestSecret(scheme: string, text: string, encoding: string | undefined): PasswdSecret {
  const [size, salted] = digestSchemes.get(scheme) ?? [0, false];
  // Without a salt the length tells hexadecimal from base64, as in Dovecot.
  const hex = encoding === undefined ? !salted && text.length === 2 * size : encoding === "HEX";
  const octets = hex ? hexOctets(text) : fromBase64(text, "hash");
  if (salted ? octets.length <= size : octets.length !== size) throw new FormatError("a hash that is not long enough");
  return { property: "passwordHash", value: `{${scheme}}${toBase64(octets)}` };
}

function filled(text: string): string {
  if (text === "") throw new FormatError("an empty password or hash");
  return text;
}

function decodeText(secret: string, encoding: string | undefined): string {
  if (encoding === undefined) return secret;
  const octets = encoding === "HEX" ? hexOctets(secret) : fromBase64(secret, "password");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new FormatError("a password that is not UTF-8");
  }
}

function hexOctets(text: string): Uint8Array {
  if (!/^(?:[0-9A-Fa-f]{2})*$/.test(text)) throw new FormatError("a password that is not hexadecimal");
  return Uint8Array.from(Buffer.from(text, "hex"));
}
