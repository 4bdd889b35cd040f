import fc from "fast-check";
import { expect, test } from "vitest";
import { aes128Ofb } from "#soft-ciphers";
import { concatBytes } from "../internal/bytes.js";
import { fromHex, toHex } from "../internal/hex.js";

const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array;

/** SP 800-38A appendix F.4.1. */
const key = hex("2b7e151628aed2a6abf7158809cf4f3c");
const iv = hex("000102030405060708090a0b0c0d0e0f");
const plain = hex(
  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
);
const cipher =
  "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed8259740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e";

test("AES-128 in OFB mode gives what is published", () => {
  expect(toHex(aes128Ofb(key, iv).update(plain))).toBe(cipher);
  expect(toHex(aes128Ofb(key, iv).update(hex(cipher)))).toBe(toHex(plain));
});

test("the stream goes on where it ended, wherever it is divided", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 8 }), (cuts) => {
      const stream = aes128Ofb(key, iv);
      const parts: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        parts.push(stream.update(plain.subarray(at, at + cut)));
        at = Math.min(at + cut, plain.length);
      }
      parts.push(stream.update(plain.subarray(at)));
      expect(toHex(concatBytes(...parts))).toBe(cipher);
    }),
  );
});

test("what it is given is neither kept nor changed", () => {
  const own = { key: key.slice(), iv: iv.slice(), plain: plain.slice() };
  const stream = aes128Ofb(own.key, own.iv);
  own.key.fill(0);
  own.iv.fill(0);
  const first = stream.update(own.plain.subarray(0, 20));
  expect(toHex(own.plain)).toBe(toHex(plain));
  expect(toHex(concatBytes(first, stream.update(own.plain.subarray(20))))).toBe(cipher);
});
