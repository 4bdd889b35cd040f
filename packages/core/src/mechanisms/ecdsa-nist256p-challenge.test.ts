import { p256 } from "@noble/curves/nist.js";
import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, serverWith } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import { ECDSA_NIST256P_CHALLENGE, ecdsaNist256pChallenge, ecdsaPublicKey } from "../ecdsa.js";
import type { SASLErrorCode } from "../errors.js";
import { decodeBase64 } from "../internal/base64.js";
import { concatBytes } from "../internal/bytes.js";
import { fromHex } from "../internal/hex.js";
import { encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import { SASLStateMachine } from "../state-machine.js";
import { mechanismChecks, playToServer, scriptedServer } from "../testing.js";

interface EcdsaInputs {
  readonly username: string;
  readonly public_key_b64: string;
  readonly private_key_hex?: string;
}
interface EcdsaOutcome extends Outcome {
  readonly failing_side?: "client" | "server";
}

const name = "ECDSA-NIST256P-CHALLENGE";
const vectors = loadVectors<EcdsaInputs, EcdsaOutcome>("ecdsa-nist256p-challenge");
const connection = { secure: true, successData: true };

/** A session whose challenge is the one of the vector. */
function sessionFor(ecdsaPublicKey: unknown, challenge: Uint8Array, username = "tim") {
  const accounts = memoryAccounts({ [username]: { ecdsaPublicKey } });
  return serverWith([ecdsaNist256pChallenge], { accounts, random: () => challenge }).session(connection);
}

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result, messages } = vector;
  const script = scriptOf(vector);
  const [, challenge, signature] = script.map(({ bytes }) => bytes as Uint8Array);
  const privateKey = inputs.private_key_hex === undefined ? undefined : fromHex(inputs.private_key_hex);

  if (privateKey !== undefined) {
    test(`R-ECD-03 the client: ${result.outcome}`, async () => {
      expect(ecdsaPublicKey(privateKey)).toBe(inputs.public_key_b64);
      const machine = new SASLStateMachine(scriptedServer(script));
      const exchange = ECDSA_NIST256P_CHALLENGE({ username: inputs.username, privateKey }).authenticate(machine, name);
      if (result.outcome === "success")
        expect(await exchange).toMatchObject({ mechanism: name, serverVerified: false });
      else expect(await codeOf(exchange)).toBe("malformed-message");
    });
  }

  if (result.failing_side !== "client") {
    test(`R-ECD-02 the server: ${result.outcome}`, async () => {
      const session = sessionFor(inputs.public_key_b64, challenge as Uint8Array);
      const played = await playToServer(session, name, script);
      expect(played.state).toBe(result.outcome);
      expect(session.result?.authcid).toBe(result.outcome === "success" ? "tim" : undefined);
    });
  }

  if (result.outcome === "success" && messages.length === 3) {
    test("R-ECD-02 R-ECD-01 the signature fits no other challenge and no other key", async () => {
      const other = Uint8Array.from(challenge as Uint8Array, (octet, i) => (i === 31 ? octet ^ 1 : octet));
      const said = [encodeUtf8("tim"), signature as Uint8Array];
      expect(await codeAfter(sessionFor(inputs.public_key_b64, other), name, said)).toBe("refused");
      const stranger = ecdsaPublicKey(new Uint8Array(32).fill(3));
      expect(await codeAfter(sessionFor(stranger, challenge as Uint8Array), name, said)).toBe("refused");
    });
  }
});

const privateKey = new Uint8Array(32).fill(7);
const publicKey = ecdsaPublicKey(privateKey);
const accounts = memoryAccounts({ tim: { ecdsaPublicKey: publicKey } });
const seed = 20_261_121;

describe("everything the engine counts on", () => {
  const options = {
    seed,
    credentials: { username: "tim", privateKey },
    wrong: { username: "tim", sign: () => der(1n, 1n) }, // signatures of a wrong key have this and that length
    server: { accounts },
    rounds: 1,
  };
  for (const check of mechanismChecks(ecdsaNist256pChallenge, options))
    test(check.name, { timeout: 60_000 }, check.run);
});

