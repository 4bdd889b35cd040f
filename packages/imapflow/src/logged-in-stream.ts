/**
 * A connection on which somebody has logged in, as imapflow takes it.
 *
 * @module
 */
import { Duplex } from "node:stream";
import { type CipherNameAndProtocol, TLSSocket } from "node:tls";
import type { AuthenticationResult } from "sasl-imap";
import type { LoggedIn } from "./transport.js";

/** The stream imapflow gets. What it says by itself is that somebody has logged in. */
export class LoggedInStream extends Duplex {
  readonly #closed: AbortController = new AbortController();
  #inner: LoggedIn | undefined;

  constructor(login: (closed: AbortSignal) => Promise<LoggedIn>, onConnect: () => void) {
    super({ allowHalfOpen: false });
    login(this.#closed.signal).then(
      (inner) => this.#begin(inner, onConnect),
      (error) => this.destroy(error), // rejects `connect()`; after a close nobody hears it
    );
  }

  get authorized(): boolean | undefined {
    return this.#tls?.authorized;
  }

  get remoteAddress(): string | undefined {
    return this.#inner?.socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#inner?.socket.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#inner?.socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#inner?.socket.localPort;
  }

  getCipher(): CipherNameAndProtocol | null {
    return this.#tls?.getCipher() ?? null;
  }

  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    this.#inner?.socket.setKeepAlive(enable, initialDelay);
    return this;
  }

  setTimeout(timeoutMs: number): this {
    this.#inner?.socket.setTimeout(timeoutMs);
    return this;
  }

  override _read(): void {
    this.#inner?.stream.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#inner?.stream.write(chunk, encoding, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner?.stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#closed.abort();
    this.#inner?.stream.destroy();
    done(error);
  }

  get #tls(): TLSSocket | undefined {
    const socket = this.#inner?.socket;
    return socket instanceof TLSSocket ? socket : undefined;
  }

  #begin(inner: LoggedIn, onConnect: () => void): void {
    const { socket, stream, head, result } = inner;
    stream.on("error", (error) => this.destroy(error));
    if (this.destroyed) {
      stream.destroy();
      return;
    }
    this.#inner = inner;
    stream
      .on("end", () => this.push(null)) // what has arrived is still to be read
      .on("close", () => stream.readableEnded || this.destroy());
    socket.on("timeout", () => this.emit("timeout"));
    this.push(greetingOf(result));
    if (head.length > 0) this.push(head);
    stream.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.resume(); // it was paused by whoever released it
    onConnect();
  }
}

/** With what the server can do now, where it has said so: imapflow need not ask then. */
function greetingOf({ capabilities }: AuthenticationResult): string {
  const atoms = [...(capabilities?.capabilities ?? [])].filter((atom) => /^[A-Z0-9=+\-_.:/]+$/.test(atom));
  return `* PREAUTH ${atoms.length > 0 ? `[CAPABILITY ${atoms.join(" ")}] ` : ""}logged in\r\n`;
}
