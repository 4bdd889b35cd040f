import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadVectors } from "../../../test/vectors.js";
import { sha1 } from "../../digests.js";
import { fromHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import { clientSecret, numberOf, octetsOf, power, raise, serverKey, serverSecret } from "./arithmetic.js";
import { passwordNumber, scrambler } from "./evidence.js";
import { groupOf, type SrpGroup, srpGroups } from "./groups.js";

type Inputs = Readonly<Record<"username" | "password" | "salt_hex" | "N_hex" | "a_hex" | "b_hex", string>>;
type Results = Readonly<Record<"k" | "x" | "u" | "v_hex" | "A_hex" | "B_hex" | "premaster_hex", string>>;

const hex = (digits: string): bigint => BigInt(`0x${digits}`);

describe.each(loadVectors<Inputs, Results>("srp"))("vector $id", ({ inputs, result }) => {
  // SRP-6a: its k in place of 3, and the rest is the same where keys are as long as the prime.
  const k = hex(result.k);
  const group = srpGroups.find(({ prime }) => prime === hex(inputs.N_hex)) as SrpGroup;
  const [a, b] = [hex(inputs.a_hex), hex(inputs.b_hex)];
  const [A, B] = [hex(result.A_hex), hex(result.B_hex)];
  const [x, u, verifier] = [hex(result.x), hex(result.u), hex(result.v_hex)];

  test("R-SRP-03 its group is a known one", () => expect(group).toBe(groupOf(1024)));

  test("the numbers of both sides", async () => {
    const salt = fromHex(inputs.salt_hex.toLowerCase()) as Uint8Array;
    const username = encodeUtf8(inputs.username);
    expect(await passwordNumber(sha1, salt, username, encodeUtf8(inputs.password))).toBe(x);
    expect(raise(group, x, sha1.size)).toBe(verifier);
    expect(raise(group, a)).toBe(A);
    expect(serverKey(group, verifier, b, k)).toBe(B);
    expect(await scrambler(sha1, A, B)).toBe(u);
    expect(clientSecret(group, { a, B, x, u, octets: sha1.size }, k)).toBe(hex(result.premaster_hex));
    expect(serverSecret(group, { A, b, verifier, u, octets: sha1.size })).toBe(hex(result.premaster_hex));
  });
});

test("powers are those of repeated multiplication", () => {
  const numbers = fc.tuple(fc.bigInt(2n, 1n << 80n), fc.bigInt(0n, 1n << 80n), fc.bigInt(0n, 1n << 16n));
  fc.assert(
    fc.property(numbers, ([modulus, base, exponent]) => {
      let slow = 1n % modulus;
      for (const bit of exponent.toString(2)) slow = (slow * slow * (bit === "1" ? base : 1n)) % modulus;
      expect(power(base % modulus, exponent, modulus, 2)).toBe(slow);
      expect(power(base % modulus, exponent, modulus, 20)).toBe(slow); // however long it might have been
    }),
  );
});

test("numbers and their octets", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 1n << 300n), (number) => {
      const octets = octetsOf(number);
      expect(numberOf(octets)).toBe(number);
      expect(octets[0]).not.toBe(0); // R-SRP-05
    }),
  );
  expect(octetsOf(0n).length).toBe(0);
});

test("R-SRP-01 no secret is left of a key that makes it 1 or -1", () => {
  const group = groupOf(1024) as SrpGroup;
  const known = { b: 5n, verifier: 1n, u: 1n, octets: 20 };
  expect(serverSecret(group, { ...known, A: 1n })).toBeUndefined();
  expect(serverSecret(group, { ...known, A: group.prime - 1n })).toBeUndefined();
  expect(serverSecret(group, { ...known, A: 2n })).toBe(32n);
});
