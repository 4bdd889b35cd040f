/**
 * The mechanisms this build knows: whatever `sasl-core/mechanisms` exports, so that there is no second list.
 *
 * @module
 */
import { compareStrength, type Mechanism } from "sasl-core";
import * as exported from "sasl-core/mechanisms";
import { isMechanism } from "sasl-core/plugin";

const values: readonly unknown[] = Object.values(exported);

/** All of them, strongest first, both halves. */
export const knownMechanisms: readonly Mechanism[] = values.filter(isMechanism).sort(compareStrength);

/** Octets of a key by the name of the hash, `SHA-256`, for each hash SCRAM is known with. */
export const scramHashes: ReadonlyMap<string, number> = new Map(
  values.flatMap((value) => {
    const digest = isObject(value) && isObject(value.digest) ? value.digest : undefined;
    return digest ? [[String(digest.name), Number(digest.size)] as const] : [];
  }),
);

/** The mechanism of this name, in whatever case it is written. */
export function mechanismNamed(name: string): Mechanism | undefined {
  return knownMechanisms.find((each) => each.name === name.toUpperCase());
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
