import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { prepareSASLprep, refuseTrace } from "./stringprep.js";

/** What `scripts/make-stringprep-tables.py` computed with Python's Unicode 3.2, straight from the text of the RFCs. */
interface Reference {
  readonly scalars: string;
  readonly between_letters: string;
  readonly samples: readonly Samples[];
}
interface Samples {
  readonly ranges: readonly [first: number, last: number][];
  readonly count: number;
  readonly longest: number;
  readonly digest: string;
}
const reference: Reference = JSON.parse(
  readFileSync(new URL("../../test/stringprep-reference.json", import.meta.url), "utf8"),
);

function digest(texts: Iterable<string>): string {
  const hash = createHash("sha256");
  let lines = "";
  const result = (text: string, usage: "stored" | "query"): string => {
    const prepared = prepareSASLprep(text, usage);
    return "refused" in prepared ? "!" : prepared.text;
  };
  for (const text of texts) {
    lines += `${result(text, "stored")}\t${result(text, "query")}\t${refuseTrace(text) === undefined ? "+" : "-"}\n`;
    if (lines.length < 10_000) continue;
    hash.update(lines);
    lines = "";
  }
  return hash.update(lines).digest("hex");
}

/** Every code point but the surrogates, which are no characters. */
const scalars: readonly number[] = Array.from({ length: 0x110000 }, (_, i) => i).filter(
  (c) => c < 0xd800 || c > 0xdfff,
);

function* samples({ ranges, count, longest }: Samples): Generator<string> {
  const pool = ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
  let state = 1;
  const pick = (below: number): number => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
  for (let i = 0; i < count; i++) {
    const length = 1 + pick(longest);
    yield String.fromCodePoint(...Array.from({ length }, () => pool[pick(pool.length)] ?? 0));
  }
}

describe("stringprep agrees with Unicode 3.2 as Python has it", () => {
  test("R-PREP-01 R-PREP-02 R-PREP-03 R-PREP-04 R-ANON-03 on every code point", () => {
    expect(digest(scalars.map((codePoint) => String.fromCodePoint(codePoint)))).toBe(reference.scalars);
  });

  test("R-PREP-01 R-PREP-04 R-ANON-03 on every code point between a letter and a mark", () => {
    const within = scalars.filter((c) => c < 0x30000 || (c >= 0xe0000 && c < 0xe2000));
    expect(digest(within.map((c) => `a${String.fromCodePoint(c)}\u0301`))).toBe(reference.between_letters);
  });

  test.each(reference.samples)(
    "R-PREP-01 R-PREP-03 R-PREP-04 R-ANON-03 on strings where the rules meet, up to $longest characters long",
    (sample) => expect(digest(samples(sample))).toBe(sample.digest),
  );

  test("R-PREP-06 R-ANON-03 refuses every surrogate, table C.5", () => {
    for (let unit = 0xd800; unit <= 0xdfff; unit++) {
      const text = String.fromCharCode(unit);
      expect([prepareSASLprep(text, "query"), refuseTrace(text)]).toEqual([{ refused: "prohibited" }, "prohibited"]);
    }
  });
});
