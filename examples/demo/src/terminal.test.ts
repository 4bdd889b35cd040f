import { expect, test } from "vitest";
import { painter, table, wrap } from "./terminal.js";

test("wrap breaks behind commas and spaces, and elsewhere only where it must", () => {
  expect(wrap("", 10)).toEqual([""]);
  expect(wrap("0123456789", 10)).toEqual(["0123456789"]);
  expect(wrap("a=1,b=22,c=333", 10)).toEqual(["a=1,b=22,", "c=333"]);
  expect(wrap("one two three", 10)).toEqual(["one two", "three"]);
  expect(wrap("0123456789ABC", 5)).toEqual(["01234", "56789", "ABC"]);
});

test("table makes columns as wide as what is in them", () => {
  expect(
    table(
      ["a", "name"],
      [
        ["1", "x"],
        ["22", "long one"],
      ],
      painter(false),
    ),
  ).toEqual(["a   name", "──  ────────", "1   x", "22  long one"]);
});

test("painter writes escape sequences only where it may", () => {
  expect(painter(false)("red", "no")).toBe("no");
  expect(painter(true)("red", "no")).toBe("\u001b[31mno\u001b[0m");
});
