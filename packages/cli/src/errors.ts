/**
 * What can end a command, as exit code, one line for people and an object for scripts.
 *
 * @module
 */
import { isSASLError, type SASLErrorCode } from "sasl-core";
import { adviceFor, type Situation } from "./advice.js";
import type { Mask } from "./masking.js";
import { inWords } from "./none-acceptable.js";

/** The exit codes of every command. */
export const exitCodes = { done: 0, refused: 1, failed: 2, unreachable: 3, usage: 64 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Codes of what goes wrong outside SASL. */
export type CommandErrorCode =
  // The command line, or a file it names: exit 64.
  | "usage"
  | "malformed-url"
  | "unreadable-file"
  | "malformed-file"
  // The connection: exit 3.
  | "host-not-found"
  | "connection-refused"
  | "host-unreachable"
  | "certificate-not-trusted"
  | "tls-failed"
  | "connection-lost"
  | "timed-out"
  | "address-in-use"
  // The accounts: exit 2.
  | "account-exists"
  | "no-such-account"
  | "factor-exists" // the account has a second factor already
  | "no-such-factor"
  | "store-failed" // it cannot be opened, read or written at present, or a record in it is malformed
  | "not-supported" // this kind of store does not do that
  | "not-exportable" // the format cannot hold the account
  | "import-incomplete"; // some accounts were skipped

type CommandErrorKind = "UsageError" | "ConnectionError" | "StoreError";

const kinds: Readonly<Record<CommandErrorCode, CommandErrorKind>> = {
  usage: "UsageError",
  "malformed-url": "UsageError",
  "unreadable-file": "UsageError",
  "malformed-file": "UsageError",
  "host-not-found": "ConnectionError",
  "connection-refused": "ConnectionError",
  "host-unreachable": "ConnectionError",
  "certificate-not-trusted": "ConnectionError",
  "tls-failed": "ConnectionError",
  "connection-lost": "ConnectionError",
  "timed-out": "ConnectionError",
  "address-in-use": "ConnectionError",
  "account-exists": "StoreError",
  "no-such-account": "StoreError",
  "factor-exists": "StoreError",
  "no-such-factor": "StoreError",
  "store-failed": "StoreError",
  "not-supported": "StoreError",
  "not-exportable": "StoreError",
  "import-incomplete": "StoreError",
};

/** An error of the command itself. Its message is one line, says what to do, and holds no secret. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get kind(): CommandErrorKind {
    return kinds[this.code];
  }
}

/** Wrong usage: exit 64. */
export function usageError(message: string): CommandError {
  return new CommandError("usage", message);
}

/** An error as scripts see it, in `error` of the JSON object. */
export interface ErrorReport {
  readonly kind: "AuthenticationFailure" | "SASLFailure" | CommandErrorKind | "InternalError";
  readonly code: string;
  /** One line for people. */
  readonly text: string;
  /** What the peer said, as one line; left out when it said nothing. */
  readonly peer?: string;
}

/** What else there is to know when an error is reported. */
export interface ReportContext extends Situation {
  /** Takes secrets out of every text, before it is made fit for a line. */
  readonly mask?: Mask | undefined;
  /** Why no mechanism could be used, where that is what went wrong. */
  readonly whyNone?: string | undefined;
}

/** What to report of an error, and what to exit with. Any value is taken. */
export function describeError(
  error: unknown,
  context: ReportContext = {},
): { readonly exitCode: ExitCode; readonly report: ErrorReport } {
  const { mask = (text) => text } = context;
  if (error instanceof CommandError) {
    const { kind, code, message } = error;
    return { exitCode: exitCodeOf[kind], report: { kind, code, text: oneLine(mask(message)) } };
  }
  if (isSASLError(error)) {
    const { kind, code, message } = error;
    const why = code === "no-common-mechanism" ? context.whyNone : undefined;
    const advice = why === undefined ? adviceFor(error, context) : undefined;
    const text = oneLine(mask(inWords([why ?? message, advice].filter(Boolean).join("; "))));
    const peer = peerLine(error.opaqueError, error.text, mask);
    return { exitCode: exitCodeFor(kind, code), report: { kind, code, text, ...(peer && { peer }) } };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : "an unknown error";
  return { exitCode: exitCodes.failed, report: { kind: "InternalError", code: "internal", text: oneLine(mask(text)) } };
}

const exitCodeOf: Readonly<Record<CommandErrorKind, ExitCode>> = {
  UsageError: exitCodes.usage,
  ConnectionError: exitCodes.unreachable,
  StoreError: exitCodes.failed,
};

function exitCodeFor(kind: "AuthenticationFailure" | "SASLFailure", code: SASLErrorCode): ExitCode {
  if (kind === "AuthenticationFailure") return exitCodes.refused;
  return code === "connection-lost" || code === "timed-out" ? exitCodes.unreachable : exitCodes.failed;
}

/** The peer's own words: a line of IMAP or SMTP, or the condition of an XMPP failure. */
function peerLine(opaque: unknown, text: string | undefined, mask: Mask): string | undefined {
  const said = peerWords(opaque) ?? (text === undefined ? [] : [text]);
  if (typeof opaque === "object" && !Array.isArray(opaque) && text !== undefined) said.push(text);
  return said.length === 0 ? undefined : oneLine(mask([...new Set(said)].join(" ")));
}

function peerWords(opaque: unknown): string[] | undefined {
  if (typeof opaque === "string") return [opaque];
  if (Array.isArray(opaque)) return opaque.every((line) => typeof line === "string") ? [...opaque] : undefined;
  if (typeof opaque !== "object" || opaque === null) return undefined;
  const { condition, lines, line, reply, status, scope } = opaque as Readonly<Record<string, unknown>>;
  return [condition, lines, line, reply, status, scope]
    .flat()
    .filter((part) => typeof part === "string" || typeof part === "number")
    .map(String);
}

const MAX_LINE_CHARACTERS = 1000;

/** A text on one line that a terminal does nothing with but show it. */
export function oneLine(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ").trim();
  return flat.length > MAX_LINE_CHARACTERS ? `${flat.slice(0, MAX_LINE_CHARACTERS)} …` : flat;
}
