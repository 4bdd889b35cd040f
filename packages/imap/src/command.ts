/**
 * Commands as a server reads them, literals included. Source: RFC 9051 §2.2.1, §4.3, §9; RFC 7888.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { decodeUtf8 } from "sasl-core/plugin";
import { DEFAULT_MAX_LINE_BYTES, type ServerTransport } from "sasl-lines";
import { cut } from "./status.js";
import { isTag } from "./tag.js";

/** One command. */
export interface Command {
  readonly tag: string;
  /** In upper case. */
  readonly name: string;
  /** What follows the name and a space. A literal's `{count}` stands in its place. */
  readonly arguments: string;
  /** Octets of the literals, in order. */
  readonly literals: readonly Uint8Array[];
}

/** What one command may cost. */
export interface CommandLimits {
  /** Longest line, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
  /** Largest literal, in octets. Default 4096. */
  readonly maxLiteralBytes?: number | undefined;
  /** Most literals. Default 4. */
  readonly maxLiterals?: number | undefined;
}

/** Why a command cannot be read; the answer to it is in `reply`. */
export interface CommandFault {
  /** Whole line with CRLF to send. */
  readonly reply: string;
  /** True when nothing sensible can follow: close the connection after the reply. */
  readonly fatal: boolean;
  /** The command's name in upper case, where it could be read. */
  readonly commandName: string | undefined;
  /** For the log. */
  readonly error: SASLFailure;
}

/** Why a server does not ask for the literals of a command. */
export interface Objection {
  /** Behind the tag and without CRLF. */
  readonly reply: string;
  readonly error: SASLFailure;
}

const literalAtEnd: RegExp = /\{([0-9]+)(\+?)\}$/;

/**
 * Reads the next command. Asks for a client's literals as long as they are within the limits, of which nothing is
 * reserved in advance (R-IMAP-18).
 *
 * @param objection what there is against asking for a literal of this command, by its name in upper case (R-IMAP-06).
 * @returns a fault for a command that cannot be read.
 * @throws {SASLFailure} `connection-lost`; `incorrect-encoding` for a bare CR or LF, after which nothing can be read.
 */
export async function readCommand(
  wire: ServerTransport,
  limits: CommandLimits = {},
  objection?: (name: string) => Objection | undefined,
): Promise<Command | CommandFault> {
  const line = await readLine(wire, limits.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES);
  return line === undefined ? tooLong() : completeCommand(wire, line, limits, objection);
}

/** The refusal of a line over the limit; its tag may not even have been read. */
export function tooLong(tag = "*", name?: string): CommandFault {
  return refusal(
    undefined,
    `${tag} BAD Line is too long`,
    new SASLFailure("limit-exceeded", "a line is too long"),
    name,
  );
}

/**
 * Every refusal of a command. A client that does not wait sends the octets of `{n+}` whatever is said to the line before
 * them, and they are not to be read as commands: then, and when the line's end was not seen, nothing can follow
 * (RFC 7888 §4, R-IMAP-18).
 *
 * @param line the last one that was read; `undefined` for one over the limit.
 */
function refusal(line: string | undefined, reply: string, error: SASLFailure, commandName?: string): CommandFault {
  const fatal = line === undefined || literalAtEnd.exec(line)?.[2] === "+";
  return { reply: `${reply}\r\n`, fatal, commandName, error };
}

/** The rest of a command whose first line has been read; see {@link readCommand}. */
export async function completeCommand(
  wire: ServerTransport,
  first: string,
  limits: CommandLimits,
  objection?: (name: string) => Objection | undefined,
): Promise<Command | CommandFault> {
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES, maxLiteralBytes = 4096, maxLiterals = 4 } = limits;
  const [tag, rest] = cut(first, " ");
  const [word] = cut(rest, " ");
  if (!isTag(tag)) return refusal(first, "* BAD No tag", malformed("a command without a tag"));
  if (!/^[A-Za-z]{1,32}$/.test(word))
    return refusal(first, `${tag} BAD No command`, malformed("a tag without a command"));

  const name = word.toUpperCase();
  const literals: Uint8Array[] = [];
  let text = rest.slice(word.length + 1);
  let line = text;
  for (;;) {
    const [, count, plus] = literalAtEnd.exec(line) ?? [];
    if (count === undefined) break;
    const waits = plus === ""; // the octets come only when asked for (RFC 9051 §4.3)
    if (name === "AUTHENTICATE") {
      // R-IMAP-04: what looks like a literal is a malformed initial response.
      if (waits) break;
      return refusal(
        line,
        `${tag} BAD Initial responses are no literals`,
        malformed("a literal in AUTHENTICATE"),
        name,
      );
    }
    if (Number(count) > maxLiteralBytes || literals.length >= maxLiterals) {
      const error = new SASLFailure("limit-exceeded", "a literal is too long, or one too many");
      return refusal(line, `${tag} BAD [TOOBIG] Literal is too long`, error, name);
    }
    if (waits) {
      const against = objection?.(name);
      if (against) return refusal(line, `${tag} ${against.reply}`, against.error, name);
      await wire.write("+ Ready\r\n");
    }
    literals.push(await wire.readBytes(Number(count)));
    const more = await readLine(wire, Math.max(1, maxLineBytes - text.length));
    if (more === undefined) return tooLong(tag, name);
    line = more;
    text += more;
  }
  return { tag, name, arguments: text, literals };
}

/** `undefined` for a line over the limit. */
async function readLine(wire: ServerTransport, maxBytes: number): Promise<string | undefined> {
  try {
    return await wire.readLine(maxBytes);
  } catch (error) {
    if ((error as Partial<SASLFailure>).code === "limit-exceeded") return undefined;
    throw error;
  }
}

/**
 * Reads arguments that are all strings: atoms, quoted strings and literals (RFC 9051 §9 `astring`).
 *
 * @throws {SASLFailure} `malformed-message`; `incorrect-encoding` where a string is no UTF-8.
 */
export function parseStrings(command: Pick<Command, "arguments" | "literals">): string[] {
  const { arguments: text, literals } = command;
  const strings: string[] = [];
  let literal = 0;
  for (let at = 0; at < text.length || (at > 0 && text[at - 1] === " "); ) {
    const [, quoted, count, atom] = matchAt(text, at);
    if (quoted !== undefined) strings.push(unquote(quoted));
    else if (count !== undefined) {
      const octets = literals[literal++];
      if (octets === undefined) throw malformed(notStrings);
      strings.push(decodeUtf8(octets));
    } else strings.push(utf8(atom as string));
    at = argument.lastIndex;
    if (at === text.length) break;
    if (text[at++] !== " ") throw malformed(notStrings);
  }
  return strings;
}

/** A quoted string's inside, a literal's count, or an atom. */
const argument: RegExp = /"((?:[^"\\\r\n\0]|\\["\\])*)"|\{([0-9]+)\+?\}|([^\0-\x20"\\(){}%*\x7f]+)/y;

function matchAt(text: string, at: number): RegExpExecArray {
  argument.lastIndex = at;
  const match = argument.exec(text);
  if (match === null) throw malformed(notStrings);
  return match;
}

function unquote(inside: string): string {
  return utf8(inside.replace(/\\(["\\])/g, "$1"));
}

/** Octets that were no UTF-8 have turned into U+FFFD on the way, and must not become part of a name or a password. */
function utf8(text: string): string {
  if (text.includes("\ufffd")) throw new SASLFailure("incorrect-encoding", "a string is not UTF-8");
  return text;
}

const notStrings = "the arguments are not strings";

function malformed(message: string): SASLFailure {
  return new SASLFailure("malformed-message", message);
}
