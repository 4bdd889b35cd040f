/**
 * Responses as a client reads them: up to the tagged one that ends a command. Source: RFC 9051 §2.2.2, §7.
 *
 * @module
 */
import { type SASLError, SASLFailure } from "sasl-core";
import { DEFAULT_MAX_LINE_BYTES, type LineTransport, readUnsolicited } from "sasl-lines";
import { type Announcement, discover, hasCapabilities } from "./discovery.js";
import { commandFailure, parseFailure } from "./errors.js";
import { cut, parseStatus, type Status } from "./status.js";
import { checkTag, tagGenerator } from "./tag.js";

/** How a client speaks. */
export interface CommandOptions {
  /** Makes the next tag. Default: tags of its own that nobody can foresee. */
  readonly tag?: (() => string) | undefined;
  /** Sees each untagged line that comes in between, without CRLF. */
  readonly onUntagged?: ((line: string) => void) | undefined;
  /** Longest line to read, in octets. Default 12288. */
  readonly maxLineBytes?: number | undefined;
}

/** What a tagged OK said. */
export interface Completion {
  /** For people. */
  readonly text: string;
  /** Name of the response code, in upper case. */
  readonly code: string | undefined;
  /** Capabilities the server sent along; what it said before is void then. `undefined`: ask again if you need them. */
  readonly capabilities: Announcement | undefined;
}

/** The tagged response a command ended with. */
export interface Tagged {
  /** Set for OK. */
  readonly completion: Completion | undefined;
  /** The response from its status on. */
  readonly reply: string;
}

/** Reads the responses to one command after the other. */
export class ResponseReader {
  readonly #nextTag: () => string;
  readonly #onUntagged: ((line: string) => void) | undefined;
  readonly #failure: (reply: string) => SASLError;
  #tag = "";
  #capabilities: Announcement | undefined;

  /** @param failure reads a BYE. */
  constructor(options: CommandOptions, failure: (reply: string) => SASLError = parseFailure) {
    this.#nextTag = options.tag ?? tagGenerator();
    this.#onUntagged = options.onUntagged;
    this.#failure = failure;
  }

  /** Begins a command. @returns its tag. */
  begin(): string {
    this.#tag = checkTag(this.#nextTag());
    this.#capabilities = undefined;
    return this.#tag;
  }

  /**
   * Reads a line that is no continuation request.
   *
   * @returns `undefined` unless it ends the command.
   * @throws {SASLFailure} for a BYE, and for a line that fits nowhere.
   */
  read(line: string): Tagged | undefined {
    const [tag, reply] = cut(line, " ");
    if (tag === "*") return this.#untagged(line, reply);
    // R-IMAP-13, R-IMAP-14: the answer to another command, or to none, says nothing about this one.
    if (tag !== this.#tag)
      throw new SASLFailure("unexpected-message", "the server answered a command that was not sent");
    const status = parseStatus(reply);
    switch (status.status) {
      case "OK":
        return { completion: this.#completion(status), reply };
      case "NO":
      case "BAD":
        return { completion: undefined, reply };
      default:
        throw new SASLFailure("malformed-message", "a tagged response is neither OK nor NO nor BAD");
    }
  }

  /**
   * Takes a line that came before the command was sent: untagged data may, all else is an answer to nothing.
   *
   * @throws {SASLFailure} for a BYE.
   */
  unsolicited(line: string): boolean {
    const [tag, rest] = cut(line, " ");
    if (tag !== "*") return false;
    if (parseStatus(rest).status === "BYE") throw this.#failure(rest);
    this.#onUntagged?.(line);
    return true;
  }

  #untagged(line: string, rest: string): undefined {
    if (parseStatus(rest).status === "BYE") throw this.#failure(rest);
    if (hasCapabilities(line)) this.#capabilities = discover(line);
    this.#onUntagged?.(line);
    return undefined;
  }

  #completion({ text, code, codeArguments = "" }: Status): Completion {
    const capabilities = code === "CAPABILITY" ? discover(codeArguments.split(" ")) : this.#capabilities;
    return { text, code, capabilities };
  }
}

/** Lines read before the one that ends a command. */
const MAX_LINES = 1000;

/**
 * Sends a command and reads up to its end.
 *
 * @param command without tag and CRLF.
 * @throws {SASLFailure} for NO, BAD and BYE: `temporary`, `limit-exceeded`, `channel-not-protected`, `malformed-message` or
 *   `connection-lost` where the server says so, `aborted` for every other refusal; `unexpected-message` when the answer to
 *   another command has arrived before.
 * @throws {AuthenticationFailure} for LOGIN alone, as `parseFailure` reads it.
 */
export function runCommand(wire: LineTransport, command: string, options: CommandOptions = {}): Promise<Completion> {
  return run(wire, command, options, /^LOGIN /i.test(command) ? parseFailure : commandFailure);
}

async function run(
  wire: LineTransport,
  command: string,
  options: CommandOptions,
  failure: (reply: string) => SASLError,
): Promise<Completion> {
  if (/[\r\n\0]/.test(command)) throw new TypeError("a command is one line");
  const { maxLineBytes = DEFAULT_MAX_LINE_BYTES } = options;
  const reader = new ResponseReader(options, failure);
  await readUnsolicited(wire, maxLineBytes, (line) => reader.unsolicited(line)); // R-IMAP-13
  await wire.write(`${reader.begin()} ${command}\r\n`);
  for (let lines = 0; lines < MAX_LINES; lines++) {
    const tagged = reader.read(await wire.readLine(maxLineBytes));
    if (tagged?.completion) return tagged.completion;
    if (tagged) throw failure(tagged.reply);
  }
  throw new SASLFailure("limit-exceeded", "the server talks on without an answer");
}
