/**
 * What `login` and `probe` know while they go on, so that a failure can tell it too.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Offer, Progress } from "../client/session.js";
import { tlsReport } from "../client/session.js";
import { CommandError, describeError, type ErrorReport, type ExitCode } from "../errors.js";
import { withoutSecrets } from "../output.js";

/** A command that failed: what to print and what to exit with. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: ExitCode;
  readonly report: ErrorReport;
  /** Further fields of the JSON object. */
  readonly facts: Readonly<Record<string, unknown>>;

  /** @param secrets what must not be printed even if the peer says it. */
  constructor(error: unknown, facts: Readonly<Record<string, unknown>>, secrets: readonly string[] = []) {
    const { exitCode, report } = describeError(error);
    super(report.text);
    this.exitCode = exitCode;
    const { text, peer } = report;
    this.report = {
      ...report,
      text: withoutSecrets(text, secrets),
      ...(peer !== undefined && { peer: withoutSecrets(peer, secrets) }),
    };
    this.facts = facts;
  }
}

/** Follows a connection on its way. */
export class Follower implements Progress {
  readonly started: number = performance.now();
  socket: Socket | undefined;
  /** As the server says, most recently: what it says before TLS does not count after it. */
  offer: Offer | undefined;
  before: Offer | undefined;
  stage = "connecting";
  #tls: ReturnType<typeof tlsReport> = null;

  onSocket(socket: Socket): void {
    this.socket = socket;
    this.#tls = tlsReport(socket) ?? this.#tls;
    this.stage = "waiting for the server's greeting";
  }

  onOffer(offer: Offer, secured: boolean): void {
    if (!secured) this.before = offer;
    this.offer = offer;
    this.stage = "logging in";
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
    onAbort = () => reject(tooLate(seconds, follower.stage));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  late.catch(() => {});
  try {
    return await Promise.race([late, work()]);
  } catch (error) {
    throw signal.aborted ? tooLate(seconds, follower.stage) : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function tooLate(seconds: number, stage: string): CommandError {
  return new CommandError("timed-out", `not done within ${seconds} s, while ${stage}; --timeout gives it longer`);
}
