/**
 * SASL bind with any mechanism for ldapts.
 *
 * @module
 */
export {};
