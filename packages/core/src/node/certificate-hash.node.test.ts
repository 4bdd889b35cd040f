import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadVectors } from "../../test/vectors.js";
import { certificateHash, certificateHashName } from "./certificate-hash.js";

const certificate = (name: string): Uint8Array =>
  new X509Certificate(readFileSync(new URL(`../../test/certificates/${name}.cert.pem`, import.meta.url))).raw;

// A writer of DER for the tests alone, so that the reader is not tested against itself.
const der = (tag: number, ...content: Uint8Array[]): Uint8Array => {
  const body = Buffer.concat(content);
  const length = body.length < 0x80 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...length]), body]);
};
const oid = (dotted: string): Uint8Array => {
  const [root = 0, second = 0, ...arcs] = dotted.split(".").map(Number);
  const octets = [root * 40 + second, ...arcs].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let rest = arc >> 7; rest > 0; rest >>= 7) groups.unshift((rest & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, Uint8Array.from(octets));
};
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const NULL = der(0x05);
const PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const SHA256 = "2.16.840.1.101.3.4.2.1";
const SHA512 = "2.16.840.1.101.3.4.2.3";
const algorithm = (dotted: string, parameters: Uint8Array = NULL): Uint8Array => der(0x30, oid(dotted), parameters);
const TBS = der(0x30, bytes(2, 1, 1));
const SIGNATURE = der(0x03, new Uint8Array(300));
const signedWith = (dotted: string, parameters?: Uint8Array): Uint8Array =>
  der(0x30, TBS, algorithm(dotted, parameters), SIGNATURE);
const pss = (hash: string, mask = hash): Uint8Array =>
  der(0x30, der(0xa0, algorithm(hash)), der(0xa1, algorithm(MGF1, algorithm(mask))), der(0xa2, bytes(2, 1, 32)));

describe("hash of the end-point binding, by the vectors", () => {
  interface Inputs {
    readonly signature_algorithm_oid: string;
    readonly parameter_hash_oid?: string;
  }
  const vectors = loadVectors<Inputs, { hash: string | null }>("channel-binding-hash");
  for (const { id, inputs, result } of vectors) {
    test(`R-CB-08 ${id} takes ${result.hash ?? "no hash"}`, () => {
      const parameters = inputs.parameter_hash_oid === undefined ? undefined : pss(inputs.parameter_hash_oid);
      const signed = signedWith(inputs.signature_algorithm_oid, parameters);
      expect(certificateHashName(signed) ?? null).toBe(result.hash);
      expect(certificateHash(signed)?.length).toBe(
        result.hash === null ? undefined : createHash(result.hash).digest().length,
      );
    });
  }

  test("the file is not empty", () => expect(vectors.length).toBeGreaterThan(30));

  for (const vector of loadVectors<{ certificate_pem?: string }, { type: string; hash: string; data_hex: string }>(
    "channel-binding",
  )) {
    const pem = vector.inputs.certificate_pem;
    if (pem === undefined) continue;
    test(`R-CB-08 ${vector.id}`, () => {
      const { raw } = new X509Certificate(pem);
      expect(certificateHashName(raw)).toBe(vector.result.hash);
      expect(Buffer.from(certificateHash(raw) ?? []).toString("hex")).toBe(vector.result.data_hex);
    });
  }
});

describe("hash of the end-point binding, by real certificates", () => {
  const rows: readonly [name: string, hash: string | undefined][] = [
    ["rsa-md5", "sha256"],
    ["rsa-sha1", "sha256"],
    ["rsa-sha224", "sha224"],
    ["rsa-sha256", "sha256"],
    ["rsa-sha384", "sha384"],
    ["rsa-sha512", "sha512"],
    ["rsa-sha3-256", "sha3-256"],
    ["rsa-pss-sha1", "sha256"],
    ["rsa-pss-sha256", "sha256"],
    ["rsa-pss-sha512", "sha512"],
    ["rsa-pss-two-hashes", undefined],
    ["ecdsa-sha1", "sha256"],
    ["ecdsa-sha256", "sha256"],
    ["ecdsa-sha384", "sha384"],
    ["ecdsa-sha3-384", "sha3-384"],
    ["ed25519", undefined],
    ["ed448", undefined],
  ];
  for (const [name, hash] of rows) {
    test(`R-CB-08 ${name} takes ${hash ?? "no hash, so there is no binding"}`, () => {
      const raw = certificate(name);
      expect(certificateHashName(raw)).toBe(hash);
      const expected = hash && createHash(hash).update(raw).digest("hex");
      const found = certificateHash(raw);
      expect(found && Buffer.from(found).toString("hex")).toBe(expected);
    });
  }
});

