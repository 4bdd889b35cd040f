/**
 * `sasl-smtp/node`: a server's connections over Node's sockets, and the transports of `sasl-lines/node`.
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
export { SMTPListener, type SMTPListenerOptions } from "./listener.js";
