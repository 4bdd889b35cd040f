/**
 * The server's end of AUTHENTICATE. Source: RFC 9051 §6.2.2, RFC 4959.
 *
 * @module
 */
import { SASLFailure, type ServeOutcome } from "sasl-core";
import { type LineTransport, type ServedSession, type ServerDialect, serveExchange } from "sasl-lines";
import { formatFailure } from "./errors.js";
import { cut } from "./status.js";
import { checkTag } from "./tag.js";

/** An AUTHENTICATE command as it was read. */
export interface AuthenticateCommand {
  /** As the client sent it. */
  readonly tag: string;
  /** What followed `AUTHENTICATE` and a space: a mechanism name and, if there was one, the initial response. */
  readonly arguments: string;
}

/** How the exchange is run. */
export interface ServeOptions {
  /** Longest line to read, in octets. Default 12288, which fits the messages of all mechanisms here (R-IMAP-19). */
  readonly maxLineBytes?: number | undefined;
  /**
   * Capabilities to send with the OK, asked for after success. Left out: none; and none under a security layer, which a
   * client would have to ask for again (R-IMAP-15).
   */
  readonly capabilities?: (() => readonly string[]) | undefined;
}

/**
 * Runs the exchange one AUTHENTICATE command starts, in the not-authenticated state (R-IMAP-06 is the caller's: answer
 * BAD in any other state, and call this not at all).
 *
 * @param intf a server session, used for this exchange.
 * @returns after the tagged response was written.
 * @throws {SASLFailure} `connection-lost`.
 */
export async function serve(
  wire: LineTransport,
  intf: ServedSession,
  command: AuthenticateCommand,
  options: ServeOptions = {},
): Promise<ServeOutcome> {
  const dialect = new TaggedDialect(checkTag(command.tag), options.capabilities);
  const parsed = parseArguments(command.arguments);
  if (parsed === undefined) {
    const error = new SASLFailure(
      "malformed-message",
      "AUTHENTICATE takes a mechanism and perhaps an initial response",
    );
    intf.refuse?.(cut(command.arguments, " ")[0].toUpperCase(), error);
    await wire.write(dialect.failure(error));
    return { ok: false, error };
  }
  return serveExchange(wire, intf, { ...parsed, dialect, maxLineBytes: options.maxLineBytes, pipelining: true });
}

/** RFC 9051 §9 `authenticate`, RFC 4959 §3: atoms with one space between; never quoted, never a literal (R-IMAP-04). */
function parseArguments(text: string): { mechanism: string; initial: string | undefined } | undefined {
  const [, mechanism, initial] = /^([A-Za-z0-9_-]{1,20})(?: ([^ ]+))?$/.exec(text) ?? [];
  return mechanism === undefined ? undefined : { mechanism: mechanism.toUpperCase(), initial };
}

export class TaggedDialect implements ServerDialect {
  readonly #tag: string;
  readonly #capabilities: (() => readonly string[]) | undefined;

  constructor(tag: string, capabilities: (() => readonly string[]) | undefined) {
    this.#tag = tag;
    this.#capabilities = capabilities;
  }

  /** R-IMAP-02: an empty challenge keeps its space. */
  challenge(base64: string): string {
    return `+ ${base64}\r\n`;
  }

  success(layered: boolean): string {
    const capabilities = layered ? undefined : this.#capabilities?.();
    return `${this.#tag} OK ${capabilities ? `[CAPABILITY ${capabilities.join(" ")}] ` : ""}Authenticated\r\n`;
  }

  failure(error: Parameters<typeof formatFailure>[0]): string {
    return `${this.#tag} ${formatFailure(error)}\r\n`;
  }
}
