import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, equalBytes, isBytes, wipe } from "./bytes.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("concatBytes", () => {
  test("joins parts in order into an array of its own", () => {
    const part = bytes(1, 2);
    const joined = concatBytes(part, bytes(), bytes(3));
    expect(joined).toEqual(bytes(1, 2, 3));
    joined[0] = 9;
    expect(part).toEqual(bytes(1, 2));
    expect(concatBytes()).toEqual(bytes());
  });

  test("copies what a view shows and no more", () => {
    expect(concatBytes(bytes(0, 1, 2, 3).subarray(1, 3), bytes(4))).toEqual(bytes(1, 2, 4));
  });
});

describe("equalBytes", () => {
  const rows: readonly [why: string, left: Uint8Array, right: Uint8Array, equal: boolean][] = [
    ["nothing and nothing", bytes(), bytes(), true],
    ["the same bytes in two arrays", bytes(1, 2, 3), bytes(1, 2, 3), true],
    ["the same bytes in a view", bytes(1, 2, 3), bytes(0, 1, 2, 3).subarray(1), true],
    ["another first byte", bytes(1, 2, 3), bytes(0, 2, 3), false],
    ["another last byte", bytes(1, 2, 3), bytes(1, 2, 0x83), false],
    ["a prefix", bytes(1, 2, 3), bytes(1, 2), false],
    ["something longer", bytes(1, 2, 3), bytes(1, 2, 3, 0), false],
    ["nothing and something", bytes(), bytes(0), false],
    ["differences that cancel out when added up", bytes(1, 0xff), bytes(0xff, 1), false],
  ];
  for (const [why, left, right, equal] of rows) {
    test(`R-GEN-28 calls ${why} ${equal ? "equal" : "unequal"}`, () => {
      expect(equalBytes(left, right)).toBe(equal);
      expect(equalBytes(right, left)).toBe(equal);
    });
  }

  test("R-GEN-28 sees every single changed bit", () => {
    const one = fc.record({
      value: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      at: fc.nat(),
      bit: fc.nat({ max: 7 }),
    });
    fc.assert(
      fc.property(one, ({ value, at, bit }) => {
        const other = value.slice();
        const index = at % value.length;
        other[index] = (value[index] ?? 0) ^ (1 << bit);
        return !equalBytes(value, other) && equalBytes(value, value.slice());
      }),
    );
  });

  test("R-GEN-28 looks at every byte even when the first one differs", () => {
    const read: string[] = [];
    const watched = new Proxy(bytes(1, 2, 3, 4), {
      get(target, key) {
        if (typeof key === "string" && key !== "length") read.push(key);
        return Reflect.get(target, key, target);
      },
    });
    expect(equalBytes(watched, bytes(9, 2, 3, 4))).toBe(false);
    expect(read).toEqual(["0", "1", "2", "3"]);
  });
});

test("R-GEN-30 wipe leaves zeros in the array and in every view of it", () => {
  const secret = bytes(1, 2, 3);
  const view = secret.subarray(1);
  wipe(secret);
  expect(secret).toEqual(bytes(0, 0, 0));
  expect(view).toEqual(bytes(0, 0));
});

describe("isBytes", () => {
  const rows: readonly [what: string, value: unknown, expected: boolean][] = [
    ["Uint8Array", bytes(1), true],
    ["Uint8Array of another realm", runInNewContext("new Uint8Array(2)"), true],
    ["subclass", new (class extends Uint8Array {})(1), true],
    ["Uint16Array", new Uint16Array(1), false],
    ["Uint8ClampedArray", new Uint8ClampedArray(1), false],
    ["DataView", new DataView(new ArrayBuffer(1)), false],
    ["ArrayBuffer", new ArrayBuffer(1), false],
    ["array of numbers", [1], false],
    ["object that says so", { [Symbol.toStringTag]: "Uint8Array" }, false],
    ["string", "a", false],
    ["null", null, false],
    ["undefined", undefined, false],
  ];
  for (const [what, value, expected] of rows) {
    test(`says ${expected ? "yes" : "no"} to ${what}`, () => expect(isBytes(value)).toBe(expected));
  }
});
