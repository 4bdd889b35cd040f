/**
 * The ciphers of DIGEST-MD5's `auth-conf`. All of them are broken or nearly so; they exist because servers do.
 *
 * @module
 */
export { singleDes, tripleDes } from "./des.js";
export { rc4, rc4_40, rc4_56 } from "./rc4.js";
