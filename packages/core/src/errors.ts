/**
 * The errors of every package here: two kinds, a closed set of codes. Source: RFC 4422 §3.6 for the outcomes,
 * RFC 5530 §3, RFC 4954 §6 and RFC 6120 §6.5 for what peers can say.
 *
 * Tell errors apart by `kind` and `code`, never by `instanceof`: two copies of this package may live in one program.
 *
 * @module
 */

import type { Skipped } from "./authenticate.js";

/** What went wrong, grouped by who has to act. */
export type SASLFailureCode =
  // The peer broke the protocol.
  | "malformed-message" //      a mechanism message that does not fit its grammar
  | "incorrect-encoding" //     base64, UTF-8 or framing that does not decode
  | "unexpected-message" //     a message out of order, or data where there can be none
  | "peer-not-verified" //      the server could not prove itself; no other mechanism may follow (R-GEN-32)
  // The two sides do not meet.
  | "mechanism-unsupported" //  the peer does not know or not offer this mechanism
  | "mechanism-too-weak" //     the peer wants a stronger one
  | "no-common-mechanism" //    nothing offered is acceptable here
  | "no-credentials" //         the provider has nothing for what this mechanism needs
  | "channel-not-protected" //  the mechanism needs TLS or an equal layer
  // Circumstances: try again later.
  | "limit-exceeded" //         longer, more or more often than the limits allow
  | "temporary" //              a store or service is down; credentials stay good
  | "timed-out"
  | "aborted" //                one side gave up
  | "connection-lost";

/** What the peer's judgement of the credentials was. */
export type AuthenticationFailureCode =
  | "refused" //                wrong user name, password, token or proof: never told apart
  | "authorization-refused" //  good credentials, but not allowed to act as the authzid
  | "credentials-expired"
  | "account-disabled";

export type SASLErrorCode = SASLFailureCode | AuthenticationFailureCode;
export type SASLErrorKind = "SASLFailure" | "AuthenticationFailure";

/** What an error can carry besides its code and message. Nothing here may hold a secret. */
export interface SASLErrorOptions {
  /** The error below this one. */
  readonly cause?: unknown;
  /** The peer's own error, as its binding read it: a line, an element, a JSON object. */
  readonly opaqueError?: unknown;
  /** Human-readable text the peer sent. Shown to people, never interpreted. */
  readonly text?: string | undefined;
  /** For the server's log only: what the deepest function knew. Never sent to the peer. */
  readonly detail?: string | undefined;
}

/** The same symbol in every copy of this package. */
const brand = Symbol.for("sasl-core.error");

/**
 * Base of both kinds; throw one of the two, catch with {@link isSASLError}.
 * The message names what went wrong and holds no password, token, proof, nonce or raw peer bytes.
 */
export abstract class SASLError<Code extends SASLErrorCode = SASLErrorCode> extends Error {
  abstract readonly kind: SASLErrorKind;
  readonly code: Code;
  readonly opaqueError: unknown;
  readonly text: string | undefined;
  readonly detail: string | undefined;
  /** What was passed over before this, and why, where `authenticate` threw it. */
  declare skipped?: readonly Skipped[];

  constructor(code: Code, message: string, options: SASLErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.opaqueError = options.opaqueError;
    this.text = options.text;
    this.detail = options.detail;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** A problem of the protocol, the channel or our own policy, unrelated to the credentials. `code` says what to do. */
export class SASLFailure extends SASLError<SASLFailureCode> {
  override readonly name = "SASLFailure";
  readonly kind = "SASLFailure";
}

/** These credentials were turned down: do not try them, or another mechanism, again. */
export class AuthenticationFailure extends SASLError<AuthenticationFailureCode> {
  override readonly name = "AuthenticationFailure";
  readonly kind = "AuthenticationFailure";
}

const authenticationCodes: readonly SASLErrorCode[] = [
  "refused",
  "authorization-refused",
  "credentials-expired",
  "account-disabled",
] satisfies AuthenticationFailureCode[];

/** The error of the kind that `code` belongs to. */
export function saslError(code: SASLErrorCode, message: string, options?: SASLErrorOptions): SASLError {
  return authenticationCodes.includes(code)
    ? new AuthenticationFailure(code as AuthenticationFailureCode, message, options)
    : new SASLFailure(code as SASLFailureCode, message, options);
}

/** True for errors of this package, whichever copy of it made them. */
export function isSASLError(value: unknown): value is SASLFailure | AuthenticationFailure {
  return (value as { readonly [brand]?: unknown } | null | undefined)?.[brand] === true;
}

/** What was thrown, where it is one of ours; otherwise a failure with it as the cause. */
export function asSASLError(
  thrown: unknown,
  code: SASLFailureCode,
  message: string,
): SASLFailure | AuthenticationFailure {
  return isSASLError(thrown) ? thrown : new SASLFailure(code, message, { cause: thrown });
}
