/**
 * The URLs of servers: `imap://[USER@]HOST[:PORT]` and its like. Source: RFC 3986 §3.
 *
 * @module
 */
import { domainToASCII } from "node:url";
import { CommandError } from "./errors.js";

/** Protocols the command speaks. */
export type Protocol = "imap" | "smtp" | "xmpp";

/** Where to go, and as whom. */
export interface Target {
  readonly protocol: Protocol;
  /** True for the schemes with TLS from the first octet. */
  readonly directTls: boolean;
  /** A name in its ASCII form, or an address, without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** True when the URL named the port. */
  readonly portGiven: boolean;
  /** Decoded; `undefined` when the URL has none. */
  readonly user: string | undefined;
}

const schemes: ReadonlyMap<string, Pick<Target, "protocol" | "directTls" | "port">> = new Map([
  ["imap", { protocol: "imap", directTls: false, port: 143 }],
  ["imaps", { protocol: "imap", directTls: true, port: 993 }],
  ["smtp", { protocol: "smtp", directTls: false, port: 587 }],
  ["smtps", { protocol: "smtp", directTls: true, port: 465 }],
  ["xmpp", { protocol: "xmpp", directTls: false, port: 5222 }],
  ["xmpps", { protocol: "xmpp", directTls: true, port: 5223 }],
]);

const shape = "SCHEME://[USER@]HOST[:PORT]";
const MAX_URL_CHARACTERS = 4096;

/**
 * Reads a URL.
 *
 * @param text any text.
 * @throws {CommandError} `malformed-url`; the message never repeats what could be a password.
 */
export function parseTarget(text: string): Target {
  if (text.length > MAX_URL_CHARACTERS) throw malformed(`is longer than ${MAX_URL_CHARACTERS} characters`);
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) throw malformed(`is not ${shape}, such as imap://alice@mail.example`);
  const defaults = schemes.get(scheme.toLowerCase());
  if (defaults === undefined) {
    throw malformed(
      `has the scheme ${scheme.slice(0, 20)}, which is not known; known: ${[...schemes.keys()].join(", ")}`,
    );
  }
  const at = rest.lastIndexOf("@");
  const user = at < 0 ? undefined : parseUser(rest.slice(0, at));
  const { host, port } = parseHost(rest.slice(at + 1));
  return { ...defaults, host, port: port ?? defaults.port, portGiven: port !== undefined, user };
}

function parseUser(text: string): string {
  if (text.includes(":")) {
    throw malformed(
      "holds a password, which everybody could read in the list of processes; use --password-file or --password-stdin (a colon in a user name is %3A)",
    );
  }
  // RFC 3986 §3.2.1, and what is not ASCII, as people write it.
  if (/[/?#[\]@\s\p{Cc}]/u.test(text)) throw malformed("has a user name with characters that must be written as %XX");
  let user: string;
  try {
    user = decodeURIComponent(text);
  } catch {
    throw malformed("has a user name with a % that is not followed by two hex digits of UTF-8");
  }
  if (user === "") throw malformed("has an empty user name");
  if (/[\0\r\n]/.test(user)) throw malformed("has a user name with a control character");
  return user;
}

function parseHost(text: string): { host: string; port: number | undefined } {
  const match = /^(\[[^\]]*\]|[^:/?#[\]]*)(?::([^/?#]*))?([/?#].*)?$/s.exec(text);
  if (match === null)
    throw malformed("has a host that cannot be read; an IPv6 address stands in brackets, as in [::1]");
  const [, host = "", port, more] = match;
  if (more !== undefined && more !== "/") throw malformed("has something behind the host and port");
  return { host: parseName(host), port: parsePort(port) };
}

function parseName(text: string): string {
  if (text === "") throw malformed(`has no host: ${shape}`);
  if (text.startsWith("[")) {
    const address = text.slice(1, -1);
    if (!isIPv6(address)) throw malformed("has brackets around something that is no IPv6 address");
    return address.toLowerCase();
  }
  // Names as the URL standard reads them (UTS 46).
  const name = /^[\p{L}\p{M}\p{N}._-]+$/u.test(text) ? domainToASCII(text) : "";
  if (name === "" || name.length > 253) throw malformed("has a host that is neither a name nor an address");
  return name;
}

function isIPv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw malformed("has a port that is not a number from 1 to 65535");
  return port;
}

function malformed(why: string): CommandError {
  return new CommandError("malformed-url", `the URL ${why}`);
}
