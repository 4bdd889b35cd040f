/**
 * Accounts and SCRAM verifiers in the notations of other programs, read and written.
 *
 * @module
 */
export { checkedVerifier, FormatError, fromBase64, keySizes, parseIterations, toBase64 } from "./parts.js";
export { formatProperty, parseProperty } from "./property-text.js";
export { formatRfc5803, parseRfc5803 } from "./rfc5803.js";
