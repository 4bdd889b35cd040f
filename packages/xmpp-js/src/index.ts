/**
 * Every SASL mechanism for xmpp.js, with the server verified.
 *
 * @module
 */
export {};
