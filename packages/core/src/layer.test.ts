import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSASLError } from "./errors.js";
import { concatBytes, equalBytes } from "./internal/bytes.js";
import { type BufferProtection, securityLayer } from "./layer.js";

/** Adds an octet that must be 7, and turns every bit over. */
const toy: BufferProtection = {
  ssf: 2,
  maxOutput: 10,
  maxInput: 11,
  wrap: (plain) => [turned(plain), Uint8Array.of(7)],
  unwrap: (buffer) => (buffer.at(-1) === 7 ? turned(buffer.subarray(0, -1)) : undefined),
};
const later: BufferProtection = {
  ...toy,
  wrap: async (plain) => toy.wrap(plain),
  unwrap: async (buffer) => toy.unwrap(buffer),
};

function turned(bytes: Uint8Array): Uint8Array {
  return bytes.map((octet) => ~octet);
}

function refusal(error: unknown): string {
  return isSASLError(error) ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`;
}

const refused = "peer-not-verified: what came through the security layer does not verify";

describe.each([
  ["at once", toy],
  ["later", later],
])("a layer that answers %s", (_, protection) => {
  test("R-GEN-22 what goes in comes out, however it is divided", async () => {
    const data = fc.record({ texts: fc.array(fc.uint8Array({ maxLength: 35 })), cuts: fc.array(fc.nat(200)) });
    await fc.assert(
      fc.asyncProperty(data, async ({ texts, cuts }) => {
        const [ours, theirs] = [securityLayer(protection), securityLayer(protection)];
        const frames: Uint8Array[] = [];
        for (const text of texts) frames.push(await ours.encode(text));
        const wire = concatBytes(...frames);
        const edges = [...new Set([0, ...cuts.map((cut) => Math.min(cut, wire.length)), wire.length])].sort(
          (a, b) => a - b,
        );
        const heard: Uint8Array[] = [];
        for (const [i, edge] of edges.entries())
          heard.push(...(await theirs.decode(wire.slice(edge, edges[i + 1] ?? edge))));
        expect(equalBytes(concatBytes(...heard), concatBytes(...texts))).toBe(true);
        expect(theirs.whole).toBe(true);
      }),
    );
  });

  test("a long text for a peer with short buffers", async () => {
    const ours = securityLayer(protection);
    const frames = await ours.encode(new Uint8Array(1_000_000));
    expect(frames.length).toBe(100_000 * (4 + 10 + 1));
    expect((await securityLayer(protection).decode(frames)).length).toBe(100_000);
  });

  const spoilt: readonly [why: string, wire: number[]][] = [
    ["R-GEN-22 a length over the maximum", [0, 0, 0, 12]],
    ["R-GEN-22 a length with the highest bit", [0x80, 0, 0, 1]],
    ["R-GEN-22 the greatest length", [255, 255, 255, 255]],
    ["R-GEN-23 an empty frame", [0, 0, 0, 0]],
    ["R-GEN-23 a frame that does not verify", [0, 0, 0, 2, 1, 2]],
    ["R-GEN-23 one after a good one", [0, 0, 0, 2, 1, 7, 0, 0, 0, 1, 1]],
  ];
  test.each(spoilt)("%s ends it for good, in one way, wherever it is divided", async (_, wire) => {
    for (let cut = 0; cut <= wire.length; cut++) {
      const layer = securityLayer(protection);
      const heard: Uint8Array[] = [];
      let thrown: unknown;
      try {
        heard.push(...(await layer.decode(Uint8Array.from(wire.slice(0, cut)))));
        heard.push(...(await layer.decode(Uint8Array.from(wire.slice(cut)))));
      } catch (error) {
        thrown = error;
      }
      expect(refusal(thrown)).toBe(refused);
      expect(heard.every((text) => equalBytes(text, Uint8Array.of(254)))).toBe(true);
      for (const use of [() => layer.decode(Uint8Array.of(0)), () => layer.encode(Uint8Array.of(1))]) {
        expect(refusal(await (async () => use())().catch((error: unknown) => error))).toBe(refused);
      }
      expect(layer.whole).toBe(false);
    }
  });
});

test("R-GEN-22 nothing is reserved for a length that is not allowed", () => {
  const layer = securityLayer({ ...toy, maxInput: 2 ** 24 });
  const before = process.memoryUsage().arrayBuffers;
  expect(() => layer.decode(Uint8Array.of(127, 255, 255, 255, 1))).toThrow();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});

test("a frame that arrives in one piece is not copied", () => {
  const layer = securityLayer({ ...toy, unwrap: (buffer) => buffer });
  const wire = Uint8Array.of(0, 0, 0, 2, 5, 7);
  const [text] = layer.decode(wire) as readonly Uint8Array[];
  expect(text?.buffer).toBe(wire.buffer);
});

test("an error of the mechanism's own does not come out", () => {
  const layer = securityLayer({
    ...toy,
    unwrap() {
      throw new RangeError("padding of 9");
    },
  });
  let thrown: unknown;
  try {
    layer.decode(Uint8Array.of(0, 0, 0, 1, 7));
  } catch (error) {
    thrown = error;
  }
  expect(refusal(thrown)).toBe(refused);
  expect((thrown as Error).cause).toBeUndefined();
});

test("a layer without strength or room is none", () => {
  for (const wrong of [{ ssf: 0 }, { maxOutput: 0 }, { maxInput: Number.NaN }]) {
    expect(() => securityLayer({ ...toy, ...wrong })).toThrow(RangeError);
  }
});

test("R-GEN-22 a call before the last one was answered is a fault of the caller, and loses and reorders nothing", async () => {
  const [ours, theirs] = [securityLayer(later), securityLayer(later)];
  const first = ours.encode(Uint8Array.of(1));
  expect(() => ours.encode(Uint8Array.of(2))).toThrow(TypeError);
  const wire = concatBytes(await first, await ours.encode(Uint8Array.of(3)));
  const heard = theirs.decode(wire);
  expect(() => theirs.decode(Uint8Array.of(0))).toThrow(TypeError);
  expect(await theirs.encode(Uint8Array.of(4))).toHaveLength(6); // the other direction is not concerned
  expect(await heard).toEqual([Uint8Array.of(1), Uint8Array.of(3)]);
  expect(theirs.whole).toBe(true);
  expect(await theirs.decode(await ours.encode(Uint8Array.of(5)))).toEqual([Uint8Array.of(5)]);
});

test("mechanisms are given plain arrays, whatever a socket gives", async () => {
  class Chunk extends Uint8Array<ArrayBuffer> {}
  const kinds: unknown[] = [];
  const layer = securityLayer({
    ...toy,
    unwrap(buffer) {
      kinds.push(buffer.constructor);
      return toy.unwrap(buffer);
    },
  });
  const frame = await securityLayer(toy).encode(Uint8Array.of(1, 2));
  await layer.decode(Chunk.from([...frame, ...frame.subarray(0, 5)]));
  await layer.decode(Chunk.from(frame.subarray(5)));
  expect(kinds).toEqual([Uint8Array, Uint8Array]);
});
