/**
 * The form of every DIGEST-MD5 message: `name=value` and `name="value"`, with commas between. Source: RFC 2831 §7.2 and
 * the list rule of RFC 2616 §2.1.
 *
 * Messages are handled as octet text, a string with one character of U+0000 to U+00FF for each octet, because the charset
 * of a value is known only when all of the message has been read.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";

/** One directive: its name in lower case, its value without quotes and escapes, as octet text. */
export type Directive = readonly [name: string, value: string];

/**
 * The directives of a message, in order, repeated ones too (R-DIG-12).
 *
 * @param text octet text, untrusted.
 * @throws {SASLFailure} `malformed-message`.
 */
export function parseDirectives(text: string): Directive[] {
  const directives: Directive[] = [];
  let at = afterSpace(text, 0);
  while (at < text.length) {
    if (text.charCodeAt(at) !== comma) {
      const equals = text.indexOf("=", at);
      if (equals === -1) throw malformed();
      const name = tokenIn(text, at, equals).toLowerCase();
      at = afterSpace(text, equals + 1);
      if (text.charCodeAt(at) === quote) {
        const end = closingQuote(text, at + 1);
        const plain = plainUntil(text, at + 1, end);
        const value = text.slice(at + 1, end);
        directives.push([name, plain ? value : unquoted(value)]);
        at = afterSpace(text, end + 1);
      } else {
        const next = text.indexOf(",", at);
        const end = next === -1 ? text.length : next;
        directives.push([name, tokenIn(text, at, end)]);
        at = end;
      }
      if (at < text.length && text.charCodeAt(at) !== comma) throw malformed();
    }
    at = afterSpace(text, at + 1); // RFC 2616 §2.1: a list may hold empty elements
  }
  return directives;
}

/** A directive whose value is a quoted string. @param value octet text. */
export function quotedDirective(name: string, value: string): string {
  const plain = !value.includes('"') && !value.includes("\\");
  return `${name}="${plain ? value : value.replace(/["\\]/g, "\\$&")}"`;
}

// Characters are looked at by their codes, without regular expressions where nothing is wrong: parsing was half of an exchange.
const [tab, lf, cr, space, quote, comma, backslash] = [0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x5c] as const;

/** LWS of RFC 2616 §2.2: spaces, tabs, and line ends in front of them. */
function afterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= space) {
    if (isBlank(text, at)) at++;
    else if (text.charCodeAt(at) === cr && text.charCodeAt(at + 1) === lf && isBlank(text, at + 2)) at += 3;
    else return at;
  }
  return at;
}

function isBlank(text: string, at: number): boolean {
  return text.charCodeAt(at) === space || text.charCodeAt(at) === tab;
}

/** The token of RFC 2616 §2.2 from `start` to `end`, with or without LWS behind it. */
function tokenIn(text: string, start: number, end: number): string {
  let at = start;
  while (at < end && isTokenCharacter(text.charCodeAt(at))) at++;
  if (at === start || (at < end && afterSpace(text, at) !== end)) throw malformed();
  return text.slice(start, at);
}

/** Neither a control character nor a separator. */
function isTokenCharacter(code: number): boolean {
  const isAlphanumeric =
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39);
  return (
    isAlphanumeric ||
    code === hyphen ||
    (code > space && code < 0x7f && !separators.includes(String.fromCharCode(code)))
  );
}

const separators = '()<>@,;:\\"/[]?={}';
const hyphen = 0x2d;

/** Where a quoted string ends, of which `from` is the first character. */
function closingQuote(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    if (code === backslash) at++;
  }
  throw malformed();
}

/** Any text without control characters, but for tabs and folded lines; behind a backslash any character of US-ASCII. */
function unquoted(text: string): string {
  if (!/^(?:[^\0-\x08\n-\x1f\x7f\\]|\r\n[\t ]|\\[\0-\x7f])*$/.test(text)) throw malformed();
  return text.replace(/\\(.)/gs, "$1");
}

/** Whether nothing in there asks for more than to be copied. */
function plainUntil(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code < space || code === 0x7f || code === backslash) return false;
  }
  return true;
}

function malformed(): SASLFailure {
  return new SASLFailure("malformed-message", "DIGEST-MD5: not a list of directives");
}
