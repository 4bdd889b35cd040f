/**
 * `sasl-imap/node`: a server's connections over Node's sockets, and the transports of `sasl-lines/node`.
 *
 * @module
 */
export {
  type NodeLineTransport,
  type NodeLineTransportOptions,
  nodeLineTransport,
  startTlsClient,
  startTlsServer,
} from "sasl-lines/node";
export { IMAPListener, type IMAPListenerOptions } from "./listener.js";
