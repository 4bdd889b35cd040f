/**
 * The mechanisms this build knows: whatever the entries for mechanisms export, so that there is no second list.
 *
 * @module
 */
import { compareStrength, type Mechanism } from "sasl-core";
import * as ecdsa from "sasl-core/ecdsa";
import * as experimental from "sasl-core/experimental";
import * as legacy from "sasl-core/legacy";
import * as usual from "sasl-core/mechanisms";
import { isMechanism } from "sasl-core/plugin";
import * as kerberos from "sasl-gssapi";

/** With what an entry leaves out because a program has to ask for it: who looks into a server wants to meet all of it. */
const { singleDes, rc4_40, rc4_56, tripleDes, rc4 } = legacy;
const complete = usual.digestMd5With({ ciphers: [singleDes, rc4_40, rc4_56, tripleDes, rc4] });

/** All of them, strongest first, both halves. */
export const knownMechanisms: readonly Mechanism[] = [usual, ecdsa, legacy, kerberos, experimental]
  .flatMap(mechanismsOf)
  .map((each) => (each.name === complete.name ? complete : each))
  .sort(compareStrength);

const underTrial: ReadonlySet<Mechanism> = new Set(mechanismsOf(experimental));

function mechanismsOf(entry: object): Mechanism[] {
  return Object.values(entry as Record<string, unknown>).filter(isMechanism);
}

/** Whether it is used and offered only when named: what is obsolete, and what has not settled yet. */
export function onlyNamed(mechanism: Mechanism): boolean {
  return mechanism.obsolete === true || underTrial.has(mechanism);
}

/** All there are, strongest first: a plug-in's takes the place of ours of the same name. */
export function withPlugins(added: readonly Mechanism[]): readonly Mechanism[] {
  const names = new Set(added.map(({ name }) => name));
  return [...knownMechanisms.filter(({ name }) => !names.has(name)), ...added].sort(compareStrength);
}

/** The mechanism of this name, in whatever case it is written. */
export function mechanismNamed(name: string): Mechanism | undefined {
  return knownMechanisms.find((each) => each.name === name.toUpperCase());
}
