/** Whether two values of a property are the same: what a store's `expected` is compared with. */

import type { AccountProperties, PropertyValue } from "../accounts.js";
import { equalBytes, isBytes } from "./bytes.js";

/**
 * Compares two property values by content: octets octet by octet, lists in order, objects field by field in any order,
 * fields that are `undefined` as absent. Nested deeper than 16 is never the same.
 */
export function sameProperty(a: unknown, b: unknown, depth = 0): boolean {
  if (isBytes(a) || isBytes(b)) return isBytes(a) && isBytes(b) && equalBytes(a, b);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (depth > 16 || Array.isArray(a) !== Array.isArray(b)) return false;
  if (!isPlain(a) || !isPlain(b)) return false; // a Date or a Map shows nothing of what it holds
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, i) => sameProperty(each, b[i], depth + 1));
  }
  const left = fields(a);
  const right = fields(b);
  return (
    left.length === right.length &&
    left.every(([name, value]) => Object.hasOwn(b, name) && sameProperty(value, (b as Fields)[name], depth + 1))
  );
}

/** Whether an account, or its absence, is what a writer expects; see `AccountStore.store`. */
export function isAsExpected(
  found: AccountProperties | undefined,
  expected: AccountProperties | null | undefined,
): boolean {
  if (expected === undefined) return true;
  if (expected === null || found === undefined) return expected === null && found === undefined;
  return Object.keys(expected).every((name) =>
    sameProperty(Object.hasOwn(found, name) ? found[name] : undefined, expected[name]),
  );
}

type Fields = Readonly<Record<string, PropertyValue | undefined>>;

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function fields(value: object): [string, PropertyValue][] {
  return Object.entries(value as Fields).filter((entry): entry is [string, PropertyValue] => entry[1] !== undefined);
}
