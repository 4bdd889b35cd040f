/**
 * The AUTH parameter of MAIL FROM: who submitted the message. Source: RFC 4954 §5, §8; RFC 3461 §4 for xtext; R-SMTP-19.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { decodeUtf8, encodeUtf8 } from "sasl-core/plugin";

/**
 * Writes the parameter.
 *
 * @param mailbox the submitter's, such as `user@example.com`; `undefined` when it is not known or not trusted.
 * @returns `AUTH=user@example.com`, `AUTH=<>`.
 * @throws {SASLFailure} `malformed-message` when that is no mailbox.
 */
export function formatMailAuth(mailbox: string | undefined): string {
  if (mailbox === undefined) return "AUTH=<>";
  checkMailbox(mailbox);
  let xtext = "";
  for (const octet of encodeUtf8(mailbox)) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    xtext += plain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return `AUTH=${xtext}`;
}

/**
 * Reads the parameter's value.
 *
 * @param value what follows `AUTH=`; untrusted.
 * @param trusted whether this client may speak for others; from one that may not, everything well-formed counts as `<>`.
 * @returns the mailbox; `undefined` for `<>`.
 * @throws {SASLFailure} `malformed-message`: reply 501.
 */
export function parseMailAuth(value: string, trusted: boolean): string | undefined {
  if (value.length > MAX_XTEXT_CHARACTERS) throw malformed();
  const text = decodeXtext(value);
  if (text === "<>") return undefined;
  checkMailbox(text);
  return trusted ? text : undefined;
}

/** RFC 4954 §3 item 6 makes MAIL FROM this much longer. */
const MAX_XTEXT_CHARACTERS = 500;

/** RFC 4954 §8: xchar is printable ASCII but `+` and `=`; the rest is `+` and two upper-case digits. */
function decodeXtext(value: string): string {
  if (value === "" || !/^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*$/.test(value)) throw malformed();
  const octets: number[] = [];
  for (let at = 0; at < value.length; at++) {
    if (value[at] !== "+") octets.push(value.charCodeAt(at));
    else {
      octets.push(Number.parseInt(value.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  try {
    return decodeUtf8(Uint8Array.from(octets));
  } catch {
    throw malformed();
  }
}

/** RFC 5321 §4.1.2 Mailbox: Dot-string or Quoted-string, `@`, Domain or address literal; with the letters of RFC 6531 §3.3. */
function checkMailbox(text: string): void {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(at, 0));
  const domain = text.slice(at + 1);
  const ok =
    text.length <= MAX_XTEXT_CHARACTERS &&
    (quotedString.test(local) || local.split(".").every((part) => atom.test(part))) &&
    (addressLiteral.test(domain) || domain.split(".").every((part) => label.test(part)));
  if (!ok) throw malformed();
}

const atom: RegExp = /^[^\x00-\x20"(),.:;<>@[\\\]\x7f-\x9f\s]+$/;
const quotedString: RegExp = /^"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"$/;
const label: RegExp = /^[^\x00-\x2c./:-@[-`{-\x9f\s]+$/;
const addressLiteral: RegExp = /^\[[\x21-\x5a\x5e-\x7e]+\]$/;

function malformed(): SASLFailure {
  return new SASLFailure("malformed-message", "the AUTH parameter is no xtext of a mailbox");
}
