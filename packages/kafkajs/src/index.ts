/**
 * SASL mechanisms for kafkajs.
 *
 * @module
 */
export {};
