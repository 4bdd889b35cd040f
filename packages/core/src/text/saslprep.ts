/**
 * SASLprep: the one form of a user name or password that is compared, hashed and stored. Source: RFC 4013, on the
 * Unicode 3.2 of RFC 3454.
 *
 * @module
 */
import { SASLFailure } from "../errors.js";
import { rulesUnavailable } from "./unavailable.js";

/**
 * What the text is for. Source: RFC 3454 §7. "stored": it goes into a store, where code points that Unicode 3.2 does not
 * assign are refused. "query": it is compared with what is stored, and keeps them.
 */
export type SASLprepUsage = "stored" | "query";

/** Loaded once and then kept: code without state, and `import()` alone would cost more than the preparation. */
let rules: typeof import("./saslprep-rules.js").saslprepRules | undefined;

/**
 * A user name or password after SASLprep. Printable ASCII comes back at once and as it is; other text makes the tables
 * load first (2 kB), so the first such call gives a promise. `await` the result always.
 *
 * @param text untrusted, any length: bound it before. The result can be up to 18 times as long.
 * @returns a text of at least one character, made of assigned characters when `usage` is "stored".
 * @throws {SASLFailure} `incorrect-encoding` when the text holds a lone surrogate; `malformed-message` when it holds a
 *   prohibited or, as "stored", an unassigned character, mixes directions, or has nothing left after mapping;
 *   `temporary` when the tables cannot be loaded. Thrown or in the promise, alike for `await`.
 */
export function saslprep(text: string, usage: SASLprepUsage): string | Promise<string> {
  // RFC 4013 §2: printable ASCII maps to itself, is normalized, allowed, assigned and has no right-to-left character.
  if (/^[ -~]+$/.test(text)) return text;
  if (rules) return rules(text, usage, SASLFailure);
  return import("./saslprep-rules.js").then(({ saslprepRules }) => {
    rules = saslprepRules;
    return saslprep(text, usage);
  }, rulesUnavailable);
}
