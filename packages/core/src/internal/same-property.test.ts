import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAsExpected, sameProperty } from "./same-property.js";

const octets = (...bytes: number[]) => Uint8Array.of(...bytes);
const rows: readonly [a: unknown, b: unknown, same: boolean][] = [
  [1, 1, true],
  [1, "1", false],
  [undefined, undefined, true],
  [undefined, null, false],
  ["", undefined, false],
  [octets(1, 2), octets(1, 2), true],
  [octets(1, 2), octets(1, 3), false],
  [octets(), "", false],
  [octets(), [], false],
  [[1, [2]], [1, [2]], true],
  [[1, 2], [2, 1], false],
  [[1], { 0: 1, length: 1 }, false],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1 }, Object.assign(Object.create(null), { a: 1 }), true],
  [{}, { constructor: undefined }, true],
  [JSON.parse('{"__proto__":1}'), {}, false],
  [new Date(1), new Date(2), false],
  [new Map([[1, 2]]), new Map([[1, 3]]), false],
];
test.each(rows)("R-STO-06 %o and %o: %s", (a, b, same) => {
  expect(sameProperty(a, b)).toBe(same);
  expect(sameProperty(b, a)).toBe(same);
});

test("R-STO-06 every value of JSON is the same as its copy", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => sameProperty(value, structuredClone(value))));
});

test("something nested without an end is not the same, and ends", () => {
  const loop: { self?: unknown } = {};
  loop.self = loop;
  expect(sameProperty(loop, structuredClone(loop))).toBe(false);
});

describe("what a writer expects", () => {
  test.each<[found: object | undefined, expected: object | null | undefined, yes: boolean]>([
    [undefined, undefined, true],
    [{ a: 1 }, undefined, true],
    [undefined, null, true],
    [{}, null, false],
    [undefined, {}, false],
    [{}, {}, true],
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: 1 }, { a: undefined }, false],
    [{}, { a: undefined }, true],
    [{}, { constructor: undefined, toString: undefined }, true],
  ])("R-STO-06 %o as %o: %s", (found, expected, yes) => {
    expect(isAsExpected(found as never, expected as never)).toBe(yes);
  });
});
