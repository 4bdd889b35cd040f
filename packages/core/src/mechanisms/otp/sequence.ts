/**
 * Sequences of one-time passwords: how they are computed, and what a server keeps of one. Source: RFC 2289 §4 to §8.
 *
 * @module
 */
import type { PropertyValue } from "../../accounts.js";
import { isBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { MechanismContext } from "../../mechanism.js";
import { folded, type OtpHash, type OtpHashName, otpHashNamed } from "./hashes.js";
import { otpSize } from "./words.js";

/** What a server keeps of a user's sequence, in the property `otpSequence` of the account. */
export interface OtpSequence {
  /** `md5` or `sha1`. */
  readonly hash: OtpHashName;
  /** Number of the one-time password in `last`; the next one asked for is one less. */
  readonly sequence: number;
  /** 1 to 16 letters and digits, in lower case. Not secret. */
  readonly seed: string;
  /** The one-time password accepted last, 8 octets. Secret: helps to guess the pass phrase. */
  readonly last: Uint8Array;
  readonly [field: string]: PropertyValue;
}

/** What makes one one-time password of all that a pass phrase can make. */
export interface OtpParameters {
  readonly hash: OtpHash;
  /** How often the first value is hashed again: 0 to {@link maxSequence}. */
  readonly sequence: number;
  /** In lower case. */
  readonly seed: string;
}

/** Above this nobody would want to compute a one-time password, and a peer must not be able to ask for it. */
export const maxSequence = 9999;
/** Where new sequences begin, as in OPIE and Cyrus SASL. */
export const usualSequence = 499;
/** Fewest characters of a pass phrase (RFC 2289 §6). */
const minPassphrase = 10;

type Hasher = Pick<MechanismContext, "hash">;

/** Straight to the digest, where there is no exchange whose context would do it. */
export const straight: Hasher = { hash: (digest, data) => digest.hash(data) };

/** One step of the sequence: from a one-time password to the one before it. */
export async function step(crypto: Hasher, hash: OtpHash, data: Uint8Array): Promise<Uint8Array> {
  return folded(hash, await crypto.hash(hash.digest, data));
}

/**
 * A one-time password: the seed and the pass phrase, hashed once and then `sequence` times more (RFC 2289 §6).
 *
 * @param passphrase prepared, at least {@link minPassphrase} characters.
 */
export async function oneTimePassword(
  crypto: Hasher,
  { hash, sequence, seed }: OtpParameters,
  passphrase: string,
): Promise<Uint8Array> {
  let value = await step(crypto, hash, encodeUtf8(seed + passphrase));
  for (let i = 0; i < sequence; i++) value = await step(crypto, hash, value);
  return value;
}

/** A seed in lower case, as it is hashed; `undefined` for what is none (RFC 2289 §6). */
export function seedOf(text: string): string | undefined {
  return /^[A-Za-z0-9]{1,16}$/.test(text) ? text.toLowerCase() : undefined;
}

/** A sequence number that is neither used up nor beyond all reason. */
export function isSequence(value: unknown, least: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= maxSequence;
}

/** 32 letters and digits that nobody takes for one another. */
const seedCharacters = "abcdefghjkmnpqrstuvwxyz123456789";

/** A seed of 8 characters out of as many random octets. */
export function seedFrom(octets: Uint8Array): string {
  return Array.from(octets.subarray(0, 8), (octet) => seedCharacters[octet % 32]).join("");
}

/** Whether a pass phrase is long enough for anything to be made from it (RFC 2289 §6). */
export function isPassphrase(text: string): boolean {
  return [...text].length >= minPassphrase;
}

/** Reads the property `otpSequence` as a store gives it; `undefined` for what cannot be one. */
export function storedSequence(value: unknown): (OtpParameters & { readonly last: Uint8Array }) | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { hash: name, sequence, seed, last } = value as { readonly [K in keyof OtpSequence]?: unknown };
  const hash = otpHashNamed(name);
  const sound = typeof seed === "string" && seedOf(seed) === seed && isBytes(last) && last.length === otpSize;
  return hash && sound && isSequence(sequence, 0) ? { hash, sequence, seed, last } : undefined;
}
