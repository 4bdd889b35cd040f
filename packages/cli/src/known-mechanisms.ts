/**
 * The mechanisms this build knows: whatever `sasl-core/mechanisms` exports, so that there is no second list.
 *
 * @module
 */
import { compareStrength, type Mechanism } from "sasl-core";
import * as exported from "sasl-core/mechanisms";

const flows: ReadonlySet<string> = new Set(["client-first", "server-first", "either"]);
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

/** Whether a value has the shape of a mechanism. */
export function isMechanism(value: unknown): value is Mechanism {
  return objectionTo(value) === undefined;
}

/** Why a value is no mechanism; `undefined` when it is one. */
export function objectionTo(value: unknown): string | undefined {
  if (!isObject(value)) return "it is no object";
  const { name, flow, security, client, server, source } = value;
  if (typeof name !== "string" || !/^[A-Z0-9_-]{1,20}$/.test(name)) return "name is no mechanism name";
  if (typeof flow !== "string" || !flows.has(flow)) return "flow is none of client-first, server-first, either";
  if (!Array.isArray(security)) return "security is no list";
  if (typeof source !== "string") return "source names no specification";
  if (client === undefined && server === undefined) return "it has neither a client nor a server half";
  if (client !== undefined && typeof client !== "function") return "client is no function";
  if (server !== undefined && typeof server !== "function") return "server is no function";
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
