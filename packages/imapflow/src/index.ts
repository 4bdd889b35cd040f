/**
 * Every SASL mechanism for imapflow.
 *
 * @module
 */
export {};
