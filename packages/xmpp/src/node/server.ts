/**
 * The server end over sockets that the application accepted.
 *
 * @module
 */
import type { Socket } from "node:net";
import { type SecureContextOptions, TLSSocket } from "node:tls";
import { Element } from "ltx";
import { tlsChannelBinding, tlsFacts, tlsStrength, tlsUpgrade, type UpgradeSocket } from "sasl-core/node";
import { ltxAdapter } from "../ltx.js";
import { XMPPConnection } from "../stream/connection.js";
import type { SecuredChannel, XMPPConnectionOptions } from "../stream/connection-options.js";
import { type FramingLimits, SocketFraming } from "./socket-framing.js";

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
  /**
   * What to know about a connection beside what the socket tells, such as a policy of its own, or that it is `secure` by
   * other means. Asked when it is accepted and again after TLS has begun, with the TLS socket.
   */
  readonly connection?: ((socket: Socket) => SecuredChannel & { readonly secure?: boolean | undefined }) | undefined;
}

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
    this.#upgrade = tls && tlsUpgrade({ ...tls, requestCert: external !== undefined });
  }

  /** Connections at present. */
  get size(): number {
    return this.#connections.size;
  }

  /** Serves one socket. Errors of the socket are handled here. */
  accept(socket: Socket): XMPPConnection<Element> {
    // What is said after a success must not wait for the client's acknowledgement of it: that took 40 ms of a login.
    socket.setNoDelay();
    const framing = new SocketFraming(socket, adapter, this.#options);
    const { secure = socket instanceof TLSSocket, ...channel } = this.#channelNow(socket);
    const upgrade = this.#upgrade;
    const connection = new XMPPConnection(
      {
        framing,
        adapter,
        serialize: String,
        secure,
        ...channel,
        startTLS: upgrade && !secure ? (signal) => this.#startTLS(framing, upgrade, signal) : undefined,
      },
      this.#options,
    );
    this.#connections.add(connection);
    const { loginTimeoutMs = 1000, idleTimeoutMs = 1000 } = this.#options;
    this.#sweep ??= setInterval(() => this.#expire(), Math.min(1000, loginTimeoutMs, idleTimeoutMs)).unref();
    void connection.run().then(() => this.#forget(connection));
    return connection;
  }

  /** Tells every client that the server shuts down, and ends the connections. */
  close(): void {
    for (const connection of this.#connections) connection.end("system-shutdown");
  }

  #channel(socket: Socket): ReturnType<NonNullable<XMPPListenerOptions["connection"]>> {
    const { external, connection } = this.#options;
    const told = { remote: socket.remoteAddress, ...connection?.(socket) };
    if (!(socket instanceof TLSSocket)) return told;
    return {
      channelBinding: tlsChannelBinding(socket),
      externalSsf: tlsStrength(socket),
      // `authorized` is true without a certificate, too, where a session of TLS 1.3 is resumed.
      external: external && tlsFacts(socket)?.verified === true ? external(socket) : undefined,
      ...told,
    };
  }

  /** A client may be gone before it is accepted; that is found out soon enough. */
  #channelNow(socket: Socket): ReturnType<NonNullable<XMPPListenerOptions["connection"]>> {
    try {
      return this.#channel(socket);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
      return {};
    }
  }

  async #startTLS(
    framing: SocketFraming<Element>,
    upgrade: UpgradeSocket,
    signal: AbortSignal,
  ): Promise<SecuredChannel> {
    const socket = await upgrade(framing.release() as Socket, signal);
    framing.adopt(socket);
    return this.#channel(socket);
  }

  #expire(): void {
    const now = Date.now();
    for (const connection of this.#connections) if (connection.expired(now)) connection.expire();
  }

  #forget(connection: XMPPConnection<Element>): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const adapter = ltxAdapter(Element);
