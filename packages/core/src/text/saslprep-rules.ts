/**
 * SASLprep for text beyond printable ASCII, with what it refuses put into words. Loaded by `saslprep.ts` when needed.
 *
 * @module
 */
import type { SASLFailure } from "../errors.js";
import { prepareSASLprep, type Refusal } from "./stringprep.js";

const reasons: Readonly<Record<Refusal, string>> = {
  prohibited: "SASLprep prohibits a character of this text",
  unassigned: "Text to be stored has a character that Unicode 3.2 does not assign",
  bidirectional: "SASLprep refuses this mix of right-to-left and other characters",
};

/**
 * What `saslprep` promises, at once.
 *
 * @param Failure the class to throw; handed over, so that what is loaded at the start need not be cut in two to share it.
 */
export function saslprepRules(text: string, usage: "stored" | "query", Failure: typeof SASLFailure): string {
  if (!text.isWellFormed()) throw new Failure("incorrect-encoding", "Text holds a lone surrogate");
  const prepared = prepareSASLprep(text, usage);
  if ("refused" in prepared) throw new Failure("malformed-message", reasons[prepared.refused]);
  // RFC 4616 §2, RFC 5802 §5.1: a name or password that preparation empties fails.
  if (prepared.text === "") throw new Failure("malformed-message", "Nothing is left of the text after SASLprep");
  return prepared.text;
}
