/**
 * A transport for Node's `net` and `tls` sockets.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ChannelBinding } from "sasl-core";
import { type TLSChannelBindingOptions, tlsChannelBinding, tlsStrength } from "sasl-core/node";
import { BufferedTransport, connectionLost } from "../buffered.js";
import type { MaybePromise } from "../transport.js";

/** What the socket does not tell. */
export interface NodeLineTransportOptions extends TLSChannelBindingOptions {
  /** Our end of the connection. Default `client`, which trusts TLS only with a verified certificate. */
  readonly role?: "client" | "server" | undefined;
  /**
   * Counts TLS as protection although the server's certificate was not verified for the name asked for. Whoever is in
   * the middle can then read what is sent, passwords of PLAIN and LOGIN included (R-SMTP-17).
   */
  readonly allowUnverifiedCertificate?: boolean | undefined;
  /** Destroys the socket when it is aborted; reads and writes then fail with `connection-lost`. */
  readonly signal?: AbortSignal | undefined;
}

/** A transport over a socket, which can be taken back from it. */
export interface NodeLineTransport extends BufferedTransport {
  readonly socket: Socket;
  /** Strength in bits of TLS, as `tlsStrength` of `sasl-core/node` says, or of the security layer, whichever is more; 0 without. */
  readonly externalSsf: number;
  readonly remote: string | undefined;

  /**
   * Takes the socket back, paused and without listeners of ours. The transport is closed for good.
   *
   * @throws {SASLFailure} `connection-lost` when it was closed or released before.
   * @throws {TypeError} under a security layer: what it holds cannot be given back.
   * @returns with the socket what had arrived and was not read. Before a TLS handshake that must be nothing: on a client
   *   such octets are an attack (R-IMAP-10, R-SMTP-16), on a server they must never be taken for commands (R-IMAP-09).
   */
  release(): { readonly socket: Socket; readonly leftover: Uint8Array };
}

/**
 * Wraps a connected socket; for TLS after `secureConnect` or `secureConnection`. The transport reads from it from now on,
 * asks it to wait while nobody reads, and knows no time limits: use `signal`, or `socket.destroy()`.
 */
export function nodeLineTransport(socket: Socket, options: NodeLineTransportOptions = {}): NodeLineTransport {
  return new SocketTransport(socket, options);
}

const defaults: NodeLineTransportOptions = Object.freeze({});

/** How listeners find their transport: one set of functions for all sockets, no closures for each. */
const owner: unique symbol = Symbol("sasl-lines.transport");

type OwnedSocket = Socket & { [owner]?: SocketTransport | undefined };

class SocketTransport extends BufferedTransport implements NodeLineTransport {
  readonly socket: Socket;
  readonly #options: NodeLineTransportOptions;
  #binding: ChannelBinding | undefined;
  #released = false;
  #onAbort: (() => void) | undefined;

  constructor(socket: Socket, options: NodeLineTransportOptions) {
    super();
    this.socket = socket;
    this.#options = Object.keys(options).length === 0 ? defaults : options;
    (socket as OwnedSocket)[owner] = this;
    socket.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onError);
    const { signal } = options;
    if (signal) {
      this.#onAbort = () => this.destroy(signal.reason);
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (signal?.aborted) this.destroy(signal.reason);
    else if (socket.destroyed || socket.readableEnded) this.end();
  }

  get secure(): boolean {
    const { role, allowUnverifiedCertificate } = this.#options;
    if (this.layerSsf > 1) return true;
    if (!(this.socket instanceof TLSSocket)) return false;
    return role === "server" || this.socket.authorized || allowUnverifiedCertificate === true;
  }

  /** Made when first asked for: reading it from the socket costs more than most logins need. */
  get channelBinding(): ChannelBinding | undefined {
    if (!(this.socket instanceof TLSSocket) || this.socket.destroyed) return this.#binding;
    this.#binding ??= tlsChannelBinding(this.socket, { role: "client", ...this.#options });
    return this.#binding;
  }

  get externalSsf(): number {
    return Math.max(this.layerSsf, this.socket instanceof TLSSocket ? tlsStrength(this.socket) : 0);
  }

  get remote(): string | undefined {
    return this.socket.remoteAddress;
  }

  protected send(data: string | Uint8Array): MaybePromise<void> {
    const { socket } = this;
    if (this.#released || socket.destroyed || !socket.writable) throw connectionLost();
    if (!socket.write(data)) return drained(socket);
  }

  protected shut(): void {
    if (this.#released) return;
    if (this.socket.destroyed) this.#detach();
    // A peer that does not read would keep the socket open for ever.
    if (this.socket.writableNeedDrain) this.socket.destroy();
    else this.socket.destroySoon();
  }

  release(): { socket: Socket; leftover: Uint8Array } {
    const { socket } = this;
    if (this.closed) throw connectionLost();
    if (this.layerSsf > 0) throw new TypeError("a security layer is in force");
    socket.pause();
    const leftover = this.takeLeftover();
    this.#released = true;
    this.#detach();
    this.close();
    return { socket, leftover };
  }

  protected setPaused(paused: boolean): void {
    if (paused) this.socket.pause();
    else this.socket.resume();
  }

  feed(chunk: Uint8Array): void {
    this.receive(chunk);
  }

  end(cause?: unknown): void {
    this.endInput(cause);
    if (this.socket.destroyed) this.#detach();
  }

  destroy(cause: unknown): void {
    this.end(cause);
    this.socket.destroy();
  }

  #detach(): void {
    const { socket } = this;
    socket.off("data", onData).off("end", onEnd).off("close", onClose);
    // The listener for errors stays on a socket that is going away: an error nobody listens to ends the program.
    if (!socket.destroyed) socket.off("error", onError);
    (socket as OwnedSocket)[owner] = undefined;
    if (this.#onAbort) this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function onData(this: OwnedSocket, chunk: Uint8Array): void {
  this[owner]?.feed(chunk);
}

function onEnd(this: OwnedSocket): void {
  this[owner]?.end();
}

function onClose(this: OwnedSocket): void {
  const transport = this[owner];
  transport?.end();
  transport?.onLost?.();
}

function onError(this: OwnedSocket, error: Error): void {
  this[owner]?.end(error);
}

/** Resolves when the socket takes more, or rejects when it never will. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = (): void => {
      socket.off("close", onClose);
      resolve();
    };
    const onClose = (): void => {
      socket.off("drain", onDrain);
      reject(connectionLost());
    };
    socket.once("drain", onDrain).once("close", onClose);
  });
}
