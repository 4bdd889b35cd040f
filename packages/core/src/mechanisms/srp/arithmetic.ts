/**
 * SRP's numbers. Source: draft-burdis-cat-srp-sasl-08 §4.3 to §4.5, which is SRP-6: the verifier is multiplied by 3 where
 * SRP-6a has a hash.
 *
 * BigInt makes no promise about time. What is done here does not depend on the digits of an exponent: always as many
 * squarings and multiplications, by factors that are as long as the prime but for the first few. How long a single one takes
 * may still depend on its factors. Exponents are fresh in each exchange but for x, the password's, which enters only at the
 * client. `node:crypto` has no power in constant time that would pay: its Diffie-Hellman checks a prime for a third of a
 * second, or makes two keys for each power.
 *
 * @module
 */
import { toHex } from "../../internal/hex.js";
import type { SrpGroup } from "./groups.js";

/** Octets of the secret exponents a and b (RFC 5054 §2.5.3: at least 256 bits). */
export const secretOctets = 32;

/** Multiplier of the verifier (§4.3). */
const multiplier = 3n;

/** The number in octets of network byte order; no octets are zero. */
export function numberOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** The octets of a number from 0, the first of them not zero: `bytes()` of §3.2. A new array. */
export function octetsOf(number: bigint): Uint8Array {
  if (number === 0n) return new Uint8Array(0);
  const digits = number.toString(16);
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/**
 * `base ** exponent % modulus`, four bits of the exponent at a time.
 *
 * @param base from 0, less than `modulus`.
 * @param octets how long the exponent may be: what decides how long this takes.
 */
export function power(base: bigint, exponent: bigint, modulus: bigint, octets: number): bigint {
  const longer = modulus << 1n; // what makes even 1 as long as all others, and no difference
  const powers = [1n + longer];
  for (let i = 1; i < 16; i++) powers.push((((powers[i - 1] as bigint) * base) % modulus) + longer);
  let result = 1n;
  for (const digit of exponent.toString(16).padStart(2 * octets, "0")) {
    for (let i = 0; i < 4; i++) result = (result * result) % modulus;
    result = (result * (powers[Number.parseInt(digit, 16)] as bigint)) % modulus;
  }
  return result;
}

/** A, the client's public key (§4.4), and v, a verifier, from x (RFC 2945 §3). */
export function raise({ generator, prime }: SrpGroup, exponent: bigint, octets: number = secretOctets): bigint {
  return power(generator, exponent, prime, octets);
}

/** B, the server's public key (§4.3). */
export function serverKey(group: SrpGroup, verifier: bigint, b: bigint, k: bigint = multiplier): bigint {
  return (k * verifier + raise(group, b)) % group.prime;
}

/** What a client knows once it has heard the server. */
export interface ClientNumbers {
  readonly a: bigint;
  readonly B: bigint;
  /** From the password, in as many octets as the hash gives. */
  readonly x: bigint;
  readonly u: bigint;
  /** Octets of a digest. */
  readonly octets: number;
}

/** S at the client (§4.4). */
export function clientSecret(group: SrpGroup, { a, B, x, u, octets }: ClientNumbers, k: bigint = multiplier): bigint {
  const { prime } = group;
  const base = (((B - k * raise(group, x, octets)) % prime) + prime) % prime;
  return power(base, a + u * x, prime, Math.max(secretOctets, 2 * octets) + 1);
}

/** What a server knows once it has heard the client. */
export interface ServerNumbers {
  readonly A: bigint;
  readonly b: bigint;
  readonly verifier: bigint;
  readonly u: bigint;
  /** Octets of a digest. */
  readonly octets: number;
}

/**
 * S at the server (§4.5).
 *
 * @returns `undefined` where what the client sent leaves no secret at all: S could only be 1 or -1.
 */
export function serverSecret({ prime }: SrpGroup, { A, b, verifier, u, octets }: ServerNumbers): bigint | undefined {
  const base = (A * power(verifier, u, prime, octets)) % prime;
  if (base <= 1n || base === prime - 1n) return undefined;
  return power(base, b, prime, secretOctets);
}
