import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SASLErrorCode } from "../errors.js";
import { decodeBase64, encodeBase64 } from "./base64.js";
import { equalBytes } from "./bytes.js";
import { encodeUtf8 } from "./text.js";

/** Node's own encoder as the second opinion; its decoder is far too forgiving to be one. */
const reference = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** RFC 4648 §4 once more, as a grammar. */
const canonical = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;

/** RFC 4648 §10. */
const published: readonly [text: string, base64: string][] = [
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg=="],
  ["fooba", "Zm9vYmE="],
  ["foobar", "Zm9vYmFy"],
];

describe("encodeBase64", () => {
  for (const [text, base64] of published) {
    test(`R-B64-04 gives the canonical form of "${text}"`, () => {
      expect(encodeBase64(encodeUtf8(text))).toBe(base64);
      expect(decodeBase64(base64)).toEqual(encodeUtf8(text));
    });
  }

  test("R-B64-04 uses + and / and never breaks a line", () => {
    expect(encodeBase64(Uint8Array.of(0xfb, 0xef, 0xff))).toBe("++//");
    expect(encodeBase64(new Uint8Array(60_000))).toBe("A".repeat(80_000));
  });

  test("R-B64-04 agrees with a second encoder around the size of its chunks", () => {
    for (const length of [8191, 8192, 8193, 16_384, 16_385, 65_536]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);
      expect(encodeBase64(bytes)).toBe(reference(bytes));
      expect(equalBytes(decodeBase64(encodeBase64(bytes)), bytes)).toBe(true); // toEqual takes a second for so many
    }
  });

  test("R-B64-04 encodes what a view shows", () => {
    expect(encodeBase64(encodeUtf8("xfoox").subarray(1, 4))).toBe("Zm9v");
  });
});

const hostile: readonly [id: string, why: string, text: string][] = [
  ["R-B64-01", "a space before", " Zm9v"],
  ["R-B64-01", "a space after", "Zm9v "],
  ["R-B64-01", "a space inside", "Zm 9v"],
  ["R-B64-01", "four spaces", "    "],
  ["R-B64-01", "white space that fills a group", "Zm9vZg= ="],
  ["R-B64-01", "a tab", "Zm9v\tZm9v"],
  ["R-B64-01", "CR", "Zm9v\rZm9"],
  ["R-B64-01", "LF", "Zm9v\n"],
  ["R-B64-01", "CRLF in the middle", "Zm9v\r\nZm9v"],
  ["R-B64-01", "a form feed", "Zm9\f"],
  ["R-B64-01", "NUL", "Zm9\0"],
  ["R-B64-01", "the hyphen of the URL alphabet", "-m9v"],
  ["R-B64-01", "the underscore of the URL alphabet", "Zm9_"],
  ["R-B64-01", "punctuation", "Zm9."],
  ["R-B64-01", "an asterisk", "*"],
  ["R-B64-01", "non-ASCII", "Zmé9"],
  ["R-B64-01", "a character that shares its low byte with a letter", "Zm9\u0176"],
  ["R-B64-01", "fullwidth letters", "\uff3am9v"],
  ["R-B64-01", "a no-break space", "Zm9v\u00a0Zm9"],
  ["R-B64-01", "a lone surrogate", "Zm9\ud800"],
  ["R-B64-01", "an emoji", "Zm\u{1f511}"],
  ["R-B64-01", "a byte order mark", "\ufeffZm9"],
  ["R-B64-02", "padding alone", "===="],
  ["R-B64-02", "one equals sign", "="],
  ["R-B64-02", "two equals signs", "=="],
  ["R-B64-02", "padding first", "=AAA"],
  ["R-B64-02", "padding in the middle", "AAA=BBB"],
  ["R-B64-02", "padding in the middle of whole groups", "AAA=BBBB"],
  ["R-B64-02", "padding twice", "Zg==Zg=="],
  ["R-B64-02", "three equals signs", "Z==="],
  ["R-B64-02", "padding where none belongs", "Zm9v="],
  ["R-B64-02", "a group of padding where none belongs", "Zm9v===="],
  ["R-B64-02", "no padding", "Zg"],
  ["R-B64-02", "no padding after three characters", "Zm8"],
  ["R-B64-02", "half the padding", "Zg="],
  ["R-B64-02", "one character", "Z"],
  ["R-B64-02", "one character after a group", "Zm9vZ"],
  ["R-B64-02", "an equals sign for a character", "Z=8="],
  ["R-B64-03", "bits under two equals signs", "Zh=="],
  ["R-B64-03", "the highest such bits", "Zv=="],
  ["R-B64-03", "bits under one equals sign", "Zm9="],
  ["R-B64-03", "all bits set", "//=="],
];

