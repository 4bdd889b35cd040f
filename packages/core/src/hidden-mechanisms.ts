/**
 * Whether somebody in between took mechanisms out of what the server offers, so that a weaker one was chosen.
 * Source: RFC 4422 §6.1.2; R-GEN-25.
 *
 * @module
 */
import { type EvaluateOptions, evaluate } from "./authenticate.js";
import type { SASLMechanism } from "./client.js";
import { compareStrength } from "./strength.js";

/** What was announced in the clear, and what is announced through the security layer. */
export interface OffersCompared {
  readonly before: Iterable<string>;
  readonly after: Iterable<string>;
}

/**
 * Mechanisms that would have been taken before the one that was, had they been offered. Ask the server again, through a
 * security layer, and compare: when there is one here, close the connection.
 *
 * A server that announces nothing any more after a login hides everything, and this finds nothing.
 *
 * @param used the one that brought the layer (`result.mechanism`).
 * @param mechanisms those given to `authenticate`.
 * @param options those given to `authenticate`, and what the channel was like before the layer.
 * @returns names, strongest first; none when all is well.
 * @throws {RangeError} when `used` is none of the mechanisms.
 */
export function hiddenMechanisms(
  used: string,
  { before, after }: OffersCompared,
  mechanisms: readonly SASLMechanism[],
  options: EvaluateOptions,
): readonly string[] {
  const taken = mechanisms.flatMap(({ variants }) => variants).find(({ name }) => name === used);
  if (taken === undefined) throw new RangeError("the mechanism that was used is not among those given");
  const known = new Set(before);
  const { candidates } = evaluate(after, mechanisms, { ...options, order: "strength" });
  return candidates
    .filter(({ info }) => !known.has(info.name) && compareStrength(info, taken) < 0)
    .map(({ info }) => info.name);
}
