/**
 * IMAP's words for failure, both ways. Source: RFC 5530 §3, RFC 9051 §6.2.2, §7.1.
 *
 * @module
 */
import { type AuthenticationFailure, type SASLErrorCode, type SASLFailure, saslError } from "sasl-core";
import { parseStatus } from "./status.js";

/** What is known when a failure is read. */
export interface FailureContext {
  /** Whether a message of the client had been sent. Without one, a bare NO is about the mechanism. Default true. */
  readonly answered?: boolean | undefined;
}

/** Response codes of RFC 5530 §3 and what they mean here; a bare NO and a BAD are below. */
const meanings: ReadonlyMap<string, SASLErrorCode> = new Map<string, SASLErrorCode>([
  ["AUTHENTICATIONFAILED", "refused"],
  ["AUTHORIZATIONFAILED", "authorization-refused"],
  ["NOPERM", "authorization-refused"],
  ["EXPIRED", "credentials-expired"],
  ["CONTACTADMIN", "account-disabled"],
  ["PRIVACYREQUIRED", "channel-not-protected"],
  ["CANNOT", "mechanism-unsupported"],
  ["UNAVAILABLE", "temporary"],
  ["INUSE", "temporary"],
  ["SERVERBUG", "temporary"],
  ["LIMIT", "limit-exceeded"],
  ["CLIENTBUG", "malformed-message"],
]);

/** What the error says to a reader of logs, by code. */
const messages: Partial<Record<SASLErrorCode, string>> = {
  refused: "the server refused the credentials",
  "authorization-refused": "the server does not let this user act as the identity asked for",
  "credentials-expired": "the credentials have expired",
  "account-disabled": "the account cannot be used; its administrator knows why",
  "channel-not-protected": "the server wants an encrypted connection first",
  "mechanism-unsupported": "the server does not support the mechanism",
  temporary: "the server cannot authenticate anybody at present",
  "limit-exceeded": "a limit of the server is reached",
  "malformed-message": "the server did not understand the command",
  "connection-lost": "the server closed the connection",
};

/**
 * Reads a response that says no.
 *
 * @param reply from the status on: `NO [AUTHENTICATIONFAILED] …`, `BAD …`, `BYE …`; any text at all. It is kept in
 *   `opaqueError`, its human-readable part in `text`.
 */
export function parseFailure(reply: string, context: FailureContext = {}): SASLFailure | AuthenticationFailure {
  const { status, code, text } = parseStatus(reply);
  const meaning = meanings.get(code ?? "") ?? withoutCode(status, context.answered ?? true);
  const message = messages[meaning] ?? "the server failed the authentication";
  return saslError(meaning, message, { opaqueError: reply, ...(text && { text }) }) as
    | SASLFailure
    | AuthenticationFailure;
}

/** The same for commands that carry no credentials: never a judgement on them, nor on a mechanism. */
const commandMessages: Partial<Record<SASLErrorCode, string>> = {
  "channel-not-protected": "the server wants an encrypted connection first",
  temporary: "the server cannot do this at present",
  "limit-exceeded": "a limit of the server is reached",
  "malformed-message": "the server did not understand the command",
  "connection-lost": "the server closed the connection",
};

/**
 * Reads a response that says no to a greeting or a command without credentials.
 *
 * @returns `aborted` for a refusal that has no code of its own.
 */
export function commandFailure(reply: string): SASLFailure {
  const { status, code, text } = parseStatus(reply);
  const meant = meanings.get(code ?? "") ?? withoutCode(status, true);
  const meaning = commandMessages[meant] ? meant : status === "BYE" ? "connection-lost" : "aborted";
  const message = commandMessages[meaning] ?? "the server refuses the command";
  return saslError(meaning, message, { opaqueError: reply, ...(text && { text }) }) as SASLFailure;
}

function withoutCode(status: string | undefined, answered: boolean): SASLErrorCode {
  if (status === "NO") return answered ? "refused" : "mechanism-unsupported";
  return status === "BYE" ? "connection-lost" : "malformed-message";
}

/** What the peer is told, by code. It is told nothing that depends on which user was meant (R-GEN-31). */
const replies: Partial<Record<SASLErrorCode, string>> = {
  refused: "NO [AUTHENTICATIONFAILED] Authentication failed",
  "authorization-refused": "NO [AUTHORIZATIONFAILED] Not allowed to act as that user",
  "credentials-expired": "NO [EXPIRED] Credentials have expired",
  "account-disabled": "NO [CONTACTADMIN] The account is disabled",
  "channel-not-protected": "NO [PRIVACYREQUIRED] TLS is needed first",
  "mechanism-unsupported": "NO [CANNOT] Mechanism is not supported", // R-IMAP-01
  "mechanism-too-weak": "NO [CANNOT] Mechanism is too weak",
  temporary: "NO [UNAVAILABLE] Authentication is not possible at present",
  "timed-out": "NO [UNAVAILABLE] Authentication took too long",
  "limit-exceeded": "NO [LIMIT] A limit was exceeded",
  "malformed-message": "BAD Malformed authentication message",
  "incorrect-encoding": "BAD Invalid base64", // R-IMAP-01
  "unexpected-message": "BAD Unexpected authentication message", // R-IMAP-05
  aborted: "BAD Authentication cancelled", // R-IMAP-01
};

/** What to send for an error, behind the tag and without CRLF. Takes anything that has a code of `sasl-core`. */
export function formatFailure(error: { readonly code: SASLErrorCode }): string {
  return (Object.hasOwn(replies, error.code) && replies[error.code]) || "NO Authentication failed";
}
