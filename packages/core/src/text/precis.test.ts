import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadVectors } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { enforcePrecis, type PrecisProfile } from "./precis.js";
import { enforce as enforceRules } from "./precis-rules.js";

const profiles: readonly PrecisProfile[] = ["UsernameCaseMapped", "UsernameCasePreserved", "OpaqueString"];
/** Enforcement as a promise, however it throws. */
const enforce = async (text: string, profile: PrecisProfile): Promise<string> => enforcePrecis(text, profile);
const failure = (code: SASLErrorCode) => expect.objectContaining({ kind: "SASLFailure", code });

interface Inputs {
  readonly profile: PrecisProfile;
  readonly string: string;
}

describe("precis.json", () => {
  for (const { id, inputs, result } of loadVectors<Inputs, { readonly output?: string }>("precis")) {
    test(`R-PREP-07 ${id}`, async () => {
      if (result.output !== undefined) expect(await enforce(inputs.string, inputs.profile)).toBe(result.output);
      else await expect(enforce(inputs.string, inputs.profile)).rejects.toEqual(failure("malformed-message"));
    });
  }
});

/** `undefined` where the profile refuses. */
const rows: readonly [why: string, text: string, profile: PrecisProfile, output: string | undefined][] = [
  ["printable ASCII, in lower case", "J.Doe+x@Example", "UsernameCaseMapped", "j.doe+x@example"],
  ["a final sigma", "\u039f\u0394\u039f\u03a3", "UsernameCaseMapped", "\u03bf\u03b4\u03bf\u03c2"],
  ["a letter whose lower case has two", "\u0130", "UsernameCaseMapped", "i\u0307"],
  ["the Kelvin sign, which is compatibility before it is lower case", "\u212a", "UsernameCaseMapped", undefined],
  ["a halfwidth voiced Katakana letter", "\uff76\uff9e", "UsernameCasePreserved", "\u30ac"],
  ["an ideographic space, which is narrowed to a space", "a\u3000b", "UsernameCasePreserved", undefined],
  ["an ideographic space in a password", "a\u3000b", "OpaqueString", "a b"],
  ["a halfwidth Hangul filler", "\uffa0", "UsernameCasePreserved", undefined],
  ["a conjoining jamo", "\u1100\u1161", "UsernameCasePreserved", undefined],
  ["a conjoining jamo in a password", "\u1100\u1161", "OpaqueString", undefined],
  ["an exception that is valid", "\u3007", "UsernameCasePreserved", "\u3007"],
  ["an exception that is not, even in a password", "\u0640", "OpaqueString", undefined],
  ["a titlecase letter", "\u1f88", "UsernameCasePreserved", undefined],
  ["an enclosing mark in a password", "a\u20dd", "OpaqueString", "a\u20dd"],
  ["a variation selector", "a\ufe0f", "OpaqueString", undefined],
  ["a non-character", "\ufdd0", "OpaqueString", undefined],
  ["a tag", "\u{e0041}", "OpaqueString", undefined],
  ["a line separator", "a\u2028", "OpaqueString", undefined],
  ["U+FFFD in a name", "\ufffd", "UsernameCasePreserved", undefined],
  [
    "a zero width joiner after a virama",
    "\u0915\u094d\u200d\u0937",
    "UsernameCasePreserved",
    "\u0915\u094d\u200d\u0937",
  ],
  ["a zero width non-joiner after a virama", "\u0915\u094d\u200c\u0937", "OpaqueString", "\u0915\u094d\u200c\u0937"],
  [
    "a zero width non-joiner between joining letters",
    "\u0628\u200c\u0628",
    "UsernameCasePreserved",
    "\u0628\u200c\u0628",
  ],
  [
    "a zero width non-joiner among marks between joining letters",
    "\u0628\u0670\u200c\u0670\u0628",
    "UsernameCasePreserved",
    "\u0628\u0670\u200c\u0670\u0628",
  ],
  [
    "a zero width non-joiner after a letter that does not join",
    "\u0627\u200c\u0628",
    "UsernameCasePreserved",
    undefined,
  ],
  ["a zero width non-joiner at the end", "\u0628\u200c", "UsernameCasePreserved", undefined],
  ["a zero width joiner between joining letters", "\u0628\u200d\u0628", "UsernameCasePreserved", undefined],
  ["a Greek lower numeral sign before Greek", "\u0375\u03b1", "UsernameCasePreserved", "\u0375\u03b1"],
  ["a Greek lower numeral sign before Latin", "\u0375a", "UsernameCasePreserved", undefined],
  ["a geresh after Hebrew", "\u05d0\u05f3", "UsernameCasePreserved", "\u05d0\u05f3"],
  ["a geresh alone", "\u05f3\u05d0", "UsernameCasePreserved", undefined],
  ["a Katakana middle dot beside Han", "\u30fb\u5927", "UsernameCasePreserved", "\u30fb\u5927"],
  ["a Katakana middle dot beside Latin", "a\u30fbb", "UsernameCasePreserved", undefined],
  ["two l around two middle dots", "l\u00b7\u00b7l", "UsernameCasePreserved", undefined],
  ["Arabic-Indic digits of one kind after a letter", "\u0628\u0661", "UsernameCasePreserved", "\u0628\u0661"],
  ["Arabic-Indic digits of both kinds", "\u0628\u0661\u06f1", "OpaqueString", undefined],
  ["an Arabic-Indic digit first", "\u0661\u0628", "UsernameCasePreserved", undefined],
  ["Arabic and European digits", "\u0628\u06611", "UsernameCasePreserved", undefined],
  ["Hebrew with a European digit at the end", "\u05d01", "UsernameCasePreserved", "\u05d01"],
  ["Hebrew ending in punctuation", "\u05d0!", "UsernameCasePreserved", undefined],
  ["Hebrew with punctuation inside", "\u05d0-\u05d1", "UsernameCasePreserved", "\u05d0-\u05d1"],
  ["Hebrew ending in a mark", "\u05d0\u05b0", "UsernameCasePreserved", "\u05d0\u05b0"],
  ["Hebrew after a digit", "1\u05d0", "UsernameCasePreserved", undefined],
  ["Hebrew around Latin", "\u05d0a\u05d1", "UsernameCasePreserved", undefined],
  ["directions mixed in a password", "a\u05d01", "OpaqueString", "a\u05d01"],
];

