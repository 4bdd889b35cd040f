/**
 * Every SASL mechanism for xmpp.js, with the server verified. For applications; follows semver.
 *
 * Longer than an adapter is. The library's hook tells when to log in, and shows neither the features nor the answers: all
 * that is read comes through a gate (`gate.ts`), without which the library would also handle what stands behind a `success`
 * that is not verified, and take a session without a login. And three faults of its starts, ends and sockets would turn a login that
 * failed, or a `stop()`, into the end of the program or a client that comes back (`start.ts`, `channel-node.ts`).
 *
 * @module
 */
export { AuthenticationFailure, isSASLError, type SASLErrorCode, SASLFailure } from "sasl-core";
export { type SASLClientOptions, saslClient } from "./client.js";
