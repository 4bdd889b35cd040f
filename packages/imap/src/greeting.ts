/**
 * A client's first words: the greeting, TLS if asked for, and what the server can do. Source: RFC 9051 §2.2, §6.1.1,
 * §6.2.1, §7.1.4; R-IMAP-10 to R-IMAP-13.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import type { LineTransport } from "sasl-lines";
import { type Announcement, discover, hasCapabilities } from "./discovery.js";
import { commandFailure } from "./errors.js";
import { type CommandOptions, runCommand } from "./responses.js";
import { cut, parseStatus } from "./status.js";
import { tagGenerator } from "./tag.js";

/** How to begin. */
export interface GreetOptions<W extends LineTransport> extends CommandOptions {
  /**
   * Begins TLS on the connection, which has just been agreed on; `startTlsClient` of `sasl-lines/node` does it. When given,
   * TLS is required: a server that does not offer it, refuses it or greets with PREAUTH is not talked to any further.
   */
  readonly upgrade?: ((wire: W) => Promise<W>) | undefined;
  /**
   * Told, with `upgrade`, what the server announces before TLS, also when TLS is not to be had then. To show to people and
   * for nothing else: anybody may have written it (R-IMAP-11).
   */
  readonly onBefore?: ((announced: Announcement) => void) | undefined;
}

/** A connection ready to log in on. */
export interface Greeting<W extends LineTransport> {
  /** The transport to go on with: another one after TLS has begun. */
  readonly wire: W;
  /** What the server announces on the connection as it is now. */
  readonly announced: Announcement;
  /** What it announced before TLS, to show to people and for nothing else: anybody may have written it (R-IMAP-11). */
  readonly announcedBefore: Announcement | undefined;
  /** True when the server greeted with PREAUTH: the connection is logged in already. */
  readonly preauthenticated: boolean;
}

/**
 * Reads the greeting, begins TLS where asked to, and learns the capabilities.
 *
 * @throws {SASLFailure} `channel-not-protected` where TLS is asked for and not to be had, `peer-not-verified` where clear
 *   text follows the answer to STARTTLS; close the connection then, as after everything else that is thrown here.
 */
export async function greet<W extends LineTransport>(wire: W, options: GreetOptions<W> = {}): Promise<Greeting<W>> {
  const { upgrade } = options;
  const speaking = { ...options, tag: options.tag ?? tagGenerator() };
  const line = await wire.readLine(options.maxLineBytes ?? 12_288);
  const preauthenticated = isPreauth(line);
  const greeted = hasCapabilities(line) ? discover(line) : undefined;
  if (upgrade === undefined) {
    const announced = greeted ?? (await capabilities(wire, speaking));
    return { wire, announced, announcedBefore: undefined, preauthenticated };
  }
  // R-IMAP-12: STARTTLS is not to be had any more in the authenticated state.
  if (preauthenticated) throw new SASLFailure("channel-not-protected", "the server wants no TLS before authentication");
  const announcedBefore = greeted ?? (await capabilities(wire, speaking));
  options.onBefore?.(announcedBefore);
  const secured = await startTls(wire, announcedBefore, upgrade, speaking);
  return { wire: secured, announced: await capabilities(secured, speaking), announcedBefore, preauthenticated };
}

function isPreauth(line: string): boolean {
  const [tag, rest] = cut(line, " ");
  const { status } = parseStatus(rest);
  if (tag === "*" && status === "BYE") throw commandFailure(rest);
  if (tag !== "*" || (status !== "OK" && status !== "PREAUTH"))
    throw new SASLFailure("malformed-message", "this is no IMAP greeting");
  return status === "PREAUTH";
}

/** Asks for the capabilities. @throws {SASLFailure} as `runCommand` does. */
export async function capabilities(wire: LineTransport, options: CommandOptions = {}): Promise<Announcement> {
  const completion = await runCommand(wire, "CAPABILITY", options);
  return completion.capabilities ?? discover([]);
}

async function startTls<W extends LineTransport>(
  wire: W,
  announced: Announcement,
  upgrade: (wire: W) => Promise<W>,
  options: CommandOptions,
): Promise<W> {
  if (!announced.startTls) throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
  try {
    await runCommand(wire, "STARTTLS", options);
  } catch (cause) {
    const { code, opaqueError, text } = cause as SASLFailure;
    if (code === "connection-lost" || code === "unexpected-message") throw cause;
    throw new SASLFailure("channel-not-protected", "the server refused STARTTLS", {
      cause,
      opaqueError,
      ...(text && { text }),
    });
  }
  // R-IMAP-10: what follows in the clear was not written by whoever holds the certificate.
  if ((wire.buffered ?? 0) > 0)
    throw new SASLFailure("peer-not-verified", "clear text followed the answer to STARTTLS");
  return upgrade(wire);
}
