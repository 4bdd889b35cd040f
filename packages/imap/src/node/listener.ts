/**
 * A server's connections over Node's sockets.
 *
 * @module
 */
import { LineListener, type LineListenerOptions, type NodeLineTransport } from "sasl-lines/node";
import { IMAPConnection, type IMAPConnectionOptions } from "../connection.js";

/** How an {@link IMAPListener} treats its sockets. */
export interface IMAPListenerOptions
  extends LineListenerOptions,
    Omit<IMAPConnectionOptions<NodeLineTransport>, "startTls" | "sweep" | "connection" | "external" | "remote"> {}

/**
 * Takes accepted sockets, `net.Socket` for STARTTLS or a `TLSSocket` after its handshake, and runs an
 * {@link IMAPConnection} on each. One timer watches over all of them.
 */
export class IMAPListener extends LineListener<
  IMAPConnection<NodeLineTransport>,
  IMAPConnectionOptions<NodeLineTransport>
> {
  constructor(options: IMAPListenerOptions) {
    super(options);
  }

  protected override connect(
    wire: NodeLineTransport,
    options: IMAPConnectionOptions<NodeLineTransport>,
  ): IMAPConnection<NodeLineTransport> {
    return new IMAPConnection(wire, options);
  }
}
