/**
 * Properties as the rows hold them: JSON a person can read, SCRAM verifiers in the notation of RFC 5803.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { AccountProperties, PropertyValue, ScramVerifier } from "sasl-core";
import { FormatError, formatProperty, formatRfc5803, parseProperty, parseRfc5803 } from "sasl-formats";
import { MalformedRecord } from "./errors.js";

const MAX_KEY_BYTES = 1024;

/** What a write does to an account, checked and in the notation of the rows. */
export interface Changes {
  /** Left out: stays as it is. */
  readonly disabled?: boolean | null;
  /** Property and text. */
  readonly set: readonly (readonly [property: string, value: string])[];
  readonly removed: readonly string[];
}

/**
 * Whether a text can be a key: 1 to 1024 octets of well-formed Unicode without NUL. PostgreSQL has no NUL in texts, SQLite
 * ends them there, and on the way to either a lone surrogate would become a different character.
 */
export function canBeKey(text: string): boolean {
  if (text === "" || text.includes("\0") || !text.isWellFormed()) return false;
  return Buffer.byteLength(text) <= MAX_KEY_BYTES;
}

/** @throws {TypeError} for values that are no property values, and names that cannot be keys. */
export function formatChanges(changes: AccountProperties): Changes {
  const { disabled, ...others } = changes;
  const set: [string, string][] = [];
  const removed: string[] = [];
  for (const [property, value] of Object.entries(others)) {
    if (!canBeKey(property)) throw new TypeError("a property's name has 1 to 1024 octets and no NUL");
    if (value === undefined) removed.push(property);
    else set.push([property, formatValue(property, value as PropertyValue)]);
  }
  if (!Object.hasOwn(changes, "disabled")) return { set, removed };
  if (disabled !== undefined && typeof disabled !== "boolean") throw new TypeError("disabled is true or false");
  return { disabled: disabled ?? null, set, removed };
}

/** A row of the join of both tables: an account with one of its properties, or without. */
export interface Row {
  readonly disabled: unknown;
  readonly property: string | null;
  readonly value: unknown;
}

/**
 * Puts an account together from its rows, at least one.
 *
 * @throws {MalformedRecord} for what {@link formatChanges} would not have written.
 */
export function readAccount(rows: readonly Row[]): AccountProperties {
  // No property's name has an effect on an object without a prototype (R-LIM-04).
  const account: Record<string, unknown> = Object.create(null);
  const disabled = readDisabled(rows[0]?.disabled);
  if (disabled !== undefined) account.disabled = disabled;
  for (const { property, value } of rows) {
    if (property !== null) account[property] = parseValue(property, value);
  }
  return account;
}

function readDisabled(value: unknown): boolean | undefined {
  if (value === null || value === undefined) return undefined;
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw new MalformedRecord("a malformed record: disabled is neither true nor false");
}

function formatValue(property: string, value: PropertyValue): string {
  if (property === "authPassword") {
    if (!Array.isArray(value)) throw new TypeError("authPassword is a list of verifiers");
    return formatProperty(value.map((verifier) => formatVerifier(verifier)));
  }
  if (!hasShape(property, value)) throw new TypeError(`${property} has another type`);
  return formatProperty(value);
}

function formatVerifier(verifier: unknown): string {
  try {
    return formatRfc5803(verifier as ScramVerifier);
  } catch (error) {
    throw new TypeError(`authPassword: ${error instanceof FormatError ? error.message : "no verifier"}`);
  }
}

function parseValue(property: string, text: unknown): unknown {
  try {
    if (typeof text !== "string") throw new FormatError("a value that is no text");
    const value = parseProperty(text);
    if (property === "authPassword") return parseVerifiers(value);
    if (!hasShape(property, value)) throw new FormatError("a value of another type");
    return value;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new MalformedRecord(`a malformed record: property ${JSON.stringify(property)}: ${error.message}`);
  }
}

function parseVerifiers(value: PropertyValue): ScramVerifier[] {
  if (!Array.isArray(value)) throw new FormatError("a value of another type");
  return value.map((verifier: PropertyValue) => {
    if (typeof verifier !== "string") throw new FormatError("a verifier that is no text");
    return parseRfc5803(verifier);
  });
}

/** Whether a value has the type the core gives this property; properties of others have any. */
function hasShape(property: string, value: PropertyValue): boolean {
  if (property === "userPassword") return typeof value === "string";
  if (property === "passwordHash") return Array.isArray(value) && value.every((each) => typeof each === "string");
  return true;
}
