/**
 * The rules of PRECIS: two classes of strings, three profiles of them, contextual rules, direction. Source: RFC 8264,
 * RFC 8265, RFC 5892 appendix A, RFC 5893 §2.
 *
 * Loaded with the first text beyond printable ASCII; `precis.ts` is the door to it.
 *
 * @module
 */
import { sortLongRows } from "./canonical-order.js";
import type { PrecisProfile } from "./precis.js";
import {
  arabicNumber,
  europeanNumber,
  joinsNext,
  joinsPrevious,
  neutral,
  right,
  spacingMark,
  virama,
} from "./precis-tables.js";

/** RFC 8264 §9.6, Exceptions. */
const valid: RegExp = /[\u00df\u03c2\u06fd\u06fe\u0f0b\u3007]/u;
const contextual: RegExp = /[\u00b7\u0375\u05f3\u05f4\u30fb\u0660-\u0669\u06f0-\u06f9\u200c\u200d]/u;
const invalid: RegExp = /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/u;
/** RFC 8264 §8: Unassigned, OldHangulJamo, PrecisIgnorableProperties, Controls; and all that is in no category below. */
const never: RegExp = /[\p{Cn}\p{Cc}\p{DI}\p{NChar}\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]/u;
const letterDigits: RegExp = /[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]/u;
/** RFC 8264 §4.3: OtherLetterDigits, Spaces, Symbols, Punctuation. */
const freeform: RegExp = /[\p{Lt}\p{Nl}\p{No}\p{Me}\p{Zs}\p{S}\p{P}]/u;

const transparent = "[\\p{Mn}\\p{Me}\\u{1e94b}]";
/** RFC 5892 appendix A.1 to A.6: a contextual character where it may stand. */
const inContext: RegExp = new RegExp(
  [
    `(?<=[${virama}])[\\u200c\\u200d]`,
    `(?<=[${joinsNext}]${transparent}*)\\u200c(?=${transparent}*[${joinsPrevious}])`,
    "(?<=l)\\u00b7(?=l)",
    "\\u0375(?=\\p{Script=Greek})",
    "(?<=\\p{Script=Hebrew})[\\u05f3\\u05f4]",
  ].join("|"),
  "gu",
);

const rightToLeft: RegExp = new RegExp(`[${right}${arabicNumber}]`, "u");
const nonSpacingMark = `(?![${spacingMark}])\\p{Mn}`;
/** RFC 5893 §2 rules 1 to 3 for a label that is right to left. */
const rightToLeftLabel: RegExp = new RegExp(
  `^[${right}](?:[${right}${arabicNumber}${europeanNumber}${neutral}]|${nonSpacingMark})*$`,
  "u",
);
const rightToLeftEnd: RegExp = new RegExp(`[${right}${arabicNumber}${europeanNumber}](?:${nonSpacingMark})*$`, "u");
const hasArabicNumber: RegExp = new RegExp(`[${arabicNumber}]`, "u");
const hasEuropeanNumber: RegExp = new RegExp(`[${europeanNumber}]`, "u");

/**
 * A text after enforcement of a profile. Source: RFC 8265 §3.3.2, §3.4.2, §4.2.2.
 *
 * @param text well-formed, any length.
 * @returns `undefined` where the profile refuses.
 */
export function enforce(text: string, profile: PrecisProfile): string | undefined {
  let before = text;
  // RFC 8264 §7: what is not stable after three more rounds is refused.
  for (let round = 0; round < 4; round++) {
    const after =
      profile === "OpaqueString" ? opaqueString(before) : username(before, profile === "UsernameCaseMapped");
    if (after === undefined || after === before) return after;
    before = after;
  }
  return undefined;
}

function username(text: string, caseMapped: boolean): string | undefined {
  // RFC 8265 §3.3.1 item 1. Where NFKC does more than the width mapping, neither result is in the class.
  const narrow = text.replace(/[\u3000\uff01-\uffee]/g, (character) => character.normalize("NFKC"));
  if (!isOf(narrow, false)) return undefined;
  const mapped = nfc(caseMapped ? narrow.toLowerCase() : narrow);
  return mapped !== "" && isOf(mapped, false) && followsBidiRule(mapped) ? mapped : undefined;
}

function opaqueString(text: string): string | undefined {
  if (!isOf(text, true)) return undefined;
  // RFC 8265 §4.2.2 item 2: spaces beyond ASCII.
  const mapped = nfc(text.replace(/\p{Zs}/gu, " "));
  return mapped !== "" && isOf(mapped, true) ? mapped : undefined;
}

function nfc(text: string): string {
  return sortLongRows(text, "NFD").normalize("NFC");
}

/** RFC 8264 §4.2 IdentifierClass or §4.3 FreeformClass. */
function isOf(text: string, free: boolean): boolean {
  for (const character of new Set(text)) if (!isCharacterOf(character, free)) return false;
  return !contextual.test(text) || standsInContext(text);
}

/** RFC 8264 §8, in its order. */
function isCharacterOf(character: string, free: boolean): boolean {
  if (valid.test(character) || contextual.test(character)) return true;
  if (invalid.test(character)) return false;
  if (/[!-~]/.test(character)) return true;
  if (never.test(character)) return false;
  if (character.normalize("NFKC") !== character) return free;
  return letterDigits.test(character) || (free && freeform.test(character));
}

/** RFC 5892 appendix A. */
function standsInContext(text: string): boolean {
  if (/[\u00b7\u0375\u05f3\u05f4\u200c\u200d]/.test(text.replace(inContext, ""))) return false;
  // A.7
  if (text.includes("\u30fb") && !/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(text)) return false;
  // A.8, A.9
  return !(/[\u0660-\u0669]/.test(text) && /[\u06f0-\u06f9]/.test(text));
}

/** RFC 5893 §2, asked only where a character is right to left; a label that starts left to right then fails rule 5. */
function followsBidiRule(text: string): boolean {
  if (!rightToLeft.test(text)) return true;
  if (!rightToLeftLabel.test(text) || !rightToLeftEnd.test(text)) return false;
  return !(hasArabicNumber.test(text) && hasEuropeanNumber.test(text));
}
