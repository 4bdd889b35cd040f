/**
 * FETCH: which mails, and what of them. Source: RFC 9051 §6.4.5, §9 `sequence-set`, `fetch-att`.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { formatEnvelope, formatInternalDate, formatStructure, selectFields, splitMail } from "./imap-message.js";
import type { Mail } from "./mailbox.js";

/** One thing asked of each mail: gives its name and value as they stand in the response; Latin-1. */
export type FetchItem = (mail: Mail) => string;

const macros: ReadonlyMap<string, string> = new Map([
  ["ALL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"],
  ["FAST", "FLAGS INTERNALDATE RFC822.SIZE"],
  ["FULL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"],
]);

const plain: ReadonlyMap<string, FetchItem> = new Map<string, FetchItem>([
  ["UID", (mail) => `UID ${mail.uid}`],
  ["FLAGS", () => "FLAGS ()"],
  ["INTERNALDATE", (mail) => `INTERNALDATE ${formatInternalDate(mail.received)}`],
  ["RFC822.SIZE", (mail) => `RFC822.SIZE ${mail.octets.length}`],
  ["ENVELOPE", (mail) => `ENVELOPE ${formatEnvelope(mail)}`],
  ["BODY", (mail) => `BODY ${formatStructure(mail)}`],
  ["BODYSTRUCTURE", (mail) => `BODYSTRUCTURE ${formatStructure(mail)}`],
  ["RFC822", (mail) => `RFC822 ${literal(mail.octets)}`],
  ["RFC822.HEADER", (mail) => `RFC822.HEADER ${literal(splitMail(mail).header)}`],
  ["RFC822.TEXT", (mail) => `RFC822.TEXT ${literal(splitMail(mail).body)}`],
]);

/** Reads what follows the sequence set. @returns `undefined` for what is not understood. */
export function parseItems(text: string): FetchItem[] | undefined {
  const inside = /^\((.*)\)$/.exec(text)?.[1] ?? text;
  const list = macros.get(inside.toUpperCase()) ?? inside;
  const items: FetchItem[] = [];
  const token = /(BODY(?:\.PEEK)?)\[([^\][]*)\](?:<([0-9]{1,10})\.([0-9]{1,10})>)?|([A-Z0-9.]+)/iy;
  for (let at = 0; at < list.length; at++) {
    token.lastIndex = at;
    const match = token.exec(list);
    if (match === null) return undefined;
    const item = match[1] === undefined ? plain.get((match[5] as string).toUpperCase()) : section(match);
    if (item === undefined) return undefined;
    items.push(item);
    at = token.lastIndex;
    if (at < list.length && list[at] !== " ") return undefined;
  }
  return items.length > 0 ? items : undefined;
}

/** BODY[…] and BODY.PEEK[…]: nothing here is ever marked as seen, so they are the same. */
function section([, , name = "", from, count]: RegExpExecArray): FetchItem | undefined {
  const content = contentOf(name);
  if (content === undefined) return undefined;
  return (mail) => {
    const octets = content(mail);
    if (from === undefined) return `BODY[${name}] ${literal(octets)}`;
    const start = Number(from);
    return `BODY[${name}]<${start}> ${literal(octets.subarray(start, start + Number(count)))}`;
  };
}

function contentOf(name: string): ((mail: Mail) => Buffer) | undefined {
  const upper = name.toUpperCase();
  if (upper === "") return (mail) => mail.octets;
  if (upper === "HEADER") return (mail) => splitMail(mail).header;
  if (upper === "TEXT" || upper === "1") return (mail) => splitMail(mail).body;
  const [, not, fields] = /^HEADER\.FIELDS(\.NOT)? \(([\x21-\x7e ]+)\)$/.exec(upper) ?? [];
  return fields === undefined
    ? undefined
    : (mail) => selectFields(mail, fields.replaceAll('"', "").split(" "), not !== undefined);
}

function literal(octets: Buffer): string {
  return `{${octets.length}}\r\n${octets.toString("latin1")}`;
}

const MAX_RANGES = 1000;

/**
 * Reads a sequence set.
 *
 * @param numbers sequence numbers or UIDs there are, ascending.
 * @returns indexes into `numbers`, ascending; `undefined` for what is no set.
 */
export function parseSet(text: string, numbers: readonly number[]): number[] | undefined {
  const last = numbers.at(-1) ?? 0;
  const ranges: [low: number, high: number][] = [];
  for (const part of text.split(",")) {
    const [, from, to] = /^([1-9][0-9]{0,9}|\*)(?::([1-9][0-9]{0,9}|\*))?$/.exec(part) ?? [];
    if (from === undefined || ranges.length >= MAX_RANGES) return undefined;
    const [a, b] = [from, to ?? from].map((end) => (end === "*" ? last : Number(end))) as [number, number];
    ranges.push([Math.min(a, b), Math.max(a, b)]);
  }
  return numbers.flatMap((number, index) =>
    ranges.some(([low, high]) => low <= number && number <= high) ? [index] : [],
  );
}
