import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { codeOf, connection, recorded, serverWith } from "../test/support.js";
import { type AuthenticateOptions, authenticate } from "./authenticate.js";
import type { Credentials, ScramKeys } from "./credentials.js";
import { AuthenticationFailure, SASLFailure } from "./errors.js";
import { encodeBase64 } from "./internal/base64.js";
import { toHex } from "./internal/hex.js";
import { encodeUtf8 } from "./internal/text.js";
import { hashSha256, SCRAM, scramSha256 } from "./mechanisms/index.js";
import { keysFromPassword } from "./mechanisms/scram/keys.js";
import { memoryAccounts } from "./memory-accounts.js";
import { ScramKeyCache, type ScramKeyStore } from "./scram-key-cache.js";
import { makeScramVerifier } from "./verifier.js";

const password = "tanstaaftanstaaf";
const salt = new Uint8Array(16).fill(1);
const crypto = {
  hash: (d: typeof hashSha256.digest, data: Uint8Array) => d.hash(data),
  hmac: (d: typeof hashSha256.digest, key: Uint8Array, data: Uint8Array) => d.hmac(key, data),
  pbkdf2: (d: typeof hashSha256.digest, p: Uint8Array, s: Uint8Array, i: number) => d.pbkdf2(p, s, i),
};

async function serverOf(...names: readonly string[]) {
  const verifier = await makeScramVerifier(hashSha256, password, { iterations: 4096, salt });
  const accounts = memoryAccounts(Object.fromEntries(names.map((name) => [name, { authPassword: [verifier] }])));
  return { accounts, server: serverWith([scramSha256], { accounts }) };
}

/** Counts derivations. */
function counting() {
  const count = { derived: 0 };
  const digest: typeof hashSha256.digest = {
    ...hashSha256.digest,
    pbkdf2: (...given) => {
      count.derived++;
      return hashSha256.digest.pbkdf2(...given);
    },
  };
  return { count, hashes: [{ ...hashSha256, digest }] };
}

const log = (
  { server }: Awaited<ReturnType<typeof serverOf>>,
  hashes: ReturnType<typeof counting>["hashes"],
  options: AuthenticateOptions,
  credentials: Credentials = { username: "tim", password },
) => authenticate(server.session({ secure: true }), ["SCRAM-SHA-256"], [SCRAM(credentials, { hashes })], options);

describe("R-SCRAM-28 cached keys", () => {
  test("save the derivation of the second login", async () => {
    const { count, hashes } = counting();
    const keyCache = new ScramKeyCache();
    const at = await serverOf("tim");
    for (let i = 0; i < 3; i++) await log(at, hashes, { keyCache });
    expect(count.derived).toBe(1);
    expect(keyCache.size).toBe(1);
    await log(at, hashes, {});
    expect(count.derived).toBe(2);
  });

  test("belong to one server, one user and one password", async () => {
    const { count, hashes } = counting();
    const keyCache = new ScramKeyCache();
    const at = await serverOf("tim", "anna");
    await log(at, hashes, { keyCache, host: "a.example" });
    await log(at, hashes, { keyCache, host: "b.example" });
    await log(at, hashes, { keyCache, host: "a.example" }, { username: "anna", password });
    expect(count.derived).toBe(3);
    expect(await codeOf(log(at, hashes, { keyCache, host: "a.example" }, { username: "tim", password: "wrong" }))).toBe(
      "refused",
    );
    expect(count.derived).toBe(4);
    await log(at, hashes, { keyCache, host: "a.example" });
    expect(count.derived).toBe(4); // the wrong password took nothing away
  });

  test("are not used when salt or count changed", async () => {
    const { count, hashes } = counting();
    const keyCache = new ScramKeyCache();
    const at = await serverOf("tim");
    await log(at, hashes, { keyCache });
    for (const change of [{ iterations: 4097 }, { salt: new Uint8Array(16).fill(2) }]) {
      const verifier = await makeScramVerifier(hashSha256, password, { iterations: 4096, salt, ...change });
      at.accounts.store("tim", { authPassword: [verifier] });
      await log(at, hashes, { keyCache });
    }
    expect(count.derived).toBe(3);
    expect(keyCache.size).toBe(1); // the newest in place of the old
  });

  const late: readonly [why: string, error: Error, code: string, left: number][] = [
    ["the peer breaks the protocol", new SASLFailure("unexpected-message", "what?"), "unexpected-message", 0],
    ["they are refused", new AuthenticationFailure("refused", "no"), "refused", 0],
    ["the connection breaks", new Error("gone"), "connection-lost", 1],
    ["the server is in trouble", new SASLFailure("temporary", "later"), "temporary", 1],
  ];
  test.each(late)("R-GEN-12 are dropped when judged, however late; %s", async (_, error, code, left) => {
    const { count, hashes } = counting();
    const keyCache = new ScramKeyCache();
    const at = await serverOf("tim");
    const failing = () =>
      recorded(at.server.session({ secure: true }), (reply) => {
        if (reply.state === "success") throw error;
        return reply;
      });
    const logInLate = () =>
      codeOf(
        authenticate(failing(), ["SCRAM-SHA-256"], [SCRAM({ username: "tim", password }, { hashes })], { keyCache }),
      );
    expect(await logInLate()).toBe(code);
    expect(keyCache.size).toBe(0); // new ones are never kept
    await log(at, hashes, { keyCache });
    expect(await logInLate()).toBe(code);
    expect(keyCache.size).toBe(left);
    expect(count.derived).toBe(2);
  });

  test("are not kept before the server proved itself", async () => {
    const keyCache = new ScramKeyCache();
    const { hashes } = counting();
    const at = await serverOf("tim");
    const forged = recorded(at.server.session({ secure: true }), (reply, index) =>
      index === 1 ? { state: "challenge", payload: encodeUtf8(`v=${"A".repeat(43)}=`) } : reply,
    );
    await codeOf(
      authenticate(forged, ["SCRAM-SHA-256"], [SCRAM({ username: "tim", password }, { hashes })], { keyCache }),
    );
    expect(keyCache.size).toBe(0);
  });
});

