/**
 * A mail as IMAP shows it: envelope, structure, parts of its text. Source: RFC 9051 §7.5.2, §6.4.5.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Mail } from "./mailbox.js";

/** A mail taken apart at its first empty line. */
export interface Split {
  readonly header: Buffer;
  readonly body: Buffer;
}

/** Header with the empty line that ends it, and body. */
export function splitMail({ octets }: Mail): Split {
  const end = octets.indexOf("\r\n\r\n");
  if (end < 0) return { header: octets, body: Buffer.alloc(0) };
  return { header: octets.subarray(0, end + 4), body: octets.subarray(end + 4) };
}

interface Field {
  readonly name: string;
  /** As it stands in the mail, folded lines and CRLF included. */
  readonly raw: string;
  readonly value: string;
}

/** Fields of a header in order (RFC 5322 §2.2). Octets stand as Latin-1, so that nothing is lost. */
function fieldsOf(header: Buffer): Field[] {
  const fields: Field[] = [];
  for (const raw of header.toString("latin1").match(/[^\r\n][^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/g) ?? []) {
    const colon = raw.indexOf(":");
    if (colon <= 0) continue;
    const name = raw.slice(0, colon).trim().toLowerCase();
    fields.push({
      name,
      raw,
      value: raw
        .slice(colon + 1)
        .replace(/\r\n(?=[ \t])/g, "")
        .trim(),
    });
  }
  return fields;
}

/** HEADER.FIELDS, and HEADER.FIELDS.NOT when `without`: with the empty line at the end. */
export function selectFields(mail: Mail, names: readonly string[], without: boolean): Buffer {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const chosen = fieldsOf(splitMail(mail).header).filter(({ name }) => wanted.has(name) !== without);
  return Buffer.from(`${chosen.map(({ raw }) => raw).join("")}\r\n`, "latin1");
}

/** ENVELOPE. */
export function formatEnvelope(mail: Mail): string {
  const fields = fieldsOf(splitMail(mail).header);
  const field = (name: string): string | undefined => fields.find((each) => each.name === name)?.value;
  const from = field("from");
  const addresses = (name: string, fallback?: string): string => formatAddresses(field(name) ?? fallback);
  return `(${[
    formatString(field("date")),
    formatString(field("subject")),
    addresses("from"),
    addresses("sender", from),
    addresses("reply-to", from),
    addresses("to"),
    addresses("cc"),
    addresses("bcc"),
    formatString(field("in-reply-to")),
    formatString(field("message-id")),
  ].join(" ")})`;
}

/** BODY and BODYSTRUCTURE: always one text part, whatever is in it. */
export function formatStructure(mail: Mail): string {
  const { body } = splitMail(mail);
  const lines = body.toString("latin1").split("\r\n").length - 1;
  return `("TEXT" "PLAIN" ("CHARSET" "UTF-8") NIL NIL "8BIT" ${body.length} ${lines})`;
}

/** A nil, a quoted string, or a literal where the text has what a quoted string cannot hold. */
function formatString(latin1: string | undefined): string {
  if (latin1 === undefined) return "NIL";
  if (/^[\x20-\x7e]{0,500}$/.test(latin1)) return `"${latin1.replace(/["\\]/g, "\\$&")}"`;
  return `{${Buffer.byteLength(latin1, "latin1")}}\r\n${latin1}`;
}

const MAX_ADDRESSES = 100;

/** Addresses well enough for a test server: `name <local@domain>` or the address alone, commas between. */
function formatAddresses(value: string | undefined): string {
  const parts = value?.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)?.slice(0, MAX_ADDRESSES) ?? [];
  const addresses = parts.flatMap((part) => {
    const [, name, inside] = /^\s*([^<]*)<([^<>]*)>\s*$/.exec(part) ?? [undefined, "", part.trim()];
    const at = (inside ?? "").lastIndexOf("@");
    if (at < 0) return [];
    const shown = (name ?? "").trim().replace(/^"(.*)"$/, "$1");
    const local = (inside ?? "").slice(0, at);
    const host = (inside ?? "").slice(at + 1);
    return [`(${formatString(shown || undefined)} NIL ${formatString(local)} ${formatString(host)})`];
  });
  return addresses.length === 0 ? "NIL" : `(${addresses.join("")})`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** INTERNALDATE (RFC 9051 §9, date-time). */
export function formatInternalDate(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = String(date.getUTCDate()).padStart(2, " ");
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `"${day}-${months[date.getUTCMonth()]}-${date.getUTCFullYear()} ${time} +0000"`;
}
