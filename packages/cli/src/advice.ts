/**
 * What to do about a failed login.
 *
 * @module
 */
import type { SASLErrorCode } from "sasl-core";
import { certificateAdvice } from "./none-acceptable.js";

/** What is known about the run that failed. */
export interface Situation {
  /** What may be wrong where it stopped, such as the wrong scheme for the port. */
  readonly hint?: string | undefined;
  /** Mechanism that was under way. */
  readonly mechanism?: string | null | undefined;
  readonly hasCertificate?: boolean | undefined;
  /** Whether the code of a second factor had been sent: what came before it was right. */
  readonly codeSent?: boolean | undefined;
  /** Whether SASL2 was ruled out. */
  readonly sasl1?: boolean | undefined;
}

/** The parts of an error that advice depends on. */
interface Failed {
  readonly code: SASLErrorCode;
  readonly message: string;
  /** Set when the peer said so itself. */
  readonly opaqueError?: unknown;
}

const retry = "try again later, or see the server's log";
const serversFault = "the server does not keep to the protocol; --trace shows the exchange";

const general: { readonly [C in SASLErrorCode]?: string } = {
  refused: "check the user name and the password or token",
  "authorization-refused": "check --authzid, or ask for the right to act as that identity",
  "credentials-expired": "renew them",
  "peer-not-verified": "do not trust this connection; nothing more was sent",
  "connection-lost": "see the server's log",
  "timed-out": "--timeout gives it longer",
  temporary: "try again later",
  "malformed-message": serversFault,
  "incorrect-encoding": serversFault,
  "unexpected-message": serversFault,
  "mechanism-unsupported": "take another --mechanism; sasl probe lists what is offered",
  "mechanism-too-weak": "take another --mechanism; sasl probe lists what is offered",
  "channel-not-protected": "use TLS: leave --tls none out, or take the scheme with s",
  "account-disabled": "ask the server's administrator",
};

/** Advice that goes by what the message says, before that which goes by where it was and by its code. */
const special: readonly (readonly [message: RegExp, advice: string])[] = [
  [/iteration count/, "--iterations MIN:MAX sets the bounds; few rounds protect a password badly"],
  [
    /offer STARTTLS|wants no TLS|refused STARTTLS/,
    "use the scheme with direct TLS, or --tls none on a network nobody else can read",
  ],
  [/PREAUTH/, "a server that greets so lets nobody log in; check host and port"],
  [/refuses (?:the connection|EHLO)$/, "what the server said may tell why; check host and port"],
  [/an identity (?:holds|is)/, "take another user name or --authzid"],
  [/CR or LF stands on its own/, "the server must end its lines with CRLF; is it the right host and port?"],
  [
    /SASLprep|Text (?:holds|mixes)|precis/i,
    "such a user name or password can be sent as it is with --prep none, if the server takes it so",
  ],
];

/** What a peer or a rule of ours has decided, wherever it was; no other port or scheme changes it. */
const decided: ReadonlySet<SASLErrorCode> = new Set(["channel-not-protected", "peer-not-verified", "temporary"]);

/** What to do; `undefined` when there is nothing to say. */
export function adviceFor({ code, message, opaqueError }: Failed, situation: Situation): string | undefined {
  const { hint, mechanism, hasCertificate, codeSent, sasl1 } = situation;
  if (code === "refused" && codeSent) return "the code of --totp-file is wrong, or was used before: wait for the next";
  if (code === "mechanism-too-weak" && sasl1)
    return "leave --sasl1 out: only SASL2 can ask for more, such as a second factor";
  if (mechanism === "EXTERNAL" && code === "refused") {
    return hasCertificate ? "check that the server trusts --cert, and whom it stands for there" : certificateAdvice;
  }
  const found = special.find(([pattern]) => pattern.test(message))?.[1];
  if (found !== undefined) return found;
  if (hint !== undefined && opaqueError === undefined && !decided.has(code)) return hint;
  // A limit of the server's is not to be told from its words alone: it said so.
  if (code === "limit-exceeded") {
    return opaqueError === undefined ? "that is more than this client takes; is it the right host and port?" : retry;
  }
  return general[code];
}
