/**
 * What happened, in words for people: what it is, and what to do.
 *
 * @module
 */
import { isSASLError } from "sasl-core";
import type { Login } from "./session.js";

/** Browsers compute keys and tokens on protected pages alone. */
export const INSECURE_PAGE =
  "Nobody can log in here: this page did not come over a protected connection. Open it with https://";

/** A sentence for what ended or prevented a login. @param host where it was tried. */
export function wordsFor(error: unknown, host: string): string {
  if (!isSASLError(error)) return "Something went wrong here. Please try again.";
  switch (error.code) {
    case "refused":
    case "authorization-refused":
    case "no-credentials":
      return "The address or the password is wrong. Please check both.";
    case "credentials-expired":
      return "This password is no longer valid. Please ask whoever runs the server for a new one.";
    case "account-disabled":
      return "This account is closed. Please ask whoever runs the server.";
    case "temporary":
      return "The server cannot log anybody in at the moment. Please try again in a few minutes.";
    case "connection-lost":
      return navigator.onLine
        ? `There is no answer from ${host}. Please check the address of the server, or try again later.`
        : "You are offline. Please connect to the internet and try again.";
    case "timed-out":
      return `${host} takes too long to answer. Please try again later.`;
    case "peer-not-verified":
      return `This may not be ${host}: it could not prove that it knows you. Do not try again in this network, and tell whoever runs the server.`;
    case "no-common-mechanism":
    case "channel-not-protected":
      return `${host} offers no login that keeps your password safe, so it was not sent.`;
    default:
      return `${host} gave an answer that makes no sense. Please tell whoever runs the server.`;
  }
}

/** The same, when nobody typed a password just now. */
export function wordsForReturning(error: unknown, host: string): string {
  const over = ["refused", "no-credentials", "no-common-mechanism", "credentials-expired"];
  if (isSASLError(error) && over.includes(error.code)) {
    return "You were logged out, because the server wants your password again.";
  }
  return wordsFor(error, host);
}

/** How the login went. */
export function wordsForLogin({ by, milliseconds, roundTrips }: Login): string {
  const how = { token: "without your password", keys: "without your password", password: "with your password" }[by];
  const trips = roundTrips === 1 ? "one round trip" : `${roundTrips} round trips`;
  return `Connected. You were logged in ${how}, in ${trips} and ${Math.max(1, Math.round(milliseconds))} ms.`;
}

/** @param again milliseconds since 1970 */
export function wordsForWaiting(again: number | undefined, now: number): string {
  if (again === undefined) return "You are offline. The chat goes on when your device is online again.";
  const seconds = Math.max(1, Math.ceil((again - now) / 1000));
  return `The connection was lost. Next attempt in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`;
}
