/**
 * What result codes say of a bind. Source: RFC 4511 §4.1.9 and appendix A, RFC 4513 §5.2.
 *
 * @module
 */
import type { AuthenticationFailure, SASLErrorCode, SASLFailure } from "sasl-core";
import { printable, saslError } from "sasl-core/plugin";

/** Result codes that are no refusal. */
export const resultCodes = { success: 0, saslBindInProgress: 14 } as const;

const refusals: ReadonlyMap<number, SASLErrorCode> = new Map([
  [1, "unexpected-message"], //   operationsError: out of order
  [2, "malformed-message"], //    protocolError
  [3, "temporary"], //            timeLimitExceeded
  [7, "mechanism-unsupported"], // authMethodNotSupported
  [8, "mechanism-too-weak"], //   strongerAuthRequired
  [11, "limit-exceeded"], //      adminLimitExceeded
  [13, "channel-not-protected"], // confidentialityRequired
  [19, "account-disabled"], //    constraintViolation: out of attempts
  [48, "mechanism-too-weak"], //  inappropriateAuthentication
  [49, "refused"], //             invalidCredentials
  [50, "authorization-refused"], // insufficientAccessRights
  [51, "temporary"], //           busy
  [52, "temporary"], //           unavailable
  [53, "account-disabled"], //    unwillingToPerform: locked
]);

/** @param diagnosticMessage the server's own, kept in `text` as far as it can be shown. */
export function failureOf(code: number, diagnosticMessage: string): SASLFailure | AuthenticationFailure {
  const text = printable(diagnosticMessage);
  const options = { opaqueError: { resultCode: code, diagnosticMessage }, ...(text !== "" && { text }) };
  const message = `the directory refused the bind, result code ${code}`;
  return saslError(refusals.get(code) ?? "aborted", message, options) as SASLFailure | AuthenticationFailure;
}
