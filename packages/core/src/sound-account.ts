/**
 * What an account store without types might answer with; what nobody can be asked to understand is a fault (R-STO-04).
 *
 * @module
 */
import type { AccountProperties } from "./accounts.js";

/** @throws {TypeError} for an answer that is no account; it says what is wrong and not what was there. */
export function soundAccount(found: AccountProperties | null | undefined): AccountProperties | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found !== "object") throw new TypeError("an account that is no object");
  const { userPassword, authPassword, passwordHash, disabled } = found;
  if (userPassword !== undefined && (typeof userPassword !== "string" || userPassword === "")) {
    throw new TypeError("a stored password that is empty or no text");
  }
  if (authPassword !== undefined && !isListOfVerifiers(authPassword)) {
    throw new TypeError("verifiers that are no list, or one without a hash");
  }
  if (passwordHash !== undefined && !isListOfTexts(passwordHash))
    throw new TypeError("hashes that are no list of texts");
  if (disabled !== undefined && typeof disabled !== "boolean")
    throw new TypeError("disabled is neither true nor false");
  return found;
}

function isListOfVerifiers(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each?.hash === "string");
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
