/**
 * The client's end of AUTHENTICATE. Source: RFC 9051 §6.2.2, RFC 3501 §6.2.2, RFC 4959.
 *
 * @module
 */
import { type ClientDialect, LineClient, type LineReply, type LineTransport } from "sasl-lines";
import { parseFailure } from "./errors.js";
import { type CommandOptions, type Completion, ResponseReader } from "./responses.js";

/** How a client speaks. */
export interface SASLClientOptions extends CommandOptions {
  /** Whether the server takes initial responses; see `Announcement`. Default false. */
  readonly initialResponse?: boolean | undefined;
  /**
   * Whether a security layer may be agreed on, where the transport can carry one; put it in force then, with `protectWire`, as
   * `authenticate` does. Default false.
   */
  readonly layers?: boolean | undefined;
}

/**
 * `SASLInterface` over an IMAP connection in the not-authenticated state. Between two exchanges the connection is free for
 * other commands.
 */
export class SASLClient extends LineClient {
  readonly #dialect: AuthenticateDialect;

  constructor(wire: LineTransport, options: SASLClientOptions = {}) {
    const dialect = new AuthenticateDialect(options);
    super(wire, dialect, options.maxLineBytes, options.layers);
    this.#dialect = dialect;
  }

  /** What the server said with its OK, once it has. */
  get completion(): Completion | undefined {
    return this.#dialect.completion;
  }
}

/** A longer command goes without its initial response: servers need not read more in one (RFC 2683 §3.2.1.5). */
const MAX_COMMAND_CHARACTERS = 8000;

class AuthenticateDialect implements ClientDialect {
  readonly #initialResponse: boolean;
  readonly #reader: ResponseReader;
  completion: Completion | undefined;

  constructor(options: SASLClientOptions) {
    this.#initialResponse = options.initialResponse === true;
    this.#reader = new ResponseReader(options);
  }

  command(mechanism: string, initial: string | undefined): string | undefined {
    if (initial !== undefined) {
      if (!this.#initialResponse) return undefined; // R-IMAP-03
      if (initial.length > MAX_COMMAND_CHARACTERS) return undefined;
    }
    this.completion = undefined;
    return `${this.#reader.begin()} AUTHENTICATE ${mechanism}${initial === undefined ? "" : ` ${initial}`}\r\n`;
  }

  /** RFC 9051 §7.6; some servers leave the space out when nothing follows (R-IMAP-02). */
  challenge(line: string): string | undefined {
    return line === "+" || line.startsWith("+ ") ? line.slice(2) : undefined;
  }

  unsolicited(line: string): boolean {
    return this.#reader.unsolicited(line);
  }

  read(line: string, answered: boolean): LineReply | undefined {
    const tagged = this.#reader.read(line);
    if (tagged === undefined) return undefined;
    this.completion = tagged.completion;
    return tagged.completion
      ? { state: "success" }
      : { state: "failure", error: parseFailure(tagged.reply, { answered }) };
  }
}
