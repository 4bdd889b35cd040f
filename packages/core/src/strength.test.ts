import { expect, test } from "vitest";
import { pairing, pairings } from "../test/support.js";
import type { MechanismInfo, SecurityFlag } from "./mechanism.js";
import { compareStrength, isWeaker, type Strength, strengthOf, strengths } from "./strength.js";

const classes: readonly [name: string, strength: Strength][] = [
  ["ANONYMOUS", "anonymous"],
  ["LOGIN", "plaintext"],
  ["PLAIN", "plaintext"],
  ["XOAUTH2", "plaintext"],
  ["OAUTHBEARER", "plaintext"],
  ["CRAM-MD5", "challenge"],
  ["SCRAM-SHA-1", "mutual"],
  ["SCRAM-SHA-256", "mutual"],
  ["EXTERNAL", "bound"],
  ["SCRAM-SHA-256-PLUS", "bound"],
];

test.each(classes)("R-GEN-26 %s is of the class %s", (name, strength) => {
  expect(strengthOf(pairing(name).mechanism)).toBe(strength);
});

test("R-GEN-26 the classes from weak to strong", () => {
  expect(strengths).toEqual(["anonymous", "plaintext", "challenge", "mutual", "bound"]);
  for (const [i, weak] of strengths.entries()) {
    for (const [j, strong] of strengths.entries()) expect(isWeaker(weak, strong)).toBe(i < j);
  }
});

test("R-GEN-27 the order is the same from whatever order it begins", () => {
  const all: MechanismInfo[] = pairings.map(({ mechanism }) => mechanism);
  const sorted = all.toSorted(compareStrength).map(({ name }) => name);
  for (let turn = 0; turn < all.length; turn++) {
    all.push(all.shift() as MechanismInfo);
    expect(all.toSorted(compareStrength).map(({ name }) => name)).toEqual(sorted);
  }
});

test("a flag more never makes a mechanism weaker", () => {
  const flags: readonly SecurityFlag[] = ["noPlaintext", "noAnonymous", "noActive", "noDictionary", "mutualAuth"];
  const info = (security: readonly SecurityFlag[]): MechanismInfo => ({
    name: "X",
    flow: "either",
    security,
    source: "",
  });
  for (let set = 0; set < 1 << flags.length; set++) {
    const without = flags.filter((_, i) => set & (1 << i));
    for (const flag of flags) {
      expect(isWeaker(strengthOf(info([...without, flag])), strengthOf(info(without)))).toBe(false);
    }
  }
});
