/**
 * Attributes of stream management as its schema has them. Source: XEP-0198 §14.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import type { XMLAdapter } from "../element.js";

/**
 * An unsignedInt: 0 to 2^32 - 1; `undefined` when it is not there.
 *
 * @throws {SASLFailure} `malformed-message` for anything else.
 */
export function numberIn<E>(adapter: XMLAdapter<E>, element: E, name: string): number | undefined {
  const text = adapter.attribute(element, name);
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffffffff)) throw new SASLFailure("malformed-message", `${name} is no count`);
  return value;
}

/**
 * A boolean, false when it is not there.
 *
 * @throws {SASLFailure} `malformed-message` for anything but `true`, `1`, `false` and `0`.
 */
export function booleanIn<E>(adapter: XMLAdapter<E>, element: E, name: string): boolean {
  const text = adapter.attribute(element, name) ?? "false";
  if (!/^(?:true|false|0|1)$/.test(text)) throw new SASLFailure("malformed-message", `${name} is no boolean`);
  return text === "true" || text === "1";
}
