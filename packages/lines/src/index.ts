/**
 * What the line-based SASL protocols share: strict lines, the exchange of base64 lines from both ends, and transports.
 * For authors of bindings and of servers; applications take `sasl-imap` or `sasl-smtp`.
 *
 * @module
 */
export { printable } from "sasl-core/plugin";
export { decodeInitialResponse, encodeInitialResponse } from "./base64.js";
export { BufferedTransport, connectionLost } from "./buffered.js";
export { type ClientDialect, DEFAULT_MAX_LINE_BYTES, LineClient, type LineReply, readUnsolicited } from "./client.js";
export {
  type ConnectionEnd,
  type ConnectionFacts,
  type Farewell,
  LineConnection,
  type LineConnectionOptions,
} from "./connection.js";
export { type LinePairOptions, linePair } from "./pair.js";
export { type ServedSession, type ServeExchange, type ServerDialect, serveExchange } from "./server.js";
export { LineSplitter } from "./splitter.js";
export { type Perishable, Sweep } from "./sweep.js";
export { type LineTransport, type MaybePromise, protectWire, type ServerTransport } from "./transport.js";
