/**
 * The report: a line for each attempt as it ends, each thing that was left out, and the totals.
 *
 * @module
 */
import type { Attempt } from "./types.js";

/** Counts and prints. */
export class Report {
  readonly #print: (line: string) => void;
  readonly #require: boolean;
  readonly #failures: string[] = [];
  readonly #skips: string[] = [];
  #passed = 0;

  /** @param require whether a missing peer is a failure instead of a skip */
  constructor(require: boolean, print: (line: string) => void = (line) => process.stdout.write(`${line}\n`)) {
    this.#require = require;
    this.#print = print;
  }

  /** A line that counts for nothing. */
  note(line: string): void {
    this.#print(line);
  }

  /** An attempt ended as it must. */
  pass(name: string): void {
    this.#passed += 1;
    this.#print(`ok    ${name}`);
  }

  /** An attempt ended otherwise. */
  fail(name: string, why: string): void {
    this.#failures.push(name);
    this.#print(`FAIL  ${name}\n${why.replace(/^/gm, "      ")}`);
  }

  /** A peer that is not there: loud, and a failure where peers are required. */
  missing(what: string, why: string): void {
    if (this.#require) {
      this.fail(what, `missing, and --require was given: ${why}`);
      return;
    }
    this.#skips.push(`${what}: ${why}`);
    this.#print(`SKIP  ${what}: ${why}`);
  }

  /** Print the totals, the last line being `N passed, N failed`. @returns the exit status: 0 when nothing failed and something passed. */
  finish(): 0 | 1 {
    if (this.#failures.length > 0) this.#print(`\nfailed:\n${this.#failures.map((each) => `  ${each}`).join("\n")}`);
    if (this.#skips.length > 0) {
      this.#print(`\n${this.#skips.length} skipped, with every attempt that needs them:`);
      for (const each of this.#skips) this.#print(`  ${each}`);
    }
    this.#print(`\n${this.#passed} passed, ${this.#failures.length} failed`);
    return this.#failures.length === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/** Run attempts, at most `width` at a time, and report each as it ends; once `stopped`, begin and report no more. */
export async function runAttempts(
  attempts: readonly Attempt[],
  width: number,
  report: Report,
  stopped: () => boolean,
): Promise<void> {
  const queue = attempts.values();
  const worker = async (): Promise<void> => {
    for (const attempt of queue) {
      if (stopped()) return;
      try {
        const outcome = await attempt.run();
        if (stopped()) return;
        if (outcome.passed) report.pass(attempt.name);
        else report.fail(attempt.name, outcome.why);
      } catch (error) {
        report.fail(attempt.name, String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
