/**
 * Replies of several lines. Source: RFC 5321 §4.2, §4.2.1; RFC 2034 §4.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { printable } from "sasl-lines";

/** A complete reply. */
export interface Reply {
  /** Three digits: 200 to 599. */
  readonly code: number;
  /** Enhanced status code such as `5.7.8` (RFC 3463), taken from the first line that has one. */
  readonly enhanced: string | undefined;
  /** Texts of the lines without codes; at least one. Control characters are replaced by spaces. */
  readonly lines: readonly string[];
}

/** One line of a reply. */
interface ReplyLine {
  readonly code: number;
  /** False for `250-…`: more lines follow. */
  readonly last: boolean;
  readonly text: string;
}

const MAX_REPLY_LINES = 100;

/** Puts a reply together line by line. */
export class ReplyReader {
  #code: number | undefined;
  #lines: string[] = [];

  /**
   * @returns the reply when this line ends it.
   * @throws {SASLFailure} `malformed-message` for a line that is no reply or has another code than the one before,
   *   `limit-exceeded` for a reply of more than a hundred lines.
   */
  read(line: string): Reply | undefined {
    const { code, last, text } = parseLine(line);
    if (this.#code !== undefined && code !== this.#code) {
      throw new SASLFailure("malformed-message", "two lines of one reply have different codes");
    }
    if (this.#lines.length >= MAX_REPLY_LINES) throw new SASLFailure("limit-exceeded", "a reply has too many lines");
    this.#code = code;
    this.#lines.push(text);
    if (!last) return undefined;
    const reply = makeReply(code, this.#lines);
    this.#code = undefined;
    this.#lines = [];
    return reply;
  }
}

/**
 * Reads a whole reply from its lines.
 *
 * @param text lines with codes, separated by CRLF or LF.
 * @returns `undefined` for what is no reply.
 */
export function parseReply(text: string): Reply | undefined {
  const reader = new ReplyReader();
  try {
    for (const line of text.split(/\r?\n/)) {
      const reply = reader.read(line);
      if (reply) return reply;
    }
  } catch {
    return undefined;
  }
  return undefined;
}

/**
 * Whether a line may come before a command: none may, and 421 ends the connection (RFC 5321 §3.8).
 *
 * @throws {SASLFailure} `temporary` for 421.
 */
export function mayComeUnasked(line: string): false {
  if (!/^421(?:[- ]|$)/.test(line)) return false;
  throw new SASLFailure("temporary", "the server closes the connection", {
    opaqueError: line,
    text: printable(line.slice(4)),
  });
}

/** Some servers leave out the space when there is no text (R-SMTP-04). */
function parseLine(line: string): ReplyLine {
  const [, code, mark, text] = /^([2-5][0-9]{2})(?:([- ])(.*))?$/s.exec(line) ?? [];
  if (code === undefined) throw new SASLFailure("malformed-message", "the server sent a line that is no reply");
  return { code: Number(code), last: mark !== "-", text: text ?? "" };
}

function makeReply(code: number, texts: readonly string[]): Reply {
  let enhanced: string | undefined;
  const lines = texts.map((text) => {
    // RFC 2034 §4: on each line, with the class of the reply code.
    const [whole, status] = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/.exec(text) ?? [];
    if (whole === undefined) return printable(text);
    enhanced ??= status;
    return printable(text.slice(whole.length));
  });
  return { code, enhanced, lines };
}
