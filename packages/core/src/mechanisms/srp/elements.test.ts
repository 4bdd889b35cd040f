import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support.js";
import { isSASLError, type SASLErrorCode } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import { ElementReader, formatBuffer, formatNumber, formatOctets, formatText, formatUint } from "./elements.js";
import { parseClientEvidence, parseClientFirst, parseServerEvidence, parseServerFirst } from "./messages.js";

const bytes = (...octets: readonly number[]): Uint8Array => Uint8Array.from(octets);

describe("published encodings (draft §3.2)", () => {
  test.each([
    [1n, bytes(0, 1, 1)],
    [511n, bytes(0, 2, 1, 0xff)],
    [0n, bytes(0, 0)],
  ])("R-SRP-05 %d", (number, encoded) => {
    expect(formatNumber(number)).toEqual(encoded);
    expect(new ElementReader(formatBuffer(encoded)).number()).toBe(number);
  });
});

test("R-SRP-05 what is written is read again", () => {
  const element = fc.record({
    number: fc.bigInt({ min: 0n, max: 2n ** 4096n }),
    octets: fc.uint8Array({ maxLength: 255 }),
    text: fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed() && !text.includes("\0")),
    uint: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  fc.assert(
    fc.property(element, ({ number, octets, text, uint }) => {
      const reader = new ElementReader(
        formatBuffer(formatNumber(number), formatOctets(octets), formatText(text), formatUint(uint)),
      );
      expect(reader.number()).toBe(number);
      expect(reader.octets()).toEqual(octets);
      expect(reader.text()).toEqual({ text, bytes: encodeUtf8(text) });
      expect(reader.uint()).toBe(uint);
      reader.end();
    }),
  );
});

const parsers = [parseClientFirst, parseServerFirst, parseClientEvidence, parseServerEvidence];

test("R-SRP-05 R-LIM-05 whatever comes leads to a message or an error of ours", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...parsers), fc.boolean(), (noise, parse, framed) => {
      try {
        parse(framed ? formatBuffer(noise) : noise);
      } catch (error) {
        expect(isSASLError(error)).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

const tim = formatText("tim");
const nothing = bytes(0, 0);

describe("the client's first message", () => {
  const hostile: readonly [why: string, message: Uint8Array | undefined, code: SASLErrorCode][] = [
    ["none", undefined, "unexpected-message"],
    ["nothing", bytes(), "malformed-message"],
    ["half a length", bytes(0, 0, 0), "malformed-message"],
    ["a length that is too long", concatBytes(bytes(0, 0, 0, 9), tim, nothing, nothing), "malformed-message"],
    ["a length that is too short", bytes(0, 0, 0, 1, 0, 0), "malformed-message"],
    ["a length of 4 GiB", concatBytes(bytes(0xff, 0xff, 0xff, 0xff), tim), "malformed-message"],
    ["no elements", formatBuffer(), "malformed-message"],
    ["three elements", formatBuffer(tim, nothing, nothing), "malformed-message"],
    ["octets after the last", formatBuffer(tim, nothing, nothing, bytes(0, 0)), "malformed-message"],
    ["an element that ends early", formatBuffer(bytes(0, 4, 0x74, 0x69, 0x6d)), "malformed-message"],
    ["an element of 65535 octets of which there are 3", formatBuffer(bytes(0xff, 0xff, 1, 2, 3)), "malformed-message"],
    ["a NUL in a name", formatBuffer(bytes(0, 1, 0), nothing, nothing, bytes(0)), "malformed-message"],
    ["no UTF-8", formatBuffer(bytes(0, 1, 0xff), nothing, nothing, bytes(0)), "incorrect-encoding"],
    ["a session without a nonce", formatBuffer(tim, nothing, formatText("x"), bytes(0)), "malformed-message"],
    [
      "a session with a nonce of 15 octets",
      formatBuffer(tim, nothing, formatText("x"), formatOctets(new Uint8Array(15))),
      "malformed-message",
    ],
  ];
  test.each(hostile)("R-SRP-05 %s", async (_, message, code) => {
    expect(await codeOf((async () => parseClientFirst(message))())).toBe(code);
  });
});

describe("the server's first message", () => {
  const [zero, one] = [bytes(0), formatNumber(1n)];
  const hostile: readonly [why: string, message: Uint8Array, code: SASLErrorCode][] = [
    ["neither 00 nor FF", formatBuffer(bytes(1), one, one, zero, one, nothing), "malformed-message"],
    ["a leading zero in N", formatBuffer(bytes(0), bytes(0, 2, 0, 1), one, zero, one, nothing), "malformed-message"],
    ["a leading zero in g", formatBuffer(bytes(0), one, bytes(0, 2, 0, 2), zero, one, nothing), "malformed-message"],
    ["a zero with an octet", formatBuffer(bytes(0), one, one, zero, bytes(0, 1, 0), nothing), "malformed-message"],
    ["octets after the last", formatBuffer(bytes(0), one, one, zero, one, nothing, zero), "malformed-message"],
    ["no options", formatBuffer(bytes(0), one, one, zero, one), "malformed-message"],
    ["a short nonce", formatBuffer(bytes(0xff), formatOctets(new Uint8Array(15))), "malformed-message"],
    ["more than a nonce", formatBuffer(bytes(0xff), formatOctets(new Uint8Array(16)), bytes(0)), "malformed-message"],
  ];
  test.each(hostile)("R-SRP-05 %s", async (_, message, code) => {
    expect(await codeOf((async () => parseServerFirst(message))())).toBe(code);
  });
});

test("R-SRP-05 R-LIM-02 a number that is longer than any prime is not computed with", async () => {
  const read = async (octets: number) =>
    new ElementReader(formatBuffer(formatNumber(2n ** BigInt(8 * octets) - 1n))).number();
  expect(await read(2048)).toBe(2n ** 16_384n - 1n);
  for (const octets of [2049, 65_000]) expect(await codeOf(read(octets))).toBe("limit-exceeded");
});

test("R-SRP-05 an element that is too long is not written", async () => {
  expect(await codeOf((async () => formatOctets(new Uint8Array(256)))())).toBe("limit-exceeded");
  expect(await codeOf((async () => formatText("x".repeat(65_536)))())).toBe("limit-exceeded");
  expect(await codeOf((async () => formatText("a\0b"))())).toBe("malformed-message");
  expect(formatOctets(new Uint8Array(255)).length).toBe(256);
});
