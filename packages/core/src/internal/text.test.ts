import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "./text.js";

const incorrect = expect.objectContaining({ kind: "SASLFailure", code: "incorrect-encoding" });

describe("encodeUtf8", () => {
  const rows: readonly [text: string, bytes: readonly number[]][] = [
    ["", []],
    ["a\0\x7f", [0x61, 0, 0x7f]],
    ["\x80", [0xc2, 0x80]],
    ["aé", [0x61, 0xc3, 0xa9]],
    ["€", [0xe2, 0x82, 0xac]],
    ["\u{1f511}", [0xf0, 0x9f, 0x94, 0x91]],
    ["\ufeff", [0xef, 0xbb, 0xbf]],
    ["\ufffd", [0xef, 0xbf, 0xbd]],
    ["\u{10ffff}", [0xf4, 0x8f, 0xbf, 0xbf]],
  ];
  for (const [text, bytes] of rows) {
    test(`R-PREP-06 encodes ${JSON.stringify(text)} and reads it back`, () => {
      expect([...encodeUtf8(text)]).toEqual(bytes);
      expect(decodeUtf8(Uint8Array.from(bytes))).toBe(text);
    });
  }

  const lone: readonly [why: string, text: string][] = [
    ["a high surrogate", "\ud800"],
    ["a low surrogate", "\udfff"],
    ["a high surrogate at the end", "user\udbff"],
    ["a high surrogate before a letter", "\ud83dx"],
    ["a pair the wrong way round", "\udd11\ud83d"],
    ["two high surrogates before a low one", "\ud83d\ud83d\udd11"],
    ["a low surrogate after a pair", "\ud83d\udd11\udd11"],
    ["one at the end of a long text", `${"a".repeat(100_000)}\ud800`],
  ];
  for (const [why, text] of lone) {
    test(`R-PREP-06 refuses ${why}`, () => expect(() => encodeUtf8(text)).toThrow(incorrect));
  }

  test("R-PREP-06 short and long ASCII come out alike", () => {
    for (let length = 0; length < 140; length++) {
      expect([...encodeUtf8("~".repeat(length))]).toEqual(Array(length).fill(0x7e));
    }
  });
});

describe("decodeUtf8", () => {
  const ill: readonly [why: string, bytes: readonly number[]][] = [
    ["a stray continuation byte", [0x80]],
    ["a lead byte alone", [0xc3]],
    ["a lead byte before ASCII", [0xc3, 0x28]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["an overlong NUL", [0xc0, 0x80]],
    ["an overlong form of three", [0xe0, 0x80, 0xaf]],
    ["an overlong form of four", [0xf0, 0x80, 0x80, 0xaf]],
    ["a high surrogate", [0xed, 0xa0, 0x80]],
    ["a pair of surrogates (CESU-8)", [0xed, 0xa0, 0xbd, 0xed, 0xb4, 0x91]],
    ["a code point above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["a form of five", [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ["0xFE", [0xfe]],
    ["0xFF in ASCII", [0x61, 0xff, 0x62]],
    ["three of four bytes", [0xf0, 0x9f, 0x94]],
    ["ISO 8859-1", [0x4a, 0xfc, 0x72, 0x67]],
  ];
  for (const [why, bytes] of ill) {
    test(`R-PREP-06 refuses ${why}`, () => {
      expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(incorrect);
      // and the next text is none the worse for it
      expect(decodeUtf8(Uint8Array.of(0x61))).toBe("a");
    });
  }

  test("R-PREP-06 keeps a byte order mark, and an honest U+FFFD", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbf, 0xbd))).toBe("\ufffd");
  });

  test("reads a view and leaves it alone", () => {
    const bytes = encodeUtf8("xüx");
    expect(decodeUtf8(bytes.subarray(1, 3))).toBe("ü");
    expect(bytes).toEqual(encodeUtf8("xüx"));
  });
});

test("R-PREP-06 round trip of every well-formed text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => decodeUtf8(encodeUtf8(text)) === text),
  );
});

test("R-PREP-06 bytes decode to what encodes to them, or fail with the typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      let text: string;
      try {
        text = decodeUtf8(bytes);
      } catch (error) {
        expect(error).toEqual(incorrect);
        return;
      }
      expect(encodeUtf8(text)).toEqual(bytes);
    }),
    { numRuns: 2000 },
  );
});

test("R-PREP-06 any sequence of UTF-16 units encodes without loss or fails with the typed error", () => {
  const units = fc.array(fc.oneof(fc.nat({ max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe010 })), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(units, (values) => {
      const text = String.fromCharCode(...values);
      // Array.from reads pairs as one code point, what is left over as a lone surrogate
      const wellFormed = Array.from(text).every((c) => !/^[\ud800-\udfff]$/.test(c));
      if (wellFormed) expect(decodeUtf8(encodeUtf8(text))).toBe(text);
      else expect(() => encodeUtf8(text)).toThrow(incorrect);
    }),
  );
});
