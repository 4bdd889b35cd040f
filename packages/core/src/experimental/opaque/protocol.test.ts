import { describe, expect, test } from "vitest";
import { loadVectors, type Outcome } from "../../../test/vectors.js";
import { decodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { fromHex, toHex } from "../../internal/hex.js";
import {
  deriveDiffieHellmanKeyPair,
  deriveOprfKey,
  fakeRecord,
  generateKE1,
  generateKE2,
  generateKE3,
  OpaqueError,
  publicKeyOf,
  register,
} from "./protocol.js";
import { cyrusMaster, type OpaqueSuite, rfc9807 } from "./suites.js";

type Hex = Readonly<Record<string, string | undefined>>;

const vectors = loadVectors<Hex, Outcome>("opaque");
const suites = { "RFC 9807": rfc9807, "draft-irtf-cfrg-opaque-09": cyrusMaster };
const bytes = (hex: string | undefined) => fromHex(hex ?? "") as Uint8Array;
const identity = (input: Uint8Array) => input;

/** What a random source gives so that the OPRF takes this scalar: 48 octets modulo the order less 1, plus 1 (RFC 9380 §5). */
function asRandom(blind: Uint8Array): Uint8Array {
  const lessOne = Uint8Array.from(blind);
  for (let i = 0; i < lessOne.length; i++) {
    const octet = lessOne[i] as number;
    lessOne[i] = (octet + 255) % 256;
    if (octet > 0) break;
  }
  return concatBytes(lessOne, new Uint8Array(16));
}

/** A source of chance that gives these, in order. */
function inOrder(...values: readonly Uint8Array[]) {
  const left = [...values];
  return (count: number) => {
    const next = left.shift();
    if (next?.length !== count) throw new Error(`asked for ${count} octets, and not for ${next?.length}`);
    return next;
  };
}

/** The draft gives key shares where the RFC gives seeds: a secret key stands for the seed it has none of. */
function seedOf(inputs: Hex, side: "client" | "server"): Uint8Array {
  return bytes(inputs[`${side}_keyshare_seed_hex`] ?? inputs[`${side}_private_keyshare_hex`]);
}

function withKeyShares(suite: OpaqueSuite, inputs: Hex): OpaqueSuite {
  const shares = [inputs.client_private_keyshare_hex, inputs.server_private_keyshare_hex];
  if (shares.every((share) => share === undefined)) return suite;
  const deriveKeyPair: OpaqueSuite["oprf"]["deriveKeyPair"] = (seed, info) =>
    shares.includes(toHex(seed))
      ? { secretKey: Uint8Array.from(seed), publicKey: Uint8Array.from(publicKeyOf(seed)) }
      : suite.oprf.deriveKeyPair(seed, info);
  return { ...suite, oprf: { ...suite.oprf, deriveKeyPair } };
}

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ id, vector }) => {
  const { inputs, messages } = vector;
  const derived = (vector.derived ?? {}) as Hex;
  const [ke1, ke2, ke3] = messages.map(({ b64 }) => decodeBase64(b64 as string)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const given = (name: string) => bytes(inputs[`${name}_hex`]);
  const suite = withKeyShares(suites[(inputs.suite ?? "RFC 9807") as keyof typeof suites], inputs);
  const identities = { client: given("client_identity"), server: given("server_identity") };
  const setting = { suite, context: given("context"), identities };
  const oprfKey = deriveOprfKey(suite, given("oprf_seed"), given("credential_identifier"));
  const keysOf = (record: Uint8Array) => ({ oprfKey, privateKey: given("server_private_key"), record });
  const chance = () => inOrder(given("masking_nonce"), given("server_nonce"), seedOf(inputs, "server"));

  if (vector.result.outcome === "success") {
    test("the registration is as published", async () => {
      expect(toHex(oprfKey)).toBe(derived.oprf_key_hex);
      expect(toHex(publicKeyOf(given("server_private_key")))).toBe(inputs.server_public_key_hex);
      const keys = { oprfKey, serverPublicKey: given("server_public_key") };
      const random = inOrder(asRandom(given("blind_registration")), given("envelope_nonce"));
      const { record, exportKey } = await register(setting, given("password"), keys, identity, random);
      expect(toHex(record)).toBe(derived.registration_upload_hex);
      expect(toHex(exportKey)).toBe(derived.export_key_hex);
    });

    test("the client says what is published", async () => {
      const random = inOrder(asRandom(given("blind_login")), given("client_nonce"), seedOf(inputs, "client"));
      const state = generateKE1(suite, given("password"), random);
      expect(toHex(state.ke1)).toBe(toHex(ke1));
      const result = await generateKE3(setting, state, ke2, identity);
      expect(toHex(result.ke3)).toBe(toHex(ke3));
      expect(toHex(result.sessionKey)).toBe(derived.session_key_hex);
      expect(toHex(result.exportKey)).toBe(derived.export_key_hex);
    });

    test("the server says what is published", () => {
      const state = generateKE2(setting, keysOf(bytes(derived.registration_upload_hex)), ke1, chance());
      expect(toHex(state.ke2)).toBe(toHex(ke2));
      expect(toHex(state.expectedKe3)).toBe(toHex(ke3));
      expect(toHex(state.sessionKey)).toBe(derived.session_key_hex);
    });
  } else {
    test(`the server says what is published, of nobody: ${id}`, () => {
      const record = concatBytes(given("client_public_key"), given("masking_key"), new Uint8Array(96));
      const state = generateKE2(setting, keysOf(record), ke1, chance());
      expect(toHex(state.ke2)).toBe(toHex(ke2));
    });
  }
});