describe("parameters of RSASSA-PSS", () => {
  const rows: readonly [why: string, parameters: Uint8Array, hash: string | undefined][] = [
    ["absent parameters mean SHA-1", bytes(), "sha256"],
    ["empty parameters mean SHA-1", der(0x30), "sha256"],
    ["a salt length alone means SHA-1", der(0x30, der(0xa2, bytes(2, 1, 20))), "sha256"],
    ["a hash with SHA-1 left to the mask is two hashes", der(0x30, der(0xa0, algorithm(SHA256))), undefined],
    ["a mask hash alone is two hashes", der(0x30, der(0xa1, algorithm(MGF1, algorithm(SHA256)))), undefined],
    ["two hashes", pss(SHA256, SHA512), undefined],
    ["a hash nobody knows", pss("1.2.3.4"), undefined],
    [
      "a mask function that is not MGF1",
      der(0x30, der(0xa0, algorithm(SHA256)), der(0xa1, algorithm("1.2.3"))),
      undefined,
    ],
    [
      "hash parameters absent",
      der(0x30, der(0xa0, algorithm(SHA512, bytes())), der(0xa1, algorithm(MGF1, algorithm(SHA512, bytes())))),
      "sha512",
    ],
    ["NULL in place of the sequence", NULL, undefined],
    ["a hash field without content", der(0x30, der(0xa0)), undefined],
    ["a hash field cut off", bytes(0x30, 2, 0xa0, 9), undefined],
    ["a mask field cut off", bytes(0x30, 2, 0xa1, 9), undefined],
  ];
  for (const [why, parameters, hash] of rows) {
    test(`R-CB-08 ${why}`, () => expect(certificateHashName(signedWith(PSS, parameters))).toBe(hash));
  }
});

describe("hostile DER has no hash", () => {
  const good = signedWith("1.2.840.113549.1.1.11");
  const body = (...parts: Uint8Array[]): Uint8Array => der(0x30, TBS, ...parts);
  const rows: readonly [why: string, der: Uint8Array][] = [
    ["no bytes", bytes()],
    ["a tag alone", bytes(0x30)],
    ["another tag", Uint8Array.from(good, (octet, at) => (at === 0 ? 0x31 : octet))],
    ["an indefinite length", bytes(0x30, 0x80, ...good.subarray(4), 0, 0)],
    ["a length of 127 octets", bytes(0x30, 0xff, ...new Uint8Array(127).fill(0xff))],
    ["a length of four octets", bytes(0x30, 0x84, 0, 0, ...good.subarray(2))],
    ["a length with a leading zero", bytes(0x30, 0x83, 0, ...good.subarray(2))],
    ["a long form for a short length", bytes(0x30, 0x81, 3, 2, 1, 1)],
    ["a length cut off", bytes(0x30, 0x83, 0x01)],
    ["bytes after the end", Buffer.concat([good, bytes(0)])],
    ["an empty sequence", der(0x30)],
    ["a first part that is no sequence", der(0x30, bytes(2, 1, 1))],
    ["no algorithm", body()],
    ["an algorithm without content", body(der(0x30))],
    ["an algorithm that is no identifier", body(der(0x30, bytes(2, 1, 1)))],
    ["an identifier without content", body(der(0x30, der(0x06)))],
    ["an identifier cut off inside an arc", body(der(0x30, der(0x06, bytes(0x2a, 0x86))))],
    ["an identifier with a padded arc", body(der(0x30, der(0x06, bytes(0x2a, 0x80, 0x86, 0x48))))],
    ["an identifier of a thousand octets", body(der(0x30, der(0x06, new Uint8Array(1000).fill(0x81))))],
    ["an algorithm nobody knows", signedWith("1.2.3.4.5")],
    ["the object names of a prototype", new TextEncoder().encode("__proto__ constructor")],
  ];
  for (const [why, hostile] of rows) {
    test(`R-CB-08 R-CB-09 ${why}`, () => {
      expect(certificateHashName(hostile)).toBeUndefined();
      expect(certificateHash(hostile)).toBeUndefined();
    });
  }

  const known = /^(sha(224|256|384|512|512-224|512-256)|sha3-(224|256|384|512))$/;
  const total = (input: Uint8Array): void => {
    const name = certificateHashName(input);
    if (name !== undefined) expect(name).toMatch(known);
    expect(certificateHash(input) === undefined).toBe(name === undefined);
  };
  test("any bytes give a known hash or none, and never throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), total), { numRuns: 2000 });
  });
  test("real certificates with octets changed or cut give a known hash or none, and never throw", () => {
    const sources = ["rsa-pss-sha512", "ecdsa-sha384", "ed25519"].map(certificate);
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...sources), changes, fc.option(fc.nat()), (source, edits, cut) => {
        const changed = Uint8Array.from(source);
        for (const [at, octet] of edits) changed[at % changed.length] = octet;
        total(cut === null ? changed : changed.subarray(0, cut % changed.length));
      }),
      { numRuns: 2000 },
    );
  });
  test("a certificate cut off anywhere has no hash", () => {
    const whole = certificate("rsa-pss-sha256");
    for (let length = 0; length < whole.length; length++) {
      expect(certificateHashName(whole.subarray(0, length))).toBeUndefined();
    }
  });
});
