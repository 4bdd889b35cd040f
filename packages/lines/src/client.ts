/**
 * The client's exchange, as IMAP and SMTP share it: a command, then base64 lines in turn, `*` to give up.
 * Source: RFC 9051 §6.2.2, RFC 4954 §4; the interface is that of `sasl-core`.
 *
 * @module
 */
import {
  type AuthenticationFailure,
  isSASLError,
  type SASLError,
  SASLFailure,
  type SASLInterface,
  type SASLReply,
} from "sasl-core";
import { decodeBase64, encodeBase64, isMechanismName } from "sasl-core/plugin";
import { encodeInitialResponse } from "./base64.js";
import { Mask } from "./mask.js";
import type { LineTransport } from "./transport.js";

/** Longest line either side reads in an exchange unless told otherwise, in octets (RFC 4954 §4). */
export const DEFAULT_MAX_LINE_BYTES = 12_288;

/** What a line from the server means for the exchange. */
export type LineReply =
  | { readonly state: "success" }
  | { readonly state: "failure"; readonly error: SASLFailure | AuthenticationFailure };

/** The words of one protocol. One dialect serves one client; it may remember what the exchange at hand needs. */
export interface ClientDialect {
  /**
   * The command that starts an exchange, with its CRLF.
   *
   * @param initial base64, or `=`; `undefined` for none.
   * @returns `undefined` when this initial response cannot be sent along.
   */
  command(mechanism: string, initial: string | undefined): string | undefined;

  /** Takes a challenge, and nothing else, as it came and not decoded; `undefined` for every other line. */
  challenge(line: string): string | undefined;

  /**
   * Reads one line that is no challenge. What the client sent in this exchange does not stand in it any more: where the
   * server quotes it, there is its length, as in `<40 characters>`.
   *
   * @param answered whether a message of the client has been sent in this exchange.
   * @returns `undefined` when more lines are needed.
   * @throws {SASLFailure} when the line cannot belong here; the connection is of no use any more.
   */
  read(line: string, answered: boolean): LineReply | undefined;

  /**
   * Whether a line may come unasked, before the command that begins an exchange. Left out: none may.
   *
   * @throws {SASLFailure} for one that ends the connection.
   */
  unsolicited?(line: string): boolean;
}

type Answer = LineReply | { readonly state: "challenge"; readonly base64: string };

/** Where the client stands: nothing begun, a challenge to answer, an answer awaited, or nothing to be had any more. */
type State = "idle" | "challenged" | "waiting" | "dead";

/** Lines that say nothing about the exchange that are read before one that does. */
const MAX_OTHER_LINES = 1000;

/**
 * A {@link SASLInterface} over a {@link LineTransport}: the binding's client is this class with its dialect.
 *
 * `abort()` may be called at any time. While an answer is awaited it waits for that answer, cancels, and lets the pending
 * call fail with `aborted`. After a broken connection, or an answer that fits nowhere, every call fails.
 */
export class LineClient implements SASLInterface {
  readonly #wire: LineTransport;
  readonly #dialect: ClientDialect;
  readonly #maxLineBytes: number;
  readonly #layers: boolean;
  #state: State = "idle";
  #answered = false;
  readonly #mask: Mask = new Mask();
  /** Set by `abort()` while an answer is awaited; resolved by the call that waits. */
  #abort: Deferred | undefined;
  #cancelling: Promise<SASLReply> | undefined;

  /**
   * @param maxLineBytes longest line to read, in octets.
   * @param layers whether a security layer may be agreed on, where the transport can carry one. The caller puts it in force
   *   as soon as the exchange has succeeded: `protectWire(wire, result.layer)`.
   */
  constructor(
    wire: LineTransport,
    dialect: ClientDialect,
    maxLineBytes: number = DEFAULT_MAX_LINE_BYTES,
    layers = false,
  ) {
    this.#layers = layers;
    this.#wire = wire;
    this.#dialect = dialect;
    this.#maxLineBytes = maxLineBytes;
  }

  get secure(): boolean {
    return this.#wire.secure === true;
  }

  get layers(): boolean {
    return this.#layers && this.#wire.protect !== undefined;
  }

  async initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    this.#expect("idle");
    if (!isMechanismName(mechanism)) throw new SASLFailure("mechanism-unsupported", "not a mechanism name"); // R-GEN-01
    const initial = payload && encodeInitialResponse(payload);
    const full = this.#dialect.command(mechanism, initial);
    this.#answered = payload !== undefined && full !== undefined;
    this.#mask.clear();
    if (full !== undefined) {
      this.#mask.add(initial ?? "");
      return this.#exchange(full, true);
    }

