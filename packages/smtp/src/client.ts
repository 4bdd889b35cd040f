/**
 * The client's end of AUTH. Source: RFC 4954 §4.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { type ClientDialect, LineClient, type LineReply, type LineTransport } from "sasl-lines";
import { MAX_COMMAND_BYTES } from "./discovery.js";
import { parseFailure } from "./errors.js";
import { mayComeUnasked, type Reply, ReplyReader } from "./reply.js";

/** How a client speaks. */
export interface SASLClientOptions {
  /** Longest command line to send, in octets with its CRLF. Default 512. */
  readonly maxCommandBytes?: number | undefined;
  /** Longest line to read, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
  /**
   * Whether a security layer may be agreed on, where the transport can carry one; put it in force then, with `protectWire`, as
   * `authenticate` does. Default false.
   */
  readonly layers?: boolean | undefined;
}

/** What the reply to a successful AUTH said. */
export interface Completion {
  /** For people. */
  readonly text: string;
  /** Enhanced status code, where there was one. */
  readonly enhanced: string | undefined;
}

/** `SASLInterface` over an SMTP connection after EHLO, outside a mail transaction. */
export class SASLClient extends LineClient {
  readonly #dialect: AuthDialect;

  constructor(wire: LineTransport, options: SASLClientOptions = {}) {
    const dialect = new AuthDialect(options.maxCommandBytes ?? MAX_COMMAND_BYTES);
    super(wire, dialect, options.maxLineBytes, options.layers);
    this.#dialect = dialect;
  }

  /** What the server said with its success, once it has. */
  get completion(): Completion | undefined {
    return this.#dialect.completion;
  }
}

class AuthDialect implements ClientDialect {
  readonly #maxCommandBytes: number;
  readonly #reader: ReplyReader = new ReplyReader();
  /** The reply at hand as it came, for `opaqueError`. */
  #raw: string[] = [];
  completion: Completion | undefined;

  constructor(maxCommandBytes: number) {
    this.#maxCommandBytes = maxCommandBytes;
  }

  command(mechanism: string, initial: string | undefined): string | undefined {
    const command = `AUTH ${mechanism}${initial === undefined ? "" : ` ${initial}`}\r\n`;
    if (initial !== undefined && command.length > this.#maxCommandBytes) return undefined; // R-SMTP-09
    this.completion = undefined;
    this.#raw = [];
    return command;
  }

  /** RFC 4954 §4: one line, nothing but base64, which is not to be read as the text of a reply (R-SMTP-04). */
  challenge(line: string): string | undefined {
    return this.#raw.length === 0 && (line === "334" || line.startsWith("334 ")) ? line.slice(4) : undefined;
  }

  unsolicited(line: string): boolean {
    return mayComeUnasked(line);
  }

  read(line: string, answered: boolean): LineReply | undefined {
    this.#raw.push(line);
    const reply = this.#reader.read(line);
    if (reply === undefined) return undefined;
    const raw = this.#raw.join("\r\n");
    this.#raw = [];
    if (reply.code === 235) return this.#success(reply);
    if (reply.code < 400) throw new SASLFailure("unexpected-message", "the server replied to AUTH with something else");
    return { state: "failure", error: parseFailure(raw, { answered }) };
  }

  #success({ lines, enhanced }: Reply): LineReply {
    this.completion = { text: lines.join(" ").trim(), enhanced };
    return { state: "success" };
  }
}
