/**
 * A server's connections over Node's sockets.
 *
 * @module
 */
import { LineListener, type LineListenerOptions, type NodeLineTransport } from "sasl-lines/node";
import { SMTPConnection, type SMTPConnectionOptions } from "../connection.js";

/** How an {@link SMTPListener} treats its sockets. */
export interface SMTPListenerOptions
  extends LineListenerOptions,
    Omit<SMTPConnectionOptions<NodeLineTransport>, "startTls" | "sweep" | "connection" | "external" | "remote"> {}

/**
 * Takes accepted sockets, `net.Socket` for STARTTLS or a `TLSSocket` after its handshake, and runs an
 * {@link SMTPConnection} on each. One timer watches over all of them.
 */
export class SMTPListener extends LineListener<
  SMTPConnection<NodeLineTransport>,
  SMTPConnectionOptions<NodeLineTransport>
> {
  constructor(options: SMTPListenerOptions) {
    super(options);
  }

  protected override connect(
    wire: NodeLineTransport,
    options: SMTPConnectionOptions<NodeLineTransport>,
  ): SMTPConnection<NodeLineTransport> {
    return new SMTPConnection(wire, options);
  }
}
