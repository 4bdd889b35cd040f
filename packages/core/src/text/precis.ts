/**
 * PRECIS: what names and passwords can be prepared with instead of SASLprep. Source: RFC 8265 on RFC 8264.
 *
 * A store keeps to one profile for names and one for passwords; a name prepared with SASLprep and the same name prepared
 * here may differ (RFC 8265 §6). Unlike SASLprep this follows the platform's version of Unicode.
 *
 * @module
 */
import { SASLFailure } from "../errors.js";
import { isWellFormed } from "../internal/text.js";
import { rulesUnavailable } from "./unavailable.js";

/** For names without and with regard to case (RFC 8265 §3.3, §3.4), and for passwords (§4.2). */
export type PrecisProfile = "UsernameCaseMapped" | "UsernameCasePreserved" | "OpaqueString";

/**
 * A name or password after enforcement of a profile. Printable ASCII is done at once; other text makes the rules load
 * first (4 kB). `await` the result always.
 *
 * @param text untrusted, any length: bound it before. For the two profiles of names one userpart: a name of several
 *   parts with spaces between them (RFC 8265 §3.1) is split by the caller.
 * @returns a text of at least one character.
 * @throws {SASLFailure} `incorrect-encoding` when the text holds a lone surrogate; `malformed-message` when the profile
 *   does not allow it, or nothing is left; `temporary` when the rules cannot be loaded. Thrown or in the promise, alike
 *   for `await`.
 */
export function enforcePrecis(text: string, profile: PrecisProfile): string | Promise<string> {
  // RFC 8264 §9.11: ASCII7 without the space is valid in both classes and changed by nothing but case mapping.
  const ascii = profile === "OpaqueString" ? /^[ -~]+$/ : /^[!-~]+$/;
  if (ascii.test(text)) return profile === "UsernameCaseMapped" ? text.toLowerCase() : text;
  if (!isWellFormed(text)) throw new SASLFailure("incorrect-encoding", "Text holds a lone surrogate");
  return import("./precis-rules.js").then(({ enforce }) => {
    const enforced = enforce(text, profile);
    if (enforced === undefined) throw new SASLFailure("malformed-message", `${profile} does not allow this text`);
    return enforced;
  }, rulesUnavailable);
}
