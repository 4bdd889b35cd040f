/** Messages no honest peer sends, with the code each leads to. */
import { describe, expect, test } from "vitest";
import {
  binding,
  codeAfter,
  codeOf,
  connection,
  logIn,
  pairing,
  recorded,
  serverWith,
  user,
} from "../../../test/support.js";
import type { SASLErrorCode } from "../../errors.js";
import { encodeBase64 } from "../../internal/base64.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import { memoryAccounts } from "../../memory-accounts.js";
import { SASLStateMachine } from "../../state-machine.js";
import { makeScramVerifier } from "../../verifier.js";
import { hashSha256, SCRAM, scramSha256, scramSha256Plus } from "./index.js";
import { keysFromPassword, xor } from "./keys.js";

const salt = new Uint8Array(16).fill(3);
const verifier = await makeScramVerifier(hashSha256, user.password, { iterations: 4096, salt });
const accounts = memoryAccounts({ tim: { authPassword: [verifier] } });
const proof = encodeBase64(new Uint8Array(32));
const header = (text: string) => encodeBase64(encodeUtf8(text));

const session = (plus = false) =>
  serverWith(plus ? [scramSha256, scramSha256Plus] : [scramSha256], { accounts, nonce: () => "SERVER" }).session(
    connection,
  );

describe("the server, client-first", () => {
  const rows: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode | "challenge"][] = [
    ["the usual one", "n,,n=tim,r=abc", "challenge"],
    ["R-SCRAM-09 an extension after the nonce", "n,,n=tim,r=abc,x=anything at all", "challenge"],
    ["R-SCRAM-05 a name with both escapes", "n,,n=a=2Cb=3Dc,r=abc", "challenge"],
    ["R-SCRAM-02 nothing", "", "malformed-message"],
    ["R-SCRAM-02 no header", "n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-02 another flag", "x,,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-02 a capital flag", "N,,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-03 a name after n", "n=tls-exporter,,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-03 an empty type", "p=,,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-03 a type with a space", "p=tls exporter,,n=tim,r=abc", "malformed-message"],
    ["R-CB-04 flag p without -PLUS", "p=tls-exporter,,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-04 an empty authzid", "n,a=,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-04 another attribute for the authzid", "n,x=tim,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-05 an escape in lower case", "n,,n=a=2cb,r=abc", "malformed-message"],
    ["R-SCRAM-05 a bare equals sign", "n,,n=a=b,r=abc", "malformed-message"],
    ["R-SCRAM-05 another escape", "n,,n=a=41,r=abc", "malformed-message"],
    ["R-SCRAM-05 an escape in the authzid", "n,a=t=20im,n=tim,r=abc", "malformed-message"],
    ["R-SCRAM-07 no name", "n,,r=abc", "malformed-message"],
    ["R-SCRAM-07 an empty name", "n,,n=,r=abc", "malformed-message"],
    ["R-SCRAM-07 no nonce", "n,,n=tim", "malformed-message"],
    ["R-SCRAM-07 nonce before name", "n,,r=abc,n=tim", "malformed-message"],
    ["R-SCRAM-07 the nonce twice", "n,,n=tim,r=abc,r=abc", "malformed-message"],
    ["R-SCRAM-07 an extension twice", "n,,n=tim,r=abc,x=1,x=1", "malformed-message"],
    ["R-SCRAM-07 a comma at the end", "n,,n=tim,r=abc,", "malformed-message"],
    ["R-SCRAM-07 no letter for an attribute", "n,,n=tim,r=abc,1=x", "malformed-message"],
    ["R-SCRAM-07 60 attributes", `n,,n=tim,r=abc${",x=1".repeat(60)}`, "malformed-message"],
    ["R-SCRAM-11 an empty nonce", "n,,n=tim,r=", "malformed-message"],
    ["R-SCRAM-11 a space in the nonce", "n,,n=tim,r=a c", "malformed-message"],
    ["R-SCRAM-11 a control character in the nonce", "n,,n=tim,r=a\x7f", "malformed-message"],
    ["R-SCRAM-11 a nonce beyond ASCII", "n,,n=tim,r=aé", "malformed-message"],
    ["R-GEN-20 a NUL in the name", "n,,n=t\0im,r=abc", "malformed-message"],
    ["R-SCRAM-23 a name that preparation refuses", "n,,n=t\x07im,r=abc", "malformed-message"],
    ["R-SCRAM-23 a name that preparation empties", "n,,n=\u00ad,r=abc", "malformed-message"],
    ["R-PREP-06 no UTF-8", Uint8Array.of(0x6e, 0x2c, 0x2c, 0x6e, 0x3d, 0xff), "incorrect-encoding"],
    ["R-LIM-01 a name over 1024 octets", `n,,n=${"a".repeat(1025)},r=abc`, "limit-exceeded"],
    ["R-LIM-01 over 64 KiB", `n,,n=tim,r=${"a".repeat(65536)}`, "limit-exceeded"],
  ];
  test.each(rows)("%s", async (_, message, code) => {
    expect(await codeAfter(session(), "SCRAM-SHA-256", [message])).toBe(code);
  });

  test("R-SCRAM-08 a mandatory extension is named before the failure", async () => {
    for (const message of ["n,,m=x,n=tim,r=abc", "n,,n=tim,m=x,r=abc", "n,,n=tim,r=abc,m=x"]) {
      const wire = session();
      const reply = await wire.initiate("SCRAM-SHA-256", encodeUtf8(message));
      expect(decodeUtf8(reply.payload as Uint8Array)).toBe("e=extensions-not-supported");
      expect(await codeOf(wire.respond(new Uint8Array(0)))).toBe("malformed-message");
    }
  });

  const bound: readonly [why: string, mechanism: string, message: string, code: SASLErrorCode | "challenge"][] = [
    ["the usual one", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=tim,r=abc", "challenge"],
    ["R-CB-02 y although -PLUS is offered", "SCRAM-SHA-256", "y,,n=tim,r=abc", "refused"],
    ["n although -PLUS is offered", "SCRAM-SHA-256", "n,,n=tim,r=abc", "challenge"],
    ["R-CB-03 a type this connection lacks", "SCRAM-SHA-256-PLUS", "p=tls-unique,,n=tim,r=abc", "refused"],
    ["R-CB-03 a type every object inherits", "SCRAM-SHA-256-PLUS", "p=constructor,,n=tim,r=abc", "refused"],
    ["R-CB-04 n with -PLUS", "SCRAM-SHA-256-PLUS", "n,,n=tim,r=abc", "malformed-message"],
    ["R-CB-04 y with -PLUS", "SCRAM-SHA-256-PLUS", "y,,n=tim,r=abc", "malformed-message"],
    ["R-CB-04 p without -PLUS", "SCRAM-SHA-256", "p=tls-exporter,,n=tim,r=abc", "malformed-message"],
  ];
  test.each(bound)("where -PLUS is offered: %s", async (_, mechanism, message, code) => {
    expect(await codeAfter(session(true), mechanism, [message])).toBe(code);
  });
});

