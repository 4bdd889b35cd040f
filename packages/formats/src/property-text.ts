/**
 * Property values as text, for stores that keep text: JSON, in which octets are `{"$base64": "…"}`.
 *
 * @module
 */
import type { PropertyValue } from "sasl-core";
import { FormatError, fromBase64, toBase64 } from "./parts.js";

const octetsField = "$base64";
const MAX_DEPTH = 16;

/**
 * A value as one line of JSON. Inverse of {@link parseProperty}, but for -0, which is written as 0.
 *
 * @throws {TypeError} for what is no property value: functions, numbers that are not finite, fields named `$base64`, values
 *   nested deeper than 16.
 */
export function formatProperty(value: PropertyValue): string {
  return JSON.stringify(toJson(value, 0));
}

/**
 * Reads what {@link formatProperty} wrote. Objects come without a prototype, so that no name in them has an effect.
 *
 * @throws {FormatError}
 */
export function parseProperty(text: string): PropertyValue {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new FormatError("a property that is not JSON");
  }
  return fromJson(json, 0);
}

function toJson(value: PropertyValue, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new TypeError("a property is nested too deep");
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("a property is a number that is not finite");
    return value + 0; // no -0: JSON of other programs has none
  }
  if (value instanceof Uint8Array) return { [octetsField]: toBase64(value) };
  if (Array.isArray(value)) return value.map((each: PropertyValue) => toJson(each, depth + 1));
  if (typeof value !== "object") throw new TypeError(`a property cannot be a ${typeof value}`);
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  if (entries.some(([name]) => name === octetsField)) throw new TypeError(`a property has a field ${octetsField}`);
  const result: Record<string, unknown> = Object.create(null);
  for (const [name, field] of entries) result[name] = toJson(field as PropertyValue, depth + 1);
  return result;
}

function fromJson(json: unknown, depth: number): PropertyValue {
  if (depth > MAX_DEPTH) throw new FormatError("a property that is nested too deep");
  if (typeof json !== "object" || json === null) return json as PropertyValue;
  if (Array.isArray(json)) return json.map((each) => fromJson(each, depth + 1));
  if (Object.hasOwn(json, octetsField)) {
    const { [octetsField]: text } = json as Record<string, unknown>;
    if (typeof text !== "string" || Object.keys(json).length !== 1) throw new FormatError("octets that are no base64");
    return fromBase64(text, "property");
  }
  const result: Record<string, PropertyValue> = Object.create(null);
  for (const [name, field] of Object.entries(json)) result[name] = fromJson(field, depth + 1);
  return result;
}
