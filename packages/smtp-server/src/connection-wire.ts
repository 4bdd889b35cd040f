/**
 * Lines over a connection of smtp-server: what is written is one of its replies, what is read its next command.
 *
 * @module
 */
import type { Socket } from "node:net";
import { SASLFailure } from "sasl-core";
import { connectionLost, type LineTransport } from "sasl-lines";
import type { SMTPConnection } from "smtp-server/lib/smtp-connection.js";

/** A transport for one AUTH command. It can carry no security layer, so none is agreed on. */
export class ConnectionWire implements LineTransport {
  readonly secure: boolean;
  readonly #connection: SMTPConnection;
  readonly #socket: Socket;
  /** Lets smtp-server go on to the next line. */
  #resume: () => void;

  /** @param resume what smtp-server wants called when the command is done. */
  constructor(connection: SMTPConnection, resume: () => void) {
    this.#connection = connection;
    this.#socket = connection._socket;
    this.secure = connection.secure;
    this.#resume = resume;
  }

  /** A reply as `serve` writes it: a code, a space, text, CRLF. */
  write(text: string): void {
    // `false`: the enhanced code is in the text already.
    this.#connection.send(Number(text.slice(0, 3)), text.slice(4).trimEnd(), false);
  }

  readLine(maxBytes: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      const onClose = (): void => reject(connectionLost());
      if (socket.destroyed) return onClose();
      socket.once("close", onClose);
      this.#connection._unauthenticatedCommands--; // smtp-server counts this line as a command, and ten of these are too many
      let early = true;
      this.#connection._nextHandler = (line, resume) => {
        this.#resume = resume;
        socket.off("close", onClose);
        // R-SMTP-18: it was there before the challenge, so it is no answer to it.
        if (early)
          reject(new SASLFailure("unexpected-message", "a line was sent ahead of the challenge it would answer"));
        else if (line.length > maxBytes) reject(new SASLFailure("limit-exceeded", "the line is too long"));
        else resolve(line.toString());
      };
      this.done();
      early = false;
    });
  }

  /** The command is over, or waits for a line. */
  done(): void {
    const resume = this.#resume;
    this.#resume = () => {};
    resume();
  }
}