describe("enforcePrecis", () => {
  for (const [why, text, profile, output] of rows) {
    test(`R-PREP-07 ${profile} ${output === undefined ? "refuses" : "accepts"} ${why}`, async () => {
      if (output !== undefined) expect(await enforce(text, profile)).toBe(output);
      else await expect(enforce(text, profile)).rejects.toEqual(failure("malformed-message"));
    });
  }

  for (const profile of profiles) {
    test(`R-PREP-05 ${profile} refuses nothing`, async () => {
      await expect(enforce("", profile)).rejects.toEqual(failure("malformed-message"));
    });
    test(`R-PREP-06 ${profile} refuses a lone surrogate`, async () => {
      await expect(enforce("a\ud800", profile)).rejects.toEqual(failure("incorrect-encoding"));
    });
  }

  test("R-PREP-07 is idempotent, and total", { timeout: 60_000 }, async () => {
    const eventful = fc.string({
      unit: fc.oneof(
        fc.constantFrom(
          ..."a1lL \u00b7\u00c5\u0130\u0301\u03a3\u05d0\u05b0\u0628\u0661\u0915\u094d\u200c\u200d\uff21\uff9e\u3000",
        ),
        fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
      ),
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(eventful, fc.constantFrom(...profiles), async (text, profile) => {
        const once = await enforce(text, profile).catch((error: unknown) => {
          expect(error).toMatchObject({ kind: "SASLFailure" });
        });
        if (once !== undefined) expect(await enforce(once, profile)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  test("R-LIM-02 stays near linear on the largest message", () => {
    const parts = [
      "\u0301\u0323",
      "\u1ab5\u1ab0",
      "\uff9e",
      "\u0628\u0670\u200c",
      "\u0628\u200c\u0670",
      "\u200c",
      "l\u00b7",
      "\u05d0\u05b0",
      "\u05d0!",
      "\u00c5",
    ];
    for (const text of parts.map((part) => part.repeat(32_768 / part.length))) {
      for (const profile of profiles) {
        // Quadratic work would take 1000 ms and more; the bound leaves room for a busy machine.
        let best = Number.POSITIVE_INFINITY;
        for (let run = 0; run < 10 && best > 100; run++) {
          const start = performance.now();
          enforceRules(text, profile);
          best = Math.min(best, performance.now() - start);
        }
        expect(best).toBeLessThan(400);
      }
    }
  });
});
