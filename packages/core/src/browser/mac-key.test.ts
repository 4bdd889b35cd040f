import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { connection, serverWith } from "../../test/support.js";
import { authenticate } from "../authenticate.js";
import type { HeldScramKeys } from "../credentials.js";
import type { SASLInterface } from "../interface.js";
import { encodeBase64 } from "../internal/base64.js";
import { toHex } from "../internal/hex.js";
import { encodeUtf8 } from "../internal/text.js";
import { HT, hashedTokens, hashSha256, SCRAM, scramSha256 } from "../mechanisms/index.js";
import { memoryAccounts } from "../memory-accounts.js";
import type { MacKey } from "../runtime/contract.js";
import { SASLServer } from "../server.js";
import { makeScramVerifier } from "../verifier.js";
import { importMacKey, macKey } from "./mac-key.js";

test("computes HMAC (RFC 4231 §4.3), and shows nothing", async () => {
  const key = await importMacKey("SHA-256", encodeUtf8("Jefe"));
  expect(key.hash).toBe("SHA-256");
  expect(toHex(await key.hmac(encodeUtf8("what do ya want for nothing?")))).toBe(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  expect(key.key.extractable).toBe(false);
  await expect(crypto.subtle.exportKey("raw", key.key)).rejects.toThrow("not extractable");
});

test("a hash that WebCrypto lacks has no keys", async () => {
  await expect(importMacKey("SHA-224", encodeUtf8("Jefe"))).rejects.toThrow();
});

test("keys for something else are refused", async () => {
  const verifying = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const aes = await crypto.subtle.generateKey({ name: "AES-CBC", length: 128 }, false, ["encrypt"]);
  for (const key of [verifying, aes] as CryptoKey[]) expect(() => macKey(key)).toThrow(TypeError);
});

test("R-HT-01 logs in with HT in place of a token, if it is of that hash", async () => {
  const accounts = memoryAccounts({ tim: {} });
  const tokens = hashedTokens({ accounts, secret: new Uint8Array(32).fill(7) });
  const mechanism = "HT-SHA-256-NONE";
  const issued = await tokens.issue("tim", { mechanism });
  const server = new SASLServer({ mechanisms: tokens.mechanisms, accounts });
  const logIn = (hash: string) =>
    importMacKey(hash, encodeUtf8(issued?.token ?? "")).then((token) =>
      authenticate(server.session(connection), [mechanism], [HT({ username: "tim", token }, { mechanism })]),
    );
  expect(await logIn("SHA-256")).toMatchObject({ authcid: "tim", serverVerified: true });
  await expect(logIn("SHA-512")).rejects.toMatchObject({ code: "no-credentials" });
});

test("R-SCRAM-28 logs in with SCRAM in place of SaltedPassword, as inside an HSM", async () => {
  const salt = new Uint8Array(16).fill(1);
  const verifier = await makeScramVerifier(hashSha256, "pencil", { iterations: 4096, salt });
  const server = serverWith([scramSha256], { accounts: memoryAccounts({ tim: { authPassword: [verifier] } }) });
  const { digest } = hashSha256;
  const salted = await importMacKey("SHA-256", await digest.pbkdf2(encodeUtf8("pencil"), salt, 4096));
  const { storedKey, serverKey } = verifier;
  const keys = { hash: "SHA-256", salt, iterations: 4096, saltedPassword: salted, storedKey, serverKey };
  const logIn = (change: object = {}) =>
    authenticate(
      server.session(connection),
      ["SCRAM-SHA-256"],
      [SCRAM({ username: "tim", keys: { ...keys, ...change } })],
    );
  expect(await logIn()).toMatchObject({ authcid: "tim", serverVerified: true });
  await expect(logIn({ serverKey: new Uint8Array(32) })).rejects.toMatchObject({ code: "peer-not-verified" });
  await expect(logIn({ iterations: 4097 })).rejects.toMatchObject({ code: "no-credentials" });
  const broken = {
    hash: "SHA-256",
    hmac: async () => {
      throw new Error("the HSM is gone");
    },
  };
  await expect(logIn({ serverKey: broken })).rejects.toMatchObject({ code: "aborted" });
});

/** Keys of one login with SCRAM, each held elsewhere. */
async function heldKeys() {
  const salt = new Uint8Array(16).fill(1);
  const verifier = await makeScramVerifier(hashSha256, "pencil", { iterations: 4096, salt });
  const salted = await hashSha256.digest.pbkdf2(encodeUtf8("pencil"), salt, 4096);
  const [saltedPassword, storedKey, serverKey] = await Promise.all(
    [salted, verifier.storedKey, verifier.serverKey].map((octets) => importMacKey("SHA-256", octets)),
  );
  const accounts = memoryAccounts({ tim: { authPassword: [verifier] } });
  const sent: Uint8Array[] = [];
  const session = serverWith([scramSha256], { accounts }).session(connection);
  const wire: SASLInterface = {
    secure: true,
    initiate: (mechanism, payload) => session.initiate(mechanism, payload),
    respond(payload) {
      sent.push(payload);
      return session.respond(payload);
    },
    abort: () => session.abort(),
  };
  return {
    keys: { hash: "SHA-256", salt, iterations: 4096, saltedPassword, storedKey, serverKey } as HeldScramKeys,
    wire,
    sent,
    salted,
  };
}

const roles = ["saltedPassword", "storedKey", "serverKey"] as const;

/** What a key can do that is none. */
const liars: readonly [how: string, lie: (key: MacKey) => MacKey, code: string][] = [
  ["gives no octets", ({ hash }) => ({ hash, hmac: () => new Uint8Array(0) }), "no-credentials"],
  [
    "gives too few",
    (key) => ({ hash: key.hash, hmac: async (data) => (await key.hmac(data)).subarray(1) }),
    "no-credentials",
  ],
  ["gives too many", ({ hash }) => ({ hash, hmac: async () => new Uint8Array(64) }), "no-credentials"],
  ["says it is of another hash", ({ hmac }) => ({ hash: "SHA-512", hmac }), "no-credentials"],
  [
    "throws at once",
    ({ hash }) => ({
      hash,
      hmac() {
        throw new Error("the HSM is gone");
      },
    }),
    "aborted",
  ],
  ["rejects", ({ hash }) => ({ hash, hmac: () => Promise.reject(new Error("the HSM is gone")) }), "aborted"],
  ["never answers", ({ hash }) => ({ hash, hmac: () => new Promise<never>(() => {}) }), "timed-out"],
];

describe.each(roles)("R-SCRAM-28 a %s", (role) => {
  test.each(liars)("that %s sends no proof", async (_, lie, code) => {
    const { keys, wire, sent } = await heldKeys();
    const broken = { ...keys, [role]: lie(keys[role] as MacKey) };
    const credentials = { username: "tim", keys: broken };
    const login = authenticate(wire, ["SCRAM-SHA-256"], [SCRAM(credentials)], { limits: { timeoutMs: 50 } });
    await expect(login).rejects.toMatchObject({ code });
    expect(sent).toEqual([]);
  });
});

test("R-SCRAM-28 keys of another hash are passed over, a password beside them is used", async () => {
  const { keys, wire } = await heldKeys();
  const saltedPassword = await importMacKey("SHA-512", encodeUtf8("key"));
  const credentials = { username: "tim", password: "pencil", keys: { ...keys, saltedPassword } };
  expect(await authenticate(wire, ["SCRAM-SHA-256"], [SCRAM(credentials)])).toMatchObject({ serverVerified: true });
});

test("R-HT-02 a key that gives no octets verifies no server", async () => {
  const wire: SASLInterface = {
    secure: true,
    initiate: async () => ({ state: "success", payload: new Uint8Array(0) }),
    respond: async () => ({ state: "failure" }),
    abort: async () => ({ state: "failure" }),
  };
  const token: MacKey = { hash: "SHA-256", hmac: () => new Uint8Array(0) };
  const login = authenticate(wire, ["HT-SHA-256-NONE"], [HT({ username: "tim", token })]);
  await expect(login).rejects.toMatchObject({ code: "no-credentials" });
});

test("R-GEN-30 keys show nothing of themselves", async () => {
  const { keys, salted } = await heldKeys();
  const shown =
    inspect(keys, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }) + JSON.stringify(keys);
  for (const secret of [toHex(salted), encodeBase64(salted), [...salted].join(","), inspect(salted).slice(16, 60)]) {
    expect(shown).not.toContain(secret);
  }
});