describe("the octets of the password", () => {
  const broken: readonly [what: string, keyCache: ScramKeyStore | undefined][] = [
    ["the derivation", undefined],
    ["the derivation, for a cache", new ScramKeyCache()],
    ["the cache", { keysFor: () => Promise.reject(new Error("full")) }],
    [
      "the cache at once",
      {
        keysFor() {
          throw new Error("full");
        },
      },
    ],
  ];
  test.each(broken)("R-GEN-30 are wiped when %s fails", async (_, keyCache) => {
    const seen: Uint8Array[] = [];
    const keep = (octets: Uint8Array | undefined) => octets && seen.push(octets);
    const pbkdf2: typeof hashSha256.digest.pbkdf2 = async (octets) => {
      keep(octets);
      throw new Error("out of memory");
    };
    const spying = keyCache && {
      keysFor: (...given: Parameters<ScramKeyStore["keysFor"]>) => {
        keep(given[1].password);
        return keyCache.keysFor(...given);
      },
    };
    const hashes = [{ ...hashSha256, digest: { ...hashSha256.digest, pbkdf2 } }];
    expect(await codeOf(log(await serverOf("tim"), hashes, { keyCache: spying }))).toBe("aborted");
    expect(seen.length).toBeGreaterThan(0);
    for (const octets of seen) expect([...octets]).toEqual(Array(password.length).fill(0));
  });
});

describe("R-LIM-03 the cache", () => {
  test("is bounded, the oldest unused leave first", async () => {
    const { count, hashes } = counting();
    const keyCache = new ScramKeyCache({ maxEntries: 2 });
    const at = await serverOf("a", "b", "c");
    const as = (username: string) => log(at, hashes, { keyCache }, { username, password });
    await as("a");
    await as("b");
    await as("a"); // used again: now `b` is the oldest
    await as("c");
    expect(keyCache.size).toBe(2);
    expect(count.derived).toBe(3);
    await as("a");
    expect(count.derived).toBe(3);
    await as("b");
    expect(count.derived).toBe(4);
    keyCache.clear();
    expect(keyCache.size).toBe(0);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses %s entries", (maxEntries) => {
    expect(() => new ScramKeyCache({ maxEntries })).toThrow(RangeError);
  });

  test("R-GEN-30 shows its size and nothing else", async () => {
    const { hashes } = counting();
    const keyCache = new ScramKeyCache();
    await log(await serverOf("tim"), hashes, { keyCache });
    const keys = await keysFromPassword(crypto, hashSha256.digest, encodeUtf8(password), salt, 4096);
    const shown = `${inspect(keyCache, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true })}${JSON.stringify(keyCache)}${keyCache}`;
    for (const secret of [keys.clientKey, keys.serverKey]) {
      expect(shown).not.toContain(encodeBase64(secret));
      expect(shown).not.toContain(toHex(secret));
      expect(shown).not.toContain(inspect(secret).slice(16, 60));
    }
    expect(JSON.stringify(keyCache)).toBe('{"size":1}');
  });
});

describe("keys in place of a password", () => {
  const keysOf = (text: string, iterations = 4096): Promise<ScramKeys> =>
    keysFromPassword(crypto, hashSha256.digest, encodeUtf8(text), salt, iterations);

  test("R-SCRAM-28 log in without one, and without a derivation", async () => {
    const { count, hashes } = counting();
    const outcome = await log(await serverOf("tim"), hashes, {}, { username: "tim", keys: await keysOf(password) });
    expect(outcome).toMatchObject({ authcid: "tim", serverVerified: true });
    expect(count.derived).toBe(0);
  });

  const rows: readonly [why: string, change: Partial<ScramKeys>][] = [
    ["another salt", { salt: new Uint8Array(16).fill(2) }],
    ["a longer salt", { salt: new Uint8Array(17).fill(1) }],
    ["another count", { iterations: 4097 }],
    ["another hash", { hash: "SHA-1" }],
  ];
  test.each(rows)("R-SCRAM-28 with %s are passed over, a password beside them is used", async (_, change) => {
    const { count, hashes } = counting();
    const keys = { ...(await keysOf(password)), ...change };
    const at = await serverOf("tim");
    expect(await codeOf(log(at, hashes, {}, { username: "tim", keys }))).toBe("no-credentials");
    await log(at, hashes, {}, { username: "tim", keys, password });
    expect(count.derived).toBe(1);
  });

  test("of another password are refused", async () => {
    const { hashes } = counting();
    const keys = await keysOf("wrong");
    expect(await codeOf(log(await serverOf("tim"), hashes, {}, { username: "tim", keys }))).toBe("refused");
  });

  test("whose server key is wrong do not believe the server", async () => {
    const { hashes } = counting();
    const keys = { ...(await keysOf(password)), serverKey: new Uint8Array(32) };
    expect(await codeOf(log(await serverOf("tim"), hashes, {}, { username: "tim", keys }))).toBe("peer-not-verified");
    expect(connection.secure).toBe(true);
  });
});
