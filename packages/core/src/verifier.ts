/**
 * Makes what a server stores instead of a password.
 *
 * @module
 */

import { randomBytes } from "#runtime";
import type { ScramVerifier } from "./accounts.js";
import { encodeUtf8 } from "./internal/text.js";
import type { ScramHash } from "./mechanisms/scram/hashes.js";
import { keysFromPassword, verifierFromKeys } from "./mechanisms/scram/keys.js";
import { straight } from "./mechanisms/scram/stored.js";
import { usualIterations } from "./scram-habits.js";
import { saslprep } from "./text/saslprep.js";

/** Options of {@link makeScramVerifier}. */
export interface MakeVerifierOptions {
  /** At least 4096 (RFC 7677 §4). Default 10000. */
  readonly iterations?: number | undefined;
  /** At least 16 octets. Default 16 random ones; give one only to reproduce a verifier. */
  readonly salt?: Uint8Array | undefined;
  /** Default `saslprep`; `none` for stores shared with servers that do not prepare. */
  readonly prepare?: "saslprep" | "none" | undefined;
}

/**
 * A SCRAM verifier for a new password (RFC 5802 §3, §9; R-SCRAM-27).
 *
 * @param hash the row of the family: `hashSha256`.
 * @throws {RangeError} for a count or salt below what is safe.
 * @throws {SASLFailure} `malformed-message` for a password that preparation refuses or empties.
 */
export async function makeScramVerifier(
  hash: ScramHash,
  password: string,
  options: MakeVerifierOptions = {},
): Promise<ScramVerifier> {
  const { iterations = usualIterations, salt = randomBytes(16), prepare = "saslprep" } = options;
  if (!Number.isInteger(iterations) || iterations < 4096) throw new RangeError("iterations must be at least 4096");
  if (salt.length < 16) throw new RangeError("a salt must have at least 16 octets");
  const prepared = prepare === "none" ? password : await saslprep(password, "stored");
  const { digest } = hash;
  const keys = await keysFromPassword(straight, digest, encodeUtf8(prepared), salt, iterations);
  return verifierFromKeys(straight, digest, keys);
}
