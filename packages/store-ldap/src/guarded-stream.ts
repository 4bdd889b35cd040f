/**
 * A connection to a directory that lets through only what answers the request that was sent, whole messages at a time.
 * It stands between the socket and the LDAP client, which takes a good deal on trust.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { MalformedAnswer, type Message, messageLength, readMessage, readRequest, tags } from "./answer.js";

/** Octets of all that answers one request. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** What can answer a request, and which of these ends it. */
const answersTo: ReadonlyMap<number, { readonly all: readonly number[]; readonly last: number }> = new Map([
  [tags.bindRequest, { all: [tags.bindResponse], last: tags.bindResponse }],
  [tags.searchRequest, { all: [tags.searchEntry, tags.searchReference, tags.searchDone], last: tags.searchDone }],
  [tags.extendedRequest, { all: [tags.extendedResponse], last: tags.extendedResponse }],
]);

/** One request at a time: the next one after the last message of its answer. Looks enough like a socket for ldapts. */
export class GuardedStream extends Duplex {
  /** For ldapts: there is nothing to wait for. */
  readonly connecting = false;
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #asked: Message | undefined;
  #heardBytes = 0;
  #resultCode: number | undefined;
  #reason: string | undefined;
  #lost = false;

  /** @param socket connected. Destroyed with this stream. */
  constructor(socket: Socket) {
    super({ readableObjectMode: true });
    this.#socket = socket;
    socket.on("data", this.#hear);
    socket.on("close", this.#lose);
    socket.on("error", this.#fail);
  }

  get readyState(): "open" | "closed" {
    return this.destroyed ? "closed" : "open";
  }

  /** The result code of the last request; `undefined` while it has none. */
  get resultCode(): number | undefined {
    return this.#asked === undefined ? this.#resultCode : undefined;
  }

  /** Why the connection is of no more use. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether it was the other side, or the network, that ended the connection. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Forgets the last request, so that its result is not taken for that of the next. */
  forget(): void {
    this.#asked = undefined;
    this.#resultCode = undefined;
  }

  /** Ends the connection at once. */
  stop(reason: string): void {
    this.#reason ??= reason;
    this.destroy();
  }

  /**
   * Gives the socket back, for TLS to begin on it.
   *
   * @throws {MalformedAnswer} when anything came behind the last answer: it was sent by somebody in between.
   */
  release(): Socket {
    if (this.#rest.length > 0 || this.#asked !== undefined || this.destroyed) {
      throw new MalformedAnswer("clear text behind the answer to StartTLS");
    }
    this.#socket.off("data", this.#hear).off("close", this.#lose).off("error", this.#fail);
    return this.#socket;
  }

  override _read(): void {} // what comes is bounded, and wanted at once

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // A request is written in one piece.
    const request = readRequest(chunk);
    this.#asked = answersTo.has(request.operation) ? request : undefined;
    this.#resultCode = undefined;
    this.#heardBytes = 0;
    this.#socket.write(chunk, done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#reason ??= "the connection was closed";
    this.#socket.destroy();
    done(null);
  }

  readonly #lose = (): void => this.#failed("the connection was lost");

  readonly #fail = (error: NodeJS.ErrnoException): void =>
    this.#failed(`the connection failed: ${error.code ?? "error"}`);

  #failed(reason: string): void {
    this.#lost = !this.destroyed;
    this.stop(reason);
  }

  readonly #hear = (octets: Buffer): void => {
    try {
      this.#heardBytes += octets.length;
      if (this.#heardBytes > MAX_ANSWER_BYTES) throw new MalformedAnswer("an answer that is too long");
      this.#rest = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
      for (;;) {
        const length = messageLength(this.#rest, MAX_ANSWER_BYTES);
        if (length === undefined || this.#rest.length < length) return;
        const message = this.#rest.subarray(0, length);
        this.#rest = this.#rest.subarray(length);
        this.#take(message);
      }
    } catch (error) {
      this.stop(error instanceof MalformedAnswer ? `malformed: ${error.message}` : "malformed answer");
    }
  };

  #take(octets: Buffer): void {
    const { id, operation, resultCode } = readMessage(octets);
    if (id === 0) throw new MalformedAnswer("the server ends the connection"); // RFC 4511 §4.4.1
    const expected = answersTo.get(this.#asked?.operation ?? -1);
    if (this.#asked?.id !== id || !expected?.all.includes(operation)) {
      throw new MalformedAnswer("an answer to no request");
    }
    if (operation === expected.last) {
      this.#asked = undefined;
      this.#resultCode = resultCode;
    }
    this.push(octets);
  }
}
