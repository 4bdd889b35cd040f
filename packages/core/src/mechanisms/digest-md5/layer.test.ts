import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyedMd5 } from "#soft-digests";
import { loadVectors, type Outcome } from "../../../test/vectors.js";
import { md5 } from "../../digests.js";
import { decodeBase64, encodeBase64 } from "../../internal/base64.js";
import { concatBytes, equalBytes } from "../../internal/bytes.js";
import { toHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { SecurityLayer } from "../../layer.js";
import { rc4, rc4_40, rc4_56, singleDes, tripleDes } from "../../legacy/index.js";
import { digestLayer, directionKeys, type End } from "./layer.js";
import type { DigestCipher, Protection } from "./protection.js";

interface Inputs {
  readonly ha1_hex: string;
  readonly qop?: "auth-int" | "auth-conf";
  readonly cipher?: string;
  readonly from?: "C" | "S";
  readonly sequence?: number;
  readonly plain_b64?: string;
  readonly frame_b64?: string;
}

interface Values {
  readonly kic_hex?: string;
  readonly kis_hex?: string;
  readonly kcc_hex?: string;
  readonly kcs_hex?: string;
  readonly with_length_prefix_b64?: string;
}

const ciphers = [rc4, rc4_56, rc4_40, tripleDes, singleDes];
const vectors = loadVectors<Inputs, Outcome>("digest-md5-layers");

function cipherNamed(name: string | undefined): DigestCipher | undefined {
  return ciphers.find((each) => each.name === name);
}

function protectionBy(cipher: DigestCipher | undefined): Protection {
  return cipher ? { qop: "auth-conf", cipher, ssf: cipher.ssf } : { qop: "auth-int", ssf: 1 };
}

function layerOf(end: End, key: string, cipher?: DigestCipher, peer = 65_536, own = 65_536): SecurityLayer {
  return digestLayer(key, end, protectionBy(cipher), peer, own) as SecurityLayer;
}

/** A layer as it is after so many buffers in either direction; what was sent before is the vectors' own where they have it. */
function layerAt(end: End, { ha1_hex, sequence = 0, from, cipher }: Inputs, speaks: boolean): SecurityLayer {
  const [mine, peers] = [
    layerOf(end, ha1_hex, cipherNamed(cipher)),
    layerOf(end === "client" ? "server" : "client", ha1_hex, cipherNamed(cipher)),
  ];
  for (let number = 0; number < sequence; number++) {
    const before = vectors.find(
      ({ inputs }) =>
        inputs.plain_b64 && inputs.from === from && inputs.cipher === cipher && inputs.sequence === number,
    );
    const plain = decodeBase64(before?.inputs.plain_b64 ?? "YQ==");
    if (speaks) mine.encode(plain);
    else mine.decode(peers.encode(plain) as Uint8Array);
  }
  return mine;
}

const unverified = expect.objectContaining({ code: "peer-not-verified", kind: "SASLFailure" });

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const values = (vector.values ?? {}) as Values;
  const sender: End = inputs.from === "S" ? "server" : "client";
  const receiver: End = sender === "client" ? "server" : "client";

  if (inputs.from === undefined) {
    test("R-DIG-14 the keys", () => {
      const cipher = cipherNamed(inputs.cipher);
      const client = directionKeys(inputs.ha1_hex, "client-to-server", cipher);
      const server = directionKeys(inputs.ha1_hex, "server-to-client", cipher);
      const keys = cipher
        ? { kcc_hex: toHex(client.sealing as Uint8Array), kcs_hex: toHex(server.sealing as Uint8Array) }
        : { kic_hex: toHex(client.signing), kis_hex: toHex(server.signing) };
      expect(keys).toEqual(values);
    });
    return;
  }
  if (result.outcome === "failure") {
    test("R-DIG-15 R-GEN-23 the receiver refuses it", () => {
      const buffer = decodeBase64(inputs.frame_b64 as string);
      const frame = concatBytes(Uint8Array.of(0, 0, 0, buffer.length), buffer);
      const layer = layerOf(receiver, inputs.ha1_hex, cipherNamed(inputs.cipher));
      expect(() => layer.decode(frame)).toThrow(unverified);
      expect(() => layer.encode(Uint8Array.of(1))).toThrow(unverified);
    });
    return;
  }
  const plain = decodeBase64(inputs.plain_b64 as string);
  const frame = decodeBase64(values.with_length_prefix_b64 as string);
  if (plain.length > 0) {
    test("R-DIG-14 the sender makes it", () => {
      expect(encodeBase64(layerAt(sender, inputs, true).encode(plain) as Uint8Array)).toBe(encodeBase64(frame));
    });
  }
  test("R-DIG-14 the receiver reads it", { timeout: 60_000 }, () => {
    const texts = layerAt(receiver, inputs, false).decode(frame.slice()) as readonly Uint8Array[];
    expect(texts.map(encodeBase64)).toEqual([encodeBase64(plain)]);
  });
});

