/**
 * OTP at the server.
 *
 * The account keeps {@link OtpSequence} in the property `otpSequence`. A login writes the next value in place of the one it
 * was compared with, in one step and before success is told; whoever comes second finds another value there and fails.
 *
 * Against the race for the last word (RFC 2289 §9) only one exchange of a user runs at a time in a server, for as long as an
 * exchange may take; further ones are told to come back later, without a challenge. Several servers with the same accounts
 * let no one-time password in twice either, but do not know of each other's exchanges.
 *
 * @module
 */
import type { Account, AccountProperties } from "../../accounts.js";
import type { Mechanism, PasswordContext, ServerContext, ServerConversation } from "../../mechanism.js";
import { otpHashNamed } from "./hashes.js";
import { formatChallenge, type OtpResponse, parseIdentities, parseResponse } from "./messages.js";
import {
  isPassphrase,
  isSequence,
  type OtpParameters,
  type OtpSequence,
  oneTimePassword,
  seedFrom,
  step,
  storedSequence,
  straight,
  usualSequence,
} from "./sequence.js";
import { otpSize } from "./words.js";

/** The server half. */
export async function* server(ctx: ServerContext): ServerConversation {
  const message = yield;
  if (message === undefined) throw ctx.fail("unexpected-message", "the first message is missing");
  const { authzid, username } = parseIdentities(message);
  const account = await ctx.identify(username, authzid);
  const stored = account.properties.otpSequence;
  const sequence = storedSequence(stored);
  if (stored !== undefined && !sequence) throw ctx.fail("temporary", "a stored sequence cannot be read"); // R-STO-04
  if (!ctx.claim(account)) throw ctx.fail("temporary", "another exchange of this user is going on"); // R-OTP-04
  if (sequence && !isSequence(sequence.sequence, 2)) ctx.note("the one-time passwords are used up"); // RFC 2243 §4.3
  const usable = sequence && isSequence(sequence.sequence, 2) ? sequence : undefined;
  // Names without a sequence are shown one that nobody has, always the same; no one-time password is right for it.
  const { hash, seed, sequence: last } = usable ?? (await invented(ctx, account));
  const challenge = formatChallenge({ hash: hash.name, sequence: last - 1, seed });
  const response = parseResponse(ctx.text(yield ctx.bytes(challenge)));

  const accepted = await find(ctx, response.current, { hash, last: usable?.last ?? ctx.random(otpSize) });
  if (!accepted || !usable) throw ctx.fail("refused", "wrong one-time password");
  const next = { hash: hash.name, sequence: last - 1, seed, last: accepted } satisfies OtpSequence;
  const renewed = renewal(response, seed);
  // RFC 2243 §4.3: the one-time password is spent also where what comes with it is of no use.
  if (!(await ctx.update(account, { otpSequence: renewed ?? next }, { otpSequence: stored }))) {
    throw ctx.fail("refused", "the one-time password was used meanwhile, or cannot be marked as used"); // R-OTP-03
  }
  if (response.renewal && !renewed) throw ctx.fail("refused", "a new sequence that cannot be used");
  return { authcid: account.name, authzid };
}

/** The reading, if any, whose next step is the value accepted last (RFC 2289 §7). */
async function find(
  ctx: ServerContext,
  readings: readonly Uint8Array[],
  { hash, last }: Pick<OtpParameters, "hash"> & Pick<OtpSequence, "last">,
): Promise<Uint8Array | undefined> {
  for (const value of readings) if (ctx.equal(await step(ctx, hash, value), last)) return value;
  return undefined;
}

/** What is to be stored for a new sequence; RFC 2289 §8: with another seed, which is all a server can see of it. */
function renewal({ renewal: asked }: OtpResponse, seed: string): OtpSequence | undefined {
  const { parameters, first } = asked ?? {};
  const hash = otpHashNamed(parameters?.hash);
  const last = first?.[0];
  if (!parameters || !hash || !last || !isSequence(parameters.sequence, 2) || parameters.seed === seed)
    return undefined;
  return { hash: hash.name, sequence: parameters.sequence, seed: parameters.seed, last };
}

/** A sequence as `makeOtp` makes them, somewhere on its way. */
async function invented(ctx: ServerContext, account: Account): Promise<OtpParameters> {
  const octets = await ctx.decoy(account, "otp");
  const hash = otpHashNamed("md5");
  if (hash === undefined) throw new TypeError("MD5 is there always");
  const view = new DataView(octets.buffer, octets.byteOffset);
  return { hash, seed: seedFrom(octets), sequence: 2 + (view.getUint16(8) % (usualSequence - 1)) };
}

/** What accounts keep, and how it is made from a password. */
export const sequences: Pick<Mechanism, "properties" | "available" | "setPassword" | "ownSecrets"> = {
  properties: ["otpSequence"],
  ownSecrets: ["otpSequence"],
  available: ({ otpSequence }) => isSequence(storedSequence(otpSequence)?.sequence, 2),
  setPassword: async (ctx, password, stored) => (isUsable(stored) ? undefined : fromPassword(ctx, password)),
};

const isUsable = ({ otpSequence }: AccountProperties) => isSequence(storedSequence(otpSequence)?.sequence, 2);

/** Nothing for a password that is too short for a pass phrase (RFC 2289 §6). */
async function fromPassword(ctx: PasswordContext, password: string): Promise<AccountProperties | undefined> {
  const hash = otpHashNamed("md5");
  if (!hash || !isPassphrase(password)) return undefined;
  const parameters = { hash, sequence: usualSequence, seed: seedFrom(ctx.random(8)) };
  const last = await oneTimePassword(straight, parameters, password);
  return { otpSequence: { ...parameters, hash: hash.name, last } satisfies OtpSequence };
}
