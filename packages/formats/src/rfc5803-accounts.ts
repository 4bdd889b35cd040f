/**
 * Accounts of LDAP directories as LDIF: verifiers in `authPassword` (RFC 5803), hashes in `userPassword` (RFC 2307 §5.3).
 *
 * @module
 */
import type { AccountProperties } from "sasl-core";
import {
  type AccountFormat,
  type AccountFormatOptions,
  checkEnabled,
  orFault,
  type ParsedAccount,
} from "./account-format.js";
import { parseGsasl } from "./gsasl.js";
import { formatLdifLine, type LdifEntry, parseLdif } from "./ldif.js";
import { checkedName } from "./names.js";
import { FormatError } from "./parts.js";
import { formatRfc5803, parseRfc5803 } from "./rfc5803.js";

/**
 * LDIF: reads what `slapcat` and `ldapsearch` print; entries without a `uid` are passed over, and so are those without any
 * password. Writes an entry of `account` with `authPasswordObject` or `simpleSecurityObject`, to be added as it is or edited.
 */
export const rfc5803Format: AccountFormat = {
  name: "rfc5803",
  description: "LDIF with authPassword (RFC 5803) and userPassword",
  *parse(text: string): Iterable<ParsedAccount> {
    for (const entry of parseLdif(text)) {
      const { line, attributes, fault } = entry;
      if (fault !== undefined) yield { line, fault };
      else if (attributes.has("authpassword") || attributes.has("userpassword")) {
        const name = nameOf(entry);
        if (name !== undefined) {
          yield orFault(line, () => ({ line, name: checkedName(name), properties: propertiesOf(entry) }));
        }
      }
    }
  },
  format(name: string, properties: AccountProperties, { base }: AccountFormatOptions = {}): string {
    checkEnabled(properties, "LDIF");
    const verifiers = (properties.authPassword ?? []).map(formatRfc5803);
    const passwords = (properties.passwordHash ?? []).map(withScheme);
    const { userPassword = "" } = properties;
    if (verifiers.length + passwords.length === 0) {
      if (userPassword === "") throw new FormatError("an account without a password: set one");
      if (userPassword.startsWith("{"))
        throw new FormatError("a password LDAP would take for a hash, as it begins with {");
      passwords.push(userPassword);
    }
    return [
      formatLdifLine("dn", `uid=${escapeValue(checkedName(name))}${base === undefined ? "" : `,${base}`}`),
      formatLdifLine("objectClass", "account"),
      ...(verifiers.length > 0 ? [formatLdifLine("objectClass", "authPasswordObject")] : []),
      ...(passwords.length > 0 ? [formatLdifLine("objectClass", "simpleSecurityObject")] : []),
      formatLdifLine("uid", name),
      ...verifiers.map((each) => formatLdifLine("authPassword", each)),
      ...passwords.map((each) => formatLdifLine("userPassword", each)),
      "\n",
    ].join("");
  },
};

/** Hashes that are told by their first characters elsewhere, and the scheme LDAP puts before them. */
const schemes: readonly (readonly [start: string, scheme: string])[] = [
  ["$argon2", "{ARGON2}"],
  ["$2", "{CRYPT}"],
  ["$1$", "{CRYPT}"],
  ["$5$", "{CRYPT}"],
  ["$6$", "{CRYPT}"],
];

function withScheme(hash: string): string {
  if (hash.startsWith("{")) return hash;
  const scheme = schemes.find(([start]) => hash.startsWith(start))?.[1];
  if (scheme === undefined) throw new FormatError("a password hash LDAP has no scheme for: set the password again");
  return `${scheme}${hash}`;
}

/** One `uid`; of several, the one the entry is named by. */
function nameOf({ attributes }: LdifEntry): string | undefined {
  const names = attributes.get("uid") ?? [];
  const [dn = ""] = attributes.get("dn") ?? [];
  const inName = uidOfName(dn);
  if (names.length === 1) return names[0];
  return names.length === 0 || names.some((name) => name === inName) ? inName : undefined;
}

/** The `uid` a distinguished name begins with (RFC 4514 §3). */
function uidOfName(dn: string): string | undefined {
  if (!/^uid=/i.test(dn)) return undefined;
  const octets: Buffer[] = [];
  const piece = /\\([0-9A-Fa-f]{2})|\\([\s\S])|([^\\,+]+)/y;
  piece.lastIndex = "uid=".length;
  for (let match = piece.exec(dn); match !== null; match = piece.exec(dn)) {
    octets.push(match[1] === undefined ? Buffer.from(match[2] ?? match[3] ?? "") : Buffer.from(match[1], "hex"));
  }
  return Buffer.concat(octets).toString();
}

/** RFC 4514 §2.4. */
function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;=]|^[ #]| $/g, "\\$&");
}

function propertiesOf({ attributes }: LdifEntry): AccountProperties {
  const authPassword = (attributes.get("authpassword") ?? []).map(parseRfc5803);
  const passwordHash: string[] = [];
  let userPassword: string | undefined;
  for (const value of attributes.get("userpassword") ?? []) {
    const [prefix, scheme = ""] = /^\{([A-Za-z0-9./_-]{1,32})\}/.exec(value) ?? [];
    const rest = value.slice(prefix?.length ?? 0);
    if (scheme.toUpperCase().startsWith("SCRAM-")) authPassword.push(parseGsasl(value));
    else if (prefix !== undefined && !/^CLEARTEXT$/i.test(scheme))
      passwordHash.push(rest.startsWith("$") ? rest : value);
    else if (userPassword === undefined) userPassword = rest;
    else throw new FormatError("two passwords for one account");
  }
  if (new Set(authPassword.map(({ hash }) => hash)).size < authPassword.length) {
    throw new FormatError("two verifiers of one hash");
  }
  return {
    ...(authPassword.length > 0 ? { authPassword } : {}),
    ...(passwordHash.length > 0 ? { passwordHash } : {}),
    ...(userPassword !== undefined && userPassword !== "" ? { userPassword } : {}),
  };
}
