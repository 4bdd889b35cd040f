/**
 * What an account store without types might answer with; what nobody can be asked to understand is a fault (R-STO-04).
 *
 * @module
 */
import type { AccountProperties, PropertyName } from "./accounts.js";

/**
 * The properties of an account that were asked for, as they are now: what a store does with its own object afterwards
 * changes nothing. Getters are read once, those of a prototype too.
 *
 * @throws {TypeError} for an answer that is no account; it says what is wrong and not what was there.
 */
export function soundAccount(
  found: AccountProperties | null | undefined,
  requests: readonly PropertyName[],
): AccountProperties | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found !== "object") throw new TypeError("an account that is no object");
  if (Symbol.iterator in found) throw new TypeError("an account that is a list");
  const account: Record<string, unknown> = Object.create(null);
  for (const name of requests) {
    const own = Object.hasOwn(found, name) || !(name in Object.prototype);
    const value = own ? found[name] : undefined;
    if (value !== undefined) account[name] = value;
  }
  const { userPassword, authPassword, passwordHash, disabled } = account;
  if (userPassword !== undefined && (typeof userPassword !== "string" || userPassword === "")) {
    throw new TypeError("a stored password that is empty or no text");
  }
  if (authPassword !== undefined && !isListOfVerifiers(authPassword)) {
    throw new TypeError("verifiers that are no list, or one without a hash");
  }
  if (passwordHash !== undefined && !isListOfTexts(passwordHash)) {
    throw new TypeError("hashes that are no list of texts");
  }
  if (disabled !== undefined && typeof disabled !== "boolean") {
    throw new TypeError("disabled is neither true nor false");
  }
  return account;
}

function isListOfVerifiers(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each?.hash === "string");
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
