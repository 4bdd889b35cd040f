/**
 * What a client of ANONYMOUS may say about itself: its form and the "trace" profile. Source: RFC 4505 §2, §3.
 *
 * @module
 */
import { SASLFailure } from "../errors.js";
import { isWellFormed } from "../internal/text.js";
import type { OutputRefusal } from "./stringprep.js";
import { rulesUnavailable } from "./unavailable.js";

/** The most characters of a trace that is no e-mail address: code points, not octets. */
const MAX_TOKEN_CHARACTERS = 255;

/** RFC 2822 §3.4.1 addr-spec without comments, folding and white space, as RFC 4505 §2 asks; and nothing obsolete. */
const addrSpec: RegExp = /* @__PURE__ */ (() => {
  const dotAtom = "[\\w!#$%&'*+/=?^`{|}~-]+(?:\\.[\\w!#$%&'*+/=?^`{|}~-]+)*";
  const quotedPair = "\\\\[ -~]";
  return new RegExp(
    `^(?:${dotAtom}|"(?:[!#-[\\]-~]|${quotedPair})*")@(?:${dotAtom}|\\[(?:[!-Z^-~]|${quotedPair})*\\])$`,
  );
})();

/**
 * Whether a text has the form of trace information: empty, an e-mail address, or 1 to 255 characters without "@".
 * Says nothing about the characters; {@link checkTrace} does.
 *
 * @param text untrusted, any length.
 */
export function isTrace(text: string): boolean {
  if (text.includes("@")) return addrSpec.test(text);
  // A code point is at most two units, so that a long text is never walked through.
  return text.length <= 2 * MAX_TOKEN_CHARACTERS && [...text].length <= MAX_TOKEN_CHARACTERS;
}

/**
 * Refuses what is no trace information: by its form ({@link isTrace}) or by the "trace" profile of stringprep. Printable
 * ASCII is judged at once, other text after the tables have been loaded; `await` the result always.
 *
 * @param text untrusted, any length; empty is good.
 * @throws {SASLFailure} `incorrect-encoding` when the text holds a lone surrogate; `malformed-message` when it is refused;
 *   `temporary` when the tables cannot be loaded. Thrown or in the promise, alike for `await`.
 */
export function checkTrace(text: string): void | Promise<void> {
  if (!isWellFormed(text)) throw new SASLFailure("incorrect-encoding", "Text holds a lone surrogate");
  if (!isTrace(text)) refuse("neither an e-mail address nor 1 to 255 characters without @");
  // RFC 4505 §3: none of these is in a table.
  if (/^[ -~]*$/.test(text)) return;
  return import("./stringprep.js").then(({ refuseTrace }) => {
    const reason = refuseTrace(text);
    if (reason !== undefined) refuse(reasons[reason]);
  }, rulesUnavailable);
}

const reasons: Readonly<Record<OutputRefusal, string>> = {
  prohibited: "has a prohibited character",
  bidirectional: "mixes right-to-left and other characters",
};

function refuse(why: string): never {
  throw new SASLFailure("malformed-message", `Trace information is refused: ${why}`);
}
