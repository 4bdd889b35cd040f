/**
 * `sasl-core/legacy`: what needs algorithms of the past, and with them packages that nothing else loads.
 *
 * @module
 */
export { rc4, rc4_40, rc4_56, singleDes, tripleDes } from "./ciphers/index.js";
