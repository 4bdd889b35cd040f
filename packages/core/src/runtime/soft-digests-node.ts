import type { Digest } from "./contract.js";
import { opensslDigest } from "./node.js";

export const md5: Digest = opensslDigest("MD5", "md5", 16, 64);
export const sha224: Digest = opensslDigest("SHA-224", "sha224", 28, 64);
export const sha3_512: Digest = opensslDigest("SHA3-512", "sha3-512", 64, 72);
