/**
 * `--mechanisms` of `sasl serve`.
 *
 * @module
 */
import type { Mechanism } from "sasl-core";
import { chooseMechanisms } from "../client/mechanism-list.js";
import { usageError } from "../errors.js";

/**
 * The mechanisms named, whatever their age.
 *
 * @throws {CommandError} for a name nobody knows, or a mechanism without a server half.
 */
export function chooseServed(names: readonly string[]): readonly Mechanism[] {
  const chosen = chooseMechanisms(names, { user: undefined, hasToken: false, hasCertificate: false });
  const unable = chosen.find((each) => each.server === undefined);
  if (unable) throw usageError(`${unable.name} has no server half here`);
  return chosen;
}
