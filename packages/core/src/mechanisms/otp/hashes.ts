/**
 * The hashes of one-time passwords, and the way each becomes 64 bits. Source: RFC 2289 §6, appendix A.
 *
 * @module
 */
import { md5, sha1 } from "../../digests.js";
import type { Digest } from "../../runtime/contract.js";
import { otpSize } from "./words.js";

/** One row of the family. */
export interface OtpHash {
  /** As challenges write it; case counts. */
  readonly name: OtpHashName;
  readonly digest: Digest;
  /** Octets of the words whose order is turned round in the end; 1 for none. */
  readonly swapped: 1 | 4;
}

/** The hashes there are here: MD5 has to be (RFC 2444 §3), SHA-1 should. */
export type OtpHashName = "md5" | "sha1";

const otpHashes: readonly OtpHash[] = [
  { name: "md5", digest: md5, swapped: 1 },
  { name: "sha1", digest: sha1, swapped: 4 }, // appendix A: little-endian, as RFC 2444 §5 forgets
];

/** The row of a name; `undefined` for one nobody here knows. */
export function otpHashNamed(name: unknown): OtpHash | undefined {
  return otpHashes.find((each) => each.name === name);
}

/** A digest as 64 bits: what lies 8 octets apart is put together by exclusive or. */
export function folded({ swapped }: OtpHash, digest: Uint8Array): Uint8Array {
  const value = new Uint8Array(otpSize);
  for (const [i, octet] of digest.entries()) {
    const at = i % otpSize;
    const to = at - (at % swapped) + (swapped - 1 - (at % swapped));
    value[to] = (value[to] as number) ^ octet;
  }
  return value;
}
