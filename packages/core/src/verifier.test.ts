/** Verifiers by way of SaltedPassword: what one end derives, the other can store. */
import { describe, expect, test } from "vitest";
import { decodeBase64 } from "./internal/base64.js";
import { toHex } from "./internal/hex.js";
import { hashSha1, hashSha256, nativeHashes } from "./mechanisms/scram/hashes.js";
import { makeScramVerifier, saltedPassword, verifierFromSalted } from "./verifier.js";

const salt = decodeBase64("QSXCR+Q6sek8bf92QSXCR+Q6");

describe("saltedPassword and verifierFromSalted", () => {
  test("R-UPGR-04 RFC 5802 §5: SaltedPassword of the example", async () => {
    const salted = await saltedPassword(hashSha1, "pencil", {
      salt: decodeBase64("QSXCR+Q6sek8bf92"),
      iterations: 4096,
    });
    // The value that the example's proof and signature follow from.
    expect(toHex(salted)).toBe("1d96ee3a529b5a5f9e47c01f229a2cb8a6e15f7d");
  });

  test.each(nativeHashes)("R-UPGR-04 $name: the same verifier as from the password itself", async (hash) => {
    const salted = await saltedPassword(hash, "I\u00adX", { salt, iterations: 4096 });
    const before = toHex(salted);
    const made = await verifierFromSalted(hash, salted, { salt, iterations: 4096 });
    expect(made).toEqual(await makeScramVerifier(hash, "IX", { salt, iterations: 4096 }));
    expect(toHex(salted)).toBe(before);
    expect(made.salt).not.toBe(salt);
  });

  test("prepares as asked", async () => {
    const options = { salt, iterations: 1 };
    const plain = await saltedPassword(hashSha256, "I\u00adX", { ...options, prepare: "none" });
    const upper = await saltedPassword(hashSha256, "i\u00adx", { ...options, prepare: (text) => text.toUpperCase() });
    expect(toHex(plain)).toBe(toHex(upper));
    expect(toHex(plain)).not.toBe(toHex(await saltedPassword(hashSha256, "IX", options)));
  });

  test.each([0, 1, 31, 33, 64])("R-UPGR-04 %d octets are no salted password of SHA-256", async (length) => {
    const made = verifierFromSalted(hashSha256, new Uint8Array(length), { salt, iterations: 4096 });
    await expect(made).rejects.toMatchObject({ code: "malformed-message" });
  });

  test.each([
    ["an empty salt", { salt: new Uint8Array(0), iterations: 4096 }],
    ["no rounds", { salt, iterations: 0 }],
    ["a part of a round", { salt, iterations: 1.5 }],
    ["no number", { salt, iterations: Number.NaN }],
  ])("refuses %s", async (_, options) => {
    await expect(saltedPassword(hashSha256, "pencil", options)).rejects.toThrow(RangeError);
    await expect(verifierFromSalted(hashSha256, new Uint8Array(32), options)).rejects.toThrow(RangeError);
  });

  test.each(["", "\u00ad", "a\0b", "\u0007"])("refuses the password %j", async (password) => {
    const salted = saltedPassword(hashSha256, password, { salt, iterations: 1 });
    await expect(salted).rejects.toMatchObject({ code: "malformed-message" });
  });
});
