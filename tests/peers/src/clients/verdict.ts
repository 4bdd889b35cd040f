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

/**
 * A verdict from tests on what a program left behind; none true means that something else broke.
 *
 * @param impossible whether the client found nothing acceptable among what was offered
 */
export function verdict(finished: Finished, accepted: boolean, refused: boolean, impossible = false): Verdict {
  const detail = lastWords(finished);
  if (finished.timedOut) return { outcome: "broken", detail };
  if (accepted) return { outcome: "accepted", detail };
  if (impossible) return { outcome: "impossible", detail };
  return { outcome: refused ? "refused" : "broken", detail };
}
