/**
 * The parts every notation is made of, read strictly: what is written here another program has to read.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { ScramVerifier } from "sasl-core";

/** Octets of a key by the name of the hash, for each hash SCRAM is used with. */
export const keySizes: ReadonlyMap<string, number> = new Map([
  ["SHA-1", 20],
  ["SHA-224", 28],
  ["SHA-256", 32],
  ["SHA-384", 48],
  ["SHA-512", 64],
  ["SHA3-512", 64],
]);

const MAX_SALT_BYTES = 1024;
/** What one derivation may cost: 10 million rounds are seconds (R-STO-08). */
const MAX_ITERATIONS = 10_000_000;

/** A text that is not what its format says. The message names the fault and holds nothing of the text itself. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/**
 * Octets of canonical base64 (RFC 4648 §4), as an array of the caller's own.
 *
 * @throws {FormatError} for anything a strict encoder would not have written.
 */
export function fromBase64(text: string, what: string): Uint8Array {
  const octets = Buffer.from(text, "base64");
  if (octets.toString("base64") !== text) throw new FormatError(`a ${what} that is not base64`);
  return Uint8Array.from(octets);
}

/** Canonical base64. */
export function toBase64(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("base64");
}

/** An iteration count: decimal, without a leading zero. @throws {FormatError} */
export function parseIterations(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new FormatError("an iteration count that is no number");
  return Number(text);
}

/**
 * Puts a verifier together.
 *
 * @throws {FormatError} for an unknown hash, an empty or very long salt, keys of another length than the hash has, or a
 *   count outside 1 to 10 million.
 */
export function checkedVerifier(verifier: ScramVerifier): ScramVerifier {
  const { hash, salt, iterations, storedKey, serverKey } = verifier;
  const size = keySizes.get(hash);
  if (size === undefined) throw new FormatError("a hash that SCRAM is not used with");
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS) {
    throw new FormatError(`an iteration count that is not 1 to ${MAX_ITERATIONS}`);
  }
  if (salt.length === 0 || salt.length > MAX_SALT_BYTES) {
    throw new FormatError(`a salt that is not 1 to ${MAX_SALT_BYTES} octets`);
  }
  if (storedKey.length !== size || serverKey.length !== size) {
    throw new FormatError(`keys of SCRAM-${hash} have ${size} octets`);
  }
  return { hash, salt, iterations, storedKey, serverKey };
}
