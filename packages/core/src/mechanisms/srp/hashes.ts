/**
 * The hashes SRP can be computed with: one row for each. Source: draft-burdis-cat-srp-sasl-08 §4.3, which takes names from
 * the SCAN list, and spells SHA-1 in three ways itself.
 *
 * @module
 */
import { sha1, sha256, sha512 } from "../../digests.js";
import type { Digest } from "../../runtime/contract.js";

/** One row. */
export interface SrpHash {
  readonly digest: Digest;
  /** How it is called in option lists, what we write first; in lower case. */
  readonly names: readonly string[];
}

/** What everybody must support, and what is meant where nothing is said (§4.3). */
export const usualHash: SrpHash = { digest: sha1, names: ["sha-1", "sha-160", "sha1", "sha160", "sha"] };

/** Every row, the one to prefer first. */
export const srpHashes: readonly SrpHash[] = [
  { digest: sha256, names: ["sha-256", "sha256"] },
  { digest: sha512, names: ["sha-512", "sha512"] },
  usualHash,
];

/** The row that an option list calls by this name, in whatever case. */
export function hashCalled(name: string): SrpHash | undefined {
  return srpHashes.find(({ names }) => names.includes(name.toLowerCase()));
}

/** The row of a digest as accounts name it: `SHA-1`. */
export function hashNamed(name: string): SrpHash | undefined {
  return srpHashes.find(({ digest }) => digest.name === name);
}
