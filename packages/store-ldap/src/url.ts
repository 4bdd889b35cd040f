/**
 * LDAP URLs. Source: RFC 4516, with a default for the scope and for the filter that suits accounts, and extensions for what
 * it has no place for.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import type { LdapScope, Target } from "./options.js";

/** What a URL says; what it leaves open is `undefined`. */
export interface LdapUrl {
  readonly scheme: "ldap" | "ldaps" | "ldapi";
  readonly target: Target;
  readonly base: string | undefined;
  readonly attributes: readonly string[] | undefined;
  readonly searchScope: LdapScope | undefined;
  readonly filter: string | undefined;
  readonly nameAttribute: string | false | undefined;
  readonly bindDn: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly starttls: boolean;
  readonly allowUnprotectedChannel: boolean;
  readonly readUserPassword: boolean;
  readonly disabledAttributes: readonly string[];
}

/** The socket of Debian's slapd. */
const defaultPath = "/var/run/slapd/ldapi";
const ports = { ldap: 389, ldaps: 636 } as const;

/** Extensions, in lower case, and whether each has a value. */
const extensions: ReadonlyMap<string, boolean> = new Map([
  ["bindname", true],
  ["x-password-file", true],
  ["x-ca-file", true],
  ["x-starttls", false],
  ["x-allow-unprotected-channel", false],
  ["x-read-user-password", false],
  ["x-disabled-attribute", true],
  ["x-name-attribute", true],
  ["x-any-name", false],
]);

/**
 * Reads `ldap://host:port/base?attributes?scope?filter?extensions`; each part may be percent-encoded.
 *
 * @throws {TypeError} whose message says which part is wrong and quotes nothing of it. An extension that is not known
 *   fails even where RFC 4516 §2 would have it ignored: it may have been meant to protect something.
 */
export function parseLdapUrl(text: string): LdapUrl {
  const [, scheme, authority = "", base, query = ""] =
    /^(ldap[si]?):\/\/([^/?#]*)(?:\/([^?#]*)(?:\?([^#]*))?)?$/i.exec(text) ?? [];
  if (scheme === undefined) throw new TypeError("not an LDAP URL");
  if (authority.includes("@"))
    throw new TypeError("an LDAP URL has no place for a user; see bindname and x-password-file");
  const [attributes = "", scope = "", filter = "", list = "", ...more] = query.split("?");
  if (more.length > 0) throw new TypeError("an LDAP URL with too many parts");
  const known = scheme.toLowerCase() as LdapUrl["scheme"];
  const said = parseExtensions(list);
  if (said.has("x-name-attribute") && said.has("x-any-name")) {
    throw new TypeError("an LDAP URL with both x-name-attribute and x-any-name");
  }
  return {
    scheme: known,
    target: parseTarget(known, authority),
    base: decoded(base),
    attributes: attributes === "" || attributes === "*" ? undefined : attributes.split(",").map(decode),
    searchScope: parseScope(scope),
    filter: decoded(filter),
    nameAttribute: said.has("x-any-name") ? false : said.get("x-name-attribute"),
    bindDn: said.get("bindname"),
    passwordFile: said.get("x-password-file"),
    caFile: said.get("x-ca-file"),
    starttls: said.has("x-starttls"),
    allowUnprotectedChannel: said.has("x-allow-unprotected-channel"),
    readUserPassword: said.has("x-read-user-password"),
    disabledAttributes: said.get("x-disabled-attribute")?.split(" ") ?? [],
  };
}

function parseTarget(scheme: LdapUrl["scheme"], authority: string): Target {
  if (scheme === "ldapi") return { path: decoded(authority) ?? defaultPath };
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]{1,5}))?$/.exec(authority);
  const [, literal, name = "", digits] = match ?? [];
  const host = literal ?? (name === "" ? "localhost" : decode(name).toLowerCase());
  const port = digits === undefined ? ports[scheme] : Number(digits);
  const isHost = literal === undefined ? /^[a-z0-9._-]+$/.test(host) : isIPv6(host);
  if (match === null || !isHost || port < 1 || port > 65_535) {
    throw new TypeError("an LDAP URL with a host or port that cannot be");
  }
  return { host, port };
}

function parseScope(text: string): LdapScope | undefined {
  const scope = text.toLowerCase();
  if (scope === "") return undefined;
  if (scope === "base" || scope === "one" || scope === "sub") return scope;
  throw new TypeError("an LDAP URL with a scope other than base, one and sub");
}

function parseExtensions(list: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const each of list === "" ? [] : list.split(",")) {
    const [, type = "", value] = /^!?([^=]*)(?:=(.*))?$/.exec(each) ?? [];
    const name = type.toLowerCase();
    const takesValue = extensions.get(name);
    if (takesValue === undefined) throw new TypeError("an LDAP URL with an extension that is not known");
    if (found.has(name)) throw new TypeError(`an LDAP URL with ${name} twice`);
    if (takesValue !== (decoded(value) !== undefined)) {
      throw new TypeError(`an LDAP URL where ${name} ${takesValue ? "needs a value" : "takes no value"}`);
    }
    found.set(name, decode(value ?? ""));
  }
  return found;
}

/** Nothing for an empty part. */
function decoded(part: string | undefined): string | undefined {
  return part === undefined || part === "" ? undefined : decode(part);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError("an LDAP URL with a percent sign that encodes nothing");
  }
}
