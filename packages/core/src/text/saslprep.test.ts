import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadVectors } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { type SASLprepUsage, saslprep } from "./saslprep.js";
import { prepareSASLprep } from "./stringprep.js";

/** Preparation as a promise, however it throws. */
const prepare = async (text: string, usage: SASLprepUsage): Promise<string> => saslprep(text, usage);
const failure = (code: SASLErrorCode) => expect.objectContaining({ kind: "SASLFailure", code });

interface Inputs {
  readonly string?: string;
  readonly codepoints: readonly string[];
  readonly mode?: SASLprepUsage;
}
interface Result {
  readonly outcome: "success" | "error" | "query: allowed, stored: error";
  readonly output?: string;
  readonly query_output?: string;
  readonly table?: string;
}

const requirementOf = ({ table, output, outcome }: Result): string => {
  if (output === "") return "R-PREP-05";
  if (table === "C.5") return "R-PREP-06";
  if (table === "A.1" || outcome.startsWith("query")) return "R-PREP-03";
  return table?.startsWith("C.") ? "R-PREP-02" : "R-PREP-01";
};

describe.each(["saslprep", "saslprep-more"])("%s.json", (file) => {
  for (const { id, inputs, result } of loadVectors<Inputs, Result>(file)) {
    const text = String.fromCodePoint(...inputs.codepoints.map((name) => Number.parseInt(name.slice(2), 16)));
    const expected: [usage: SASLprepUsage, output: string | undefined][] = result.outcome.startsWith("query")
      ? [
          ["stored", undefined],
          ["query", result.query_output],
        ]
      : [[inputs.mode ?? "stored", result.output]];
    for (const [usage, output] of expected) {
      test(`${requirementOf(result)} ${id} as ${usage}`, async () => {
        if (inputs.string !== undefined) expect(text).toBe(inputs.string);
        // The tables alone, which know no empty text ...
        const prepared = prepareSASLprep(text, usage);
        if (output === undefined) expect(prepared).toHaveProperty("refused");
        else expect(prepared).toEqual({ text: output });
        // ... and what callers see.
        if (output) expect(await prepare(text, usage)).toBe(output);
        else {
          const code = result.table === "C.5" ? "incorrect-encoding" : "malformed-message";
          await expect(prepare(text, usage)).rejects.toEqual(failure(code));
        }
      });
    }
  }
});

const hostile: readonly [id: string, why: string, text: string, usage: SASLprepUsage, code: SASLErrorCode][] = [
  ["R-PREP-05", "nothing", "", "query", "malformed-message"],
  ["R-PREP-05", "soft hyphens alone", "\u00ad\u00ad", "query", "malformed-message"],
  ["R-PREP-05", "a byte order mark alone", "\ufeff", "stored", "malformed-message"],
  ["R-PREP-06", "a lone high surrogate", "a\ud800", "query", "incorrect-encoding"],
  ["R-PREP-06", "a lone low surrogate", "\udc00", "query", "incorrect-encoding"],
  ["R-PREP-06", "surrogates the wrong way round", "\udd11\ud83d", "stored", "incorrect-encoding"],
  ["R-PREP-02", "a prohibited character also in a query", "a\ue000", "query", "malformed-message"],
  ["R-PREP-02", "NUL among letters beyond ASCII", "ü\0", "query", "malformed-message"],
  ["R-PREP-02", "a line feed in ASCII", "user\n", "query", "malformed-message"],
  ["R-PREP-02", "U+FFFD, the mark of an earlier repair", "J\ufffdrgen", "query", "malformed-message"],
  ["R-PREP-01", "right to left ending in a digit", "\u05d01", "query", "malformed-message"],
  ["R-PREP-01", "right to left between letters", "a\u05d0b", "query", "malformed-message"],
  ["R-PREP-01", "right to left ending in an unassigned character", "\u05d0\u0221", "query", "malformed-message"],
  ["R-PREP-03", "an unassigned character in a stored text", "key \u{1f511}", "stored", "malformed-message"],
  ["R-PREP-03", "the last unassigned code point", "\u{dffff}", "stored", "malformed-message"],
];

