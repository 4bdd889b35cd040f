import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkedVerifier, FormatError, fromBase64, keySizes, parseIterations, toBase64 } from "./parts.js";

const verifier = {
  hash: "SHA-256",
  salt: new Uint8Array(16),
  iterations: 4096,
  storedKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
};

describe("base64", () => {
  test("any octets come back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        expect(fromBase64(toBase64(octets), "x")).toEqual(octets);
      }),
    );
  });
  test("a part of a larger buffer is written alone", () => {
    expect(toBase64(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe("AgM=");
  });
  for (const text of ["A", "AA", "AA=", "AB==", "AA==A", "AA ==", "AA==\n", "-_8=", "é", "AAAA="]) {
    test(`${JSON.stringify(text)} is none`, () => expect(() => fromBase64(text, "salt")).toThrow(FormatError));
  }
});

describe("R-STO-08 an iteration count", () => {
  test("is read as it is written", () => expect(parseIterations("4096")).toBe(4096));
  for (const text of [
    "",
    "0",
    "04096",
    "+1",
    "-1",
    "1.0",
    "1e3",
    " 1",
    "1\n",
    "0x10",
    "٤",
    "1000000000",
    "9".repeat(400),
  ]) {
    test(`is not ${JSON.stringify(text.slice(0, 12))}`, () => expect(() => parseIterations(text)).toThrow(FormatError));
  }
});

describe("R-STO-04 a verifier", () => {
  test("is taken with every hash SCRAM has", () => {
    for (const [hash, size] of keySizes) {
      const keys = { storedKey: new Uint8Array(size), serverKey: new Uint8Array(size) };
      expect(checkedVerifier({ ...verifier, ...keys, hash })).toMatchObject({ hash });
    }
  });
  const wrong: readonly (readonly [string, Partial<typeof verifier>])[] = [
    ["an unknown hash", { hash: "MD5" }],
    ["a mechanism for a hash", { hash: "SCRAM-SHA-256" }],
    ["a name of every object", { hash: "__proto__" }],
    ["an empty salt", { salt: new Uint8Array() }],
    ["a very long salt", { salt: new Uint8Array(1025) }],
    ["no rounds", { iterations: 0 }],
    ["half a round", { iterations: 4096.5 }],
    ["too many rounds", { iterations: 10_000_001 }],
    ["no number of rounds", { iterations: Number.NaN }],
    ["a short StoredKey", { storedKey: new Uint8Array(31) }],
    ["a long ServerKey", { serverKey: new Uint8Array(33) }],
  ];
  for (const [why, change] of wrong) {
    test(`is refused with ${why}`, () =>
      expect(() => checkedVerifier({ ...verifier, ...change })).toThrow(FormatError));
  }
});
