/**
 * For those who set up accounts and print lists: what `otp-md5`, `opiekey` and `opiepasswd` do. Source: RFC 2289 §6, §8.
 *
 * @module
 */
import { randomBytes } from "#runtime";
import type { Prepare } from "../../internal/context.js";
import { saslprep } from "../../text/saslprep.js";
import { type OtpHashName, otpHashNamed } from "./hashes.js";
import {
  isPassphrase,
  isSequence,
  maxSequence,
  type OtpParameters,
  type OtpSequence,
  oneTimePassword,
  seedFrom,
  seedOf,
  step,
  straight,
  usualSequence,
} from "./sequence.js";
import { formatHex, formatWords } from "./words.js";

/** Options of {@link makeOtp}. */
export interface MakeOtpOptions {
  /** Default `md5`, which every implementation has (RFC 2444 §3). */
  readonly hash?: OtpHashName | undefined;
  /** Where the sequence begins, 2 to 9999: one more than the logins it is good for. Default 499. */
  readonly sequence?: number | undefined;
  /** 1 to 16 letters and digits, another for every sequence of a pass phrase. Default: random. */
  readonly seed?: string | undefined;
  /** As the server's `prepare`. Default `saslprep`; nothing changes in ASCII. */
  readonly prepare?: Prepare | undefined;
}

/** One line of a printed list. */
export interface OtpListEntry {
  /** The number a challenge asks for it by. */
  readonly sequence: number;
  /** Six words in upper case. */
  readonly words: string;
  /** 16 hexadecimal digits. */
  readonly hex: string;
}

/**
 * What to store for a pass phrase: `accounts.store(name, { otpSequence: await makeOtp(passphrase) })`.
 *
 * @param passphrase at least 10 characters. Not kept.
 * @throws {RangeError} for a pass phrase that is too short or the same as the seed, and for a hash, a number or a seed that
 *   cannot be.
 * @throws {SASLFailure} `malformed-message` for a pass phrase that preparation refuses.
 */
export async function makeOtp(passphrase: string, options: MakeOtpOptions = {}): Promise<OtpSequence> {
  const { hash = "md5", sequence = usualSequence, seed = seedFrom(randomBytes(8)), prepare } = options;
  const [parameters, phrase] = await checked({ hash, sequence, seed }, passphrase, prepare);
  if (parameters.sequence < 2) throw new RangeError("a sequence from 1 on has no one-time password to log in with");
  const last = await oneTimePassword(straight, parameters, phrase);
  return { hash, sequence, seed: parameters.seed, last };
}

/**
 * A list to print: the one-time passwords a sequence asks for, first the next one.
 *
 * @param next what the next challenge says: of a new sequence `{ ...made, sequence: made.sequence - 1 }`.
 * @param count how many, at most `next.sequence` and one more.
 * @throws as {@link makeOtp}.
 */
export async function listOtp(
  passphrase: string,
  next: { readonly hash: OtpHashName; readonly sequence: number; readonly seed: string },
  count: number,
  prepare?: Prepare,
): Promise<OtpListEntry[]> {
  const [parameters, phrase] = await checked(next, passphrase, prepare);
  if (!isSequence(count, 1) || count > next.sequence + 1)
    throw new RangeError("more one-time passwords than there are");
  const entries: OtpListEntry[] = [];
  let sequence = next.sequence - count + 1;
  let value = await oneTimePassword(straight, { ...parameters, sequence }, phrase);
  for (; ; sequence++) {
    entries.unshift({ sequence, words: formatWords(value), hex: formatHex(value) });
    if (sequence === next.sequence) return entries;
    value = await step(straight, parameters.hash, value);
  }
}

async function checked(
  { hash: name, sequence, seed: given }: { hash: string; sequence: number; seed: string },
  passphrase: string,
  prepare: Prepare = "saslprep",
): Promise<readonly [OtpParameters, string]> {
  const [hash, seed] = [otpHashNamed(name), seedOf(given)];
  if (hash === undefined) throw new RangeError("a hash that is unknown here");
  if (seed === undefined) throw new RangeError("a seed has 1 to 16 letters and digits");
  if (!isSequence(sequence, 0)) throw new RangeError(`a sequence number is at most ${maxSequence}`);
  const prepared = typeof prepare === "function" ? prepare(passphrase, "stored", "password") : passphrase;
  const phrase = await (prepare === "saslprep" ? saslprep(passphrase, "stored") : prepared);
  if (!isPassphrase(phrase)) throw new RangeError("a pass phrase has at least 10 characters");
  if (phrase.toLowerCase() === seed) throw new RangeError("the seed is the pass phrase"); // RFC 2243 §4.3
  return [{ hash, sequence, seed }, phrase];
}
