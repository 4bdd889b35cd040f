/**
 * What a store can be told, and what it makes of that: every mistake is found before the first connection.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { MaybePromise } from "sasl-core/plugin";
import { checkFilter, placeholder } from "./escape.js";
import { type LdapUrl, parseLdapUrl } from "./url.js";

/** Trust and identity for TLS; the certificate of the server is always verified. */
export interface LdapTls {
  /** Authorities to trust instead of those Node trusts, PEM. */
  readonly ca?: ConnectionOptions["ca"];
  /** A client certificate, PEM, and its key. */
  readonly cert?: ConnectionOptions["cert"];
  readonly key?: ConnectionOptions["key"];
  /** The name in the certificate of the server. Default: the host of the URL. */
  readonly servername?: string | undefined;
}

/** How far below the base to search (RFC 4511 §4.5.1.2). */
export type LdapScope = "base" | "one" | "sub";

/** Where accounts are in a directory, and how to ask it. What is said here and in the URL is taken from here. */
export interface LdapOptions {
  /** `ldap://host:389/base?attributes?scope?filter?extensions` (RFC 4516), `ldaps:`, or `ldapi://%2Fpath%2Fof%2Fsocket/…`. */
  readonly url: string;
  /** The entry to search below. May hold `{user}` in a value. */
  readonly base?: string | undefined;
  /** Default `sub`. */
  readonly scope?: LdapScope | undefined;
  /** What the one entry of an account matches, with the name in place of `{user}`. Default `(uid={user})`. */
  readonly filter?: string | undefined;
  /**
   * An attribute that has to hold the name exactly, in each of its values one. Directories find `alice` for `ALICE` and for
   * `alice` with a space, and whoever logs in is called what he typed from then on: `false` allows that, for servers that make
   * names alike before they come here. Default `uid` with the default filter; with another one it has to be said.
   */
  readonly nameAttribute?: string | false | undefined;
  /** Whom to search as. Left out: anonymously. */
  readonly bindDn?: string | undefined;
  /** Its password, or where to get it from, asked at each connection. Secret. */
  readonly password?: string | (() => MaybePromise<string>) | undefined;
  /** A file with its password and nothing else but a line end, read at each connection. */
  readonly passwordFile?: string | undefined;
  /** Begin TLS on `ldap:` before anything else is said (RFC 4511 §4.14). Default false. */
  readonly starttls?: boolean | undefined;
  readonly tls?: LdapTls | undefined;
  /** A file of authorities to trust, read at each connection; for what cannot be given as `tls.ca`. */
  readonly caFile?: string | undefined;
  /** Send passwords over the network unencrypted: whoever listens has them. Default false. */
  readonly allowUnprotectedChannel?: boolean | undefined;
  /** Which properties there are, and the attribute of each. Left out: each property is the attribute of its name. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Use what `userPassword` holds, in clear or hashed, where the directory hands it out. Default false. */
  readonly readUserPassword?: boolean | undefined;
  /** Attributes that, with any value but `FALSE`, `no` or `0`, turn an account off: `nsAccountLock`, `pwdAccountLockedTime`. */
  readonly disabledAttribute?: string | readonly string[] | undefined;
  /** Connections at most, for searching and for passwords each. Default 4. */
  readonly maxConnections?: number | undefined;
  /** Until a connection is ready: TCP, TLS and the first bind together. Default 3000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Until a request is answered, and until a connection is free for it. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How long to keep a connection that nobody uses. Default 60000. */
  readonly idleTimeoutMs?: number | undefined;
}

const defaultNameAttribute = "uid";

/** Where to connect to. */
export type Target = { readonly path: string } | { readonly host: string; readonly port: number };

/** Everything decided. Holds secrets: stays inside the store. */
export interface Settings {
  readonly target: Target;
  readonly encryption: "none" | "tls" | "starttls";
  readonly tls: LdapTls;
  readonly caFile: string | undefined;
  readonly base: string;
  readonly scope: LdapScope;
  readonly filter: string;
  readonly nameAttribute: string | false;
  readonly bindDn: string | undefined;
  /** @throws when the password cannot be had. */
  readonly password: () => MaybePromise<string>;
  readonly attributes: ReadonlyMap<string, string> | undefined;
  readonly readUserPassword: boolean;
  readonly disabledAttributes: readonly string[];
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
}

/**
 * Puts options and URL together.
 *
 * @throws {TypeError} for what cannot work, or would send passwords unencrypted. {RangeError} for a number that cannot be.
 */
