/**
 * Status responses. Source: RFC 9051 §7.1, §9 `resp-cond-state`, `resp-text`.
 *
 * @module
 */
import { printable } from "sasl-lines";

/** A status response, taken apart. */
export interface Status {
  /** `undefined` when the text is no status response. */
  readonly status: "OK" | "NO" | "BAD" | "BYE" | "PREAUTH" | undefined;
  /** Name of the response code in upper case, without brackets. */
  readonly code: string | undefined;
  /** What follows the name in the code, as it came. */
  readonly codeArguments: string | undefined;
  /** For people; control characters are replaced by spaces. */
  readonly text: string;
}

const known: ReadonlySet<string> = new Set(["OK", "NO", "BAD", "BYE", "PREAUTH"]);

/** Takes a status response apart. Any text is taken. @param reply from the status on, without tag and CRLF. */
export function parseStatus(reply: string): Status {
  const [word, rest] = cut(reply, " ");
  const status = word.toUpperCase();
  if (!known.has(status))
    return { status: undefined, code: undefined, codeArguments: undefined, text: printable(reply) };
  const end = rest.startsWith("[") ? rest.indexOf("]") : -1;
  if (end < 0)
    return { status: status as Status["status"], code: undefined, codeArguments: undefined, text: printable(rest) };
  const [code, codeArguments] = cut(rest.slice(1, end), " ");
  return {
    status: status as Status["status"],
    code: code.toUpperCase(),
    codeArguments,
    text: printable(rest.slice(end + 1)),
  };
}

/** The text before and after the first separator. */
export function cut(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
