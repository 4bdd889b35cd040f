/**
 * SHA-crypt, the passwords of most Linux systems: `$6$rounds=5000$salt$hash` with SHA-512, `$5$` with SHA-256. Source: Ulrich
 * Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6; the numbers of the steps are his.
 *
 * For imported accounts only. Written here because what npm has for it takes passwords of 32 and 64 octets wrongly and holds up
 * the event loop for as long as it takes. This one lets others in after 4 ms of it, for all logins together, but does not leave
 * the main thread: 5,000 rounds are about 15 ms of its time, the 656,000 of some systems two seconds.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { hash, timingSafeEqual } from "node:crypto";
import type { PasswordScheme } from "sasl-core";
import { Slices } from "./slices.js";
import { checkCost, partsOf, withoutPrefix } from "./stored.js";

const DEFAULT_ROUNDS = 5000;
const MIN_ROUNDS = 1000;
const MAX_ROUNDS = 1_000_000;
/** With the longest password as well they take less than a millisecond. */
const ROUNDS_AT_A_TIME = 16;
/** For the one thread there is, and so not of any scheme or server: what they do together is what the thread is kept from. */
const slices = new Slices(4);
/** As libxcrypt: step 14 takes the square of the length, which was a way to stop servers (CVE-2016-20013). */
const MAX_PASSWORD_OCTETS = 511;
const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** One of the two. */
interface Variant {
  readonly name: string;
  readonly prefix: string;
  readonly algorithm: "sha256" | "sha512";
  /** Names of directories and of Dovecot. */
  readonly schemes: readonly string[];
  /** Groups: rounds, salt, hash. */
  readonly pattern: RegExp;
  /** Step 22: octets of the digest, three for each four characters, the first one highest; the rest at the end. */
  readonly order: readonly (readonly number[])[];
}

const sha256: Variant = {
  name: "sha256-crypt",
  prefix: "$5$",
  algorithm: "sha256",
  schemes: ["CRYPT", "SHA256-CRYPT"],
  pattern: /^\$5\$(?:rounds=([1-9]\d{0,8})\$)?([!-#%-9;-~]{0,16})\$([./A-Za-z0-9]{43})$/,
  order: [...groups(10, [0, 10, 20], 21), [31, 30]],
};
const sha512: Variant = {
  name: "sha512-crypt",
  prefix: "$6$",
  algorithm: "sha512",
  schemes: ["CRYPT", "SHA512-CRYPT"],
  pattern: /^\$6\$(?:rounds=([1-9]\d{0,8})\$)?([!-#%-9;-~]{0,16})\$([./A-Za-z0-9]{86})$/,
  order: [...groups(21, [0, 21, 42], 22), [63]],
};

/** SHA-512, for imported accounts. */
export const sha512Crypt: PasswordScheme = schemeFor(sha512);

/** SHA-256, for imported accounts. */
export const sha256Crypt: PasswordScheme = schemeFor(sha256);

function schemeFor(variant: Variant): PasswordScheme {
  return {
    name: variant.name,
    recognizes: (stored) => withoutPrefix(stored, variant.schemes).startsWith(variant.prefix),
    async verify(password, stored) {
      const text = withoutPrefix(stored, variant.schemes);
      const [rounds = "", salt = "", expected = ""] = partsOf(variant.pattern, text, variant.name);
      const count = rounds === "" ? DEFAULT_ROUNDS : Number(rounds);
      checkCost("rounds", count, MIN_ROUNDS, MAX_ROUNDS);
      const octets = Buffer.from(password);
      // The work is the same for passwords that are too long, so that nothing is learnt from the time.
      const work = shaCrypt(variant, octets.subarray(0, MAX_PASSWORD_OCTETS), Buffer.from(salt), count);
      const found = await slices.run(work);
      return timingSafeEqual(Buffer.from(found), Buffer.from(expected)) && octets.length <= MAX_PASSWORD_OCTETS;
    },
  };
}

function* shaCrypt(variant: Variant, password: Buffer, salt: Buffer, rounds: number): Generator<undefined, string> {
  // In one piece: of objects that take a piece at a time, thousands each second, the garbage collector has much to do at once.
  const digest = (...parts: readonly Uint8Array[]): Buffer => hash(variant.algorithm, Buffer.concat(parts), "buffer");
  const b = digest(password, salt, password); // steps 4 to 8
  const bits = password.length === 0 ? [] : [...password.length.toString(2)].reverse();
  const choices = bits.map((bit) => (bit === "1" ? b : password)); // step 11
  let a = digest(password, salt, repeated(b, password.length), ...choices); // steps 1 to 3, 9 to 12
  const p = repeated(digest(...Array.from(password, () => password)), password.length); // steps 13 to 16
  const s = repeated(digest(...Array.from({ length: 16 + (a[0] ?? 0) }, () => salt)), salt.length); // steps 17 to 20
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1;
    const parts = [odd ? p : a]; // step 21
    if (round % 3 !== 0) parts.push(s);
    if (round % 7 !== 0) parts.push(p);
    parts.push(odd ? a : p);
    a = digest(...parts);
    if (round % ROUNDS_AT_A_TIME === ROUNDS_AT_A_TIME - 1) yield;
  }
  return encoded(a, variant.order);
}

/** A digest, over and over, cut to a length. */
function repeated(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

/** The pattern of step 22: each group is the one before with every octet one further, turned by one place. */
function groups(count: number, first: readonly [number, number, number], shift: number): (readonly number[])[] {
  const size = count * 3;
  return Array.from({ length: count }, (_, at) => first.map((octet) => (octet + at * shift) % size));
}

function encoded(digest: Buffer, order: readonly (readonly number[])[]): string {
  let text = "";
  for (const group of order) {
    let bits = group.reduce((value, octet) => value * 256 + (digest[octet] ?? 0), 0);
    for (let left = group.length + 1; left > 0; left--, bits = Math.floor(bits / 64)) text += alphabet[bits % 64];
  }
  return text;
}
