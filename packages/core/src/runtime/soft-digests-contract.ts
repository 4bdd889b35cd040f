/**
 * Digests WebCrypto lacks: native on Node, `@noble/hashes` in browsers. A bundle holds only the ones it names.
 *
 * @module
 */
import type { Digest } from "./contract.js";

/** MD5 (RFC 1321). Broken as a hash; here for CRAM-MD5 and DIGEST-MD5 alone. */
export declare const md5: Digest;
/** SHA-224 (FIPS 180-4). */
export declare const sha224: Digest;
/** SHA3-512 (FIPS 202). */
export declare const sha3_512: Digest;
