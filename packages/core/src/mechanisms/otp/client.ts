/**
 * OTP at the client: computes the one-time password from a pass phrase, or asks a person with a list of them.
 *
 * @module
 */
import { type CredentialNeed, credentialNeed } from "../../credentials.js";
import type { ClientContext, ClientConversation } from "../../mechanism.js";
import type { MaybePromise } from "../../runtime/contract.js";
import { type OtpHash, type OtpHashName, otpHashNamed } from "./hashes.js";
import { formatIdentities, formatParameters, formatResponse, type OtpChallenge, parseChallenge } from "./messages.js";
import {
  isPassphrase,
  isSequence,
  type OtpParameters,
  oneTimePassword,
  seedFrom,
  seedOf,
  usualSequence,
} from "./sequence.js";
import { formatHex, formatWords, parseHex, parseWords } from "./words.js";

/** What a client logs in with: a pass phrase, or a person who answers. */
export interface OtpCredentials {
  readonly username: string;
  /** Whom to act as; left out: the user. */
  readonly authzid?: string | undefined;
  /**
   * What the sequence was made from, at least 10 characters. Used only once the challenge was found to be in order. A server
   * that is not the right one can ask for a low number, and make all higher ones from the answer: use TLS.
   */
  readonly passphrase?: string | undefined;
  /**
   * In place of a pass phrase: shown the challenge, says the one-time password of that number from a printed list, as six
   * words or as 16 hexadecimal digits, in any case and with any white space. `undefined`: there is none.
   */
  readonly answer?: ((challenge: OtpChallenge) => MaybePromise<string | undefined>) | undefined;
  /** How a computed one-time password is sent. Default `hex`. */
  readonly format?: "hex" | "word" | undefined;
  /** Permits to begin a new sequence when this one is running out; with `passphrase` alone. Left out: it runs out. */
  readonly renew?: OtpRenewal | undefined;
  /**
   * Told after each login how many one-time passwords are left, so that the user can be warned when they are few (RFC 2243
   * §4.3: below ten).
   */
  readonly onRemaining?: ((count: number) => void) | undefined;
}

/** A new sequence, sent along with the last one-time password of the old one (RFC 2243 §4). */
export interface OtpRenewal {
  /** Begin it when the challenge has this number or a lower one. Default 10. */
  readonly at?: number | undefined;
  /** Default: as the old sequence. */
  readonly hash?: OtpHashName | undefined;
  /** Number of its first one-time password, 2 to 9999. Default 499. */
  readonly sequence?: number | undefined;
  /** 1 to 16 letters and digits, another than the old one. Default: random. */
  readonly seed?: string | undefined;
  /** A new pass phrase, at least 10 characters. Default: the old one, which is sound with another seed. */
  readonly passphrase?: string | undefined;
  /**
   * Begin it also on a channel without TLS: somebody on the way could then put a sequence of their own in its place and be
   * the user from there on (RFC 2243 §5). Default false: the old sequence is used up to its end there.
   */
  readonly allowUnprotectedChannel?: boolean | undefined;
}

/** What OTP asks the application for. */
export const otpNeed: CredentialNeed<OtpCredentials> = /* @__PURE__ */ credentialNeed(
  "one-time password",
  [["username"], ["passphrase", "answer"]],
  "passphrase",
);

/** The client half. */
export async function* client(ctx: ClientContext): ClientConversation {
  const given = await ctx.credentials(otpNeed);
  const username = await ctx.prepare(given.username, "query", "name");
  if (username === "") throw ctx.fail("malformed-message", "the user name is empty");
  const heard = yield formatIdentities({ authzid: given.authzid ?? "", username });
  const challenge = parseChallenge(ctx.text(heard));
  // R-OTP-06: what is wrong with the challenge is found out before anything is made from the pass phrase.
  if (challenge.sequence < 1)
    throw ctx.fail("credentials-expired", "the one-time passwords are used up: begin a new sequence");
  const [answer, remaining] = await (given.passphrase === undefined
    ? asked(ctx, given, challenge)
    : computed(ctx, given, given.passphrase, challenge));
  const { onRemaining } = given;
  if (onRemaining) ctx.ended((ok) => (ok ? onRemaining(remaining) : undefined));
  return ctx.bytes(answer);
}

/** What is said, and how many one-time passwords are left after it. */
type Answer = readonly [text: string, remaining: number];

/** A person with a list needs no hash, so that an unknown one does not matter (RFC 2444 §4). */
async function asked(ctx: ClientContext, { answer }: OtpCredentials, challenge: OtpChallenge): Promise<Answer> {
  const typed = await answer?.(challenge);
  if (typed === undefined) throw ctx.fail("no-credentials", "nobody gave a one-time password");
  const [words, digits] = [parseWords(typed), parseHex(typed)];
  const text = words ? formatResponse("word", formatWords(words)) : digits && formatResponse("hex", formatHex(digits));
  if (text === undefined) throw ctx.fail("no-credentials", "mistyped: neither six words of the list nor 16 digits");
  return [text, challenge.sequence - 1];
}

async function computed(
  ctx: ClientContext,
  { renew, format = "hex" }: OtpCredentials,
  given: string,
  challenge: OtpChallenge,
): Promise<Answer> {
  const hash = otpHashNamed(challenge.hash);
  if (hash === undefined) throw ctx.fail("mechanism-unsupported", "a hash that is unknown here"); // RFC 2444 §4
  const passphrase = await preparedPassphrase(ctx, given);
  const write = format === "word" ? formatWords : formatHex;
  const current = write(await oneTimePassword(ctx, { ...challenge, hash }, passphrase));
  if (!renew || challenge.sequence > (renew.at ?? 10) || !(ctx.secure || renew.allowUnprotectedChannel)) {
    return [formatResponse(format, current), challenge.sequence - 1];
  }
  const next = newParameters(ctx, renew, hash, challenge.seed);
  const phrase = renew.passphrase === undefined ? passphrase : await preparedPassphrase(ctx, renew.passphrase);
  if (next.seed === phrase.toLowerCase()) throw new TypeError("the seed is the pass phrase"); // RFC 2243 §4.3
  const first = write(await oneTimePassword(ctx, next, phrase));
  const parameters = formatParameters({ ...next, hash: next.hash.name });
  return [formatResponse(format, current, parameters, first), next.sequence - 1];
}

async function preparedPassphrase(ctx: ClientContext, given: string): Promise<string> {
  const passphrase = await ctx.prepare(given, "query");
  if (!isPassphrase(passphrase)) throw ctx.fail("no-credentials", "a pass phrase has at least 10 characters"); // RFC 2289 §6
  return passphrase;
}

/** @throws {TypeError} for what the application may not ask for. */
function newParameters(ctx: ClientContext, renew: OtpRenewal, current: OtpHash, oldSeed: string): OtpParameters {
  const { sequence = usualSequence } = renew;
  const hash = renew.hash === undefined ? current : otpHashNamed(renew.hash);
  if (hash === undefined || !isSequence(sequence, 2)) throw new TypeError("renew: a hash or a number that cannot be");
  if (renew.seed === undefined) return { hash, sequence, seed: freshSeed(ctx, oldSeed) };
  const seed = seedOf(renew.seed);
  if (seed === undefined || seed === oldSeed) throw new TypeError("renew: the seed is none, or the old one"); // RFC 2289 §8
  return { hash, sequence, seed };
}

function freshSeed(ctx: ClientContext, old: string): string {
  for (;;) {
    const seed = seedFrom(ctx.random(8));
    if (seed !== old) return seed;
  }
}