describe("the server, client-final", () => {
  const c = header("n,,");
  const r = "r=abcSERVER";
  const rows: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["R-SCRAM-22 a wrong proof", `c=${c},${r},p=${proof}`, "refused"],
    ["R-SCRAM-22 a wrong proof and an extension", `c=${c},${r},x=1,p=${proof}`, "refused"],
    ["R-SCRAM-13 the client's nonce alone", `c=${c},r=abc,p=${proof}`, "malformed-message"],
    ["R-SCRAM-13 a nonce that goes on", `c=${c},${r}x,p=${proof}`, "malformed-message"],
    ["R-SCRAM-13 another server nonce", `c=${c},r=abcserver,p=${proof}`, "malformed-message"],
    ["R-SCRAM-17 a proof too short", `c=${c},${r},p=${encodeBase64(new Uint8Array(31))}`, "malformed-message"],
    ["R-SCRAM-17 a proof too long", `c=${c},${r},p=${encodeBase64(new Uint8Array(33))}`, "malformed-message"],
    ["R-SCRAM-17 no proof at all", `c=${c},${r},p=`, "malformed-message"],
    ["R-SCRAM-18 another header", `c=${header("y,,")},${r},p=${proof}`, "refused"],
    ["R-SCRAM-18 an authzid more", `c=${header("n,a=anna,")},${r},p=${proof}`, "refused"],
    [
      "R-SCRAM-18 R-CB-10 a type that was not named before",
      `c=${header("p=tls-exporter,,")},${r},p=${proof}`,
      "refused",
    ],
    ["R-SCRAM-18 data nobody asked for", `c=${header("n,,data")},${r},p=${proof}`, "refused"],
    ["R-SCRAM-18 nothing", `c=,${r},p=${proof}`, "malformed-message"],
    ["R-SCRAM-16 a header that is no base64", `c=n,${r},p=${proof}`, "incorrect-encoding"],
    ["R-SCRAM-16 a proof that is no base64", `c=${c},${r},p=${proof.slice(1)}`, "incorrect-encoding"],
    ["R-SCRAM-19 something after the proof", `c=${c},${r},p=${proof},x=1`, "malformed-message"],
    ["R-SCRAM-07 no proof", `c=${c},${r}`, "malformed-message"],
    ["R-SCRAM-07 no binding", `${r},p=${proof}`, "malformed-message"],
    ["R-SCRAM-07 nonce before binding", `${r},c=${c},p=${proof}`, "malformed-message"],
    ["R-SCRAM-07 two proofs", `c=${c},${r},p=${proof},p=${proof}`, "malformed-message"],
    ["R-SCRAM-08 a mandatory extension", `c=${c},${r},m=x,p=${proof}`, "malformed-message"],
    ["an empty message", "", "malformed-message"],
    ["the first message again", "n,,n=tim,r=abc", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0x63, 0x3d, 0xff), "incorrect-encoding"],
  ];
  test.each(rows)("%s", async (_, message, code) => {
    const wire = session();
    expect(await codeAfter(wire, "SCRAM-SHA-256", ["n,,n=tim,r=abc", message])).toBe(code);
    expect(wire.result).toBeUndefined();
  });
});