describe("saslprep", () => {
  for (const [id, why, text, usage, code] of hostile) {
    test(`${id} refuses ${why}`, async () => {
      await expect(prepare(text, usage)).rejects.toEqual(failure(code));
    });
  }

  test("R-PREP-01 printable ASCII comes back at once and unchanged", () => {
    const all = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 0x20 + i));
    expect(saslprep(all, "stored")).toBe(all);
    expect(saslprep(" ", "query")).toBe(" ");
  });

  test("R-PREP-04 leaves characters alone that came after Unicode 3.2", async () => {
    // U+32FF decomposes since 12.1; U+1ACF is a mark and U+11935 composes since 13.0, were they known
    for (const text of ["\u32ff", "a\u0301\u1acf\u0323", "\u{11935}\u{11930}", "\u{1f130}", "x\u20f0"]) {
      expect(await prepare(text, "query")).toBe(text.replace("a\u0301", "\u00e1"));
    }
  });

  test("R-PREP-04 normalizes both sides of an unassigned character apart", async () => {
    expect(await prepare("e\u0301\u0221e\u0301", "query")).toBe("\u00e9\u0221\u00e9");
    expect(await prepare("e\u0221\u0301", "query")).toBe("e\u0221\u0301");
  });

  test("R-PREP-04 maps the five characters of Corrigendum 4 as Unicode 3.2 did", async () => {
    const text = "\u{2f868}\u{2f874}\u{2f91f}\u{2f95f}\u{2f9bf}";
    expect(await prepare(text, "stored")).toBe("\u{2136a}\u5f33\u43ab\u7aae\u4d57");
  });

  test("R-LIM-02 stays near linear on the largest message", () => {
    const repeated = (part: string): string => part.repeat(Math.ceil(65536 / encodeUtf8(part).length));
    const parts = [
      "\ufdfa", // one character that becomes eighteen
      "\u0301\u0323", // marks to sort
      "\u0f73\u0f71", // marks to sort, after one of them has become two
      "\uff9e\u0334", // letters that become marks
      `\u1f82${"\u0301\u0323".repeat(8)}`, // rows too short to be sorted beforehand
      "\u0221", // unassigned: as many pieces as characters
      "\u{e0100}",
      "\u00ad",
      "\u3000",
    ];
    for (const text of parts.map(repeated)) {
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 10 && best > 100; run++) {
        const start = performance.now();
        prepareSASLprep(text, "query");
        best = Math.min(best, performance.now() - start);
      }
      // normalize() alone takes 800 ms for the worst of them; the bound leaves room for a busy machine.
      expect(best).toBeLessThan(400);
    }
  });

  test("R-GEN-30 does not repeat the text in its error", async () => {
    await expect(prepare("hunter2\u0007", "stored")).rejects.toThrow(/^(?!.*hunter2)/);
  });

  /** Texts in which much can happen: mapped, composing, right to left, unassigned. */
  const eventful = fc.string({
    unit: fc.oneof(
      fc.constantFrom(
        ..."a1 \u00a0\u00ad\u0301\u0323\u200b\u200d\u05d0\u0627\u0660\u1100\u1161\u212b\ufb01\ufeff\u0221\u32ff",
      ),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    ),
    maxLength: 30,
  });

  test("R-PREP-01 is idempotent", async () => {
    await fc.assert(
      fc.asyncProperty(eventful, fc.constantFrom("stored", "query"), async (text, usage) => {
        const once = await prepare(text, usage).catch(() => undefined);
        if (once !== undefined) expect(await prepare(once, usage)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  test("R-PREP-03 as query gives what stored gives, wherever stored gives anything", async () => {
    await fc.assert(
      fc.asyncProperty(eventful, async (text) => {
        const stored = await prepare(text, "stored").catch(() => undefined);
        if (stored !== undefined) expect(await prepare(text, "query")).toBe(stored);
      }),
    );
  });

  test("R-PREP-06 any sequence of UTF-16 units gives a text or the typed error", async () => {
    const units = fc.array(fc.oneof(fc.nat({ max: 0xffff }), fc.integer({ min: 0xd7ff, max: 0xe000 })), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(units, fc.constantFrom("stored", "query"), async (values, usage) => {
        const prepared = await prepare(String.fromCharCode(...values), usage).catch((error: unknown) => {
          expect(error).toMatchObject({ kind: "SASLFailure" });
        });
        if (prepared !== undefined) expect(encodeUtf8(prepared).length).toBeGreaterThan(0);
      }),
    );
  });
});
