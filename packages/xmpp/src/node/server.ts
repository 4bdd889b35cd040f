/**
 * The server end over sockets that the application accepted.
 *
 * @module
 */
import type { Socket } from "node:net";
import { type SecureContextOptions, TLSSocket } from "node:tls";
import { Element } from "ltx";
import { tlsChannelBinding, tlsFacts } from "sasl-core/node";
import { ltxAdapter } from "../ltx.js";
import { XMPPConnection } from "../stream/connection.js";
import type { SecuredChannel, XMPPConnectionOptions } from "../stream/connection-options.js";
import { type FramingLimits, SocketFraming } from "./socket-framing.js";
import { certificateUpgrade, plainUpgrade, type UpgradeSocket } from "./starttls.js";

/** How an {@link XMPPListener} treats its sockets. */
export interface XMPPListenerOptions extends XMPPConnectionOptions<Element>, FramingLimits {
  /** Certificate and key for STARTTLS. Left out: STARTTLS is not offered. */
  readonly tls?: SecureContextOptions | undefined;
  /**
   * Says whom a verified client certificate stands for (EXTERNAL); asked only about clients that have one. With it,
   * STARTTLS asks clients for a certificate and checks it against `tls.ca`; a direct TLS server of yours does so by its
   * own options.
   */
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
  readonly #upgrade: UpgradeSocket | undefined;
  readonly #connections = new Set<XMPPConnection<Element>>();
  #sweep: ReturnType<typeof setInterval> | undefined;

  constructor(options: XMPPListenerOptions) {
    this.#options = options;
    const { tls, external } = options;
    this.#upgrade = tls && (external ? certificateUpgrade(tls) : plainUpgrade(tls));
  }

  /** Connections at present. */
  get size(): number {
    return this.#connections.size;
  }

  /** Serves one socket. Errors of the socket are handled here. */
  accept(socket: Socket): XMPPConnection<Element> {
    const framing = new SocketFraming(socket, adapter, this.#options);
    const secure = socket instanceof TLSSocket;
    const upgrade = this.#upgrade;
    const connection = new XMPPConnection(
      {
        framing,
        adapter,
        serialize: String,
        secure,
        ...(secure ? this.#channelNow(socket) : {}),
        remote: socket.remoteAddress,
        startTLS: upgrade && !secure ? () => this.#startTLS(framing, upgrade) : undefined,
      },
      this.#options,
    );
    this.#connections.add(connection);
    this.#sweep ??= setInterval(() => this.#expire(), Math.min(1000, this.#authTimeoutMs)).unref();
    void connection.run().then(() => this.#forget(connection));
    return connection;
  }

  /** Tells every client that the server shuts down, and ends the connections. */
  close(): void {
    for (const connection of this.#connections) connection.end("system-shutdown");
  }

  get #authTimeoutMs(): number {
    return this.#options.authTimeoutMs ?? DEFAULT_AUTH_TIMEOUT_MS;
  }

  #channel(socket: TLSSocket): SecuredChannel {
    const { external } = this.#options;
    return {
      channelBinding: tlsChannelBinding(socket),
      // `authorized` is true without a certificate, too, where a session of TLS 1.3 is resumed.
      external: external && tlsFacts(socket)?.verified === true ? external(socket) : undefined,
    };
  }

  /** A client may be gone before it is accepted; that is found out soon enough. */
  #channelNow(socket: TLSSocket): SecuredChannel {
    try {
      return this.#channel(socket);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
      return {};
    }
  }

  async #startTLS(framing: SocketFraming<Element>, upgrade: UpgradeSocket): Promise<SecuredChannel> {
    const socket = await upgrade(framing.release() as Socket);
    framing.adopt(socket);
    return this.#channel(socket);
  }

  #expire(): void {
    const since = Date.now() - this.#authTimeoutMs;
    for (const connection of this.#connections) {
      if (connection.result === undefined && connection.since <= since) connection.end("connection-timeout");
    }
  }

  #forget(connection: XMPPConnection<Element>): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const adapter = ltxAdapter(Element);
