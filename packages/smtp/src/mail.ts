/**
 * One mail transaction at a server: envelope and content. Source: RFC 5321 §3.3, §4.1.1.2 to §4.1.1.4, §4.5.2.
 *
 * @module
 */
import { isSASLError, type SASLFailure, type ServerResult } from "sasl-core";
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
 * What it throws makes the reply a temporary failure; a text it returns is shown behind `250 2.0.0`.
 */
export type MessageHandler = (envelope: Envelope, lines: AsyncIterable<string>) => MaybePromise<unknown>;

/** Bounds of a message. */
interface MessageLimits {
  readonly onMessage?: MessageHandler | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** Reply to an argument that does not parse; also to a malformed AUTH= (R-SMTP-19). */
export const SYNTAX = "501 5.5.4 Syntax error in parameters";

const MAX_RECIPIENTS = 100;
const MAX_CONTENT_LINE_BYTES = 65_536;

/** A transaction from MAIL on. */
export class MailTransaction {
  readonly from: string;
  readonly submitter: string | undefined;
  readonly recipients: string[] = [];
  #bytes = 0;
  #tooLong = false;
  #ended = false;

  private constructor(from: string, submitter: string | undefined) {
    this.from = from;
    this.submitter = submitter;
  }

  /** Reads the arguments of MAIL. @returns `undefined` when they do not parse. */
  static begin(args: string, trusted: boolean): MailTransaction | undefined {
    const path = parsePath("FROM", args);
    if (path === undefined) return undefined;
    let submitter: string | undefined;
    for (const parameter of path.parameters) {
      if (!/^AUTH=/i.test(parameter)) continue;
      try {
        submitter = parseMailAuth(parameter.slice(5), trusted);
      } catch {
        return undefined;
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
   * @throws {SASLFailure} `connection-lost`; `incorrect-encoding` for bare line ends, after which nothing can be read.
   */
  async receive(wire: LineTransport, envelope: Envelope, limits: MessageLimits): Promise<string> {
    const { onMessage, maxMessageBytes = 10_485_760 } = limits;
    const lines = this.#lines(wire, maxMessageBytes);
    let text: unknown;
    let failed = false;
    try {
      text = await onMessage?.(envelope, lines);
    } catch (error) {
      if (isSASLError(error)) throw error;
      failed = true;
    }
    for await (const _ of this.#lines(wire, maxMessageBytes)) {
      // What the handler left is read and dropped.
    }
    if (this.#bytes > maxMessageBytes) return "552 5.3.4 Message is too big";
    if (this.#tooLong) return "554 5.6.0 A line is too long";
    return failed
      ? "451 4.3.0 Message could not be taken"
      : `250 2.0.0 ${(typeof text === "string" && oneLine(text)) || "OK"}`;
  }

  /** Lines up to the one with a single dot (RFC 5321 §4.5.2), each once whoever asks; none beyond the limit. */
  async *#lines(wire: LineTransport, maxBytes: number): AsyncGenerator<string, void, void> {
    while (!this.#ended) {
      let line: string;
      try {
        line = await wire.readLine(MAX_CONTENT_LINE_BYTES);
      } catch (error) {
        if ((error as SASLFailure).code !== "limit-exceeded") throw error;
        this.#tooLong = true;
        continue;
      }
      if (line === ".") {
        this.#ended = true;
        return;
      }
      this.#bytes += line.length + 2;
      if (this.#bytes <= maxBytes) yield line.startsWith(".") ? line.slice(1) : line;
    }
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
