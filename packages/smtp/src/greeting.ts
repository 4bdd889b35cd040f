/**
 * A client's first words: the greeting, EHLO, TLS if asked for, EHLO again. Source: RFC 5321 §3.1, §4.1.1.1; RFC 3207 §4;
 * R-SMTP-15 to R-SMTP-17.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import type { LineTransport } from "sasl-lines";
import { type Announcement, discover } from "./discovery.js";
import { parseFailure } from "./errors.js";
import { type Reply, ReplyReader } from "./reply.js";

/** How to begin. */
export interface GreetOptions<W extends LineTransport> {
  /** What to call ourselves in EHLO: a domain or an address literal. Default `[127.0.0.1]`. */
  readonly clientName?: string | undefined;
  /**
   * Begins TLS on the connection, which has just been agreed on; `startTlsClient` of `sasl-lines/node` does it. When given,
   * TLS is required: a server that does not offer or refuses it is not talked to any further.
   */
  readonly upgrade?: ((wire: W) => Promise<W>) | undefined;
  /** Longest line to read, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
}

/** A connection ready to log in on. */
export interface Greeting<W extends LineTransport> {
  /** The transport to go on with: another one after TLS has begun. */
  readonly wire: W;
  /** What the server announces on the connection as it is now. */
  readonly announced: Announcement;
  /** What it announced before TLS, to show to people and for nothing else: anybody may have written it (R-SMTP-16). */
  readonly announcedBefore: Announcement | undefined;
}

/**
 * Reads the greeting, says EHLO, begins TLS where asked to.
 *
 * @throws {SASLFailure} `channel-not-protected` where TLS is asked for and not to be had (R-SMTP-17), `peer-not-verified`
 *   where clear text follows the answer to STARTTLS; close the connection then, as after everything else that is thrown.
 */
export async function greet<W extends LineTransport>(wire: W, options: GreetOptions<W> = {}): Promise<Greeting<W>> {
  const { upgrade, clientName = "[127.0.0.1]", maxLineBytes } = options;
  await expectReply(wire, 220, maxLineBytes);
  const announced = await ehlo(wire, clientName, maxLineBytes);
  if (upgrade === undefined) return { wire, announced, announcedBefore: undefined };
  if (!announced.startTls) throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
  const reply = await runCommand(wire, "STARTTLS", maxLineBytes);
  if (reply.code !== 220) {
    const { opaqueError, text } = failureOf(reply);
    throw new SASLFailure("channel-not-protected", "the server refused STARTTLS", {
      opaqueError,
      ...(text && { text }),
    });
  }
  // R-SMTP-16: what follows in the clear was not written by whoever holds the certificate.
  if ((wire.buffered ?? 0) > 0)
    throw new SASLFailure("peer-not-verified", "clear text followed the answer to STARTTLS");
  const secured = await upgrade(wire);
  return { wire: secured, announced: await ehlo(secured, clientName, maxLineBytes), announcedBefore: announced };
}

/** Says EHLO. @throws {SASLFailure} when the server does not take it. */
async function ehlo(wire: LineTransport, clientName: string, maxLineBytes?: number): Promise<Announcement> {
  if (!/^[\x21-\x7e]{1,255}$/.test(clientName)) throw new TypeError("not a name for EHLO");
  await wire.write(`EHLO ${clientName}\r\n`);
  const { lines } = await expectReply(wire, 250, maxLineBytes);
  return discover(lines.slice(1)); // the first line is the server's name
}

/**
 * Sends a command and reads its reply.
 *
 * @param command without CRLF, at most 510 octets.
 * @throws {SASLFailure} `connection-lost`, or for what is no reply. A negative reply is not thrown.
 */
export async function runCommand(wire: LineTransport, command: string, maxLineBytes?: number): Promise<Reply> {
  if (/[\r\n\0]/.test(command)) throw new TypeError("a command is one line"); // R-SMTP-21
  await wire.write(`${command}\r\n`);
  return readReply(wire, maxLineBytes);
}

async function expectReply(wire: LineTransport, code: number, maxLineBytes?: number): Promise<Reply> {
  const reply = await readReply(wire, maxLineBytes);
  if (reply.code !== code) throw failureOf(reply);
  return reply;
}

/** Reads a reply. @throws {SASLFailure} `connection-lost`, `malformed-message`, `limit-exceeded`. */
async function readReply(wire: LineTransport, maxLineBytes = 12_288): Promise<Reply> {
  const reader = new ReplyReader();
  for (;;) {
    const reply = reader.read(await wire.readLine(maxLineBytes));
    if (reply) return reply;
  }
}

function failureOf({ code, enhanced, lines }: Reply): ReturnType<typeof parseFailure> {
  return parseFailure(`${code} ${enhanced ? `${enhanced} ` : ""}${lines.join(" ")}`, { answered: false });
}
