/**
 * What an SMTP server says about authentication, both ways. Source: RFC 4954 §3, RFC 5321 §4.1.1.1, RFC 3207 §3.
 *
 * @module
 */
import { isMechanismName } from "sasl-core/plugin";

/** What matters for logging in, out of the reply to EHLO. */
export interface Announcement {
  /** Mechanism names, each once, in the server's order. */
  readonly mechanisms: readonly string[];
  /** Always true: AUTH takes an initial response wherever the line has room for it (RFC 4954 §4). */
  readonly initialResponse: true;
  readonly startTls: boolean;
  /** Longest command line in octets with its CRLF (RFC 5321 §4.5.3.1.4). */
  readonly maxCommandBytes: number;
  /** Extension keywords in upper case with their parameters as they came. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** The reply to EHLO as clients have it at hand. */
export type EhloSource = string | Iterable<string>;

/** RFC 5321 §4.5.3.1.4: what every server takes, and all that AUTH may count on (R-SMTP-09). */
export const MAX_COMMAND_BYTES = 512;

/**
 * Reads the reply to EHLO.
 *
 * @param source its lines, as an array or in one text, with their `250-` or without; also keywords alone. Names that cannot
 *   be mechanism names are left out. The old form `AUTH=` counts too, as some servers have nothing else.
 */
export function discover(source: EhloSource): Announcement {
  const lines = typeof source === "string" ? source.split(/\r?\n/) : source;
  const mechanisms = new Set<string>();
  const extensions = new Map<string, string>();
  for (const line of lines as Iterable<unknown>) {
    if (typeof line !== "string") continue;
    const [, keyword, parameters = ""] = /^(?:250[- ])?([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line) ?? [];
    if (keyword === undefined) continue;
    const name = keyword.toUpperCase();
    if (name === "AUTH") addNames(mechanisms, parameters);
    if (name !== "AUTH" || !extensions.has(name)) extensions.set(name, parameters);
  }
  return {
    mechanisms: [...mechanisms],
    initialResponse: true,
    startTls: extensions.has("STARTTLS"),
    maxCommandBytes: MAX_COMMAND_BYTES,
    extensions,
  };
}

function addNames(mechanisms: Set<string>, parameters: string): void {
  for (const word of parameters.split(" ")) {
    const name = word.toUpperCase();
    if (isMechanismName(name)) mechanisms.add(name);
  }
}

/** What a server announces. */
export interface AnnounceOptions {
  /** Whether STARTTLS can be used now. Default false; never after TLS has begun (R-SMTP-15). */
  readonly startTls?: boolean | undefined;
  /** Further keywords with their parameters, in front. Default `ENHANCEDSTATUSCODES`. */
  readonly extensions?: readonly string[] | undefined;
}

/**
 * The keyword lines for a list of mechanisms, as `discover` reads them, without reply code and CRLF. Without mechanisms there
 * is no AUTH line.
 *
 * @param mechanisms what `SASLServer.mechanisms()` gives for the connection as it is now (R-SMTP-01).
 * @throws {TypeError} for a name or a keyword that cannot stand in a reply.
 */
export function announce(mechanisms: Iterable<string>, options: AnnounceOptions = {}): string[] {
  const { startTls = false, extensions = ["ENHANCEDSTATUSCODES"] } = options;
  const names = [...mechanisms];
  for (const name of names) {
    if (!isMechanismName(name)) throw new TypeError(`not a mechanism name: ${JSON.stringify(name)}`);
  }
  for (const each of extensions) {
    if (!/^[A-Za-z0-9][A-Za-z0-9-]*(?: [\x21-\x7e]+)*$/.test(each))
      throw new TypeError(`not an extension: ${JSON.stringify(each)}`);
  }
  const lines = [...extensions];
  if (startTls) lines.push("STARTTLS");
  if (names.length > 0) lines.push(`AUTH ${names.join(" ")}`);
  return lines;
}
