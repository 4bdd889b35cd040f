/**
 * SCRAM with a verified server for strophe.js.
 *
 * @module
 */
export {};
