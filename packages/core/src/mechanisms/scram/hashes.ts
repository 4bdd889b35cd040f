/**
 * The SCRAM family, one row for each hash. Code elsewhere receives the row and never asks for the name again.
 * Sources: RFC 5802 (SHA-1), RFC 7677 (SHA-256), draft-melnikov-scram-sha-512, draft-melnikov-scram-sha3-512.
 *
 * @module
 */
import { sha1, sha3_512, sha224, sha256, sha384, sha512 } from "../../digests.js";
import type { Digest } from "../../runtime/contract.js";

export interface ScramHash {
  readonly digest: Digest;
  /** Mechanism name without -PLUS. */
  readonly name: string;
  /** Orders the family: bits of security of the hash. */
  readonly rank: number;
  readonly source: string;
}

const row = (digest: Digest, rank: number, source: string): ScramHash => ({
  digest,
  name: `SCRAM-${digest.name}`,
  rank,
  source,
});

export const hashSha1: ScramHash = /* @__PURE__ */ row(sha1, 160, "RFC 5802");
export const hashSha224: ScramHash = /* @__PURE__ */ row(sha224, 224, "RFC 5802 with SHA-224");
export const hashSha256: ScramHash = /* @__PURE__ */ row(sha256, 256, "RFC 7677");
export const hashSha384: ScramHash = /* @__PURE__ */ row(sha384, 384, "RFC 5802 with SHA-384");
export const hashSha512: ScramHash = /* @__PURE__ */ row(sha512, 512, "draft-melnikov-scram-sha-512");
export const hashSha3_512: ScramHash = /* @__PURE__ */ row(sha3_512, 513, "draft-melnikov-scram-sha3-512");

/** The hashes every runtime computes natively, strongest first: what clients use unless told otherwise. */
export const nativeHashes: readonly ScramHash[] = [hashSha512, hashSha384, hashSha256, hashSha1];

/** The row of a stored verifier's hash; `undefined` for a name nobody here knows. For servers: it names the whole family. */
export function scramHashNamed(name: string): ScramHash | undefined {
  // Not a constant: bundlers keep a spread that nobody uses, and with it all hashes.
  return [...nativeHashes, hashSha224, hashSha3_512].find((each) => each.digest.name === name);
}