describe("what a peer can send", () => {
  const zeros = new Uint8Array(32);
  const { secretKey, publicKey } = deriveDiffieHellmanKeyPair(
    rfc9807,
    zeros.map(() => 7),
  );
  const setting = { suite: rfc9807, context: zeros, identities: { client: zeros, server: zeros } };
  const oprfKey = deriveOprfKey(rfc9807, new Uint8Array(64), zeros);
  const record = fakeRecord(rfc9807, new Uint8Array(64), zeros);
  const random = (count: number) => new Uint8Array(count).fill(3);
  const password = Uint8Array.of(1);
  const state = generateKE1(rfc9807, password, random);
  const keys = { oprfKey, privateKey: secretKey, record };

  /** Encodings that RFC 9496 §4.3.1 and appendix A.2 refuse, and the identity, which RFC 9807 §2.1 does. */
  const elements: readonly [why: string, hex: string][] = [
    ["the identity", "00".repeat(32)],
    ["no canonical field element", `00${"ff".repeat(31)}`],
    ["the prime itself", `ed${"ff".repeat(30)}7f`],
    ["a negative field element", `01${"00".repeat(31)}`],
    ["no square", "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"],
    ["a point of edwards25519 in its own encoding", `58${"66".repeat(31)}`],
  ];
  const place = (message: Uint8Array, at: number, element: Uint8Array) => {
    const copy = Uint8Array.from(message);
    copy.set(element, at);
    return copy;
  };
  test.each(elements)("a server refuses %s for the blinded element, and for the key share", (_, hex) => {
    for (const at of [0, 64]) {
      const ke1 = place(state.ke1, at, bytes(hex));
      expect(() => generateKE2(setting, keys, ke1, random)).toThrow(expect.objectContaining({ reason: "malformed" }));
    }
  });

  const server = generateKE2(setting, keys, state.ke1, random);
  test.each(elements)("a client refuses %s for the evaluated element, and for the key share", async (_, hex) => {
    for (const at of [0, 224]) {
      const ke2 = place(server.ke2, at, bytes(hex));
      await expect(generateKE3(setting, state, ke2, identity)).rejects.toMatchObject({ reason: "malformed" });
    }
  });

  test("any other octet of KE2 changed is a wrong password or a wrong server", async () => {
    const keysOfServer = { oprfKey, serverPublicKey: publicKey };
    const { record: own } = await register(setting, password, keysOfServer, identity, random);
    const { ke2, expectedKe3 } = generateKE2(setting, { ...keys, record: own }, state.ke1, random);
    expect((await generateKE3(setting, state, ke2, identity)).ke3).toEqual(expectedKe3);
    for (const at of [32, 63, 64, 95, 96, 127, 128, 191, 192, 223, 256, 319]) {
      const bent = place(ke2, at, Uint8Array.of((ke2[at] as number) ^ 1));
      await expect(generateKE3(setting, state, bent, identity), `octet ${at}`).rejects.toMatchObject({
        reason: "wrong",
      });
    }
    for (const other of [
      { ...setting, context: Uint8Array.of(1) },
      { ...setting, identities: { client: zeros, server: password } },
      { ...setting, identities: { client: password, server: zeros } },
      { ...setting, suite: cyrusMaster },
    ]) {
      await expect(generateKE3(other, state, ke2, identity)).rejects.toBeInstanceOf(OpaqueError);
    }
  });

  test("nobody's record is the same each time, and another one for each name", () => {
    expect(fakeRecord(rfc9807, new Uint8Array(64), zeros)).toEqual(record);
    expect(fakeRecord(rfc9807, new Uint8Array(64), password)).not.toEqual(record);
    expect(record).toHaveLength(192);
  });

  test("a private key is 255 bits modulo the order, as libsodium reads it", () => {
    const order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    const more = Uint8Array.from(order, (octet, i) => (i === 0 ? octet + 5 : octet));
    const five = place(zeros, 0, Uint8Array.of(5));
    expect(publicKeyOf(more)).toEqual(publicKeyOf(five));
    expect(publicKeyOf(place(five, 31, Uint8Array.of(0x80)))).toEqual(publicKeyOf(five));
  });
});
