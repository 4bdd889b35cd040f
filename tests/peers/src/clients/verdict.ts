/**
 * How the output of a client program becomes a verdict.
 *
 * @module
 */
import type { Finished } from "../children.js";
import type { Verdict } from "../types.js";

/** The last words of a program, on one line, for the report of a failure. */
export function lastWords({ exit, stdout, stderr, timedOut }: Finished): string {
  const words = `${stdout}\n${stderr}`.replace(/\s+/g, " ").trim();
  return `${timedOut ? "timed out" : `exit ${exit}`}: ${words.slice(-400)}`;
}

/** A verdict from two tests on what a program left behind; neither true means that something else broke. */
export function verdict(finished: Finished, accepted: boolean, refused: boolean): Verdict {
  const detail = lastWords(finished);
  if (finished.timedOut) return { outcome: "broken", detail };
  if (accepted) return { outcome: "accepted", detail };
  return { outcome: refused ? "refused" : "broken", detail };
}