describe("decodeBase64", () => {
  const code: SASLErrorCode = "incorrect-encoding";
  for (const [id, why, text] of hostile) {
    test(`${id} refuses ${why}`, () => {
      expect(() => decodeBase64(text)).toThrow(expect.objectContaining({ kind: "SASLFailure", code }));
    });
  }

  test("R-B64-01 R-B64-02 R-B64-03 knows each corruption of one character for what it is", () => {
    const again = (text: string): unknown => {
      try {
        return encodeBase64(decodeBase64(text));
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    const wrong: string[] = []; // thousands of texts: one expectation for all of them
    for (const valid of ["Zm9vYmFy", "Zm9vYmE=", "Zm9vYg=="]) {
      for (let at = 0; at < valid.length; at++) {
        for (let unit = 0; unit < 0x180; unit++) {
          const text = valid.slice(0, at) + String.fromCharCode(unit) + valid.slice(at + 1);
          if (again(text) !== (canonical.test(text) ? text : code)) wrong.push(text);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test("R-B64-02 knows each character inserted or left out", () => {
    const valid = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(encodeBase64);
    fc.assert(
      fc.property(valid, fc.nat(), fc.constantFrom("", "A", "=", " ", "\n", "-", "é"), (text, at, put) => {
        const index = at % text.length;
        const changed = text.slice(0, index) + put + text.slice(index + (put === "" ? 1 : 0));
        if (canonical.test(changed)) expect(encodeBase64(decodeBase64(changed))).toBe(changed);
        else expect(() => decodeBase64(changed)).toThrow(expect.objectContaining({ code }));
      }),
    );
  });

  test("R-B64-01 R-B64-02 R-B64-03 accepts exactly the grammar, whatever the text", () => {
    const near = fc.string({ unit: fc.constantFrom(..."AZaz09+/gQ=="), maxLength: 24 });
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
        if (canonical.test(text)) expect(encodeBase64(decodeBase64(text))).toBe(text);
        else expect(() => decodeBase64(text)).toThrow(expect.objectContaining({ code }));
      }),
      { numRuns: 1000 },
    );
  });

  test("R-B64-04 round trip, and the same as a second encoder", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(reference(bytes));
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
  });

  const limits: readonly [why: string, text: string, maxBytes: number, code: SASLErrorCode | undefined][] = [
    ["accepts exactly the limit", "Zm9v", 3, undefined],
    ["accepts exactly the limit with one equals sign", "Zm8=", 2, undefined],
    ["accepts exactly the limit with two equals signs", "Zg==", 1, undefined],
    ["accepts nothing under a limit of nothing", "", 0, undefined],
    ["refuses one byte more", "Zm9v", 2, "limit-exceeded"],
    ["refuses one byte more with one equals sign", "Zm8=", 1, "limit-exceeded"],
    ["refuses one byte more with two equals signs", "Zg==", 0, "limit-exceeded"],
    ["refuses a long text before it looks at the characters", "!".repeat(100), 3, "limit-exceeded"],
    ["refuses a bad text within the limit for what it is", "Zm9!", 3, "incorrect-encoding"],
  ];
  for (const [why, text, maxBytes, expected] of limits) {
    test(`R-B64-05 ${why}`, () => {
      if (expected === undefined) expect(decodeBase64(text, { maxBytes })).toHaveLength(maxBytes);
      else expect(() => decodeBase64(text, { maxBytes })).toThrow(expect.objectContaining({ code: expected }));
    });
  }

  test("R-LIM-02 stays far from 10 ms on the largest message, good or bad", () => {
    const good = "QUJD".repeat(21_845);
    for (const text of [good, `${good.slice(0, -1)}!`, "=".repeat(87_380), " ".repeat(87_380)]) {
      let best = Number.POSITIVE_INFINITY;
      // A busy machine disturbs some runs, and not all of them.
      for (let run = 0; run < 50 && best >= 10; run++) {
        const start = performance.now();
        try {
          decodeBase64(text);
        } catch {}
        best = Math.min(best, performance.now() - start);
      }
      expect(best).toBeLessThan(10);
    }
  });

  test("R-GEN-30 does not repeat the text in its error", () => {
    expect(() => decodeBase64("c2VjcmV0!")).toThrow(/^(?!.*c2Vj)/);
  });
});
