/**
 * `sasl-core/legacy`: what needs algorithms of the past, and with them packages that nothing else loads.
 *
 * @module
 */
export { rc4, rc4_40, rc4_56, singleDes, tripleDes } from "./ciphers/index.js";
export { NTLM, type NtlmCredentials, type NtlmServerOptions, ntHash, ntlm, ntlmServer } from "./ntlm/index.js";