describe("the server and a client that knows the password", () => {
  const { digest } = hashSha256;
  const crypto = {
    hash: (d: typeof digest, data: Uint8Array) => d.hash(data),
    hmac: (d: typeof digest, key: Uint8Array, data: Uint8Array) => d.hmac(key, data),
    pbkdf2: (d: typeof digest, p: Uint8Array, s: Uint8Array, i: number) => d.pbkdf2(p, s, i),
  };
  /** A last message whose proof fits it, whatever it says. */
  async function signed(bare: string, serverFirst: string, withoutProof: string): Promise<string> {
    const { clientKey } = await keysFromPassword(crypto, digest, encodeUtf8(user.password), salt, 4096);
    const message = encodeUtf8(`${bare},${serverFirst},${withoutProof}`);
    const signature = await digest.hmac(await digest.hash(clientKey), message);
    return `${withoutProof},p=${encodeBase64(xor(clientKey, signature))}`;
  }

  const rows: readonly [why: string, flag: string, withoutProof: string, code: SASLErrorCode | "challenge"][] = [
    ["the truth", "n,,", `c=${header("n,,")},r=abcSERVER`, "challenge"],
    ["R-SCRAM-09 the truth and an extension", "n,,", `c=${header("n,,")},r=abcSERVER,x=y`, "challenge"],
    ["R-SCRAM-13 a nonce of its own", "n,,", `c=${header("n,,")},r=abcOTHER`, "malformed-message"],
    ["R-SCRAM-18 another flag", "n,,", `c=${header("y,,")},r=abcSERVER`, "refused"],
    ["R-SCRAM-18 an authzid it did not ask for", "n,,", `c=${header("n,a=anna,")},r=abcSERVER`, "refused"],
    ["R-SCRAM-18 data after an unbound header", "n,,", `c=${header("n,,data")},r=abcSERVER`, "refused"],
    ["R-CB-10 a type it did not name", "n,,", `c=${header("p=tls-exporter,,")},r=abcSERVER`, "refused"],
    [
      "R-GEN-19 an authzid nobody allowed",
      "n,a=anna,",
      `c=${header("n,a=anna,")},r=abcSERVER`,
      "authorization-refused",
    ],
  ];
  test.each(rows)("%s", async (_, flag, withoutProof, code) => {
    const bare = "n=tim,r=abc";
    const wire = session();
    const reply = await wire.initiate("SCRAM-SHA-256", encodeUtf8(flag + bare));
    const final = await signed(bare, decodeUtf8(reply.payload as Uint8Array), withoutProof);
    const result = await wire.respond(encodeUtf8(final)).then(
      ({ state }) => state,
      (error: { code: string }) => error.code,
    );
    expect(result).toBe(code);
    expect(wire.result).toBeUndefined();
    if (code === "challenge") expect(await wire.respond(new Uint8Array(0))).toEqual({ state: "success" });
  });

  test.each([undefined, new Uint8Array(0)])(
    "R-CB-09 data that turns out to be %o never counts as bound",
    async (data) => {
      const server = serverWith([scramSha256Plus], { accounts, nonce: () => "SERVER" });
      const wire = server.session({ secure: true, channelBinding: { types: ["tls-exporter"], data: () => data } });
      expect(await codeAfter(wire, "SCRAM-SHA-256-PLUS", ["p=tls-exporter,,n=tim,r=abc"])).toBe("refused");
    },
  );
});

