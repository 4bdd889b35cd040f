/**
 * `sasl-lines/node`: transports over Node's sockets, for clients and servers of every line protocol.
 *
 * @module
 */
export { LineListener, type LineListenerOptions } from "./listener.js";
export { type NodeLineTransport, type NodeLineTransportOptions, nodeLineTransport } from "./socket.js";
export { startTlsClient, startTlsServer } from "./start-tls.js";
