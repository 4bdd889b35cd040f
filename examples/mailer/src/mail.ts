/**
 * A mail as it is sent: one text for one recipient. Sources: RFC 5322, RFC 2045, RFC 2047.
 *
 * @module
 */
import { randomUUID } from "node:crypto";

/** A mail to send. */
export interface Mail {
  /** Addresses without a name: `alice@example.org`, ASCII. */
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Gives the mail back. @throws {RangeError} when an address cannot be written into a command or a header. */
export function checkMail(mail: Mail): Mail {
  for (const address of [mail.from, mail.to]) {
    if (!/^[^\s<>@\p{C}\P{ASCII}]{1,64}@[^\s<>@\p{C}\P{ASCII}]{1,255}$/u.test(address))
      throw new RangeError(`${JSON.stringify(address)} is no address`);
  }
  return mail;
}

/** The mail with CRLF line ends. Text travels in base64: no line is too long, and none begins with a dot. */
export function formatMail(mail: Mail): string {
  const { from, to, subject, text } = checkMail(mail);
  const body = Buffer.from(text.replace(/\r?\n/g, "\r\n")).toString("base64");
  const lines = [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${encodeWords(subject)}`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${randomUUID()}@${from.slice(from.indexOf("@") + 1)}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64",
    "",
    ...(body.match(/.{1,76}/g) ?? []),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

/** RFC 2047: words of at most 75 characters, none of which splits a character. Plain text stays as it is. */
function encodeWords(text: string): string {
  if (/^[\x20-\x7e]{0,60}$/.test(text) && !text.includes("=?")) return text;
  const chunks: string[] = [];
  let chunk = "";
  for (const character of text.replace(/\s/g, " ")) {
    if (Buffer.byteLength(chunk + character) > 45) {
      chunks.push(chunk);
      chunk = "";
    }
    chunk += character;
  }
  return [...chunks, chunk].map((each) => `=?utf-8?B?${Buffer.from(each).toString("base64")}?=`).join("\r\n ");
}