export function settingsFrom(options: LdapOptions): Settings {
  const url = parseLdapUrl(options.url);
  const starttls = options.starttls ?? url.starttls;
  if (starttls && url.scheme !== "ldap") throw new TypeError("StartTLS is for ldap: URLs");
  const encryption = url.scheme === "ldaps" ? "tls" : starttls ? "starttls" : "none";
  const allowed = options.allowUnprotectedChannel ?? url.allowUnprotectedChannel;
  if (encryption === "none" && !isLocal(url) && !allowed) {
    throw new TypeError(
      "passwords would go over the network unencrypted: use ldaps:, starttls or allowUnprotectedChannel",
    );
  }
  const base = options.base ?? url.base;
  const ownFilter = options.filter ?? url.filter;
  const filter = ownFilter ?? `(${defaultNameAttribute}=${placeholder})`;
  if (base === undefined || base === "") throw new TypeError("an LDAP store needs the base to search below");
  checkFilter(filter);
  if (!filter.includes(placeholder) && !base.includes(placeholder)) {
    throw new TypeError(`the name of the account, ${placeholder}, is neither in the LDAP filter nor in the base`);
  }
  const nameAttribute =
    options.nameAttribute ?? url.nameAttribute ?? (ownFilter === undefined ? defaultNameAttribute : undefined);
  if (nameAttribute === undefined) {
    throw new TypeError(
      "an LDAP filter of your own needs nameAttribute: the attribute with the name, or false for any name",
    );
  }
  const disabled = options.disabledAttribute ?? url.disabledAttributes;
  return {
    target: url.target,
    encryption,
    tls: options.tls ?? {},
    caFile: options.caFile ?? url.caFile,
    base,
    scope: options.scope ?? url.searchScope ?? "sub",
    filter,
    nameAttribute: nameAttribute === false ? false : checkedAttribute(nameAttribute),
    ...serviceBind(options, url),
    attributes: attributesFrom(options, url),
    readUserPassword: options.readUserPassword ?? url.readUserPassword,
    disabledAttributes: (typeof disabled === "string" ? [disabled] : disabled).map(checkedAttribute),
    maxConnections: count(options.maxConnections ?? 4, "maxConnections"),
    connectTimeoutMs: count(options.connectTimeoutMs ?? 3000, "connectTimeoutMs"),
    timeoutMs: count(options.timeoutMs ?? 5000, "timeoutMs"),
    idleTimeoutMs: count(options.idleTimeoutMs ?? 60_000, "idleTimeoutMs"),
  };
}

/** RFC 4512 §1.4 and §2.5: a name or a number, and options such as `;lang-de`. */
export function isAttribute(text: string): boolean {
  return /^(?:[a-z][a-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?:;[a-z0-9-]+)*$/i.test(text) && text.length <= 256;
}

function serviceBind(options: LdapOptions, url: LdapUrl): Pick<Settings, "bindDn" | "password"> {
  const { password } = options;
  const bindDn = options.bindDn ?? url.bindDn;
  const passwordFile = options.passwordFile ?? (password === undefined ? url.passwordFile : undefined);
  if (password !== undefined && passwordFile !== undefined) throw new TypeError("both password and passwordFile");
  const hasPassword = password !== undefined || passwordFile !== undefined;
  if ((bindDn === undefined) === hasPassword) throw new TypeError("bindDn needs a password, and a password bindDn");
  // RFC 4513 §5.1.1 and §5.1.2: either one empty would be a bind as nobody (R-STO-02).
  if (password === "" || bindDn === "") throw new TypeError("bindDn and its password cannot be empty");
  return {
    bindDn,
    password: () => {
      if (passwordFile !== undefined) return readFile(passwordFile, "utf8").then((text) => text.replace(/\r?\n$/, ""));
      return typeof password === "function" ? password() : (password ?? "");
    },
  };
}

function attributesFrom({ attributes }: LdapOptions, url: LdapUrl): Settings["attributes"] {
  if (attributes !== undefined) {
    return new Map(Object.entries(attributes).map(([property, each]) => [property, checkedAttribute(each)]));
  }
  return url.attributes && new Map(url.attributes.map((each) => [each, checkedAttribute(each)]));
}

function checkedAttribute(text: string): string {
  if (!isAttribute(text) || /^dn$/i.test(text)) throw new TypeError("the name of an LDAP attribute that cannot be one");
  return text;
}

function count(value: number, name: string): number {
  if (!Number.isInteger(value) || value < 1 || value > 0x7fffffff) throw new RangeError(`${name} is a number from 1`);
  return value;
}

/** Whether nothing leaves this machine. */
function isLocal({ target }: LdapUrl): boolean {
  if ("path" in target) return true;
  const { host } = target;
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "localhost";
}
