/**
 * What can end a command, as exit code, one line for people and an object for scripts.
 *
 * @module
 */
import { isSASLError, type SASLErrorCode, type Skipped } from "sasl-core";

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
  | "address-in-use";

const usageCodes: ReadonlySet<CommandErrorCode> = new Set<CommandErrorCode>([
  "usage",
  "malformed-url",
  "unreadable-file",
  "malformed-file",
]);

/** An error of the command itself. Its message is one line, says what to do, and holds no secret. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get kind(): "UsageError" | "ConnectionError" {
    return usageCodes.has(this.code) ? "UsageError" : "ConnectionError";
  }
}

/** Wrong usage: exit 64. */
export function usageError(message: string): CommandError {
  return new CommandError("usage", message);
}

/** An error as scripts see it, in `error` of the JSON object. */
export interface ErrorReport {
  readonly kind: "AuthenticationFailure" | "SASLFailure" | "ConnectionError" | "UsageError" | "InternalError";
  readonly code: string;
  /** One line for people. */
  readonly text: string;
  /** What the peer said, as one line; left out when it said nothing. */
  readonly peer?: string;
}

/** What to report of an error, and what to exit with. Any value is taken. */
export function describeError(error: unknown): { readonly exitCode: ExitCode; readonly report: ErrorReport } {
  if (error instanceof CommandError) {
    const { kind, code, message } = error;
    const exitCode = kind === "UsageError" ? exitCodes.usage : exitCodes.unreachable;
    return { exitCode, report: { kind, code, text: oneLine(message) } };
  }
  if (isSASLError(error)) {
    const { kind, code, message } = error;
    const what = code === "no-common-mechanism" ? noneAcceptable(error, message) : message;
    const advice = adviceFor(code, message);
    const text = oneLine(advice ? `${what}; ${advice}` : what);
    const peer = peerLine(error.opaqueError, error.text);
    return { exitCode: exitCodeFor(kind, code), report: { kind, code, text, ...(peer && { peer }) } };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : "an unknown error";
  return { exitCode: exitCodes.failed, report: { kind: "InternalError", code: "internal", text: oneLine(text) } };
}

/** The reasons with the mechanisms they are for: the error has them the other way round, which takes many words. */
function noneAcceptable(error: object, message: string): string {
  const skipped: unknown = Reflect.get(error, "skipped");
  if (!Array.isArray(skipped) || skipped.length === 0) return message;
  const byReason = new Map<string, string[]>();
  for (const { mechanism, reason } of skipped as readonly Skipped[]) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), mechanism]);
  }
  const reasons = [...byReason].map(([reason, names]) => `${names.join(", ")}: ${reason}`);
  return `nothing that the server offers is acceptable (${reasons.join("; ")})`;
}

function exitCodeFor(kind: "AuthenticationFailure" | "SASLFailure", code: SASLErrorCode): ExitCode {
  if (kind === "AuthenticationFailure") return exitCodes.refused;
  return code === "connection-lost" || code === "timed-out" ? exitCodes.unreachable : exitCodes.failed;
}

/** What to do about it. */
const advice: { readonly [C in SASLErrorCode]?: string } = {
  refused: "check the user name and the password or token",
  "authorization-refused": "check --authzid, or ask for the right to act as that identity",
  "credentials-expired": "renew them",
  "peer-not-verified": "do not trust this connection; nothing more was sent",
  "connection-lost": "see the server's log",
  "timed-out": "--timeout gives it longer",
  temporary: "try again later",
  "limit-exceeded": "try again later, or see the server's log",
};

function adviceFor(code: SASLErrorCode, message: string): string | undefined {
  if (code === "no-common-mechanism" && message.includes("needs an encrypted channel")) {
    return "use TLS, or --allow-plaintext on a network nobody else can read";
  }
  if (code === "limit-exceeded" && message.includes("iteration")) return "--iterations sets the bounds";
  if (code === "channel-not-protected" && message.includes("offer STARTTLS")) {
    return "use the scheme with direct TLS, or --tls none on a network nobody else can read";
  }
  return advice[code];
}

/** The peer's own words: a line of IMAP or SMTP, or the condition of an XMPP failure. */
function peerLine(opaque: unknown, text: string | undefined): string | undefined {
  if (typeof opaque === "string") return oneLine(opaque);
  if (Array.isArray(opaque) && opaque.every((line) => typeof line === "string")) return oneLine(opaque.join(" "));
  if (typeof opaque === "object" && opaque !== null) {
    const { condition, lines, line, reply, status, scope } = opaque as Readonly<Record<string, unknown>>;
    const said = [condition, lines, line, reply, status, scope]
      .flat()
      .filter((part) => typeof part === "string" || typeof part === "number");
    if (text !== undefined) said.push(text);
    if (said.length > 0) return oneLine([...new Set(said)].join(" "));
  }
  return text === undefined ? undefined : oneLine(text);
}

const MAX_LINE_CHARACTERS = 1000;

/** A text on one line that a terminal does nothing with but show it. */
export function oneLine(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ").trim();
  return flat.length > MAX_LINE_CHARACTERS ? `${flat.slice(0, MAX_LINE_CHARACTERS)} …` : flat;
}
