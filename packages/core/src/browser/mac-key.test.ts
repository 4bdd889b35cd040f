import { expect, test } from "vitest";
import { connection, serverWith } from "../../test/support.js";
import { authenticate } from "../authenticate.js";
import { toHex } from "../internal/hex.js";
import { encodeUtf8 } from "../internal/text.js";
import { HT, hashedTokens, hashSha256, SCRAM, scramSha256 } from "../mechanisms/index.js";
import { memoryAccounts } from "../memory-accounts.js";
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
