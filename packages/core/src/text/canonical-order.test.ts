import fc from "fast-check";
import { expect, test } from "vitest";
import { sortLongRows } from "./canonical-order.js";

/** Marks of many classes, some of which decompose, one that cannot move, and two letters that become marks. */
const marks = [
  ..."\u0301\u0323\u0334\u0345\u0344\u0340\u05b0\u05bc\u064b\u0670\u0f71\u0f73\u0f81\u093e\u094d\u1ab0\u3099\uff9e\u{1d165}\u{1e130}",
];
const rows = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...marks) }, fc.constantFrom("a", "\u1f82", " ")),
  {
    maxLength: 120,
  },
);

test("R-LIM-02 sorting beforehand changes no normal form", () => {
  fc.assert(
    fc.property(rows, (row) => {
      const text = row.join("");
      expect(sortLongRows(text, "NFD").normalize("NFC")).toBe(text.normalize("NFC"));
      expect(sortLongRows(text, "NFKD").normalize("NFKC")).toBe(text.normalize("NFKC"));
    }),
    { numRuns: 300 },
  );
});

test("R-LIM-02 every mark of the platform's Unicode is put in order", () => {
  const marks = Array.from({ length: 0x20000 }, (_, i) => i)
    .filter((c) => c < 0xd800 || c > 0xdfff)
    .map((c) => String.fromCodePoint(c))
    .filter((c) => /\p{M}/u.test(c) && c.normalize("NFD") === c);
  const all = marks.filter((c) => [`\u0301${c}`, `${c}\u0334`].some((pair) => pair.normalize("NFD") !== pair)).join("");
  for (const text of [all, [...all].reverse().join("")]) expect(sortLongRows(text, "NFD")).toBe(text.normalize("NFD"));
});

test("texts with short rows come back as they are", () => {
  const text = `a${"\u0301\u0323".repeat(8)}b\u0301`;
  expect(sortLongRows(text, "NFD")).toBe(text);
});
