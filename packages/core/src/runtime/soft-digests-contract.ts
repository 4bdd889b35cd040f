/**
 * Digests WebCrypto lacks: native on Node, `@noble/hashes` in browsers. A bundle holds only the ones it names.
 *
 * @module
 */
import type { _SHA1 } from "@noble/hashes/legacy.js";
import type { Digest, MaybePromise } from "./contract.js";

/** MD5 (RFC 1321). Broken as a hash; here for CRAM-MD5 and DIGEST-MD5 alone. */
export declare const md5: Digest;
/** SHA-224 (FIPS 180-4). */
export declare const sha224: Digest;
/** SHA3-512 (FIPS 202). */
export declare const sha3_512: Digest;

/**
 * MD5 of a text of which each character, U+0000 to U+00FF, stands for an octet; at once.
 *
 * @param form of the result: 32 digits, or 16 characters that stand for an octet each.
 */
export declare function md5OfText(text: string, form: "hex" | "octets"): string;

/**
 * HMAC-MD5 (RFC 2104) under one key, computed at once: what a security layer needs for each buffer.
 *
 * @param key at most 64 octets. Neither changed nor kept beyond the function that is returned.
 * @returns a function of two parts that are hashed one after the other; it gives 16 octets of the caller's own.
 */
export declare function keyedMd5(key: Uint8Array): (head: Uint8Array, body: Uint8Array) => Uint8Array;

/** SHA-1 of `@noble/hashes`, the one that can be told to begin in the middle. */
export declare function settableSha1(): MaybePromise<typeof _SHA1>;
