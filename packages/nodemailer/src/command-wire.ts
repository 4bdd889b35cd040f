/**
 * Lines over nodemailer's commands: what is written is a command of its own, what is read are the lines of the replies.
 *
 * @module
 */
import type { Socket } from "node:net";
import { type ChannelBinding, SASLFailure } from "sasl-core";
import { connectionLost, type LineTransport } from "sasl-lines";
import type { NodeLineTransport } from "sasl-lines/node";

/** Sends a command without CRLF. @returns with the whole reply; never, when the connection is lost (nodemailer's own). */
export type SendCommand = (command: string) => Promise<{ readonly response: string }>;

/** A transport while nodemailer reads the connection. It can carry no security layer, so none is agreed on. */
export class CommandWire implements LineTransport {
  /** As it was before nodemailer had the socket: tells what TLS is worth, and reads no more. */
  readonly #facts: Pick<NodeLineTransport, "secure" | "channelBinding">;
  readonly #send: SendCommand;
  readonly #lost: Promise<never>;
  #reply: Promise<{ readonly response: string }> | undefined;
  #lines: string[] = [];

  constructor(send: SendCommand, facts: Pick<NodeLineTransport, "secure" | "channelBinding">, socket: Socket) {
    this.#send = send;
    this.#facts = facts;
    this.#lost = new Promise((_, reject) => {
      if (socket.destroyed) reject(connectionLost());
      else socket.once("close", () => reject(connectionLost()));
    });
    this.#lost.catch(() => {}); // nobody may be reading
  }

  get secure(): boolean {
    return this.#facts.secure;
  }

  get channelBinding(): ChannelBinding | undefined {
    return this.#facts.channelBinding;
  }

  write(text: string): void {
    this.#reply = Promise.race([this.#send(text.replace(/\r\n$/, "")), this.#lost]);
    this.#reply.catch(() => {}); // whoever wrote may not read
  }

  async readLine(maxBytes: number): Promise<string> {
    if (this.#lines.length === 0) {
      if (this.#reply === undefined) throw connectionLost();
      const { response } = await this.#reply;
      this.#reply = undefined;
      this.#lines = response.replace(/\r?\n$/, "").split(/\r?\n/);
    }
    const line = this.#lines.shift() as string;
    if (Buffer.byteLength(line) > maxBytes) throw new SASLFailure("limit-exceeded", "a line is too long");
    return line;
  }
}
