import { describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support.js";
import { loadVectors } from "../../../test/vectors.js";
import { toHex } from "../../internal/hex.js";
import { listOtp, makeOtp } from "./generator.js";
import { type OtpHashName, otpHashNamed } from "./hashes.js";
import { oneTimePassword, straight } from "./sequence.js";
import { formatWords, parseWords } from "./words.js";

interface Inputs {
  readonly algorithm: string;
  readonly passphrase: string;
  readonly seed: string;
  readonly count: number;
}
interface Result {
  readonly hex?: string;
  readonly words?: string;
  readonly words_with_wrong_parity?: readonly string[];
  readonly outcome?: string;
}

/** Appendix C is computations; the exchanges of the same file are played in otp.test.ts. */
const vectors = loadVectors<Inputs, Result>("otp").filter(({ messages }) => messages.length === 0);

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector: { inputs, result } }) => {
  const { algorithm, passphrase, seed, count } = inputs;

  if (result.outcome === "error") {
    test("R-OTP-06 nothing is made of it", async () => {
      await expect(makeOtp(passphrase, { seed, sequence: count })).rejects.toThrow(RangeError);
      await expect(listOtp(passphrase, { hash: "md5", seed, sequence: count }, 1)).rejects.toThrow(RangeError);
    });
  } else if (algorithm === "md4") {
    // No MD4 here: the words are still those of the value.
    test("R-OTP-05 R-OTP-06 its words, and no such hash", async () => {
      expect(toHex(parseWords(result.words as string) as Uint8Array)).toBe(result.hex);
      expect(formatWords(parseWords(result.words as string) as Uint8Array)).toBe(result.words);
      const hash = algorithm as OtpHashName;
      await expect(listOtp(passphrase, { hash, seed, sequence: count }, 1)).rejects.toThrow(RangeError);
    });
  } else {
    test("R-OTP-02 R-OTP-05 is computed as published", async () => {
      const next = { hash: algorithm as OtpHashName, seed, sequence: count };
      expect(await listOtp(passphrase, next, 1)).toEqual([{ sequence: count, words: result.words, hex: result.hex }]);
      expect(toHex(parseWords(result.words as string) as Uint8Array)).toBe(result.hex);
      for (const words of result.words_with_wrong_parity ?? []) expect(parseWords(words)).toBeUndefined();
      if (count < 2) return;
      const { last, ...made } = await makeOtp(passphrase, { hash: next.hash, seed, sequence: count });
      expect(made).toEqual({ hash: algorithm, seed: seed.toLowerCase(), sequence: count });
      expect(toHex(last)).toBe(result.hex);
    });
  }
});

describe("makeOtp", () => {
  test("R-OTP-06 takes another seed each time", async () => {
    const seeds = await Promise.all(
      Array.from({ length: 20 }, async () => (await makeOtp("A_Valid_Pass_Phrase")).seed),
    );
    expect(new Set(seeds).size).toBe(20);
    for (const seed of seeds) expect(seed).toMatch(/^[a-z1-9]{8}$/);
    expect(await makeOtp("A_Valid_Pass_Phrase")).toMatchObject({ hash: "md5", sequence: 499 });
  });

  test("prepares as the server does", async () => {
    const options = { seed: "ke1234" };
    const composed = await makeOtp("Pa\u0308ssword \u2168", options);
    expect(composed).toEqual(await makeOtp("P\u00e4ssword IX", options));
    expect(await makeOtp("Pa\u0308ssword \u2168", { ...options, prepare: "none" })).not.toEqual(composed);
    const prepare = () => "P\u00e4ssword IX";
    expect(await makeOtp("something else", { ...options, prepare })).toEqual(composed);
    expect(await codeOf(makeOtp("Password \u0007\u0007\u0007", options))).toBe("malformed-message");
  });

  test.each([
    ["nine characters", "123456789", {}],
    ["nine characters of two units", "\u{10400}".repeat(9), {}],
    ["the seed", "AbCdEfGhIjK", { seed: "abcdefghijk" }],
    ["an unknown hash", "A_Valid_Pass_Phrase", { hash: "md4" as OtpHashName }],
    ["a hash by a prototype's name", "A_Valid_Pass_Phrase", { hash: "__proto__" as OtpHashName }],
    ["an empty seed", "A_Valid_Pass_Phrase", { seed: "" }],
    ["a seed that is no ASCII", "A_Valid_Pass_Phrase", { seed: "k\u00e91234" }],
    ["a sequence without a login", "A_Valid_Pass_Phrase", { sequence: 1 }],
    ["a sequence too long", "A_Valid_Pass_Phrase", { sequence: 10_000 }],
    ["half a login", "A_Valid_Pass_Phrase", { sequence: 2.5 }],
  ])("R-OTP-06 refuses %s", async (_, passphrase, options) => {
    await expect(makeOtp(passphrase, options)).rejects.toThrow(RangeError);
  });
});

describe("listOtp", () => {
  test("R-OTP-06 counts down from the next one, as they will be asked for", async () => {
    const made = await makeOtp("A_Valid_Pass_Phrase", { sequence: 20 });
    const list = await listOtp("A_Valid_Pass_Phrase", { ...made, sequence: 19 }, 20);
    expect(list.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, i) => 19 - i));
    const hash = otpHashNamed("md5");
    if (hash === undefined) throw new Error("no MD5");
    for (const { sequence, hex, words } of list) {
      const value = await oneTimePassword(straight, { hash, sequence, seed: made.seed }, "A_Valid_Pass_Phrase");
      expect(hex).toBe(toHex(value));
      expect(words).toBe(formatWords(value));
    }
  });

  test.each([0, 21, 1.5])("R-OTP-06 %d of a list of twenty are refused", async (count) => {
    const next = { hash: "md5", seed: "ke1234", sequence: 19 } as const;
    await expect(listOtp("A_Valid_Pass_Phrase", next, count)).rejects.toThrow(RangeError);
  });
});
