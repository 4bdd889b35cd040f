/**
 * What the suites have in common: a list of named checks, and the run of all of them.
 *
 * @module
 */

/** One thing that must hold. */
export interface Check {
  /** What must hold, with the number of the requirement where there is one; fit for the name of a test. */
  readonly name: string;
  /** Rejects with a {@link ComplianceFailure} when it does not hold. */
  run(): Promise<void>;
}

/** What held. */
export interface ComplianceReport {
  /** What was checked: `mechanism X-TWO-WAY`. */
  readonly subject: string;
  /** Names of the checks, in order. */
  readonly checks: readonly string[];
  /** What the random part began with; the same seed repeats the same run. */
  readonly seed: number;
}

/** Thrown for what does not hold. Its message names each check that failed, and the seed. */
export class ComplianceFailure extends Error {
  override readonly name = "ComplianceFailure";
}

/**
 * Runs checks one after the other, all of them, and then says what failed.
 *
 * @throws {ComplianceFailure} with all that failed; the first error is its `cause`.
 */
export async function runChecks(subject: string, checks: readonly Check[], seed: number): Promise<ComplianceReport> {
  const failed: string[] = [];
  let cause: unknown;
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      cause ??= error;
      failed.push(`- ${name}: ${messageOf(error)}`);
    }
  }
  if (failed.length === 0) return { subject, checks: checks.map(({ name }) => name), seed };
  const count = `${failed.length} of ${checks.length} checks failed (seed ${seed})`;
  throw new ComplianceFailure(`${subject}: ${count}\n${failed.join("\n")}`, { cause });
}

/** @throws {ComplianceFailure} unless it holds. */
export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ComplianceFailure(what);
}

/** What is thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error
    ? `${error.name === "ComplianceFailure" ? "" : `${error.name}: `}${error.message}`
    : "something that is no error";
}

/**
 * Settles as a promise does, or rejects when that takes too long: no check waits for ever (R-LIM-05).
 *
 * @param timeoutMs at least 1.
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ComplianceFailure(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
