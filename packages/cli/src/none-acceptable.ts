/**
 * Why no mechanism could be used, for the person who chose them.
 *
 * @module
 */
import type { Skipped } from "sasl-core";
import type { Protocol } from "./url.js";

/** What the run wanted and what it met. */
export interface Choice {
  readonly protocol: Protocol;
  /** Mechanisms named on the command line, in their usual spelling; `undefined` when none were. */
  readonly named: readonly string[] | undefined;
  /** False when the URL names no user and there is neither token nor certificate. */
  readonly somebody: boolean;
  readonly hasCertificate: boolean;
  /** What the server offered on the connection as it was last. */
  readonly offered: readonly string[];
  /** Whether TLS was there. */
  readonly secure: boolean;
}

const notGiven = "not among the mechanisms given";

/** Everything passed over, also what was named and never offered; `scram` is no word of users. */
export function allSkipped(skipped: readonly Skipped[], { named, offered }: Choice): Skipped[] {
  const missing = named?.filter((name) => !offered.includes(name)) ?? [];
  return [
    ...missing.map((mechanism) => ({ mechanism, reason: "not offered" })),
    ...skipped.map(({ mechanism, reason }) => ({ mechanism, reason: inWords(reason) })),
  ];
}

/** What an application calls SCRAM's credentials is a password for whoever types it. */
export function inWords(reason: string): string {
  return reason.replace("credentials hold no scram", "credentials hold no password");
}

/** One line: what is missing, and what to do about it. */
export function whyNone(skipped: readonly Skipped[], choice: Choice): string {
  const { protocol, named, offered, somebody } = choice;
  if (offered.length === 0) return nothingOffered(choice);
  const shown = `offered: ${offered.join(", ")}`;
  if (named === undefined && !somebody) {
    return `the URL names no user: write ${protocol}://USER@HOST; without one there is ANONYMOUS alone, which is not offered`;
  }
  const missing = named?.filter((name) => !offered.includes(name)) ?? [];
  const reasons = byReason(skipped.filter(({ reason }) => reason !== notGiven && reason !== "not offered"));
  const parts = [
    missing.length > 0 && `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not offered; ${shown}`,
    missing.includes("EXTERNAL") && !choice.hasCertificate && certificateAdvice,
    reasons !== "" && `nothing that the server offers is acceptable (${reasons})`,
    missing.length === 0 && reasons === "" && `nothing that the server offers can be used here; ${shown}`,
    ...[...new Set(skipped.map(({ reason }) => adviceOn(reason)))],
  ];
  return parts.filter(Boolean).join("; ");
}

/** For EXTERNAL without a certificate of ours. */
export const certificateAdvice = "EXTERNAL logs in by a client certificate: --cert FILE --key FILE";

function nothingOffered({ protocol, secure }: Choice): string {
  if (!secure) return "the server offers no mechanism without TLS; leave --tls none out";
  const elsewhere = protocol === "smtp" ? "; logins are for ports 587 and 465, not for port 25" : "";
  return `the server offers no mechanism: login is switched off there${elsewhere}; ask its administrator`;
}

function byReason(skipped: readonly Skipped[]): string {
  const names = new Map<string, string[]>();
  for (const { mechanism, reason } of skipped) names.set(reason, [...(names.get(reason) ?? []), mechanism]);
  return [...names].map(([reason, list]) => `${list.join(", ")}: ${inWords(reason)}`).join("; ");
}

function adviceOn(reason: string): string | undefined {
  if (reason === "needs an encrypted channel") return "use TLS, or --allow-plaintext on a network nobody else can read";
  if (reason === "channel binding is required") return "--channel-binding prefer goes on without it";
  if (reason === "channel binding is disabled") return "--channel-binding prefer binds where it can";
  if (/hold no (?:password|scram)/.test(reason)) return "--password-file or --password-stdin gives a password";
  if (reason.includes("hold no token")) return "--token-file gives a token";
  if (/bits of protection are less than/.test(reason)) {
    return "TLS protects more, and so may another mechanism with a security layer; --min-ssf asks for less";
  }
  return undefined;
}
