import { checkPrimeSync, getDiffieHellman } from "node:crypto";
import { expect, test } from "vitest";
import { toHex } from "../../internal/hex.js";
import { octetsOf } from "./arithmetic.js";
import { groupOf, srpGroups, usualBits } from "./groups.js";

const named: Readonly<Record<number, string>> = { 3072: "modp15", 4096: "modp16", 6144: "modp17", 8192: "modp18" };

test.each(srpGroups)("R-SRP-03 the group of $bits bits is the published one", ({ bits, prime, generator }) => {
  expect(prime.toString(2).length).toBe(bits);
  const name = named[bits];
  if (name) {
    expect(toHex(octetsOf(prime))).toBe(getDiffieHellman(name).getPrime("hex")); // RFC 3526, as RFC 5054 takes them over
  } else {
    expect([prime, (prime - 1n) / 2n].every((each) => checkPrimeSync(each, { checks: 5 }))).toBe(true);
  }
  expect(generator).toBe(bits === 8192 ? 19n : bits >= 3072 ? 5n : 2n); // RFC 5054 appendix A
});

test("R-SRP-03 from 1024 bits on, and 2048 where nobody says", () => {
  expect(srpGroups.map(({ bits }) => bits)).toEqual([1024, 1280, 1536, 2048, 3072, 4096, 6144, 8192]);
  expect(usualBits).toBe(2048);
  expect(groupOf(512)).toBeUndefined();
});
