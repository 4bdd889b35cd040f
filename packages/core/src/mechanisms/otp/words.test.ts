import { describe, expect, test } from "vitest";
import { randomBytes } from "#runtime";
import { loadVectorData } from "../../../test/vectors.js";
import { longWords, shortWords } from "./word-tables.js";
import { formatHex, formatWords, parseHex, parseWords, readings } from "./words.js";

const { words: dictionary } = loadVectorData("otp-words") as { readonly words: readonly string[] };

test("R-OTP-02 the dictionary is that of RFC 2289 appendix D", () => {
  const cells = [...(shortWords.match(/.{3}/g) ?? []), ...(longWords.match(/.{4}/g) ?? [])];
  expect(cells.map((cell) => cell.trimEnd())).toEqual(dictionary);
});

describe("six words", () => {
  test("R-OTP-05 every word is found again at its place", () => {
    for (const [index, word] of dictionary.entries()) {
      // The first 11 bits of the value are the first word.
      const value = new Uint8Array(8);
      new DataView(value.buffer).setBigUint64(0, BigInt(index) << 53n);
      const said = formatWords(value);
      expect(said.split(" ")[0]).toBe(word);
      expect(parseWords(said)).toEqual(value);
    }
  });

  test("R-OTP-05 any value comes back from words and from digits, in any case and with any white space", () => {
    for (let i = 0; i < 500; i++) {
      const value = new Uint8Array(randomBytes(8));
      const [words, hex] = [formatWords(value), formatHex(value)];
      expect(words).toMatch(/^(?:[A-Z]{1,4} ){5}[A-Z]{1,4}$/);
      expect(parseWords(`\t ${words.toLowerCase().replaceAll(" ", " \n  ")} `)).toEqual(value);
      expect(parseHex(` ${[...hex.toUpperCase()].join("\t ")}\r\n`)).toEqual(value);
    }
  });

  test("R-OTP-05 of 2048 last words 512 fit, and each to another value", () => {
    const fitting = dictionary.map((word) => parseWords(`FOWL KID MASH DEAD DUAL ${word}`)).filter((each) => each);
    expect(new Set(fitting.map((each) => formatHex(each as Uint8Array))).size).toBe(512);
    expect(fitting.length).toBe(512);
  });

  test.each([
    ["nothing", ""],
    ["a row of five", "FOWL KID MASH DEAD DUAL"],
    ["a row of seven", "FOWL KID MASH DEAD DUAL OAF A"],
    ["a wrong checksum", "FOWL KID MASH DEAD DUAL NUT"],
    ["a word that is in no dictionary", "FOWL KID MASH DEAD DUAL QQQ"],
    ["a word that lies across two cells", "FOWL KID MASH DEAD DUAL BEAC"],
    ["a long word", "FOWL KID MASH DEAD DUAL OAFISH"],
    ["a hyphen", "FOWL-KID-MASH-DEAD-DUAL-OAF"],
    ["a letter that is an S only in upper case", "FOWL KID MA\u017fH DEAD DUAL OAF"],
    ["a prototype's name", "FOWL KID MASH DEAD DUAL __proto__"],
  ])("R-OTP-05 %s is no password", (_, text) => {
    expect(parseWords(text)).toBeUndefined();
  });
});

describe("digits", () => {
  test.each([
    ["a number of 15", "85c43ee03857765"],
    ["a number of 17", "85c43ee03857765b0"],
    ["a letter too high", "85c43ee03857765g"],
    ["a prefix", "0x85c43ee0385776"],
    ["a sign", "-85c43ee03857765"],
  ])("R-OTP-05 %s is no password", (_, text) => {
    expect(parseHex(text)).toBeUndefined();
  });

  test("R-OTP-05 what is both is read as words first, then as digits", () => {
    // Words of A to F alone, 16 letters together; of the last ones a quarter has the right checksum.
    const ends = dictionary.filter((word) => /^[A-F]{3}$/.test(word));
    const both = ends.map((word) => `A BAD FED DAD DAB ${word}`).find((text) => parseWords(text));
    expect(both).toBeDefined();
    expect(readings(both as string)).toEqual([parseWords(both as string), parseHex(both as string)]);
    expect(parseHex(both as string)).toBeDefined();
    expect(readings("FOWL KID MASH DEAD DUAL OAF")).toHaveLength(1);
    expect(readings("85c4 3ee0 3857 765b")).toHaveLength(1);
    expect(readings("neither")).toHaveLength(0);
  });
});
