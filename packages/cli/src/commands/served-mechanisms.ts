/**
 * Mechanisms of a server, by name.
 *
 * @module
 */
import type { Mechanism } from "sasl-core";
import { unknownMechanism } from "../client/mechanism-list.js";
import { usageError } from "../errors.js";

/**
 * The mechanisms named, whatever their age.
 *
 * @param names in whatever case.
 * @throws {CommandError} for a name nobody knows, or a mechanism without a server half.
 */
export function chooseServed(names: readonly string[], known: readonly Mechanism[]): readonly Mechanism[] {
  return [...new Set(names.map((name) => named(name, known)))];
}

function named(name: string, known: readonly Mechanism[]): Mechanism {
  const found = known.find((each) => each.name === name.toUpperCase());
  if (found === undefined) throw unknownMechanism(name, known);
  if (found.server === undefined) throw usageError(`${found.name} has no server half here`);
  return found;
}
