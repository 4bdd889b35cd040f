import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aes128Ofb } from "#soft-ciphers";
import { codeOf } from "../../../test/support.js";
import { sha1, sha256 } from "../../digests.js";
import { concatBytes } from "../../internal/bytes.js";
import { toHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { SecurityLayer } from "../../layer.js";
import { hashNamed, type SrpHash, usualHash } from "./hashes.js";
import { keyOf, srpLayer } from "./layer.js";
import type { Protection } from "./options.js";

const key = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
const vectors = { cIV: new Uint8Array(16).fill(0xcc), sIV: new Uint8Array(16).fill(0x55) };
const bounds = { minSsf: 0, maxSsf: 128, maxInput: 2000 };
const whole: Protection = {
  ...{ hash: usualHash, integrity: usualHash, replayDetection: true, confidentiality: true, bare: false },
};

async function pair(protection: Protection): Promise<[client: SecurityLayer, server: SecurityLayer]> {
  const ends = ["client", "server"] as const;
  const layers = await Promise.all(ends.map((end) => srpLayer(end, protection, key, vectors, 1500, bounds)));
  return layers as [SecurityLayer, SecurityLayer];
}

async function hear(layer: SecurityLayer, frames: Uint8Array): Promise<Uint8Array> {
  return concatBytes(...(await layer.decode(frames.slice()))); // given away
}

/** Each a layer of its own; with replay detection or not, encrypted or not, as the draft or as Cyrus SASL has it. */
const kinds: readonly [name: string, protection: Protection][] = [
  ["integrity", { ...whole, replayDetection: false, confidentiality: false }],
  ["integrity of SHA-256", { ...whole, integrity: hashNamed("SHA-256"), confidentiality: false }],
  ["replay detection", { ...whole, confidentiality: false }],
  ["encryption", { ...whole, replayDetection: false }],
  ["everything", whole],
  ["integrity of Cyrus SASL", { ...whole, bare: true, replayDetection: false, confidentiality: false }],
  ["everything of Cyrus SASL", { ...whole, bare: true }],
];

describe.each(kinds)("a layer with %s", (_, protection) => {
  test("R-SRP-07 what goes in comes out, in both directions, however it is divided", async () => {
    const said = fc.record({
      from: fc.nat(1),
      text: fc.uint8Array({ minLength: 1, maxLength: 3500 }),
      cut: fc.nat(99),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(said, { maxLength: 5 }), async (all) => {
        const ends = await pair(protection);
        for (const { from, text, cut } of all) {
          const [sender, receiver] = [ends[from] as SecurityLayer, ends[1 - from] as SecurityLayer];
          const frames = await sender.encode(text);
          const heard = [await hear(receiver, frames.slice(0, cut)), await hear(receiver, frames.slice(cut))];
          expect(concatBytes(...heard)).toEqual(text);
          expect(receiver.whole).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("R-GEN-22 no buffer is longer than the peer takes, and the longest has no room for more", async () => {
    const [client, server] = await pair(protection);
    const frames = await client.encode(new Uint8Array(client.maxOutput));
    const { confidentiality, bare } = protection;
    expect(frames.length - 4).toBeLessThanOrEqual(1500);
    expect(frames.length - 4).toBeGreaterThan(1500 - (confidentiality && !bare ? 16 : 1));
    expect((await hear(server, frames)).length).toBe(client.maxOutput);
    expect((await client.encode(new Uint8Array(client.maxOutput + 1))).length).toBeGreaterThan(frames.length + 4);
  });

  test("R-GEN-22 a length over the limit", async () => {
    const [, server] = await pair(protection);
    const length = concatBytes(Uint8Array.of(0, 0, 0x07, 0xd1)); // 2001, before anything of it came
    expect(await codeOf(hear(server, length))).toBe("peer-not-verified");
  });

  test("R-GEN-23 R-SRP-07 every bit that is turned over, and every octet that is missing", async () => {
    const [client] = await pair(protection);
    const frame = await client.encode(encodeUtf8("pay 10 to anna"));
    for (let bit = 32; bit < frame.length * 8; bit++) {
      const [, server] = await pair(protection);
      const spoilt = frame.slice();
      spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await codeOf(hear(server, spoilt))).toBe("peer-not-verified");
      expect(await codeOf(hear(server, frame))).toBe("peer-not-verified"); // and there is no going on
    }
    for (let length = 0; length < frame.length - 4; length++) {
      const [, server] = await pair(protection);
      const short = concatBytes(Uint8Array.of(0, 0, 0, length), frame.subarray(4, 4 + length));
      expect(await codeOf(hear(server, short))).toBe("peer-not-verified");
    }
  });

  // Without numbers the draft's MAC says nothing about order; that of Cyrus SASL goes on from the one before.
  const ordered = protection.replayDetection || protection.bare;
  test(`R-SRP-07 a buffer that comes again or too early is ${ordered ? "noticed" : "for others to notice"}`, async () => {
    const [client] = await pair(protection);
    const [first, second] = [await client.encode(encodeUtf8("one")), await client.encode(encodeUtf8("two"))];
    for (const [before, wrong] of [
      [first, first],
      [new Uint8Array(0), second],
    ] as const) {
      const [, server] = await pair(protection);
      await hear(server, before);
      if (ordered) expect(await codeOf(hear(server, wrong))).toBe("peer-not-verified");
      else if (!protection.confidentiality) expect((await hear(server, wrong)).length).toBe(3);
      else expect(await hear(server, wrong).catch(() => undefined)).not.toEqual(encodeUtf8("two"));
    }
  });
});

test("R-SRP-07 what is encrypted does not come back to its sender", async () => {
  for (const protection of [whole, { ...whole, bare: true }]) {
    const [client] = await pair(protection);
    const text = encodeUtf8("pay 10 to anna");
    const frame = await client.encode(text);
    const heard = await hear(client, frame).catch(() => new Uint8Array(0));
    expect(toHex(heard)).not.toBe(toHex(text));
  }
});

test("buffers look as in §5.5", async () => {
  const text = encodeUtf8("abc");
  const [client, server] = await pair(whole);
  await client.encode(text);
  const second = await client.encode(text);
  const cipher = aes128Ofb(key.slice(0, 16), vectors.sIV); // the client encrypts with what the server sent (§5.2)
  const padding = new Uint8Array(13).fill(13);
  cipher.update(concatBytes(text, padding));
  const c = cipher.update(concatBytes(text, padding));
  const mac = await sha1.hmac(key, concatBytes(c, Uint8Array.of(0, 0, 0, 1))); // the second: numbers begin at zero (§6.3)
  const os = concatBytes(Uint8Array.of(20), mac);
  expect(toHex(second)).toBe(toHex(concatBytes(Uint8Array.of(0, 0, 0, 41, 0, 0, 0, 16), c, os)));
  const first = await server.encode(text);
  const own = aes128Ofb(key.slice(0, 16), vectors.cIV).update(concatBytes(text, padding));
  expect(toHex(first.subarray(8, 24))).toBe(toHex(own));
});

test("keys are the first octets of K, or what §5.1.1 makes of them", async () => {
  expect(keyOf(16, key)).toEqual(key.slice(0, 16));
  expect(keyOf(20, key)).toEqual(key);
  const made = keyOf(32, key);
  expect(made.length).toBe(32);
  const aes = (block: Uint8Array) => aes128Ofb(key.slice(0, 16), block).update(new Uint8Array(16));
  const first = aes(new Uint8Array(16));
  expect(toHex(made)).toBe(toHex(concatBytes(first, aes(first)))); // T = aes(T)
  const [client] = await pair({ ...whole, integrity: hashNamed("SHA-256") as SrpHash, confidentiality: false });
  const frame = await client.encode(encodeUtf8("x"));
  const mac = await sha256.hmac(made, Uint8Array.of(0x78, 0, 0, 0, 0));
  expect(toHex(frame.subarray(-32))).toBe(toHex(mac));
});

test("R-GEN-23 padding that is none", async () => {
  for (const end of [[0], [17], [1, 2], [255]]) {
    const [, server] = await pair(whole);
    const plain = new Uint8Array(16);
    plain.set(end, 16 - end.length);
    const c = aes128Ofb(key.slice(0, 16), vectors.sIV).update(plain);
    const mac = await sha1.hmac(key, concatBytes(c, new Uint8Array(4)));
    const frame = concatBytes(Uint8Array.of(0, 0, 0, 41, 0, 0, 0, 16), c, Uint8Array.of(20), mac);
    expect(await codeOf(hear(server, frame))).toBe("peer-not-verified");
  }
});

test("no layer where none was agreed on, and none without room", async () => {
  const none = { ...whole, integrity: undefined, replayDetection: false, confidentiality: false };
  expect(await srpLayer("client", none, key, vectors, 1500, bounds)).toBeUndefined();
  for (const [protection, least] of [
    [whole, 41],
    [{ ...whole, bare: true }, 21],
  ] as const) {
    expect((await srpLayer("client", protection, key, vectors, least, bounds))?.maxOutput).toBeGreaterThan(0);
    expect(await codeOf(srpLayer("client", protection, key, vectors, least - 1, bounds))).toBe("limit-exceeded");
  }
});
