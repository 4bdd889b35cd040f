/**
 * Every SASL mechanism for xmpp.js, with the server verified. For applications; follows semver.
 *
 * @module
 */
export { AuthenticationFailure, isSASLError, type SASLErrorCode, SASLFailure } from "sasl-core";
export { type SASLClientOptions, saslClient } from "./client.js";
