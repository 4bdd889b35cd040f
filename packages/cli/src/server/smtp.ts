/**
 * What the test server does with mail: it lands in the INBOX of those of its recipients who have an account here, or else
 * in that of its sender, and goes nowhere.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Envelope, MessageHandler } from "sasl-smtp";
import type { Mailboxes } from "./mailbox.js";

/** What delivery needs to know. */
export interface Delivery {
  readonly mailboxes: Mailboxes;
  readonly domain: string;
  /** Whether a name has an account. */
  readonly isAccount: (name: string) => boolean | Promise<boolean>;
}

/** A handler for `SMTPConnection`. */
export function deliverTo(delivery: Delivery): MessageHandler {
  return async (envelope, lines) => {
    const chunks: Buffer[] = [];
    for await (const line of lines) chunks.push(Buffer.from(`${line}\r\n`));
    const octets = Buffer.concat([received(envelope), ...chunks]);
    const owners = await ownersOf(envelope, delivery);
    for (const owner of owners) delivery.mailboxes.of(owner).add(octets);
    return `kept for ${owners.size}`;
  };
}

async function ownersOf({ recipients, result }: Envelope, { domain, isAccount }: Delivery): Promise<Set<string>> {
  const owners = new Set<string>();
  for (const recipient of recipients) {
    const at = recipient.lastIndexOf("@");
    const local = at < 0 ? recipient : recipient.slice(0, at);
    if (at >= 0 && recipient.slice(at + 1).toLowerCase() !== domain.toLowerCase()) continue;
    if (await isAccount(local)) owners.add(local);
  }
  return owners.size > 0 ? owners : new Set([result.authzid]);
}

/** RFC 5321 §4.4: which path the mail took. */
function received({ from, result }: Envelope): Buffer {
  const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, "?").slice(0, 256);
  const protocol = "ESMTPA"; // RFC 3848
  return Buffer.from(
    `Return-Path: <${printable(from)}>\r\nReceived: from ${printable(result.authcid)} (${printable(result.mechanism)})\r\n` +
      ` with ${protocol}; ${new Date().toUTCString().replace("GMT", "+0000")}\r\n`,
  );
}
