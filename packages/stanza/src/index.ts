/**
 * SCRAM with a verified server for stanza.
 *
 * @module
 */
export {};
