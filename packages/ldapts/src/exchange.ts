/**
 * The exchange: one bind request for each message. Source: RFC 4511 §4.2, §4.2.2.
 *
 * @module
 */
import type { Socket } from "node:net";
import { SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { type BindResponse, MessageSplitter, readBindResponse, writeBindRequest } from "./messages.js";
import { failureOf, resultCodes } from "./results.js";

/** ldapts counts its requests up from 1; these are counted down from the highest number there is (RFC 4511 §4.1.1). */
const highestId = 2 ** 31 - 1;

/** `SASLInterface` over the socket of a client that has nothing else under way. */
export class BindExchange implements SASLInterface {
  readonly secure: boolean;
  readonly #socket: Socket;
  #mechanism = "";
  #id = highestId;
  /** Whether the server waits for the next message. */
  #open = false;
  #settled = true;
  #pending: Promise<unknown> | undefined;

  constructor(socket: Socket, secure: boolean) {
    this.#socket = socket;
    this.secure = secure;
  }

  /** False while the server may take the connection for somebody's: it said success, waits for more, or has not answered. */
  get settled(): boolean {
    return this.#settled;
  }

  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    this.#mechanism = mechanism;
    return this.#say(payload);
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#say(payload);
  }

  /** RFC 4511 §4.2: an empty mechanism name, which no server supports. */
  async abort(): Promise<SASLReply> {
    await this.#pending?.catch(() => {});
    if (this.#open) await this.#ask("", undefined);
    return { state: "failure" };
  }

  async #say(credentials: Uint8Array | undefined): Promise<SASLReply> {
    const { code, text, serverCredentials } = await this.#ask(this.#mechanism, credentials);
    if (this.#open) return { state: "challenge", payload: serverCredentials ?? new Uint8Array(0) };
    if (code === resultCodes.success) return { state: "success", payload: serverCredentials };
    throw failureOf(code, text);
  }

  #ask(mechanism: string, credentials: Uint8Array | undefined): Promise<BindResponse> {
    const socket = this.#socket;
    const id = this.#id--;
    const splitter = new MessageSplitter();
    this.#open = this.#settled = false;
    this.#pending = new Promise<BindResponse>((resolve, reject) => {
      const others = socket.listeners("data") as ((chunk: Buffer) => void)[];
      const settle = (settled: () => void): void => {
        socket.off("data", hear).off("close", lose);
        for (const other of others) socket.on("data", other);
        settled();
      };
      const lose = (): void => settle(() => reject(new SASLFailure("connection-lost", "the connection was closed")));
      const hear = (chunk: Buffer): void => {
        try {
          let answer: BindResponse | undefined;
          for (const message of splitter.push(chunk)) {
            const response = answer === undefined ? readBindResponse(message, id) : undefined;
            if (response !== undefined) answer = response;
            else for (const other of others) other.call(socket, message); // an answer to something else
          }
          if (answer === undefined) return;
          const { code } = answer;
          this.#open = code === resultCodes.saslBindInProgress;
          this.#settled = !this.#open && code !== resultCodes.success;
          settle(() => resolve(answer));
        } catch (error) {
          settle(() => reject(error));
          socket.destroy(); // where the next message begins is not known any more
        }
      };
      // ldapts would drop answers to a number it has not used; but on malformed ones its parser may never come to an end.
      socket.on("data", hear).on("close", lose);
      for (const other of others) socket.off("data", other);
      if (socket.destroyed) return lose();
      socket.write(writeBindRequest(id, mechanism, credentials));
    });
    return this.#pending as Promise<BindResponse>;
  }
}
