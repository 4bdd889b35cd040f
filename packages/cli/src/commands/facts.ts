/**
 * What `login` and `probe` know while they go on, so that a failure can tell it too.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Offer, Progress } from "../client/session.js";
import { tlsReport } from "../client/session.js";
import { CommandError, describeError, type ErrorReport, type ExitCode, type ReportContext } from "../errors.js";

/** A command that failed: what to print and what to exit with. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: ExitCode;
  readonly report: ErrorReport;
  /** Further fields of the JSON object. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(error: unknown, facts: Readonly<Record<string, unknown>>, context?: ReportContext) {
    const { exitCode, report } = describeError(error, context);
    super(report.text);
    this.exitCode = exitCode;
    this.report = report;
    this.facts = facts;
  }
}

/** Follows a connection on its way. */
export class Follower implements Progress {
  readonly started: number = performance.now();
  socket: Socket | undefined;
  /** What counts for a login: what is said before STARTTLS anybody may have written. */
  offer: Offer | undefined;
  before: Offer | undefined;
  stage = "beginning";
  /** What may be wrong if nothing comes of the stage. */
  hint: string | undefined;
  #tls: ReturnType<typeof tlsReport> = null;

  onStage(stage: string, hint?: string): void {
    this.stage = stage;
    this.hint = hint;
  }

  onSocket(socket: Socket): void {
    this.socket = socket;
    this.#tls = tlsReport(socket) ?? this.#tls;
  }

  onOffer(offer: Offer, final: boolean): void {
    if (final) this.offer = offer;
    else this.before = offer;
  }

  get tls(): ReturnType<typeof tlsReport> {
    return this.#tls;
  }

  get elapsedMs(): number {
    return Math.round(performance.now() - this.started);
  }

  /** Ends the connection for good. */
  destroy(): void {
    this.socket?.on("error", () => {});
    this.socket?.destroy();
  }
}

/**
 * Runs something that may take until the signal says otherwise.
 *
 * @throws {CommandError} `timed-out`, whatever the work made of the signal.
 */
export async function within<T>(
  signal: AbortSignal,
  seconds: number,
  follower: Follower,
  work: () => Promise<T>,
): Promise<T> {
  let onAbort: () => void = () => {};
  const late = new Promise<never>((_, reject) => {
    onAbort = () => reject(tooLate(seconds, follower));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  late.catch(() => {});
  try {
    return await Promise.race([late, work()]);
  } catch (error) {
    throw signal.aborted ? tooLate(seconds, follower) : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function tooLate(seconds: number, { stage, hint }: Follower): CommandError {
  const advice = [hint, "--timeout gives it longer"].filter(Boolean).join("; ");
  return new CommandError("timed-out", `not done within ${seconds} s, while ${stage}; ${advice}`);
}
