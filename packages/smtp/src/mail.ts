/**
 * One mail transaction at a server: envelope and content. Source: RFC 5321 §3.3, §4.1.1.2 to §4.1.1.4, §4.5.2.
 *
 * @module
 */
import { SASLFailure, type ServerResult } from "sasl-core";
import type { LineTransport, MaybePromise } from "sasl-lines";
import { parseMailAuth } from "./mail-auth.js";

/** Who sends what to whom. */
export interface Envelope {
  /** Reverse path without brackets; empty for a bounce. */
  readonly from: string;
  readonly recipients: readonly string[];
  /** Who submitted the message first, as a trusted client says in AUTH= (RFC 4954 §5). */
  readonly submitter: string | undefined;
  /** Who is logged in. */
  readonly result: ServerResult;
}

/**
 * Takes a message. Lines come without CRLF and without the dots of transparency, as UTF-8 text; what is not read is dropped.
 * What it throws makes the reply a temporary failure; a text it returns is shown behind `250 2.0.0`. Reading the lines
 * throws as soon as the message is refused, too long as a whole or in one line: only a message whose lines have ended is one.
 */
export type MessageHandler = (envelope: Envelope, lines: AsyncIterable<string>) => MaybePromise<unknown>;

/** Bounds of a message. */
interface MessageLimits {
  readonly onMessage?: MessageHandler | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** Reply to an argument that does not parse; also to a malformed AUTH= (R-SMTP-19). */
const SYNTAX = "501 5.5.4 Syntax error in parameters";

const TOO_BIG = "552 5.3.4 Message is too big";

const MAX_MESSAGE_BYTES = 10_485_760;
const MAX_RECIPIENTS = 100;
const MAX_CONTENT_LINE_BYTES = 65_536;

/** A transaction from MAIL on. */
export class MailTransaction {
  readonly from: string;
  readonly submitter: string | undefined;
  readonly recipients: string[] = [];
  #bytes = 0;
  #ended = false;
  /** The reply to a message that is refused for its content. */
  #refused: string | undefined;
  /** What reading failed with. */
  #broken: { readonly error: unknown } | undefined;
  /** Told of each line. */
  #heard: () => void = () => {};

  private constructor(from: string, submitter: string | undefined) {
    this.from = from;
    this.submitter = submitter;
  }

  /** Reads the arguments of MAIL. @returns the reply when they do not parse or say that the message is too big. */
  static begin(
    args: string,
    trusted: boolean,
    { maxMessageBytes = MAX_MESSAGE_BYTES }: MessageLimits,
  ): MailTransaction | string {
    const path = parsePath("FROM", args);
    if (path === undefined) return SYNTAX;
    let submitter: string | undefined;
    for (const parameter of path.parameters) {
      const [, size] = /^SIZE=(.*)$/i.exec(parameter) ?? [];
      if (size !== undefined && !/^[0-9]{1,20}$/.test(size)) return SYNTAX;
      if (size !== undefined && Number(size) > maxMessageBytes) return TOO_BIG; // RFC 1870 §6.1
      if (!/^AUTH=/i.test(parameter)) continue;
      try {
        submitter = parseMailAuth(parameter.slice(5), trusted);
      } catch {
        return SYNTAX;
      }
    }
    return new MailTransaction(path.address, submitter);
  }

  /** Reads the arguments of RCPT. @returns the reply. */
  recipient(args: string): string {
    const path = parsePath("TO", args);
    if (path === undefined || path.address === "") return SYNTAX;
    if (this.recipients.length >= MAX_RECIPIENTS) return "452 4.5.3 Too many recipients";
    this.recipients.push(path.address);
    return "250 2.1.5 OK";
  }

  /**
   * Reads the content, hands it on, and gives the reply.
   *
   * @param heard called for each line of it: who sends a long message slowly is not idle.
   * @throws {SASLFailure} `connection-lost`; `incorrect-encoding` for bare line ends, after which nothing can be read.
   */
  async receive(
    wire: LineTransport,
    envelope: Envelope,
    limits: MessageLimits,
    heard: () => void = () => {},
  ): Promise<string> {
    this.#heard = heard;
    const { onMessage, maxMessageBytes = MAX_MESSAGE_BYTES } = limits;
    let text: unknown;
    let failed = false;
    try {
      text = await onMessage?.(envelope, this.#lines(wire, maxMessageBytes));
    } catch {
      failed = true; // whatever it is; what reading threw comes again below
    }
    while (!this.#ended) await this.#next(wire, maxMessageBytes); // what the handler left is dropped
    if (this.#refused) return this.#refused;
    return failed
      ? "451 4.3.0 Message could not be taken"
      : `250 2.0.0 ${(typeof text === "string" && oneLine(text)) || "OK"}`;
  }

  /** Lines up to the one with a single dot (RFC 5321 §4.5.2), each once whoever asks. */
  async *#lines(wire: LineTransport, maxBytes: number): AsyncGenerator<string, void, void> {
    for (;;) {
      const line = await this.#next(wire, maxBytes);
      // Half a message must not look like a whole one.
      if (this.#refused) throw new SASLFailure("limit-exceeded", "the message is refused: it is too long");
      if (line === undefined) return;
      yield line;
    }
  }

  /** The next line; `undefined` at the end, and for one that is over a limit, which is noted. */
  async #next(wire: LineTransport, maxBytes: number): Promise<string | undefined> {
    if (this.#broken) throw this.#broken.error;
    if (this.#ended) return undefined;
    let line: string;
    try {
      line = await wire.readLine(MAX_CONTENT_LINE_BYTES);
      this.#heard();
    } catch (error) {
      if ((error as SASLFailure).code === "limit-exceeded") {
        this.#refused ??= "554 5.6.0 A line is too long";
        return undefined;
      }
      this.#broken = { error };
      throw error;
    }
    if (line === ".") {
      this.#ended = true;
      return undefined;
    }
    this.#bytes += line.length + 2;
    if (this.#bytes > maxBytes) this.#refused = TOO_BIG;
    return line.startsWith(".") ? line.slice(1) : line;
  }
}

/** `FROM:<path> parameters`; some clients put a space behind the colon. */
function parsePath(word: "FROM" | "TO", args: string): { address: string; parameters: string[] } | undefined {
  const [, name, address, rest] = /^([A-Za-z]+): ?<([^<>\x00-\x1f\x7f]*)>((?: [\x21-\x7e]+)*)$/.exec(args) ?? [];
  if (name?.toUpperCase() !== word || address === undefined || rest === undefined) return undefined;
  return { address, parameters: rest.split(" ").filter((each) => each !== "") };
}

function oneLine(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, " ")
    .trim()
    .slice(0, 400);
}
