/**
 * Every digest there is, each under its own export so that a bundle holds only those it names.
 *
 * @module
 */
import { nativeDigest } from "#runtime";
import { md5, sha3_512, sha224 } from "#soft-digests";
import type { Digest } from "./runtime/contract.js";

export { md5, sha3_512, sha224 };

/** SHA-1 (FIPS 180-4). Broken for signatures, sound in HMAC; here for SCRAM-SHA-1. */
export const sha1: Digest = /* @__PURE__ */ nativeDigest("SHA-1", 20);
/** SHA-256 (FIPS 180-4). */
export const sha256: Digest = /* @__PURE__ */ nativeDigest("SHA-256", 32);
/** SHA-384 (FIPS 180-4). */
export const sha384: Digest = /* @__PURE__ */ nativeDigest("SHA-384", 48);
/** SHA-512 (FIPS 180-4). */
export const sha512: Digest = /* @__PURE__ */ nativeDigest("SHA-512", 64);
