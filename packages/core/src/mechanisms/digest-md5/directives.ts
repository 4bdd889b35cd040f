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
  // RFC 2616 §2.1: a list may hold empty elements. Around the tokens there may be LWS, and after the value nothing but that.
  const pattern =
    /(?:(?:\r\n)?[\t ]|,)*([!#$%&'*+.^_`|~\w-]+)(?:(?:\r\n)?[\t ])*=(?:(?:\r\n)?[\t ])*(?:"((?:[^"\\\0-\x08\n-\x1f\x7f]|\r\n[\t ]|\\[\0-\x7f])*)"|([!#$%&'*+.^_`|~\w-]+))(?:(?:\r\n)?[\t ])*(?:,|$)/y;
  let end = 0;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const [, name = "", quoted, token = ""] = found;
    directives.push([name.toLowerCase(), quoted === undefined ? token : withoutEscapes(quoted)]);
    end = pattern.lastIndex;
    if (end === text.length) return directives;
  }
  if (!/^(?:(?:\r\n)?[\t ]|,)*$/.test(text.slice(end)))
    throw new SASLFailure("malformed-message", "not a list of directives");
  return directives;
}

/** A directive whose value is a quoted string. @param value octet text. */
export function quotedDirective(name: string, value: string): string {
  return `${name}="${/["\\]/.test(value) ? value.replace(/["\\]/g, "\\$&") : value}"`;
}

function withoutEscapes(quoted: string): string {
  return quoted.includes("\\") ? quoted.replace(/\\(.)/gs, "$1") : quoted;
}
