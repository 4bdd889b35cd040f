import { describe, expect, test } from "vitest";
import { codeAfter, codeOf, serverWith } from "../../../test/support.js";
import { type SASLErrorCode, SASLFailure } from "../../errors.js";
import { decodeBase64, encodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { toHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import { scramSha256 } from "../../mechanisms/index.js";
import { memoryAccounts } from "../../memory-accounts.js";
import type { ServerEvent } from "../../server.js";
import type { SASLServerSession } from "../../session.js";
import { passwordChange, setPassword } from "../../set-password.js";
import { SASLStateMachine } from "../../state-machine.js";
import { mechanismChecks, scriptedServer } from "../../testing.js";
import { cyrusMaster, interactive, newOpaqueKeys, OPAQUE, opaque, opaqueServer, rfc9807 } from "../index.js";
import { deriveDiffieHellmanKeyPair, deriveOprfKey, generateKE1, publicKeyOf, register } from "./protocol.js";

const stretch = (input: Uint8Array) => input; // Argon2id has a test of its own
const keys = { oprfSeed: new Uint8Array(64).fill(1), privateKey: new Uint8Array(32).fill(2) };
const realm = "example.com";
const mechanism = opaqueServer({ ...keys, realm, stretch });
const password = "tanstaaftanstaaf";
const accounts = memoryAccounts();
await setPassword(accounts, "tim", password, { mechanisms: [mechanism] });
await setPassword(accounts, "tim@example.org", password, { mechanisms: [mechanism] });
const connection = { secure: true, successData: true };
const seed = 20_261_121;

describe("everything the engine counts on", () => {
  const options = {
    seed,
    credentials: { username: "tim", password },
    wrong: { username: "tim", password: "something else" },
    server: { accounts },
    rounds: 1,
  };
  for (const check of mechanismChecks(mechanism, options)) test(check.name, { timeout: 60_000 }, check.run);
});

/** How a login ends: the server's result, or a code. */
async function login(server = mechanism, credentials: object = {}, store = accounts, suite = rfc9807) {
  const session = serverWith([server], { accounts: store, authorize: () => true }).session(connection);
  const client = OPAQUE({ username: "tim", password, ...credentials }, { stretch, suite });
  const code = await client.authenticate(new SASLStateMachine(session), "OPAQUE").then(
    () => undefined,
    (e) => e.code,
  );
  return code ?? session.result;
}

describe("names", () => {
  test("the draft of Cyrus' plug-in is another language", async () => {
    const suite = cyrusMaster;
    const server = opaqueServer({ ...keys, realm, stretch, suite });
    const store = memoryAccounts();
    await setPassword(store, "tim", password, { mechanisms: [server] });
    expect(await login(server, {}, store, suite)).toMatchObject({ authcid: "tim" });
    expect(await login(server, { password: "x" }, store, suite)).toBe("refused");
    expect(await login(server, {}, store, rfc9807)).toBe("refused");
  });

  test("the part after @ is the realm, as in Cyrus", async () => {
    expect(await login(mechanism, { username: "tim@example.org" })).toMatchObject({ authcid: "tim@example.org" });
    expect(await login(mechanism, { username: "tim@example.com" })).toBe("refused"); // another account
  });

  test("R-GEN-18 somebody else can be acted as; oneself is nobody else", async () => {
    expect(await login(mechanism, { authzid: "anna" })).toMatchObject({ authcid: "tim", authzid: "anna" });
    expect(await login(mechanism, { authzid: "tim" })).toMatchObject({ authcid: "tim", authzid: "tim" });
    expect(await login(mechanism)).toMatchObject({ authcid: "tim", authzid: "tim" });
  });

  test("a server of another realm, seed or key is not the one that knows the password", async () => {
    for (const other of [
      { realm: "example.net" },
      { oprfSeed: new Uint8Array(64) },
      { privateKey: new Uint8Array(32).fill(9) },
      { suite: cyrusMaster },
    ]) {
      expect(await login(opaqueServer({ ...keys, realm, stretch, ...other }))).toBe("refused");
    }
  });
});

describe("the server", () => {
  const ke1 = concatBytes(publicKeyOf(keys.privateKey), new Uint8Array(32), publicKeyOf(keys.privateKey));
  const request = (names: string | Uint8Array, first = ke1) =>
    concatBytes(first, typeof names === "string" ? encodeUtf8(names) : names);
  const hostile: readonly [why: string, request: Uint8Array, code: SASLErrorCode | "challenge"][] = [
    ["what is right, so that the rest means something", request("tim\0tim\0"), "challenge"],
    ["an authzid left empty", request("tim\0\0"), "challenge"],
    ["a name nobody has", request("anna\0anna\0"), "challenge"],
    ["nothing", new Uint8Array(0), "malformed-message"],
    ["KE1 alone", ke1, "malformed-message"],
    ["KE1 one octet short", ke1.subarray(1), "malformed-message"],
    ["one name", request("tim\0"), "malformed-message"],
    ["two names, the second without its end", request("tim\0tim"), "malformed-message"],
    ["three names", request("tim\0tim\0tim\0"), "malformed-message"],
    ["an octet after the end", request("tim\0tim\0x"), "malformed-message"],
    ["an empty name", request("\0tim\0"), "malformed-message"],
    ["no UTF-8", request(Uint8Array.of(0xff, 0, 0x61, 0)), "incorrect-encoding"],
    ["R-PREP-05 a name that preparation empties", request("\u00ad\0\u00ad\0"), "malformed-message"],
    ["R-LIM-01 a name over 1024 octets", request(`${"a".repeat(1025)}\0a\0`), "limit-exceeded"],
    ["R-LIM-01 more than 64 KiB", request("a".repeat(65536)), "limit-exceeded"],
    [
      "the identity for the blinded element",
      request(
        "tim\0tim\0",
        ke1.map((o, i) => (i < 32 ? 0 : o)),
      ),
      "malformed-message",
    ],
    [
      "the identity for the key share",
      request(
        "tim\0tim\0",
        ke1.map((o, i) => (i < 64 ? o : 0)),
      ),
      "malformed-message",
    ],
    [
      "what is no element",
      request(
        "tim\0tim\0",
        ke1.map((o, i) => (i < 32 ? 0xff : o)),
      ),
      "malformed-message",
    ],
    [
      "what is no element, of nobody",
      request(
        "anna\0anna\0",
        ke1.map(() => 0xff),
      ),
      "malformed-message",
    ],
  ];
  const session = () => serverWith([mechanism], { accounts }).session(connection);
  test.each(hostile)("R-GEN-32 %s", async (_, message, code) => {
    expect(await codeAfter(session(), "OPAQUE", [message])).toBe(code);
  });

  test.each([0, 32, 63, 65, 128])("R-GEN-32 a KE3 of %i octets", async (length) => {
    const said = [request("tim\0tim\0"), new Uint8Array(length)];
    expect(await codeAfter(session(), "OPAQUE", said)).toBe("malformed-message");
  });

  test.each(["tim", "anna"])("R-GEN-31 a wrong KE3 of %s", async (name) => {
    const said = [request(`${name}\0${name}\0`), new Uint8Array(64)];
    expect(await codeAfter(session(), "OPAQUE", said)).toBe("refused");
  });

  test("R-GEN-31 nobody's evaluated element is the same each time, as somebody's is, and so are all lengths", async () => {
    const said = async (name: string) => {
      const { payload } = await session().initiate("OPAQUE", request(`${name}\0${name}\0`));
      return payload as Uint8Array;
    };
    for (const name of ["tim", "anna"]) {
      const [first, second] = [await said(name), await said(name)];
      expect(first).toHaveLength(320 + realm.length + 1);
      expect(first.subarray(0, 32)).toEqual(second.subarray(0, 32)); // RFC 9807 §10.9
      expect(first.subarray(32, 320)).not.toEqual(second.subarray(32, 320));
    }
    expect((await said("tim")).subarray(0, 32)).not.toEqual((await said("anna")).subarray(0, 32));
  });

  const stored: readonly [why: string, value: unknown][] = [
    ["no base64", "?"],
    ["no text", 7],
    ["nothing", ""],
    ["191 octets", encodeBase64(new Uint8Array(191))],
    ["257 octets", encodeBase64(new Uint8Array(257))],
    ["a client's key that is none", encodeBase64(new Uint8Array(192).fill(0xff))],
    ["a client's key that is the identity", encodeBase64(new Uint8Array(192))],
    ["an OPRF key over the order", encodeBase64(new Uint8Array(256).fill(0xff))],
    ["a private key of zero", encodeBase64(new Uint8Array(256).map((_, i) => (i < 31 ? 1 : 0)))],
  ];
  test.each(stored)("R-STO-04 a stored record that is none fails as temporary: %s", async (_, opaqueRecord) => {
    const broken = serverWith([mechanism], { accounts: memoryAccounts({ tim: { opaqueRecord } }) }).session(connection);
    expect(await codeAfter(broken, "OPAQUE", [request("tim\0tim\0")])).toBe("temporary");
  });

  const unfinished: readonly [
    how: string,
    end: (session: SASLServerSession) => Promise<unknown>,
    code: SASLErrorCode,
  ][] = [
    ["an abort", (session) => session.abort(), "refused"],
    ["a connection that is gone", (session) => session.abort(new SASLFailure("connection-lost", "gone")), "refused"],
    ["a KE3 that is none", (session) => session.respond(new Uint8Array(1)), "refused"],
    ["a fault of ours", (session) => session.abort(new SASLFailure("temporary", "out of order")), "temporary"],
  ];
  test.each(unfinished)("R-LIM-08 a guess is counted whose answer KE2 gave, also after %s", async (_, end, code) => {
    const told: (SASLErrorCode | undefined)[] = [];
    const throttle = { begin: () => undefined, ended: (event: ServerEvent) => void told.push(event.code) };
    const server = serverWith([mechanism], { accounts, throttle, onOutcome: (event) => told.push(event.code) });
    const session = server.session(connection);
    const { ke1 } = generateKE1(rfc9807, encodeUtf8("a guess"), (count) => new Uint8Array(count).fill(3));
    await session.initiate("OPAQUE", concatBytes(ke1, encodeUtf8("tim\0tim\0")));
    await end(session).catch(() => {});
    expect(told).toEqual([code, code]);
  });

  test("R-LIM-08 what ends before KE2 was no guess", async () => {
    const told: (SASLErrorCode | undefined)[] = [];
    const server = serverWith([mechanism], { accounts, onOutcome: (event) => told.push(event.code) });
    const session = server.session(connection);
    await session.initiate("OPAQUE");
    await session.abort();
    expect(told).toEqual(["aborted"]);
  });

  test("a record of libopaque brings its own keys", async () => {
    const own = { oprfKey: deriveOprfKey(rfc9807, new Uint8Array(64), ke1), privateKey: new Uint8Array(32).fill(0xfe) };
    const identities = { client: encodeUtf8("tim"), server: encodeUtf8(realm) };
    const given = { oprfKey: own.oprfKey, serverPublicKey: publicKeyOf(own.privateKey) };
    const random = (count: number) => new Uint8Array(count).fill(5);
    const { record } = await register({ suite: rfc9807, identities }, encodeUtf8(password), given, stretch, random);
    const opaqueRecord = encodeBase64(concatBytes(own.oprfKey, own.privateKey, record));
    const store = memoryAccounts({ tim: { opaqueRecord } });
    expect(await login(mechanism, {}, store)).toMatchObject({ authcid: "tim" });
    expect(await login(mechanism, { password: "x" }, store)).toBe("refused");
  });

  test("a new password takes the place of the old one; without a name nothing is made", async () => {
    const store = memoryAccounts({ tim: { opaqueRecord: accounts.lookup("tim", []) } });
    await setPassword(store, "tim", "new one", { mechanisms: [mechanism] });
    expect(await login(mechanism, { password: "new one" }, store)).toMatchObject({ authcid: "tim" });
    expect(await login(mechanism, {}, store)).toBe("refused");
    const { changes, unserved } = await passwordChange("new one", { mechanisms: [mechanism] });
    expect(changes.opaqueRecord).toBeUndefined();
    expect(unserved).toEqual(["OPAQUE"]);
  });

  test("a password over 65535 octets works with other mechanisms alone", async () => {
    const options = { name: "tim", mechanisms: [mechanism, scramSha256] };
    const { changes, unserved } = await passwordChange("p".repeat(65_536), options);
    expect(unserved).toEqual(["OPAQUE"]);
    expect(changes.opaqueRecord).toBeUndefined();
  });

  test("R-GEN-30 nothing that is stored or answered shows the password or the server's keys", async () => {
    const record = (accounts.lookup("tim", []) as { opaqueRecord: string }).opaqueRecord;
    expect(decodeBase64(record)).toHaveLength(192);
    expect(JSON.stringify(mechanism)).not.toContain("1,1,1");
  });

  test("options that cannot be are refused", () => {
    for (const wrong of [
      { oprfSeed: new Uint8Array(63) },
      { privateKey: new Uint8Array(31) },
      { privateKey: new Uint8Array(32) }, // zero is no key
      { realm: "" },
      { realm: "a\0b" },
      { realm: "a".repeat(65536) },
    ]) {
      expect(() => opaqueServer({ ...keys, realm, ...wrong })).toThrow(RangeError);
    }
  });

  test("without keys it is offered nowhere", async () => {
    expect(serverWith([opaque]).mechanisms(connection)).toEqual([]);
    expect(opaque.client).toBeDefined();
  });

  test("new keys are new, and whole", () => {
    const [one, two] = [newOpaqueKeys(), newOpaqueKeys()];
    expect(one.oprfSeed).toHaveLength(64);
    expect(one.oprfSeed).not.toEqual(two.oprfSeed);
    expect(one.privateKey).not.toEqual(two.privateKey);
    expect(() => opaqueServer({ ...one, realm })).not.toThrow();
  });

  test("keys are copied", async () => {
    const own = { oprfSeed: keys.oprfSeed.slice(), privateKey: keys.privateKey.slice() };
    const server = opaqueServer({ ...own, realm, stretch });
    own.oprfSeed.fill(0);
    own.privateKey.fill(0);
    expect(await login(server)).toMatchObject({ authcid: "tim" });
  });
});

describe("the client", () => {
  const share = deriveDiffieHellmanKeyPair(rfc9807, new Uint8Array(32)).publicKey;
  const ke2 = concatBytes(share, new Uint8Array(192), share, new Uint8Array(64));
  const hostile: readonly [why: string, response: Uint8Array, code: SASLErrorCode][] = [
    ["a KE2 of no server", concatBytes(ke2, encodeUtf8("example.com\0")), "refused"],
    ["nothing", new Uint8Array(0), "malformed-message"],
    ["KE2 alone", ke2, "malformed-message"],
    ["an empty realm", concatBytes(ke2, encodeUtf8("\0")), "malformed-message"],
    ["a realm without its end", concatBytes(ke2, encodeUtf8("example.com")), "malformed-message"],
    ["a NUL in the realm", concatBytes(ke2, encodeUtf8("example\0com\0")), "malformed-message"],
    ["an octet after the end", concatBytes(ke2, encodeUtf8("example.com\0\0")), "malformed-message"],
    [
      "the identity for the evaluated element",
      concatBytes(
        ke2.map((o, i) => (i < 32 ? 0 : o)),
        encodeUtf8("a\0"),
      ),
      "malformed-message",
    ],
    [
      "the identity for the key share",
      concatBytes(
        ke2.map((o, i) => (i < 224 ? o : 0)),
        encodeUtf8("a\0"),
      ),
      "malformed-message",
    ],
    [
      "what is no element",
      concatBytes(
        ke2.map(() => 0xff),
        encodeUtf8("a\0"),
      ),
      "malformed-message",
    ],
  ];
  test.each(hostile)("R-GEN-32 %s", async (_, response, code) => {
    const script = [
      { from: "client", bytes: undefined },
      { from: "server", bytes: response },
    ] as const;
    const exchange = OPAQUE({ username: "tim", password }, { stretch }).authenticate(
      new SASLStateMachine(scriptedServer(script)),
      "OPAQUE",
    );
    expect(await codeOf(exchange)).toBe(code);
  });

  test("sends nothing without a name or a password, or with one that is too long", async () => {
    const run = (credentials: object) =>
      codeOf(
        OPAQUE({ username: "tim", password, ...credentials }, { stretch }).authenticate(
          new SASLStateMachine(scriptedServer([])),
          "OPAQUE",
        ),
      );
    expect(await run({ username: "" })).toBe("malformed-message");
    expect(await run({ password: "" })).toBe("malformed-message");
    expect(await run({ password: "a".repeat(65536) })).toBe("no-credentials");
  });
});

test("the key stretching function is libsodium's Argon2id, INTERACTIVE", { timeout: 60_000 }, async () => {
  // crypto_pwhash of libsodium 1.0.18 for the octets 0 to 63 and a salt of zeros.
  const published =
    "abb57094177aaec0ab801acddf694a589030c23b41f1c2216c1187b50462c12a7ca0e973f7a2bc7727a7084a8d3a9b272315a25aa0b8094ab25165e06bc96146";
  expect(toHex(await interactive(Uint8Array.from({ length: 64 }, (_, i) => i)))).toBe(published);
});