/** SEQUENCE of two integers in DER. */
function der(r: bigint, s: bigint): Uint8Array {
  const integer = (value: bigint) => {
    const hex = value.toString(16);
    const octets = fromHex(hex.length % 2 ? `0${hex}` : hex) as Uint8Array;
    const padded = (octets[0] as number) > 127 ? concatBytes(Uint8Array.of(0), octets) : octets;
    return concatBytes(Uint8Array.of(2, padded.length), padded);
  };
  const both = concatBytes(integer(r), integer(s));
  return concatBytes(Uint8Array.of(0x30, both.length), both);
}

describe("the server", () => {
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n; // SP 800-186 §3.2.1.3
  const names: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["an empty name", "\0tim", "malformed-message"],
    ["an empty authzid", "tim\0", "malformed-message"],
    ["a third name", "tim\0tim\0tim", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0xff), "incorrect-encoding"],
    ["R-LIM-01 a name over 1024 octets", "a".repeat(1025), "limit-exceeded"],
    ["R-PREP-05 a name that preparation empties", "\u00ad", "malformed-message"],
  ];
  test.each(names)("R-GEN-32 %s", async (_, message, code) => {
    expect(await codeAfter(sessionFor(publicKey, new Uint8Array(32)), name, [message])).toBe(code);
  });

  const signatures: readonly [why: string, signature: Uint8Array | string, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["64 octets, as WebCrypto gives them", new Uint8Array(64).fill(1), "malformed-message"],
    ["r = 0", der(0n, 1n), "malformed-message"],
    ["s = 0", der(1n, 0n), "malformed-message"],
    ["r = n", der(n, 1n), "malformed-message"],
    ["s = n", der(1n, n), "malformed-message"],
    ["r over 256 bits", der(1n << 256n, 1n), "malformed-message"],
    ["r and s in range", der(1n, 1n), "refused"],
    ["r and s at the end of the range", der(n - 1n, n - 1n), "refused"],
    ["an octet after the end", concatBytes(der(1n, 1n), Uint8Array.of(0)), "malformed-message"],
    ["a length in long form", Uint8Array.of(0x30, 0x81, 6, 2, 1, 1, 2, 1, 1), "malformed-message"],
    ["a superfluous zero", Uint8Array.of(0x30, 7, 2, 2, 0, 1, 2, 1, 1), "malformed-message"],
    ["a negative r", Uint8Array.of(0x30, 6, 2, 1, 0xff, 2, 1, 1), "malformed-message"],
    ["an indefinite length", Uint8Array.of(0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0), "malformed-message"],
    ["R-LIM-01 more than 64 KiB", new Uint8Array(65537), "limit-exceeded"],
  ];
  test.each(signatures)("R-ECD-02 a signature: %s", async (_, signature, code) => {
    const answer = typeof signature === "string" ? encodeUtf8(signature) : signature;
    expect(await codeAfter(sessionFor(publicKey, new Uint8Array(32)), name, [encodeUtf8("tim"), answer])).toBe(code);
  });

  test("R-GEN-31 nobody's key is the base point, and its signature lets nobody in", async () => {
    const base = new Uint8Array(32);
    base[31] = 1;
    for (const account of [undefined, {}]) {
      const server = serverWith([ecdsaNist256pChallenge], { accounts: memoryAccounts(account && { tim: account }) });
      const client = ECDSA_NIST256P_CHALLENGE({ username: "tim", privateKey: base });
      const exchange = client.authenticate(new SASLStateMachine(server.session(connection)), name);
      expect(await codeOf(exchange)).toBe("refused");
    }
  });

  const stored: readonly [why: string, value: unknown][] = [
    ["no base64", "?"],
    ["no text", 7],
    ["an uncompressed point", btoa(`\x04${"\x01".repeat(64)}`)],
    ["a compressed point that is on no curve", btoa(`\x02${"\xff".repeat(32)}`)],
    ["the point at infinity", btoa("\0")],
    ["nothing", ""],
  ];
  test.each(stored)("R-STO-04 R-ECD-02 a stored key that is none fails as temporary: %s", async (_, value) => {
    expect(await codeAfter(sessionFor(value, new Uint8Array(32)), name, ["tim"])).toBe("temporary");
  });

  test("R-ECD-01 the challenge is 32 octets, another one each time, and accepted once", async () => {
    const server = serverWith([ecdsaNist256pChallenge], { accounts });
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { payload } = await server.session(connection).initiate(name, encodeUtf8("tim"));
      expect(payload).toHaveLength(32);
      seen.add(String(payload));
    }
    expect(seen.size).toBe(50);
    const first = server.session(connection);
    const { payload } = await first.initiate(name, encodeUtf8("tim"));
    const signature = p256.sign(payload as Uint8Array, privateKey, { prehash: false, format: "der" });
    expect((await first.respond(signature)).state).toBe("success");
    expect(await codeAfter(server.session(connection), name, [encodeUtf8("tim"), signature])).toBe("refused");
    expect(await codeOf(first.initiate(name, encodeUtf8("tim")))).toBe("unexpected-message");
  });

  test("R-GEN-18 acts as somebody else where that is allowed", async () => {
    const authorize = () => true;
    const session = serverWith([ecdsaNist256pChallenge], { accounts, authorize }).session(connection);
    const credentials = { username: "tim", authzid: "anna", privateKey };
    await ECDSA_NIST256P_CHALLENGE(credentials).authenticate(new SASLStateMachine(session), name);
    expect(session.result).toMatchObject({ authcid: "tim", authzid: "anna" });
  });
});