describe("the client", () => {
  const first: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["R-SCRAM-12 another nonce", "r=xyzSERVER,s=AAAA,i=4096", "peer-not-verified"],
    ["R-SCRAM-12 nothing added", "r=abc,s=AAAA,i=4096", "peer-not-verified"],
    ["R-SCRAM-12 ours at the end", "r=SERVERabc,s=AAAA,i=4096", "peer-not-verified"],
    ["R-SCRAM-12 ours in capitals", "r=ABCSERVER,s=AAAA,i=4096", "peer-not-verified"],
    ["R-SCRAM-15 4095 rounds", "r=abcS,s=AAAA,i=4095", "peer-not-verified"],
    ["R-SCRAM-15 600001 rounds", "r=abcS,s=AAAA,i=600001", "limit-exceeded"],
    ["R-SCRAM-15 more rounds than numbers hold", `r=abcS,s=AAAA,i=${"9".repeat(400)}`, "limit-exceeded"],
    ["R-SCRAM-14 no rounds", "r=abcS,s=AAAA,i=0", "malformed-message"],
    ["R-SCRAM-14 a leading zero", "r=abcS,s=AAAA,i=04096", "malformed-message"],
    ["R-SCRAM-16 an empty salt", "r=abcS,s=,i=4096", "malformed-message"],
    ["R-SCRAM-16 a salt that is no base64", "r=abcS,s=A,i=4096", "incorrect-encoding"],
    ["R-SCRAM-07 another order", "s=AAAA,r=abcS,i=4096", "malformed-message"],
    ["R-SCRAM-07 no count", "r=abcS,s=AAAA", "malformed-message"],
    ["R-SCRAM-07 two salts", "r=abcS,s=AAAA,s=AAAA,i=4096", "malformed-message"],
    ["R-SCRAM-08 a mandatory extension", "r=abcS,s=AAAA,i=4096,m=x", "malformed-message"],
    ["R-SCRAM-11 a nonce beyond ASCII", "r=abcé,s=AAAA,i=4096", "malformed-message"],
    ["R-SCRAM-20 an error instead", "e=unknown-user", "refused"],
    ["an empty challenge", "", "malformed-message"],
    ["the last message first", "v=AAAA", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0x72, 0x3d, 0xff), "incorrect-encoding"],
  ];
  test.each(first)("server-first: %s", async (_, message, code) => {
    const wire = recorded(session(), () => ({
      state: "challenge",
      payload: typeof message === "string" ? encodeUtf8(message) : message,
    }));
    const machine = new SASLStateMachine(wire);
    const derived = { count: 0 };
    const digest: typeof hashSha256.digest = {
      ...hashSha256.digest,
      pbkdf2: async () => {
        derived.count++;
        return new Uint8Array(32);
      },
    };
    const mechanism = SCRAM(user, { hashes: [{ ...hashSha256, digest }] });
    expect(await codeOf(mechanism.authenticate(machine, "SCRAM-SHA-256", { nonce: () => "abc" }))).toBe(code);
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]); // no proof was sent
    expect(derived.count).toBe(0); // R-SCRAM-15: and nothing was derived
  });

  const final: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["R-SCRAM-20 a signature of nothing", `v=${proof}`, "peer-not-verified"],
    ["R-SCRAM-20 a short signature", "v=AAAA", "peer-not-verified"],
    ["R-SCRAM-20 an empty signature", "v=", "malformed-message"],
    ["R-SCRAM-20 nothing", "", "malformed-message"],
    ["R-SCRAM-20 a refusal", "e=invalid-proof", "refused"],
    ["R-SCRAM-20 a refusal nobody knows", "e=because", "refused"],
    ["R-SCRAM-20 no resources", "e=no-resources", "temporary"],
    ["R-SCRAM-20 binding does not match", "e=channel-bindings-dont-match", "peer-not-verified"],
    ["R-SCRAM-20 binding is supported after all", "e=server-does-support-channel-binding", "peer-not-verified"],
    ["R-SCRAM-20 extensions", "e=extensions-not-supported", "malformed-message"],
    ["R-SCRAM-21 an error and a signature", `e=other-error,v=${proof}`, "malformed-message"],
    ["R-SCRAM-21 a signature and an error", `v=${proof},e=other-error`, "malformed-message"],
    ["R-SCRAM-21 neither", "x=1", "malformed-message"],
    ["R-SCRAM-08 a mandatory extension", `v=${proof},m=x`, "malformed-message"],
    ["R-SCRAM-16 a signature that is no base64", "v=A", "incorrect-encoding"],
    ["no UTF-8", Uint8Array.of(0x76, 0x3d, 0xff), "incorrect-encoding"],
  ];
  for (const withSuccess of [true, false]) {
    test.each(final)(
      `server-final ${withSuccess ? "with success" : "as a challenge"}: %s`,
      async (_, message, code) => {
        const payload = typeof message === "string" ? encodeUtf8(message) : message;
        const wire = recorded(session(), (reply, index) =>
          index === 1 ? { state: withSuccess ? "success" : "challenge", payload } : reply,
        );
        expect(await codeOf(logIn(pairing("SCRAM-SHA-256"), wire, { channelBinding: undefined }))).toBe(code);
      },
    );
  }

  test("R-GEN-30 an error of the server is repeated only when it is one word", async () => {
    for (const value of ["evil\x1b[2J", "E", "x".repeat(50), "a b"]) {
      const wire = recorded(session(), () => ({ state: "challenge", payload: encodeUtf8(`e=${value}`) }));
      await expect(logIn(pairing("SCRAM-SHA-256"), wire)).rejects.toThrow("other-error");
    }
  });
});

