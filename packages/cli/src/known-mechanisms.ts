/**
 * The mechanisms this build knows: whatever the entries for mechanisms export, so that there is no second list.
 *
 * @module
 */
import { compareStrength, type Mechanism } from "sasl-core";
import * as experimental from "sasl-core/experimental";
import * as legacy from "sasl-core/legacy";
import * as usual from "sasl-core/mechanisms";
import { isMechanism } from "sasl-core/plugin";
import * as kerberos from "sasl-gssapi";

/** All of them, strongest first, both halves. */
export const knownMechanisms: readonly Mechanism[] = [usual, legacy, kerberos, experimental]
  .flatMap((entry) => Object.values(entry as Record<string, unknown>))
  .filter(isMechanism)
  .sort(compareStrength);

/** All there are, strongest first: a plug-in's takes the place of ours of the same name. */
export function withPlugins(added: readonly Mechanism[]): readonly Mechanism[] {
  const names = new Set(added.map(({ name }) => name));
  return [...knownMechanisms.filter(({ name }) => !names.has(name)), ...added].sort(compareStrength);
}

/** The mechanism of this name, in whatever case it is written. */
export function mechanismNamed(name: string): Mechanism | undefined {
  return knownMechanisms.find((each) => each.name === name.toUpperCase());
}
