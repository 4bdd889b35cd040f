/**
 * Makes what a server stores instead of a password.
 *
 * @module
 */

import { randomBytes } from "#runtime";
import type { ScramVerifier } from "./accounts.js";
import { SASLFailure } from "./errors.js";
import { wipe } from "./internal/bytes.js";
import type { Prepare } from "./internal/context.js";
import { encodeUtf8 } from "./internal/text.js";
import type { ScramHash } from "./mechanisms/scram/hashes.js";
import { keysFromPassword, keysFromSalted, verifierFromKeys } from "./mechanisms/scram/keys.js";
import { straight } from "./mechanisms/scram/stored.js";
import { usualIterations } from "./scram-habits.js";
import { preparedPassword } from "./set-password.js";
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

/** What a password is salted with. */
export interface SaltOptions {
  /** Raw octets, at least 1. Neither changed nor kept. */
  readonly salt: Uint8Array;
  /** At least 1; whoever takes it from a peer has checked its bounds (R-SCRAM-15). */
  readonly iterations: number;
  /** As for mechanisms. Default `saslprep`. */
  readonly prepare?: Prepare | undefined;
}

/**
 * SaltedPassword (RFC 5802 §3), which a client hands to a server that is to make a verifier (XEP-0480 §3). Secret:
 * whoever has it can log in.
 *
 * @param hash the row of the family: `hashSha256`.
 * @returns as many octets as the hash gives, the caller's own.
 * @throws {RangeError} for an empty salt, or a count that is none.
 * @throws {SASLFailure} `malformed-message` for a password that preparation refuses, is empty or holds a NUL.
 */
export async function saltedPassword(hash: ScramHash, password: string, options: SaltOptions): Promise<Uint8Array> {
  const { salt, iterations, prepare } = options;
  checkSalt(salt, iterations);
  const octets = encodeUtf8(await preparedPassword(password, prepare));
  return straight.pbkdf2(hash.digest, octets, salt, iterations).finally(() => wipe(octets));
}

/**
 * The verifier that belongs to a SaltedPassword (RFC 5802 §3, §9).
 *
 * @param salted as many octets as the hash gives. Neither changed nor kept.
 * @throws {SASLFailure} `malformed-message` for another length.
 * @throws {RangeError} for an empty salt, or a count that is none.
 */
export async function verifierFromSalted(
  hash: ScramHash,
  salted: Uint8Array,
  { salt, iterations }: Omit<SaltOptions, "prepare">,
): Promise<ScramVerifier> {
  const { digest } = hash;
  checkSalt(salt, iterations);
  if (salted.length !== digest.size)
    throw new SASLFailure("malformed-message", "a salted password of the wrong length");
  const keys = await keysFromSalted(straight, digest, Uint8Array.from(salted), Uint8Array.from(salt), iterations);
  return verifierFromKeys(straight, digest, keys);
}

function checkSalt(salt: Uint8Array, iterations: number): void {
  if (salt.length === 0) throw new RangeError("a salt must not be empty");
  if (!Number.isInteger(iterations) || iterations < 1) throw new RangeError("iterations must be at least 1");
}
