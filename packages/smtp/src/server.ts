/**
 * The server's end of AUTH. Source: RFC 4954 §4, §6.
 *
 * @module
 */
import { SASLFailure, type ServeOutcome } from "sasl-core";
import { type LineTransport, type ServedSession, type ServerDialect, serveExchange } from "sasl-lines";
import { formatFailure } from "./errors.js";

/** How the exchange is run. */
export interface ServeOptions {
  /** Longest line to read, in octets. Default 12288 (R-SMTP-10). */
  readonly maxLineBytes?: number | undefined;
  /**
   * Takes lines that arrived before a challenge was sent for answers to it. Default false: they are dropped and the
   * exchange fails (R-SMTP-18), because in the clear anybody may have put them there.
   */
  readonly allowPipelinedResponses?: boolean | undefined;
}

/**
 * Runs the exchange one AUTH command starts. That AUTH is allowed now (after EHLO, not after a success, not within a mail
 * transaction: R-SMTP-02) is for the caller to see to; `SMTPConnection` does.
 *
 * @param intf a server session, used for this exchange.
 * @param args what followed `AUTH` and a space: a mechanism name and, if there was one, the initial response.
 * @returns after the last reply was written.
 * @throws {SASLFailure} `connection-lost`.
 */
export async function serve(
  wire: LineTransport,
  intf: ServedSession,
  args: string,
  options: ServeOptions = {},
): Promise<ServeOutcome> {
  const [, mechanism, initial] = /^([A-Za-z0-9_-]{1,20})(?: ([^ ]+))? *$/.exec(args) ?? [];
  if (mechanism === undefined) {
    const error = new SASLFailure("malformed-message", "AUTH takes a mechanism and perhaps an initial response");
    intf.refuse?.((args.split(" ", 1)[0] as string).toUpperCase(), error);
    await wire.write("501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n");
    return { ok: false, error };
  }
  return serveExchange(wire, intf, {
    mechanism: mechanism.toUpperCase(),
    initial,
    dialect,
    maxLineBytes: options.maxLineBytes,
    pipelining: options.allowPipelinedResponses === true,
  });
}

const tooLong = "500 5.5.6 Authentication exchange line is too long\r\n"; // R-SMTP-10

const dialect: ServerDialect = {
  challenge: (base64) => `334 ${base64}\r\n`, // R-SMTP-04: an empty one keeps its space
  success: () => "235 2.7.0 Authentication succeeded\r\n",
  failure: (error, overlong) => (overlong ? tooLong : `${formatFailure(error)}\r\n`),
};
