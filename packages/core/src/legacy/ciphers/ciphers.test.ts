import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../internal/hex.js";
import { rc4, rc4_40, rc4_56, singleDes, tripleDes } from "./index.js";

const hex = (text: string) => fromHex(text) as Uint8Array;

test("RC4 gives the stream of RFC 6229", () => {
  const stream = new Uint8Array(32);
  rc4.start(hex("0102030405060708090a0b0c0d0e0f10"), "encrypt")(stream);
  expect(toHex(stream)).toBe("9ac7cc9a609d1ef7b2932899cde41b975248c4959014126a6e8a84f11d1a9e1c");
});

describe.each([rc4, rc4_56, rc4_40, tripleDes, singleDes])("$name", (cipher) => {
  const key = hex("a2549853149b0536f01f0b850c643c57");
  const text = Uint8Array.from({ length: 240 }, (_, i) => i);

  test("R-DIG-18 goes on from one call to the next as if all were one text", () => {
    const whole = text.slice();
    cipher.start(key, "encrypt")(whole);
    const parts = text.slice();
    const encrypt = cipher.start(key, "encrypt");
    for (let at = 0; at < 240; at += 40) encrypt(parts.subarray(at, at + 40));
    expect(parts).toEqual(whole);
    const decrypt = cipher.start(key, "decrypt");
    for (let at = 0; at < 240; at += 80) decrypt(parts.subarray(at, at + 80));
    expect(parts).toEqual(text);
    expect(whole).not.toEqual(text);
  });

  test("two directions do not know of each other", () => {
    const [one, other] = [text.slice(), text.slice()];
    const [a, b] = [cipher.start(key, "encrypt"), cipher.start(key, "encrypt")];
    a(one.subarray(0, 120));
    b(other);
    a(one.subarray(120));
    expect(one).toEqual(other);
    expect(toHex(key)).toBe("a2549853149b0536f01f0b850c643c57");
  });
});

test("R-DIG-04 they say how strong they are", () => {
  const strengths = [rc4, rc4_56, rc4_40, tripleDes, singleDes].map(({ name, ssf }) => [name, ssf]);
  expect(strengths).toEqual([
    ["rc4", 128],
    ["rc4-56", 56],
    ["rc4-40", 40],
    ["3des", 112],
    ["des", 56],
  ]);
});