const key = "a2549853149b0536f01f0b850c643c57";
const kinds = [["auth-int", undefined], ...ciphers.map((cipher) => [cipher.name, cipher] as const)] as const;

describe.each(kinds)("%s", (_, cipher) => {
  const text = encodeUtf8("a0001 CAPABILITY\r\n");
  const pair = () => ({ client: layerOf("client", key, cipher), server: layerOf("server", key, cipher) });
  const block = cipher?.blockOctets ?? 1;

  test("R-DIG-14 R-GEN-22 any texts come through, divided anywhere", () => {
    const texts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(texts, fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 30 }), (all, cuts) => {
        const { client, server } = pair();
        const wire = concatBytes(...all.map((each) => client.encode(each) as Uint8Array));
        const heard: Uint8Array[] = [];
        for (let at = 0, i = 0; at < wire.length; i++) {
          const next = at + (cuts[i % cuts.length] as number) + 1;
          heard.push(...(server.decode(wire.slice(at, next)) as readonly Uint8Array[]));
          at = next;
        }
        expect(concatBytes(...heard)).toEqual(concatBytes(...all));
        expect(server.whole).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test("R-DIG-14 R-DIG-15 R-GEN-23 one bit anywhere in a buffer, and nothing comes out any more", () => {
    const good = layerOf("client", key, cipher).encode(text) as Uint8Array;
    for (let at = 4; at < good.length; at++) {
      for (const bit of [0, 3, 7]) {
        const { server } = pair();
        const bad = good.with(at, (good[at] as number) ^ (1 << bit));
        expect(() => server.decode(bad), `octet ${at}`).toThrow(unverified);
        expect(() => server.decode(good.slice()), "afterwards").toThrow(unverified);
        expect(server.whole).toBe(false);
      }
    }
  });

  test("R-DIG-15 all that can be wrong with a buffer is one and the same error", () => {
    const messages = new Set<string>();
    const first = layerOf("client", key, cipher).encode(text) as Uint8Array;
    const own = layerOf("server", key, cipher).encode(text) as Uint8Array;
    const alien = layerOf("client", key.replace("a", "b"), cipher).encode(text) as Uint8Array;
    const ended = (frame: Uint8Array, at: number, octet: number) => frame.with(frame.length - at, octet);
    const lengths = Array.from({ length: 40 }, (_, i) => concatBytes(Uint8Array.of(0, 0, 0, i), new Uint8Array(i)));
    const bad = [
      ...lengths, // shorter than a MAC block, no whole blocks, nothing but zeros
      ended(first, 6, 1), // type 257
      ended(first, 5, 2), // type 2
      ended(first, 1, 1), // sequence number 1
      ended(first, 4, 1), // sequence number 2^24
      ended(first, 10, 0), // MAC, or the block it is in
      own, // what goes the other way
      alien, // under other keys
      Uint8Array.of(0, 1, 0, 1), // a length of 65537
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    ];
    for (const frame of bad) {
      const server = layerOf("server", key, cipher);
      try {
        server.decode(frame.slice());
        expect.unreachable(`${frame.length} octets`);
      } catch (error) {
        const { name, code, message, cause } = error as { [name: string]: unknown };
        messages.add(JSON.stringify([name, code, message, cause]));
      }
    }
    expect(messages.size).toBe(1);
  });

  test("R-DIG-14 a buffer that is repeated, left out or out of order", () => {
    const { client } = pair();
    const [first, second, third] = ["1", "2", "3"].map((each) => client.encode(encodeUtf8(each)) as Uint8Array) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    for (const order of [[first, first], [second], [first, third], [first, second, first], [second, first]]) {
      const { server } = pair();
      const play = () => {
        for (const each of order) server.decode(each.slice());
      };
      expect(play).toThrow(unverified);
    }
  });

  test("R-DIG-16 a buffer is as long as the peer takes, and no octet longer", () => {
    for (const maxbuf of [33, 100, 101, 107, 108, 1000]) {
      const client = layerOf("client", key, cipher, maxbuf);
      const server = layerOf("server", key, cipher, 65_536, maxbuf);
      const wire = client.encode(new Uint8Array(client.maxOutput)) as Uint8Array;
      expect(wire.length - 4).toBeLessThanOrEqual(maxbuf);
      expect(wire.length - 4).toBeGreaterThan(maxbuf - block);
      const many = client.encode(new Uint8Array(5000).fill(7)) as Uint8Array;
      const texts = [wire, many].flatMap((each) => server.decode(each) as readonly Uint8Array[]);
      const sent = concatBytes(new Uint8Array(client.maxOutput), new Uint8Array(5000).fill(7));
      expect(equalBytes(concatBytes(...texts), sent)).toBe(true); // toEqual takes long for so many
    }
  });

  test("R-GEN-22 a frame that arrives whole is read where it stands", () => {
    const { client, server } = pair();
    const wire = client.encode(text) as Uint8Array;
    const [plain] = server.decode(wire) as readonly Uint8Array[];
    expect(plain?.buffer).toBe(wire.buffer);
    expect(plain).toEqual(text);
  });
});

describe("padding of block ciphers", () => {
  /** A buffer of the client's with any padding, signed as it should be. */
  function padded(cipher: DigestCipher, plain: Uint8Array, padding: readonly number[]): Uint8Array {
    let sealed: Uint8Array | undefined;
    const spying: DigestCipher = {
      ...cipher,
      blockOctets: 1, // adds none of its own
      start: (given, direction) => {
        const seal = cipher.start(given, direction);
        return (octets) => {
          const text = octets.subarray(0, octets.length - 10);
          const whole = concatBytes(text, Uint8Array.from(padding), octets.subarray(octets.length - 10));
          seal(whole);
          sealed = whole;
        };
      },
    };
    const frame = layerOf("client", key, spying).encode(plain) as Uint8Array;
    const buffer = concatBytes(sealed as Uint8Array, frame.subarray(frame.length - 6));
    return concatBytes(Uint8Array.of(0, 0, 0, buffer.length), buffer);
  }

  const rows: readonly [why: string, octets: number, padding: readonly number[], taken: boolean][] = [
    ["as it should be", 5, [1], true],
    ["as it should be, two octets", 4, [2, 2], true],
    ["a whole block", 6, Array(8).fill(8), true],
    ["none at all", 6, [], false],
    ["of zeros", 5, [0], false],
    ["with another octet in it", 4, [1, 2], false],
    ["too short for what it says", 5, [2], false],
    ["longer than it says", 4, [1, 1], false],
    ["longer than a block", 5, Array(9).fill(9), false],
    ["longer than there is text", 5, [200], false],
    ["of 255", 5, [255], false],
  ];
  describe.each([tripleDes, singleDes])("$name", (cipher) => {
    test.each(rows)("R-DIG-15 %s", (_, octets, padding, taken) => {
      const frame = padded(cipher, new Uint8Array(octets).fill(1), padding);
      const server = layerOf("server", key, cipher);
      if (taken) expect(server.decode(frame)).toEqual([new Uint8Array(octets).fill(1)]);
      else expect(() => server.decode(frame)).toThrow(unverified);
    });
  });
});

test("R-DIG-04 auth alone brings no layer", () => {
  expect(digestLayer(key, "client", { qop: "auth", ssf: 0 }, 65_536, 65_536)).toBeUndefined();
});

test("R-DIG-14 the MAC is HMAC-MD5 of two parts, of any length and with any key", async () => {
  for (const length of [0, 1, 100, 1024, 2043, 2044, 2045, 20_000]) {
    const [secret, head, body] = [encodeUtf8("a key"), Uint8Array.of(0, 0, 1, 2), new Uint8Array(length).fill(length)];
    expect(toHex(keyedMd5(secret)(head, body))).toBe(toHex(await md5.hmac(secret, concatBytes(head, body))));
  }
});