describe("names and passwords", () => {
  test("R-SCRAM-06 commas and equals signs go escaped over the wire, in the name and in the authzid", async () => {
    const names = memoryAccounts({ "a,b=c": { authPassword: [verifier] } });
    const server = serverWith([scramSha256], { accounts: names, authorize: () => true }).session(connection);
    const wire = recorded(server);
    const credentials = { username: "a,b=c", password: user.password, authzid: "x=,y" };
    const outcome = await logIn(pairing("SCRAM-SHA-256"), wire, { channelBinding: undefined }, credentials);
    expect(outcome).toMatchObject({ authcid: "a,b=c", authzid: "x=,y" });
    expect(decodeUtf8(wire.calls[0]?.payload as Uint8Array)).toMatch(/^n,a=x=3D=2Cy,n=a=2Cb=3Dc,r=/);
    expect(server.result).toMatchObject({ authcid: "a,b=c", authzid: "x=,y" });
  });

  test("R-SCRAM-23 a name that another client did not prepare is found, and signed as it was sent", async () => {
    const prepared = memoryAccounts({ IX: { authPassword: [verifier] } });
    const server = serverWith([scramSha256], { accounts: prepared }).session(connection);
    // This client leaves the name as it is; the password is ASCII, so that its form does not matter.
    const credentials = { username: "I\u00adX", password: user.password };
    await logIn(pairing("SCRAM-SHA-256"), server, { prepare: "none", channelBinding: undefined }, credentials);
    expect(server.result?.authcid).toBe("IX");
  });

  test("R-SCRAM-24 the password is prepared as a stored string on the client", async () => {
    const own = await makeScramVerifier(hashSha256, "pass\u00a0IX", { iterations: 4096, salt });
    const store = memoryAccounts({ tim: { authPassword: [own] } });
    const credentials = { username: "tim", password: "pass \u2168" };
    await logIn(
      pairing("SCRAM-SHA-256"),
      serverWith([scramSha256], { accounts: store }).session(connection),
      {},
      credentials,
    );
    const unassigned = { username: "tim", password: "\u0221" };
    expect(await codeOf(logIn(pairing("SCRAM-SHA-256"), session(), {}, unassigned))).toBe("malformed-message");
  });

  test("R-SCRAM-01 bound and unbound exchanges sign different things", async () => {
    const wire = recorded(session(true));
    await logIn(pairing("SCRAM-SHA-256-PLUS"), wire);
    const final = decodeUtf8(wire.calls[1]?.payload as Uint8Array);
    const data = (await binding.data("tls-exporter")) as Uint8Array;
    const expected = encodeBase64(Uint8Array.from([...encodeUtf8("p=tls-exporter,,"), ...data]));
    expect(final.startsWith(`c=${expected},`)).toBe(true);
  });
});
