/**
 * The command as a function: arguments in, exit code out.
 *
 * @module
 */
import { type Command, CommanderError } from "commander";
import { CommandFailure } from "./commands/facts.js";
import { CommandError, describeError, type ErrorReport, type ExitCode, exitCodes } from "./errors.js";
import type { Mask } from "./masking.js";
import { type Io, printError, printJson } from "./output.js";
import { makeProgram } from "./program.js";
import { maskArguments } from "./url-secrets.js";

/**
 * Runs the `sasl` command.
 *
 * @param argv what follows the command's name.
 * @returns what to exit with. Never rejects: every error is printed, as one line, and with `--json` as an object too.
 */
export async function main(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = makeProgram(io, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done; // help and version
    return tell(error, argv, io, commandIn(argv, program));
  }
}

/** Tells of a run of `main` that waits for something that cannot come any more, as of a plug-in that never answers. */
export function unfinished(argv: readonly string[], io: Io): ExitCode {
  const error = new CommandError("store-failed", "what the command waits for never comes: look at its plug-ins");
  return tell(
    error,
    argv,
    io,
    commandIn(
      argv,
      makeProgram(io, () => {}),
    ),
  );
}

/** Tells on standard error that standard output cannot be written. @param error what a call of the system threw. */
export function unwritable(argv: readonly string[], io: Io, { code = "" }: NodeJS.ErrnoException): void {
  const why = code === "ENOSPC" ? "no space is left" : code || "unknown error";
  const report = { kind: "InternalError", code: "internal", text: `cannot write to standard output: ${why}` } as const;
  printError(
    io,
    commandIn(
      argv,
      makeProgram(io, () => {}),
    ),
    report,
  );
}

function tell(error: unknown, argv: readonly string[], io: Io, command: string): ExitCode {
  // Whatever it is that went wrong: a URL may stand in any place.
  const { exitCode, report, facts } = explain(error, command, maskArguments(argv));
  if (argv.includes("--json")) printJson(io, { ok: false, error: report, ...facts });
  printError(io, command, report);
  return exitCode;
}

/** The command that the arguments begin with, and its own command, as far as they are known: `sasl user add`. */
function commandIn(argv: readonly string[], program: Command): string {
  const words = [program.name()];
  let at: Command | undefined = program;
  for (const word of argv.slice(0, 2)) {
    at = at?.commands.find((each) => each.name() === word);
    if (at !== undefined) words.push(word);
  }
  return words.join(" ");
}

interface Explanation {
  readonly exitCode: ExitCode;
  readonly report: ErrorReport;
  readonly facts?: Readonly<Record<string, unknown>>;
}

function explain(error: unknown, command: string, mask: Mask): Explanation {
  if (error instanceof CommandFailure) {
    const { exitCode, report, facts } = error;
    const { text, peer } = report;
    const words = { text: mask(text), ...(peer !== undefined && { peer: mask(peer) }) };
    return { exitCode, report: { ...report, ...words }, facts: masked(facts, mask) };
  }
  if (!(error instanceof CommanderError)) return describeError(error, { mask });
  const text = usageText(error.code, mask(error.message), command);
  return { exitCode: exitCodes.usage, report: { kind: "UsageError", code: "usage", text } };
}

/** Every text in a value without what is secret in it. */
function masked<T>(value: T, mask: Mask): T {
  if (typeof value === "string") return mask(value) as T;
  if (Array.isArray(value)) return value.map((each) => masked(each, mask)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, masked(each, mask)])) as T;
}

function usageText(code: string, message: string, command: string): string {
  if (code === "commander.help") return `which command? ${command} --help lists them`;
  const text = message
    .replace(/^error: /, "")
    // What was given for an option that does not exist may be a secret.
    .replace(/(unknown option '[^'=]*)=.*?'/s, "$1'")
    .replace(/\s+/g, " ");
  if (/^unknown option '--?(totp|otp|code|fast-token)'/.test(text)) {
    return "secrets are no arguments, as everybody could read them there; use --totp-file or --fast-token-file";
  }
  if (/^unknown option '--?(p|pass|passw|password|passwd|token)'/.test(text)) {
    return "secrets are no arguments, as everybody could read them there; use --password-file, --password-stdin or --token-file";
  }
  return [text.replace(/[.;]$/, ""), ...adviceOn(text, command), `see ${command} --help`].join("; ");
}

/** For a URL where a command should be. */
function adviceOn(text: string, command: string): string[] {
  if (!/^unknown command '[a-z][a-z0-9+.-]*:/i.test(text)) return [];
  return [command === "sasl" ? "a URL goes behind a command: sasl login URL" : "accounts are named by --store URL"];
}
