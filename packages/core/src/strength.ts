/**
 * How strong a mechanism is, from its own flags: the one order everything chooses by. The order follows
 * RFC 4422 §6.1.2 and the practice of Cyrus SASL: anonymous, clear secrets, challenge, mutual proof, bound to the channel.
 *
 * @module
 */
import { type LayerBounds, noLayer } from "./layer.js";
import { type MechanismInfo, type SecurityFlag, securityFlags } from "./mechanism.js";

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

/** What either end can ask of a mechanism besides a class of strength. */
export interface MechanismPolicy {
  /** Only mechanisms with all of these properties. */
  readonly require?: readonly SecurityFlag[] | undefined;
  /** No mechanism with any of these: `passCredentials` where the server must not get the password itself. */
  readonly forbid?: readonly SecurityFlag[] | undefined;
  /**
   * Least strength, in bits, of what protects the connection: the channel's own (`externalSsf`) or else a security layer
   * of the mechanism on top of it. Default 0.
   */
  readonly minSsf?: number | undefined;
  /**
   * Strongest security layer to agree to, in bits; 0 for none, 1 for integrity alone. Default: any on a channel that does not
   * reach `minSsf` or is worth nothing itself, none on another: what is encrypted already gains little from a second time.
   */
  readonly maxSsf?: number | undefined;
}

const channelBindings: readonly unknown[] = ["disable", "prefer", "require", undefined];

/**
 * What a program without types might say, and what would silently switch a point off.
 *
 * @throws {RangeError} for a point that is none.
 */
export function checkPolicy(
  policy:
    | (MechanismPolicy & { readonly channelBinding?: unknown; readonly minStrength?: Strength | undefined })
    | undefined,
): void {
  if (policy === undefined) return;
  const { channelBinding, minStrength, require, forbid, minSsf, maxSsf } = policy;
  if (!channelBindings.includes(channelBinding)) throw new RangeError("policy.channelBinding is none of its values");
  if (minStrength !== undefined && !strengths.includes(minStrength))
    throw new RangeError("policy.minStrength is none of its values");
  for (const flag of [...(require ?? []), ...(forbid ?? [])]) {
    if (!securityFlags.includes(flag)) throw new RangeError("policy names a flag that is none");
  }
  for (const ssf of [minSsf, maxSsf]) {
    if (ssf !== undefined && !(ssf >= 0)) throw new RangeError("policy names a strength that is none");
  }
}

/** A connection, as far as its protection goes. */
export interface Protected {
  /** Strength of the channel itself, in bits. */
  readonly externalSsf: number;
  /** Whether a security layer can be put on it. */
  readonly layers: boolean;
}

/** What a policy wants of a security layer on a connection, and what it allows (RFC 4422 §3.7, §6.1.2). */
export function layerBounds(
  { minSsf = 0, maxSsf }: MechanismPolicy,
  { externalSsf, layers }: Protected,
  maxInput: number = noLayer.maxInput,
): LayerBounds {
  const enough = externalSsf >= minSsf;
  const most = maxSsf ?? (enough && externalSsf > 0 ? 0 : Number.POSITIVE_INFINITY);
  return { minSsf: enough ? 0 : minSsf, maxSsf: layers ? most : 0, maxInput };
}

/** Why a mechanism falls short of a policy on a connection; `undefined` when it does not (R-GEN-26). */
export function shortcoming(info: MechanismInfo, policy: MechanismPolicy, connection: Protected): string | undefined {
  const { require = [], forbid = [], minSsf = 0 } = policy;
  const lacking = require.find((flag) => !info.security.includes(flag));
  if (lacking) return `does not have ${lacking}`;
  const banned = forbid.find((flag) => info.security.includes(flag));
  if (banned) return `has ${banned}`;
  const layer = Math.min(info.maxSsf ?? 0, layerBounds(policy, connection).maxSsf);
  const ssf = Math.max(connection.externalSsf, layer);
  return !(ssf >= minSsf) ? `${ssf} bits of protection are less than ${minSsf}` : undefined;
}

/** Strength of a channel of which nobody says more than that it is secure: what every usual suite of TLS 1.2 and 1.3 has. */
export function usualSsf(secure: boolean): number {
  return secure ? 128 : 0;
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
