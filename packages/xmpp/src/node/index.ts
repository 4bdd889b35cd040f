/**
 * `sasl-xmpp/node`: streams over Node's sockets, client and server. For applications on Node; follows semver.
 *
 * @module
 */
export { parseElement, XMLStreamReader } from "../stream/reader.js";
export { type ElementCodec, SocketStream, type SocketStreamOptions } from "./client.js";
export {
  type CertificateIdentityOptions,
  certificateAuthzid,
  certificateIdentity,
} from "./client-certificate.js";
export { fastTokenFile } from "./fast-token-file.js";
export { XMPPListener, type XMPPListenerOptions } from "./server.js";
export { type FramingLimits, SocketFraming } from "./socket-framing.js";
