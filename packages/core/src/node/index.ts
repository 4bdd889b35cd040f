/**
 * `sasl-core/node`: what needs Node.js. For applications and bindings on Node; follows semver.
 *
 * @module
 */
export { type TLSChannelBindingOptions, type TLSFacts, tlsChannelBinding, tlsFacts } from "./tls.js";
