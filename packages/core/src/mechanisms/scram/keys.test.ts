/** The arithmetic of SCRAM: every intermediate value the vectors give. */
import { describe, expect, test } from "vitest";
import type { ScramInputs } from "../../../test/exchanges.js";
import { loadVectors, type Outcome, type Vector } from "../../../test/vectors.js";
import { decodeBase64, encodeBase64 } from "../../internal/base64.js";
import { toHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { Digest } from "../../runtime/contract.js";
import { saslprep } from "../../text/saslprep.js";
import { scramHashNamed } from "./hashes.js";
import { keysFromPassword, type ScramCrypto, verifierFromKeys, xor } from "./keys.js";

const files = ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"].flatMap((hash) => [
  `scram-${hash}`,
  `scram-${hash}-more`,
]);

interface Derived {
  readonly salted_password_hex: string;
  readonly client_key_hex: string;
  readonly stored_key_hex: string;
  readonly server_key_hex: string;
  readonly auth_message?: string;
}

const vectors = [...files, "scram-sha3-512", "scram-plus"].flatMap((file) =>
  loadVectors<ScramInputs, Outcome>(file)
    .filter(({ inputs, derived }) => derived !== undefined && inputs.password !== null)
    .map((vector) => ({ file, id: vector.id, vector })),
);

function digestOf(file: string, { inputs }: Vector<ScramInputs, unknown>): Digest {
  const name = (inputs.mechanism ?? file.replace("-more", "").toUpperCase()).replace(/^SCRAM-|-PLUS$/g, "");
  const digest = scramHashNamed(name)?.digest;
  if (digest === undefined) throw new Error(`no hash ${name}`);
  return digest;
}

describe.each(vectors)("$file, $id", ({ file, vector }) => {
  const { inputs, derived, messages } = vector;
  const expected = derived as unknown as Derived;
  const digest = digestOf(file, vector);

  test("R-SCRAM-01 every key, proof and signature, at full length", async () => {
    const salted: string[] = [];
    const crypto: ScramCrypto = {
      hash: (d, data) => d.hash(data),
      hmac: (d, key, data) => d.hmac(key, data),
      pbkdf2: async (d, password, salt, iterations) => {
        const key = await d.pbkdf2(password, salt, iterations);
        salted.push(toHex(key));
        return key;
      },
    };
    const password = inputs.password as string;
    // An empty password is refused before it gets here (R-PREP-05); its arithmetic holds all the same.
    const unprepared = inputs.saslprep === false || password === "";
    const prepared = unprepared ? password : await saslprep(password, "stored");
    const salt = decodeBase64(inputs.salt_b64);
    const keys = await keysFromPassword(crypto, digest, encodeUtf8(prepared), salt, inputs.iterations);
    const verifier = await verifierFromKeys(crypto, digest, keys);
    expect(salted).toEqual([expected.salted_password_hex]);
    expect(toHex(keys.clientKey)).toBe(expected.client_key_hex);
    expect(toHex(verifier.storedKey)).toBe(expected.stored_key_hex);
    expect(toHex(verifier.serverKey)).toBe(expected.server_key_hex);
    expect(verifier).toMatchObject({ hash: digest.name, salt, iterations: inputs.iterations });

    if (expected.auth_message === undefined || messages.length < 4 || vector.verified !== true) return;
    const signed = encodeUtf8(expected.auth_message);
    const proof = xor(keys.clientKey, await digest.hmac(verifier.storedKey, signed));
    expect(messages[2]?.text?.endsWith(`,p=${encodeBase64(proof)}`)).toBe(true);
    const signature = await digest.hmac(verifier.serverKey, signed);
    expect(messages[3]?.text?.startsWith(`v=${encodeBase64(signature)}`)).toBe(true);
  });
});

test("all six hashes are covered", () => {
  expect(new Set(vectors.map(({ file, vector }) => digestOf(file, vector).name)).size).toBe(6);
});

test("a name every object inherits is no hash", () => {
  for (const name of ["__proto__", "constructor", "", "sha-256", "MD5"]) expect(scramHashNamed(name)).toBeUndefined();
});
