/**
 * How strong a mechanism is, from its own flags: the one order everything chooses by. The order follows
 * RFC 4422 §6.1.2 and the practice of Cyrus SASL: anonymous, clear secrets, challenge, mutual proof, bound to the channel.
 *
 * @module
 */
import type { MechanismInfo, SecurityFlag } from "./mechanism.js";

/** From weak to strong. A failed mechanism never leads to one of a weaker class. */
export const strengths = ["anonymous", "plaintext", "challenge", "mutual", "bound"] as const;

/**
 * - `anonymous`: nobody is authenticated.
 * - `plaintext`: the secret itself is sent (PLAIN, bearer tokens); the channel must protect it.
 * - `challenge`: proof without the secret, from the client alone (CRAM-MD5).
 * - `mutual`: both sides prove themselves (SCRAM).
 * - `bound`: and the proof holds for this very channel (SCRAM-…-PLUS, EXTERNAL).
 */
export type Strength = (typeof strengths)[number];

/** The class of a mechanism. */
export function strengthOf(info: MechanismInfo): Strength {
  const has = (flag: SecurityFlag) => info.security.includes(flag);
  if (!has("noAnonymous")) return "anonymous";
  if (!has("noPlaintext")) return "plaintext";
  if (info.channelBinding || (has("noActive") && has("noDictionary"))) return "bound";
  return has("mutualAuth") ? "mutual" : "challenge";
}

/** Sorts strongest first; among equals by resistance to guessing, then by `rank`. */
export function compareStrength(a: MechanismInfo, b: MechanismInfo): number {
  return orderOf(b) - orderOf(a) || (b.rank ?? 0) - (a.rank ?? 0);
}

function orderOf(info: MechanismInfo): number {
  return strengths.indexOf(strengthOf(info)) + (info.security.includes("noDictionary") ? 0.5 : 0);
}

/** Whether `a` is in a weaker class than `b`. */
export function isWeaker(a: Strength, b: Strength): boolean {
  return strengths.indexOf(a) < strengths.indexOf(b);
}