describe("the client", () => {
  const challenge = new Uint8Array(32).fill(5);
  const script = [
    { from: "client", bytes: encodeUtf8("tim") },
    { from: "server", bytes: challenge },
    { from: "client", bytes: der(1n, 2n) },
  ] as const;

  test("R-ECD-03 a function signs what came, once", async () => {
    const seen: Uint8Array[] = [];
    const sign = async (octets: Uint8Array) => {
      seen.push(octets);
      return der(1n, 2n);
    };
    await ECDSA_NIST256P_CHALLENGE({ username: "tim", sign }).authenticate(
      new SASLStateMachine(scriptedServer(script)),
      name,
    );
    expect(seen).toEqual([challenge]);
  });

  test.each([0, 1, 31, 33, 64])("R-ECD-03 nothing is signed for a challenge of %i octets", async (length) => {
    let signed = false;
    const sign = () => {
      signed = true;
      return der(1n, 2n);
    };
    const server = [script[0], { from: "server", bytes: new Uint8Array(length) }] as const;
    const machine = new SASLStateMachine(scriptedServer(server));
    const exchange = ECDSA_NIST256P_CHALLENGE({ username: "tim", sign }).authenticate(machine, name);
    expect(await codeOf(exchange)).toBe("malformed-message");
    expect(signed).toBe(false);
  });

  test("what is no key and no signature is told to the programmer", async () => {
    const run = (credentials: object) =>
      ECDSA_NIST256P_CHALLENGE({ username: "tim", ...credentials }).authenticate(
        new SASLStateMachine(scriptedServer(script)),
        name,
      );
    await expect(run({ sign: () => new Uint8Array(64) })).rejects.toThrow(TypeError);
    expect(await codeOf(run({}))).toBe("no-credentials");
    for (const key of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(0xff), "x"]) {
      expect(() => ecdsaPublicKey(key as Uint8Array)).toThrow(TypeError);
      await expect(run({ privateKey: key })).rejects.toThrow(TypeError);
    }
    expect(await codeOf(run({ username: "", privateKey }))).toBe("malformed-message");
  });

  test("the account's key is Atheme's notation", () => {
    expect(decodeBase64(publicKey)).toHaveLength(33);
    expect([2, 3]).toContain(decodeBase64(publicKey)[0]);
  });
});
