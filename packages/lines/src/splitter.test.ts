import fc from "fast-check";
import type { SASLErrorCode } from "sasl-core";
import { describe, expect, test } from "vitest";
import { LineSplitter } from "./splitter.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What comes out of a splitter: lines, and codes of errors, until there is nothing more. */
function drain(splitter: LineSplitter, maxBytes: number, out: string[]): void {
  for (let errors = 0; errors < 20; ) {
    try {
      const line = splitter.line(maxBytes);
      if (line === undefined) return;
      out.push(`line ${line}`);
    } catch (error) {
      errors++;
      const { code } = error as { code: SASLErrorCode };
      out.push(`error ${code}`);
      if (code === "incorrect-encoding") return; // for good
    }
  }
}

function split(chunks: Iterable<Uint8Array>, maxBytes: number): string[] {
  const splitter = new LineSplitter();
  const out: string[] = [];
  for (const chunk of chunks) {
    splitter.push(Uint8Array.from(chunk));
    drain(splitter, maxBytes, out);
    if (out.at(-1) === "error incorrect-encoding") break;
  }
  return out;
}

const rows: readonly [why: string, input: string, maxBytes: number, expected: readonly string[]][] = [
  ["nothing", "", 10, []],
  ["no end", "abc", 10, []],
  ["half an end", "abc\r", 10, []],
  ["one line", "abc\r\n", 10, ["line abc"]],
  ["empty lines", "\r\n\r\n", 10, ["line ", "line "]],
  ["several lines and a rest", "a\r\nbc\r\ndef", 10, ["line a", "line bc"]],
  ["a line of just the limit", "12345\r\n", 5, ["line 12345"]],
  ["a line over the limit, and the next one", "123456\r\nok\r\n", 5, ["error limit-exceeded", "line ok"]],
  ["a line far over the limit", `${"x".repeat(500)}\r\nok\r\n`, 5, ["error limit-exceeded", "line ok"]],
  ["a line over the limit without end", "x".repeat(500), 5, ["error limit-exceeded"]],
  ["CR and LF within what is dropped", "123456\r7\n8\r\r\nok\r\n", 5, ["error limit-exceeded", "line ok"]],
  [
    "two lines over the limit",
    "123456\r\n123456\r\nok\r\n",
    5,
    ["error limit-exceeded", "error limit-exceeded", "line ok"],
  ],
  ["LF alone", "abc\ndef\r\n", 10, ["error incorrect-encoding"]],
  ["CR alone", "abc\rdef\r\n", 10, ["error incorrect-encoding"]],
  ["CR CR LF", "abc\r\r\n", 10, ["error incorrect-encoding"]],
  ["LF CR", "abc\n\r", 10, ["error incorrect-encoding"]],
  ["LF at the start", "\nabc\r\n", 10, ["error incorrect-encoding"]],
  ["LF just at the limit", "12345\n\r\n", 5, ["error incorrect-encoding"]],
  ["NUL is left to the protocol", "a\0b\r\n", 10, ["line a\0b"]],
  ["UTF-8", "é☃\r\n", 10, ["line é☃"]],
  ["a byte order mark is a character", "\ufeffa\r\n", 10, ["line \ufeffa"]],
];

describe("lines", () => {
  for (const [why, input, maxBytes, expected] of rows) {
    test(`R-SMTP-21 R-LIM-06 ${why}, whole and cut at every offset`, () => {
      const whole = bytes(input);
      expect(split([whole], maxBytes)).toEqual(expected);
      for (let at = 0; at <= whole.length; at++) {
        expect(split([whole.subarray(0, at), whole.subarray(at)], maxBytes)).toEqual(expected);
      }
      expect(
        split(
          Array.from(whole, (octet) => Uint8Array.of(octet)),
          maxBytes,
        ),
      ).toEqual(expected);
    });
  }

  test("R-PREP-06 octets that are no UTF-8 become U+FFFD, which no token is made of", () => {
    expect(split([Uint8Array.of(0x61, 0xff, 0xc3, 13, 10)], 10)).toEqual(["line a\ufffd\ufffd"]);
  });

  test("R-LIM-06 the result is the same however the octets are cut", () => {
    const octet = fc.constantFrom(13, 10, 0, 0x41, 0x42, 0xc3, 0xa9);
    const input = fc.array(
      fc.oneof({ weight: 3, arbitrary: fc.constant([13, 10]) }, { weight: 5, arbitrary: fc.array(octet) }),
    );
    fc.assert(
      fc.property(input, fc.array(fc.nat(40)), fc.integer({ min: 1, max: 8 }), (parts, cuts, maxBytes) => {
        const whole = Uint8Array.from(parts.flat());
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const size of cuts) {
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        chunks.push(whole.subarray(at));
        expect(split(chunks, maxBytes)).toEqual(split([whole], maxBytes));
      }),
    );
  });

  test("R-LIM-06 a later limit that is smaller counts for what has arrived already", () => {
    const splitter = new LineSplitter();
    splitter.push(bytes("123456789"));
    expect(splitter.line(100)).toBeUndefined();
    splitter.push(bytes("\r\nok\r\n"));
    expect(() => splitter.line(5)).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
    expect(splitter.line(5)).toBe("ok");
  });
});

describe("octets", () => {
  test("counts are exact and lines go on behind them", () => {
    const splitter = new LineSplitter();
    splitter.push(bytes("{3}\r\na\r"));
    expect(splitter.line(10)).toBe("{3}");
    expect(splitter.bytes(3)).toBeUndefined();
    splitter.push(bytes("\n rest\r\n"));
    expect(splitter.bytes(3)).toEqual(bytes("a\r\n"));
    expect(splitter.bytes(0)).toEqual(bytes(""));
    expect(splitter.line(10)).toBe(" rest");
    expect(splitter.buffered).toBe(0);
  });

  test("clear gives back what is left", () => {
    const splitter = new LineSplitter();
    splitter.push(bytes("a\r\nbc\r"));
    expect(splitter.line(10)).toBe("a");
    expect(splitter.buffered).toBe(3);
    expect(splitter.clear()).toEqual(bytes("bc\r"));
    expect(splitter.clear()).toEqual(bytes(""));
  });
});

describe("cost", () => {
  test("R-LIM-03 a line without an end does not make it hold more and more", () => {
    const splitter = new LineSplitter();
    splitter.push(bytes("x".repeat(100)));
    expect(() => splitter.line(50)).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
    for (let i = 0; i < 1000; i++) {
      splitter.push(bytes("y".repeat(1000)));
      expect(splitter.buffered).toBeLessThanOrEqual(1);
    }
    splitter.push(bytes("\r\nok\r\n"));
    expect(splitter.line(50)).toBe("ok");
  });

  test("R-LIM-02 a megabyte in single octets takes time in proportion", () => {
    const splitter = new LineSplitter();
    const started = performance.now();
    for (let i = 0; i < 1_000_000; i++) {
      splitter.push(Uint8Array.of(0x41));
      if (i % 1000 === 0) splitter.line(2_000_000);
    }
    splitter.push(bytes("\r\n"));
    expect(splitter.line(2_000_000)?.length).toBe(1_000_000);
    expect(performance.now() - started).toBeLessThan(2000); // quadratic copying would take minutes
  });

  test("R-LIM-03 nothing is held when all was taken", () => {
    const splitter = new LineSplitter();
    splitter.push(bytes("a\r\n"));
    splitter.line(10);
    expect(splitter.buffered).toBe(0);
    expect(splitter.clear().length).toBe(0);
  });
});
