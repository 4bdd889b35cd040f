import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  argon2i,
  argon2id,
  argon2idWith,
  bcrypt,
  bcryptWith,
  ldapDigest,
  passwordSchemes,
  pbkdf2,
  sha512Crypt,
} from "./index.js";

const long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
const fromHex = (hex: string, size: number) => Buffer.from(hex, "hex").subarray(0, size);
/** RFC 7914 §11: PBKDF2-HMAC-SHA-256 ("passwd", "salt", 1) and ("Password", "NaCl", 80000). */
const rfc7914 = [
  fromHex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc", 32),
  fromHex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56", 32),
] as const;
/** RFC 6070: PBKDF2-HMAC-SHA1 ("password", "salt", 4096). */
const rfc6070 = fromHex("4b007901b765489abead49d926f721d065a429c1", 20);
const adapted = (octets: Buffer) => octets.toString("base64").replaceAll("=", "").replaceAll("+", ".");

/** Hashes this package had no part in. */
const vectors: readonly (readonly [source: string, scheme: string, password: string, stored: string])[] = [
  // phc-winner-argon2, src/test.c
  [
    "argon2",
    "argon2id",
    "password",
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  ],
  ["argon2", "argon2i", "password", "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"],
  [
    "doveadm pw",
    "argon2id",
    "secret",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$PFHQowT+Y/l3kI6o4mQyiA$YL7sbZy9xJ+DKA7/XVP+iUvza7DIdyIGyYSjoh37dRI",
  ],
  [
    "slappasswd",
    "argon2i",
    "secret",
    "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$PSVydjn2cB48/ggpVKpl/A$1StSdr5rxAW6+6eH3CpT1Bm3x22dQixkwrGWT+MSX2M",
  ],
  // crypt_blowfish, wrapper.c
  ["crypt_blowfish", "bcrypt", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["crypt_blowfish", "bcrypt", "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"],
  ["crypt_blowfish", "bcrypt", "U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  ["crypt_blowfish", "bcrypt", long, "$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"],
  ["doveadm pw", "bcrypt", "secret", "{BLF-CRYPT}$2y$05$CN3oIY3eXGydkD/8aueAaOop39hC6t6a2WPHP9LNxz8jE6A05JYxC"],
  ["slappasswd", "ldap-digest", "secret", "{SSHA}sAeTyXpL//n90isLo42tyiRv+HP2hjYX"],
  ["slappasswd", "ldap-digest", "secret", "{ssha}sAeTyXpL//n90isLo42tyiRv+HP2hjYX"],
  ["slappasswd", "ldap-digest", "secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="],
  ["slappasswd", "ldap-digest", "secret", "{SMD5}7DqBVx4ZSXziB4C9W2W3exlY/SY="],
  ["slappasswd", "ldap-digest", "secret", "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="],
  [
    "slappasswd",
    "ldap-digest",
    "secret",
    "{SSHA384}3kdCWgmmOz6SOhtEIAJku42I5EV0isiBwI4nNcOpZx3L1sZuUibFKDnXswZJZ052TaQJjohYnA4=",
  ],
  ["doveadm pw", "ldap-digest", "secret", "{SSHA256}i42fnL+BNK43GwXx+iWpx84nWto7iLXvIgxQ33x8kx6VybCp"],
  [
    "doveadm pw",
    "ldap-digest",
    "secret",
    "{SSHA512}Dx4plNqOva4h65aACH7+emj11DdNyQYkeHaBJCG6rrBT/rUpvbm1371lwzf+szAC2IUzWI4vejXGa7aoWsb2Q/RqXeg=",
  ],
  ["doveadm pw", "ldap-digest", "secret", "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="],
  [
    "doveadm pw",
    "ldap-digest",
    "secret",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
  ],
  ["doveadm pw", "pbkdf2", "secret", "{PBKDF2}$1$MIZNXADvviheHvJG$5000$1533248c0087365a5d621927c50676eec0655dfa"],
  ["RFC 7914, Django", "pbkdf2", "passwd", `pbkdf2_sha256$1$salt$${rfc7914[0].toString("base64")}`],
  ["RFC 7914, Django", "pbkdf2", "Password", `pbkdf2_sha256$80000$NaCl$${rfc7914[1].toString("base64")}`],
  ["RFC 7914, passlib", "pbkdf2", "passwd", `$pbkdf2-sha256$1$c2FsdA$${adapted(rfc7914[0])}`],
  ["RFC 7914, OpenLDAP", "pbkdf2", "passwd", `{PBKDF2-SHA256}1$c2FsdA$${adapted(rfc7914[0])}`],
  ["RFC 6070, OpenLDAP", "pbkdf2", "password", `{PBKDF2}4096$c2FsdA$${adapted(rfc6070)}`],
  ["RFC 6070, passlib", "pbkdf2", "password", `$pbkdf2$4096$c2FsdA$${adapted(rfc6070)}`],
];

describe("hashes of other programs", () => {
  for (const [source, name, password, stored] of vectors) {
    test(`${stored.slice(0, 40)} (${source}) is ${name}`, async () => {
      const schemes = passwordSchemes.filter((each) => each.recognizes(stored));
      expect(schemes.map((each) => each.name)).toEqual([name]);
      expect(await schemes[0]?.verify(password, stored)).toBe(true);
      expect(await schemes[0]?.verify(`x${password}`, stored)).toBe(false);
    });
  }
});

const salt = "c29tZXNhbHQ";
const key = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const argon = (costs: string) => `$argon2id$v=19$${costs}$${salt}$${key}`;
const bcryptRest = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const sha512Rest = "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
const wideKey = adapted(Buffer.alloc(128, 1));
const pbkdf2Rest = `salt$${rfc7914[0].toString("base64")}`;

const hostile: readonly (readonly [why: string, stored: string, code: "malformed" | "limit-exceeded"])[] = [
  ["argon2id, too much memory", argon("m=262145,t=1,p=1"), "limit-exceeded"],
  ["argon2id, all the memory a number can name", argon("m=4294967295,t=1,p=1"), "limit-exceeded"],
  ["argon2id, a number above 32 bits", argon("m=9999999999,t=1,p=1"), "limit-exceeded"],
  ["argon2id, too many passes", argon("m=65536,t=17,p=1"), "limit-exceeded"],
  ["argon2id, too many lanes", argon("m=65536,t=2,p=17"), "limit-exceeded"],
  ["argon2id, no memory", argon("m=0,t=2,p=1"), "limit-exceeded"],
  ["argon2id, no passes", argon("m=65536,t=0,p=1"), "limit-exceeded"],
  ["argon2id, no lanes", argon("m=65536,t=2,p=0"), "limit-exceeded"],
  ["argon2id, negative memory", argon("m=-1,t=2,p=1"), "malformed"],
  ["argon2id, costs in another order", argon("t=2,m=65536,p=1"), "malformed"],
  ["argon2id, costs left out", argon("m=65536"), "malformed"],
  ["argon2id, an unknown version", argon("m=65536,t=2,p=1").replace("v=19", "v=20"), "malformed"],
  ["argon2id, cut short", argon("m=65536,t=2,p=1").slice(0, -30), "malformed"],
  ["argon2id, the name alone", "$argon2id$", "malformed"],
  ["argon2id, another alphabet", argon("m=65536,t=2,p=1").replace("CTFh", "CT-h"), "malformed"],
  ["argon2id, a digit that is not ASCII", argon("m=\u0666,t=2,p=1"), "malformed"],
  ["argon2id, very long", `${argon("m=65536,t=2,p=1")}${"A".repeat(1_000_000)}`, "malformed"],
  ["bcrypt, cost above the limit", `$2b$16$${bcryptRest}`, "limit-exceeded"],
  ["bcrypt, the highest cost", `$2b$31$${bcryptRest}`, "limit-exceeded"],
  ["bcrypt, a cost that is none", `$2b$99$${bcryptRest}`, "limit-exceeded"],
  ["bcrypt, cost 0", `$2b$00$${bcryptRest}`, "limit-exceeded"],
  ["bcrypt, a signed cost", `$2b$+5$${bcryptRest}`, "malformed"],
  ["bcrypt, cut short", `$2b$05$${bcryptRest.slice(0, -1)}`, "malformed"],
  ["bcrypt, a salt of more than 16 octets", `$2b$15$${"a".repeat(53)}`, "malformed"],
  ["bcrypt, bits behind the salt", `$2b$05$${bcryptRest.replace(".E5", "/E5")}`, "malformed"],
  ["bcrypt, bits behind the hash", `$2b$05$${bcryptRest.slice(0, -1)}X`, "malformed"],
  ["bcrypt, no hash", "$2b$05$", "malformed"],
  ["bcrypt, another alphabet", `$2b$05$${bcryptRest.replace("E5", "é5")}`, "malformed"],
  ["bcrypt, a line end behind", `$2b$05$${bcryptRest}\n`, "malformed"],
  ["SHA-512, too many rounds", `$6$rounds=1000001$salt$${sha512Rest}`, "limit-exceeded"],
  ["SHA-512, the most rounds there are", `$6$rounds=999999999$salt$${sha512Rest}`, "limit-exceeded"],
  ["SHA-512, too few rounds", `$6$rounds=999$salt$${sha512Rest}`, "limit-exceeded"],
  ["SHA-512, rounds with a zero before", `$6$rounds=05000$salt$${sha512Rest}`, "malformed"],
  ["SHA-512, negative rounds", `$6$rounds=-5000$salt$${sha512Rest}`, "malformed"],
  ["SHA-512, a salt that is too long", `$6$${"s".repeat(17)}$${sha512Rest}`, "malformed"],
  ["SHA-512, a salt with a colon", `$6$sa:lt$${sha512Rest}`, "malformed"],
  ["SHA-512, a hash of SHA-256", "$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "malformed"],
  ["SHA-512, cut short", `$6$salt$${sha512Rest.slice(1)}`, "malformed"],
  ["SHA-256, cut short", "$5$saltstring$", "malformed"],
  ["{SSHA} without a salt", "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "malformed"],
  ["{SSHA}, cut short", "{SSHA}5en6", "malformed"],
  ["{SSHA}, empty", "{SSHA}", "malformed"],
  ["{SHA} with a salt", "{SHA}sAeTyXpL//n90isLo42tyiRv+HP2hjYX", "malformed"],
  ["{SHA}, base64 that is not canonical", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfR=", "malformed"],
  ["{SHA256}, hexadecimal", `{SHA256}${"ab".repeat(32)}`, "malformed"],
  ["{SSHA}, a salt without end", `{SSHA}${Buffer.alloc(700, 1).toString("base64")}`, "malformed"],
  ["{SSHA}, very long", `{SSHA}${"AAAA".repeat(100_000)}`, "malformed"],
  ["PBKDF2, too many rounds", `pbkdf2_sha256$2000001$${pbkdf2Rest}`, "limit-exceeded"],
  ["PBKDF2, too many rounds for four blocks", `{PBKDF2-SHA256}500001$c2FsdA$${wideKey}`, "limit-exceeded"],
  ["PBKDF2, too many rounds for seven blocks", `{PBKDF2}285715$c2FsdA$${wideKey}`, "limit-exceeded"],
  ["PBKDF2, no rounds", `pbkdf2_sha256$0$${pbkdf2Rest}`, "malformed"],
  ["PBKDF2, an empty key", "{PBKDF2-SHA256}1$c2FsdA$", "malformed"],
  ["PBKDF2, a key of one octet", "{PBKDF2-SHA256}1$c2FsdA$AA", "malformed"],
  ["PBKDF2, a key that is very long", `{PBKDF2-SHA256}1$c2FsdA$${"A".repeat(800)}`, "malformed"],
  ["PBKDF2, half an octet in hexadecimal", "{PBKDF2}$1$salt$1000$abc", "malformed"],
];

describe("R-STO-08 before any work, a scheme refuses", () => {
  for (const [why, stored, code] of hostile) {
    test(why, async () => {
      const [scheme, ...others] = passwordSchemes.filter((each) => each.recognizes(stored));
      expect(others).toEqual([]);
      const error = await Promise.resolve()
        .then(() => scheme?.verify("password", stored))
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: "StoredHashError", code });
      expect(String(error)).not.toContain(stored.slice(10, 40) || "nothing");
    });
  }

  const strangers = [
    "",
    "{",
    "{}",
    "$",
    "$2$05$x",
    "$2x$05$x",
    "$7$x",
    "$1$salt$x",
    "plain",
    "{SCRYPT}x",
    "__proto__",
    "{CRYPT}ab",
  ];
  for (const stored of strangers) {
    test(`nobody takes ${JSON.stringify(stored)}`, () => {
      expect(passwordSchemes.filter((each) => each.recognizes(stored))).toEqual([]);
    });
  }

  test("whatever is recognized, verify answers or throws a StoredHashError", async () => {
    const starts = vectors.map(([, , , stored]) => stored);
    const mangled = fc
      .tuple(fc.constantFrom(...starts), fc.nat(), fc.string({ maxLength: 4 }))
      .map(([stored, at, put]) => stored.slice(0, at % stored.length) + put);
    await fc.assert(
      fc.asyncProperty(mangled, async (stored) => {
        for (const scheme of passwordSchemes.filter((each) => each.recognizes(stored))) {
          const outcome = await Promise.resolve()
            .then(() => scheme.verify("wrong password", stored))
            .catch((error: unknown) => (error as Error).name);
          expect([false, "StoredHashError"]).toContain(outcome);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("new hashes", () => {
  const cheap = [argon2idWith({ memoryKiB: 64, passes: 1 }), bcryptWith({ cost: 4 })];
  for (const scheme of cheap) {
    test(`${scheme.name} takes what it made, and makes it anew each time`, async () => {
      const [first = "", second = ""] = [await scheme.hash?.("pässwörd"), await scheme.hash?.("pässwörd")];
      expect(first).not.toBe(second);
      expect(scheme.recognizes(first)).toBe(true);
      expect(await scheme.verify("pässwörd", first)).toBe(true);
      expect(await scheme.verify("passwort", first)).toBe(false);
    });
  }

  test("argon2id costs what it says", async () => {
    expect(await argon2id.hash("x")).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/);
    expect(await argon2idWith({ memoryKiB: 128, passes: 3, parallelism: 2 }).hash("x")).toContain("$m=128,t=3,p=2$");
    expect(await bcryptWith({ cost: 5 }).hash("x")).toMatch(/^\$2b\$05\$/);
  });

  test("limits can be moved", async () => {
    const stored = argon("m=65536,t=2,p=1");
    expect(await argon2id.verify("password", stored)).toBe(true);
    await expect(argon2idWith({ maxMemoryKiB: 32_768 }).verify("password", stored)).rejects.toMatchObject({
      code: "limit-exceeded",
    });
    await expect(bcryptWith({ cost: 4, maxCost: 4 }).verify("U*U", `$2a$05$${bcryptRest}`)).rejects.toMatchObject({
      code: "limit-exceeded",
    });
  });

  const misuse: readonly (readonly [why: string, call: () => unknown])[] = [
    ["memory above its own limit", () => argon2idWith({ memoryKiB: 300_000 })],
    ["less memory than the lanes need", () => argon2idWith({ memoryKiB: 15, parallelism: 2 })],
    ["no passes", () => argon2idWith({ passes: 0 })],
    ["half a lane", () => argon2idWith({ parallelism: 1.5 })],
    ["cost 3", () => bcryptWith({ cost: 3 })],
    ["cost above its own limit", () => bcryptWith({ cost: 16 })],
    ["a limit that is no number", () => bcryptWith({ maxCost: Number.NaN })],
  ];
  for (const [why, call] of misuse) test(`misuse: ${why}`, () => expect(call).toThrow(RangeError));

  test("bcrypt makes no hash of what it would cut off or stop at", async () => {
    await expect(bcrypt.hash("x".repeat(73))).rejects.toThrow(RangeError);
    await expect(bcrypt.hash("ö".repeat(37))).rejects.toThrow(RangeError);
    await expect(bcrypt.hash("a\0b")).rejects.toThrow(RangeError);
    const stored = await bcryptWith({ cost: 4 }).hash("x".repeat(72));
    expect(await bcrypt.verify("x".repeat(73), stored ?? "")).toBe(true);
    expect(await bcrypt.verify("U*U\0", `$2a$05$${bcryptRest}`)).toBe(false);
  });

  test("schemes of the past make no hashes", () => {
    for (const scheme of [argon2i, sha512Crypt, pbkdf2, ldapDigest]) expect(scheme.hash).toBeUndefined();
    expect(passwordSchemes[0]).toBe(argon2id);
  });
});
