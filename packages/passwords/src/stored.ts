/**
 * What every scheme does with a stored text before any work begins.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A stored hash that cannot be checked. The message says what is wrong and holds nothing of the hash. */
export class StoredHashError extends Error {
  override readonly name = "StoredHashError";
  /** `malformed`, or `limit-exceeded` when checking it would take more work or memory than is sensible. */
  readonly code: "malformed" | "limit-exceeded";

  constructor(code: StoredHashError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const MAX_CHARACTERS = 1024;

/**
 * The text without the scheme directories and Dovecot put before it: `{CRYPT}$6$…`.
 *
 * @param prefixes names without braces, in capitals; compared without regard to case.
 */
export function withoutPrefix(stored: string, prefixes: readonly string[]): string {
  if (!stored.startsWith("{")) return stored;
  const end = stored.indexOf("}", 1);
  const known = end <= 32 && prefixes.includes(stored.slice(1, end).toUpperCase());
  return known ? stored.slice(end + 1) : stored;
}

/** The groups of a pattern. @throws {StoredHashError} `malformed` when it does not match or the text is very long. */
export function partsOf(pattern: RegExp, stored: string, scheme: string): readonly string[] {
  const match = stored.length > MAX_CHARACTERS ? null : pattern.exec(stored);
  if (match === null) throw new StoredHashError("malformed", `the stored hash is not in the notation of ${scheme}`);
  return match.slice(1).map((group) => group ?? "");
}

/** @throws {StoredHashError} `malformed` for base64 a strict encoder without padding would not have written. */
export function checkUnpaddedBase64(texts: readonly string[], scheme: string): void {
  for (const text of texts) {
    if (Buffer.from(text, "base64").toString("base64").replaceAll("=", "") !== text) {
      throw new StoredHashError("malformed", `the stored hash is not in the notation of ${scheme}`);
    }
  }
}

/** @throws {StoredHashError} `limit-exceeded` when a cost of a record is not `min` to `max`. */
export function checkCost(what: string, value: number, min: number, max: number): void {
  if (value < min || value > max) {
    throw new StoredHashError("limit-exceeded", `the stored hash asks for ${what} outside ${min} to ${max}`);
  }
}

/** An option of ours, a whole number. @throws {RangeError} */
export function checkOption(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${name} has to be ${min} to ${max}`);
  return value;
}