    // The protocol has no room for the initial response now: the name alone, an empty challenge, then the message.
    const first = await this.#exchange(this.#dialect.command(mechanism, undefined) as string, true);
    if (first.state !== "challenge") return first;
    if (first.payload.length > 0) {
      // R-PLAIN-09: what the mechanism has to say answers nothing, and is not said.
      await this.#cancel();
      throw new SASLFailure("unexpected-message", "the server sent a challenge where the client speaks first");
    }
    return this.respond(payload as Uint8Array);
  }

  async respond(payload: Uint8Array): Promise<SASLReply> {
    this.#expect("challenged");
    this.#answered = true;
    const base64 = encodeBase64(payload);
    this.#mask.add(base64);
    return this.#exchange(`${base64}\r\n`);
  }

  async abort(): Promise<SASLReply> {
    if (this.#cancelling) return this.#cancelling;
    if (this.#state === "waiting") {
      this.#abort ??= deferred();
      return this.#abort.done;
    }
    if (this.#state === "challenged") return this.#cancel();
    if (this.#state === "dead") throw dead();
    return { state: "failure" };
  }

  #expect(state: State): void {
    if (this.#state === state) return;
    if (this.#state === "dead") throw dead();
    const why = this.#state === "waiting" ? "the answer to the last message is still awaited" : "out of order";
    throw new SASLFailure("unexpected-message", why);
  }

  /** Sends and reads the answer; does what an `abort()` in the meantime asks for. */
  async #exchange(text: string, first = false): Promise<SASLReply> {
    let reply: Answer;
    try {
      reply = await this.#ask(text, first);
    } catch (error) {
      this.#abort?.resolve(Promise.reject(error));
      this.#abort = undefined;
      throw error;
    }
    const abort = this.#abort;
    if (abort === undefined) return this.#understand(reply);
    this.#abort = undefined;
    abort.resolve(this.#giveUp(reply));
    await abort.done.catch(() => {});
    throw reply.state === "failure" ? reply.error : new SASLFailure("aborted", "the exchange was aborted");
  }

  async #understand(reply: Answer): Promise<SASLReply> {
    if (reply.state === "challenge") {
      let payload: Uint8Array;
      try {
        payload = decodeBase64(reply.base64);
      } catch (error) {
        await this.#cancel().catch(() => {}); // R-SMTP-06
        throw error;
      }
      this.#state = "challenged";
      return { state: "challenge", payload };
    }
    this.#state = "idle";
    if (reply.state === "failure") throw reply.error;
    return { state: "success" };
  }

  /** What `abort()` gives when the answer it waited for has come. */
  async #giveUp(reply: Answer): Promise<SASLReply> {
    if (reply.state === "challenge") return this.#cancel();
    if (reply.state === "failure") {
      this.#state = "idle";
      return { state: "failure" };
    }
    this.#state = "dead";
    throw new SASLFailure("aborted", "the server said success before the exchange could be cancelled");
  }

  #cancel(): Promise<SASLReply> {
    this.#cancelling ??= this.#sendCancel().finally(() => {
      this.#cancelling = undefined;
    });
    return this.#cancelling;
  }

  /** RFC 9051 §6.2.2, RFC 4954 §4: a line with a single `*`, which the server answers with a failure. */
  async #sendCancel(): Promise<SASLReply> {
    const reply = await this.#ask("*\r\n");
    if (reply.state !== "failure") {
      this.#state = "dead";
      throw new SASLFailure("unexpected-message", "the server did not take the cancellation for one");
    }
    this.#state = "idle";
    return { state: "failure" };
  }

  /** Sends, and reads up to the line that answers. After a throw the connection is of no use any more. */
  async #ask(text: string, first = false): Promise<Answer> {
    this.#state = "waiting";
    try {
      if (first && (this.#wire.buffered ?? 0) > 0) await this.#readAhead();
      await this.#wire.write(text);
      for (let lines = 0; lines < MAX_OTHER_LINES; lines++) {
        const line = await this.#wire.readLine(this.#maxLineBytes);
        const base64 = this.#dialect.challenge(line);
        if (base64 !== undefined) return { state: "challenge", base64 };
        const reply = this.#dialect.read(this.#mask.apply(line), this.#answered);
        if (reply) return reply;
      }
      throw new SASLFailure("limit-exceeded", "the server talks on without an answer");
    } catch (error) {
      this.#state = "dead";
      throw isSASLError(error) ? error : new SASLFailure("connection-lost", "the connection failed", { cause: error });
    }
  }

  /** What arrived before the command was sent is no answer to it (R-IMAP-13, R-IMAP-14). */
  async #readAhead(): Promise<void> {
    await readUnsolicited(this.#wire, this.#maxLineBytes, (line) => this.#dialect.unsolicited?.(line) === true);
  }
}

/**
 * Reads the lines that have arrived before a command is sent; where the transport does not tell, none.
 *
 * @param allowed whether a line may come unasked.
 * @throws {SASLFailure} `unexpected-message` for one that may not, `limit-exceeded` for a thousand, and what reading throws.
 */
export async function readUnsolicited(
  wire: LineTransport,
  maxLineBytes: number,
  allowed: (line: string) => boolean,
): Promise<void> {
  for (let lines = 0; (wire.buffered ?? 0) > 0; lines++) {
    if (lines >= MAX_OTHER_LINES) throw new SASLFailure("limit-exceeded", "the server talks on without being asked");
    if (!allowed(await wire.readLine(maxLineBytes))) {
      throw new SASLFailure("unexpected-message", "the server answered a command that was not sent");
    }
  }
}

function dead(): SASLError {
  return new SASLFailure("connection-lost", "the connection cannot be used any more");
}

interface Deferred {
  readonly done: Promise<SASLReply>;
  readonly resolve: (reply: Promise<SASLReply>) => void;
}

function deferred(): Deferred {
  let resolve!: Deferred["resolve"];
  const done = new Promise<SASLReply>((settle) => {
    resolve = settle;
  });
  done.catch(() => {}); // whoever aborted may not be looking
  return { done, resolve };
}
