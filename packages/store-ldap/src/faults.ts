/**
 * What result codes mean for a login. Source: RFC 4511 §4.1.9 and appendix A.
 *
 * @module
 */
import { SASLFailure } from "sasl-core/plugin";

/** Result codes by name (RFC 4511 appendix A.2), those that are told apart here. */
export const resultCodes = {
  success: 0,
  sizeLimitExceeded: 4,
  constraintViolation: 19,
  noSuchObject: 32,
  invalidDNSyntax: 34,
  inappropriateAuthentication: 48,
  invalidCredentials: 49,
  unwillingToPerform: 53,
} as const;

/**
 * Answers to a user's bind that are about this user and this password. 19 and 53 are how directories turn away accounts
 * that are locked or out of attempts; 32 and 48 come for entries that are gone or cannot bind.
 */
const bindRefusals: readonly number[] = [
  resultCodes.invalidCredentials,
  resultCodes.inappropriateAuthentication,
  resultCodes.unwillingToPerform,
  resultCodes.constraintViolation,
  resultCodes.noSuchObject,
];

/**
 * What a user's bind came to.
 *
 * @throws {SASLFailure} `temporary` for every code that is about the directory: busy, unavailable, a referral, no rights.
 */
export function bindVerdict(code: number): boolean {
  if (code === resultCodes.success) return true;
  if (bindRefusals.includes(code)) return false;
  throw fault(`bind as the user: result code ${code}`);
}

/**
 * How many entries a search says there are: as many as it found, or too many, or, where the name made up the base, none.
 *
 * @returns whether the entries found are all there are.
 * @throws {SASLFailure} `temporary` for every other code.
 */
export function searchVerdict(code: number, nameInBase: boolean): boolean {
  if (code === resultCodes.success) return true;
  if (code === resultCodes.sizeLimitExceeded) return false;
  if (nameInBase && (code === resultCodes.noSuchObject || code === resultCodes.invalidDNSyntax)) return false;
  throw fault(`search: result code ${code}`);
}

/** The directory cannot tell at present. @param detail for the log; nothing secret. */
export function fault(detail: string, cause?: unknown): SASLFailure {
  return new SASLFailure("temporary", "accounts cannot be looked up at present", { detail: `LDAP: ${detail}`, cause });
}
