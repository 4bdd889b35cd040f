/**
 * SASL mechanisms and account stores for smtp-server.
 *
 * @module
 */
export {};
