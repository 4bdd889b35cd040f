import fc from "fast-check";
import type { PropertyValue } from "sasl-core";
import { describe, expect, test } from "vitest";
import { FormatError } from "./parts.js";
import { formatProperty, parseProperty } from "./property-text.js";

const { value } = fc.letrec<{ value: PropertyValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 6 },
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    fc.array(tie("value")),
    fc.dictionary(fc.string(), tie("value"), { noNullPrototype: false }),
  ) as fc.Arbitrary<PropertyValue>,
}));

/** Without prototypes, as what is read has none, and with -0 as JSON has it. */
function plain(each: unknown): unknown {
  if (Array.isArray(each)) return each.map(plain);
  if (typeof each === "number") return each + 0;
  if (typeof each !== "object" || each === null || each instanceof Uint8Array) return each;
  return Object.assign(
    Object.create(null),
    Object.fromEntries(Object.entries(each).map(([key, field]) => [key, plain(field)])),
  );
}

describe("properties as text", () => {
  test("any value comes back, in one line", () => {
    fc.assert(
      fc.property(value, (each) => {
        const text = formatProperty(each);
        expect(text).not.toMatch(/[\n\r\0]/);
        expect(plain(parseProperty(text))).toEqual(plain(each));
      }),
    );
  });

  test("R-LIM-04 names such as __proto__ have no effect", () => {
    const read = parseProperty('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(read)).toBeNull();
    expect(read.admin).toBeUndefined();
    expect(Object.keys(read)).toEqual(["__proto__", "constructor"]);
  });

  test("-0 is 0, wherever it is", () => {
    expect(formatProperty([-0, { a: -0 }])).toBe('[0,{"a":0}]');
    expect(parseProperty(formatProperty(-0))).toBe(0);
  });

  const nested = (depth: number): PropertyValue => (depth === 0 ? 1 : [nested(depth - 1)]);
  const unwritable: readonly (readonly [string, unknown])[] = [
    ["a function", () => 1],
    ["undefined", undefined],
    ["a bigint", 1n],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a field $base64", { $base64: "AA==" }],
    ["deep nesting", nested(17)],
  ];
  for (const [why, each] of unwritable) {
    test(`${why} is misuse`, () => expect(() => formatProperty(each as PropertyValue)).toThrow(TypeError));
  }

  const unreadable = [
    "",
    "{",
    "undefined",
    '{"$base64":1}',
    '{"$base64":"AA"}',
    '{"$base64":"AA==","x":1}',
    "[".repeat(18) + "]".repeat(18),
  ];
  for (const text of unreadable) {
    test(`R-STO-04 ${text.slice(0, 30)} is refused`, () => expect(() => parseProperty(text)).toThrow(FormatError));
  }
});
