/**
 * A client's first words: the greeting, EHLO, TLS if asked for, EHLO again. Source: RFC 5321 §3.1, §4.1.1.1; RFC 3207 §4;
 * R-SMTP-15 to R-SMTP-17.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { DEFAULT_MAX_LINE_BYTES, type LineTransport, readUnsolicited } from "sasl-lines";
import { type Announcement, discover } from "./discovery.js";
import { mayComeUnasked, type Reply, ReplyReader } from "./reply.js";

/** How to say EHLO. */
export interface EhloOptions {
  /** What to call ourselves: a domain or an address literal. Default `[127.0.0.1]`. */
  readonly clientName?: string | undefined;
  /** Longest line to read, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
}

/** How to begin. */
export interface GreetOptions<W extends LineTransport> extends EhloOptions {
  /**
   * Begins TLS on the connection, which has just been agreed on; `startTlsClient` of `sasl-lines/node` does it. When given,
   * TLS is required: a server that does not offer or refuses it is not talked to any further.
   */
  readonly upgrade?: ((wire: W) => Promise<W>) | undefined;
  /**
   * Told, with `upgrade`, what the server announces before TLS, also when TLS is not to be had then. To show to people and
   * for nothing else: anybody may have written it (R-SMTP-16).
   */
  readonly onBefore?: ((announced: Announcement) => void) | undefined;
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
  const { upgrade, maxLineBytes } = options;
  const greeting = await readReply(wire, maxLineBytes);
  if (greeting.code !== 220) throw refusal(greeting, "the connection");
  const announced = await ehlo(wire, options);
  if (upgrade === undefined) return { wire, announced, announcedBefore: undefined };
  options.onBefore?.(announced);
  if (!announced.startTls) throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
  const reply = await runCommand(wire, "STARTTLS", maxLineBytes);
  if (reply.code !== 220) {
    throw new SASLFailure("channel-not-protected", "the server refused STARTTLS", said(reply));
  }
  // R-SMTP-16: what follows in the clear was not written by whoever holds the certificate.
  if ((wire.buffered ?? 0) > 0)
    throw new SASLFailure("peer-not-verified", "clear text followed the answer to STARTTLS");
  const secured = await upgrade(wire);
  return { wire: secured, announced: await ehlo(secured, options), announcedBefore: announced };
}

/**
 * Says EHLO: again where `authenticate` says `rediscover`. `greet` has said it already.
 *
 * @throws {SASLFailure} when the server does not take it.
 */
export async function ehlo(wire: LineTransport, options: EhloOptions = {}): Promise<Announcement> {
  const { clientName = "[127.0.0.1]", maxLineBytes } = options;
  if (!/^[\x21-\x7e]{1,255}$/.test(clientName)) throw new TypeError("not a name for EHLO");
  const reply = await runCommand(wire, `EHLO ${clientName}`, maxLineBytes);
  if (reply.code !== 250) throw refusal(reply, "EHLO");
  return discover(reply.lines.slice(1)); // the first line is the server's name
}

/**
 * Sends a command and reads its reply.
 *
 * @param command without CRLF, at most 510 octets.
 * @throws {SASLFailure} `connection-lost`, or for what is no reply; `unexpected-message` when something had arrived before
 *   the command was sent, `temporary` when that was 421. A negative reply is not thrown.
 */
export async function runCommand(wire: LineTransport, command: string, maxLineBytes?: number): Promise<Reply> {
  if (/[\r\n\0]/.test(command)) throw new TypeError("a command is one line"); // R-SMTP-21
  await readUnsolicited(wire, maxLineBytes ?? DEFAULT_MAX_LINE_BYTES, mayComeUnasked);
  await wire.write(`${command}\r\n`);
  return readReply(wire, maxLineBytes);
}

/** Reads a reply. @throws {SASLFailure} `connection-lost`, `malformed-message`, `limit-exceeded`. */
async function readReply(wire: LineTransport, maxLineBytes = DEFAULT_MAX_LINE_BYTES): Promise<Reply> {
  const reader = new ReplyReader();
  for (;;) {
    const reply = reader.read(await wire.readLine(maxLineBytes));
    if (reply) return reply;
  }
}

/** Replies that say TLS has to begin first (RFC 3207 §4, RFC 4954 §6). */
const wantsTls: ReadonlySet<number> = new Set([523, 530, 538]);

/** What a no to the connection or to EHLO means: nothing about mechanisms or credentials, which nobody has named yet. */
function refusal(reply: Reply, what: "the connection" | "EHLO"): SASLFailure {
  const { code } = reply;
  if (code < 400) return new SASLFailure("unexpected-message", `this is no answer to ${what}`, said(reply));
  if (code < 500) return new SASLFailure("temporary", `the server refuses ${what} at present`, said(reply));
  if (wantsTls.has(code))
    return new SASLFailure("channel-not-protected", `the server refuses ${what} without TLS`, said(reply));
  return new SASLFailure("aborted", `the server refuses ${what}`, said(reply));
}

function said({ code, enhanced, lines }: Reply): { opaqueError: string; text?: string } {
  const text = lines.filter((line) => line !== "").join(" ");
  return { opaqueError: `${code} ${enhanced ? `${enhanced} ` : ""}${text}`, ...(text && { text }) };
}
