/**
 * SMTP's words for failure, both ways. Source: RFC 4954 §4, §6; RFC 5321 §4.2; RFC 5248 for enhanced codes.
 *
 * @module
 */
import { type AuthenticationFailure, type SASLErrorCode, type SASLFailure, saslError } from "sasl-core";
import { parseReply, type Reply } from "./reply.js";

/** What is known when a failure is read. */
export interface FailureContext {
  /** Whether a message of the client had been sent. Without one, an unknown no is about the mechanism. Default true. */
  readonly answered?: boolean | undefined;
}

/** Replies by code, or by code and enhanced code where that says more. */
const meanings: ReadonlyMap<string, SASLErrorCode> = new Map<string, SASLErrorCode>([
  ["421", "temporary"],
  ["432", "mechanism-unsupported"], //       the account has no secret for this mechanism yet (R-SMTP-11)
  ["454", "temporary"], //                   the password stays good (R-SMTP-12)
  ["500", "mechanism-unsupported"], //       no AUTH here at all
  ["500 5.5.6", "limit-exceeded"],
  ["501", "malformed-message"],
  ["501 5.5.2", "incorrect-encoding"],
  ["501 5.7.0", "unexpected-message"],
  ["502", "mechanism-unsupported"],
  ["503", "unexpected-message"],
  ["504", "mechanism-unsupported"],
  ["523", "channel-not-protected"],
  ["525", "account-disabled"],
  ["530", "channel-not-protected"],
  ["534", "mechanism-too-weak"],
  ["535", "refused"],
  ["538", "channel-not-protected"],
  ["550 5.7.1", "authorization-refused"],
]);

/** What the error says to a reader of logs, by code. */
const messages: Partial<Record<SASLErrorCode, string>> = {
  refused: "the server refused the credentials",
  "authorization-refused": "the server does not let this user act as the identity asked for",
  "account-disabled": "the account is disabled",
  "channel-not-protected": "the server wants an encrypted connection first",
  "mechanism-unsupported": "the server does not support the mechanism, or not for this account",
  "mechanism-too-weak": "the server wants a stronger mechanism",
  temporary: "the server cannot authenticate anybody at present",
  "limit-exceeded": "a line was longer than the server takes",
  "malformed-message": "the server did not understand the command",
  "incorrect-encoding": "the server could not decode a message",
  "unexpected-message": "the server does not take this message now",
};

/**
 * Reads a reply that says no.
 *
 * @param reply its lines with codes; any text at all. It is kept in `opaqueError`, its human-readable part in `text`.
 */
export function parseFailure(reply: string, context: FailureContext = {}): SASLFailure | AuthenticationFailure {
  const parsed = parseReply(reply);
  const code = parsed ? meaningOf(parsed, context.answered ?? true) : "malformed-message";
  const text = parsed?.lines.filter((line) => line !== "").join(" ");
  const message = messages[code] ?? "the server failed the authentication";
  return saslError(code, message, { opaqueError: reply, ...(text && { text }) }) as SASLFailure | AuthenticationFailure;
}

function meaningOf({ code, enhanced }: Reply, answered: boolean): SASLErrorCode {
  const known = meanings.get(`${code} ${enhanced}`) ?? meanings.get(`${code}`);
  if (known !== undefined) return known;
  if (code < 400) return "unexpected-message";
  if (code < 500) return "temporary"; // RFC 5321 §4.2.1: a transient negative reply
  return answered ? "refused" : "mechanism-unsupported";
}

/** What the peer is told, by code. It is told nothing that depends on which user was meant (R-GEN-31). */
const replies: Partial<Record<SASLErrorCode, string>> = {
  refused: "535 5.7.8 Authentication credentials invalid", // R-SMTP-11
  "credentials-expired": "535 5.7.8 Credentials have expired",
  "authorization-refused": "535 5.7.8 Not allowed to act as that user", // clients know no other code of RFC 4954 §6 for it
  "account-disabled": "525 5.7.13 The account is disabled",
  "channel-not-protected": "538 5.7.11 TLS is needed first", // R-SMTP-03
  "mechanism-unsupported": "504 5.5.4 Mechanism is not supported",
  "mechanism-too-weak": "534 5.7.9 Mechanism is too weak",
  temporary: "454 4.7.0 Authentication is not possible at present",
  "timed-out": "454 4.7.0 Authentication took too long",
  "limit-exceeded": "454 4.7.0 Too much or too often, try again later", // R-LIM-08; the password stays good
  "malformed-message": "501 5.5.2 Malformed authentication message",
  "incorrect-encoding": "501 5.5.2 Invalid base64", // R-SMTP-05
  "unexpected-message": "501 5.7.0 Unexpected authentication message", // R-SMTP-08
  aborted: "501 5.7.0 Authentication cancelled", // R-SMTP-05
};

/** The reply to send for an error, without CRLF. Takes anything that has a code of `sasl-core`. */
export function formatFailure(error: { readonly code: SASLErrorCode }): string {
  return (Object.hasOwn(replies, error.code) && replies[error.code]) || "535 5.7.0 Authentication failed";
}
