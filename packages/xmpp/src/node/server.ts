/**
 * The server end over sockets that the application accepted.
 *
 * @module
 */
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from "node:tls";
import { Element } from "ltx";
import { SASLFailure } from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { ltxAdapter } from "../ltx.js";
import { type SecuredChannel, XMPPConnection, type XMPPConnectionOptions } from "../stream/connection.js";
import { type FramingLimits, SocketFraming } from "./socket-framing.js";

/** How an {@link XMPPListener} treats its sockets. */
export interface XMPPListenerOptions extends XMPPConnectionOptions<Element>, FramingLimits {
  /** Certificate and key for STARTTLS. Left out: STARTTLS is not offered. */
  readonly tls?: SecureContextOptions | undefined;
  /** Asks clients for a certificate, and says whom a verified one stands for. */
  readonly external?: ((socket: TLSSocket) => SecuredChannel["external"]) | undefined;
  /** Time until a client must have authenticated, in milliseconds. Default 60000. */
  readonly authTimeoutMs?: number | undefined;
}

const DEFAULT_AUTH_TIMEOUT_MS = 60_000;

/**
 * Takes accepted sockets, `net.Socket` for STARTTLS or a `TLSSocket` after its handshake, and runs an
 * {@link XMPPConnection} on each. One timer watches over all of them.
 */
export class XMPPListener {
  readonly #options: XMPPListenerOptions;
  readonly #context: SecureContext | undefined;
  readonly #connections = new Map<XMPPConnection<Element>, Socket>();
  #sweep: ReturnType<typeof setInterval> | undefined;

  constructor(options: XMPPListenerOptions) {
    this.#options = options;
    this.#context = options.tls && createSecureContext(options.tls);
  }

  /** Connections at present. */
  get size(): number {
    return this.#connections.size;
  }

  /** Serves one socket. Errors of the socket are handled here. */
  accept(socket: Socket): XMPPConnection<Element> {
    const framing = new SocketFraming(socket, adapter, this.#options);
    const secure = socket instanceof TLSSocket;
    const connection = new XMPPConnection(
      {
        framing,
        adapter,
        serialize: String,
        secure,
        ...(secure ? this.#channel(socket) : {}),
        remote: socket.remoteAddress,
        startTLS: this.#context && !secure ? () => this.#startTLS(framing) : undefined,
      },
      this.#options,
    );
    this.#connections.set(connection, socket);
    this.#sweep ??= setInterval(() => this.#expire(), Math.min(1000, this.#authTimeoutMs)).unref();
    void connection.run().then(() => this.#forget(connection));
    return connection;
  }

  /** Tells every client that the server shuts down, and ends the connections. */
  close(): void {
    for (const connection of this.#connections.keys()) connection.end("system-shutdown");
  }

  get #authTimeoutMs(): number {
    return this.#options.authTimeoutMs ?? DEFAULT_AUTH_TIMEOUT_MS;
  }

  #channel(socket: TLSSocket): SecuredChannel {
    const { external } = this.#options;
    return {
      channelBinding: tlsChannelBinding(socket),
      external: socket.authorized ? external?.(socket) : undefined,
    };
  }

  #startTLS(framing: SocketFraming<Element>): Promise<SecuredChannel> {
    const socket = new TLSSocket(framing.release() as Socket, {
      isServer: true,
      ...(this.#context ? { secureContext: this.#context } : {}),
      requestCert: this.#options.external !== undefined,
      rejectUnauthorized: false, // EXTERNAL is offered to those it verified; everybody else logs in otherwise
    });
    return new Promise((resolve, reject) => {
      const failed = (cause?: unknown) =>
        reject(new SASLFailure("connection-lost", "the TLS handshake failed", { cause }));
      socket.once("error", failed).once("close", failed);
      socket.once("secure", () => {
        socket.off("error", failed).off("close", failed);
        framing.adopt(socket);
        try {
          resolve(this.#channel(socket));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #expire(): void {
    const since = Date.now() - this.#authTimeoutMs;
    for (const [connection, socket] of this.#connections) {
      if (connection.result !== undefined || connection.since > since) continue;
      connection.end("connection-timeout");
      if (connection.since < since - LINGER_MS) socket.destroy(); // stuck in a handshake
    }
  }

  #forget(connection: XMPPConnection<Element>): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const LINGER_MS = 2000;

const adapter = ltxAdapter(Element);
