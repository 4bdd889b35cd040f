/**
 * Transports over Node's sockets, those of `sasl-lines/node`, for programs that need nothing else of it.
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
