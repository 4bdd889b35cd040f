/**
 * `sasl-core/legacy`: what needs algorithms of the past, and with them packages that nothing else loads.
 *
 * @module
 */
export {};
