import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes } from "./internal/bytes.js";
import { LayerInput } from "./layer-input.js";
import { testLayer } from "./testing.js";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (said: string) => new TextEncoder().encode(said);

async function frames(texts: readonly string[], later = false): Promise<Uint8Array> {
  const layer = testLayer(true, { later });
  const made: Uint8Array[] = [];
  for (const each of texts) made.push(await layer.encode(bytes(each)));
  return concatBytes(...made);
}

describe.each([
  ["at once", false],
  ["later", true],
])("a layer that answers %s", (_, later) => {
  test("R-GEN-22 one frame comes out for each that was asked for, however they were divided", async () => {
    const data = fc.record({
      texts: fc.array(fc.string({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 }),
      cuts: fc.array(fc.nat(300), { maxLength: 8 }),
      eager: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(data, async ({ texts, cuts, eager }) => {
        const wire = await frames(texts, later);
        const input = new LayerInput(testLayer(false, { later }));
        const edges = [...new Set([0, ...cuts, wire.length])].filter((cut) => cut <= wire.length).sort((a, b) => a - b);
        const heard: string[] = [];
        const read = async () => {
          for (let plain = await input.next(); plain; plain = await input.next()) heard.push(text(plain));
        };
        for (const [i, edge] of edges.entries()) {
          input.push(wire.slice(edge, edges[i + 1] ?? edge));
          if (eager) await read();
        }
        await read();
        expect(heard).toEqual(texts);
        expect([input.atEdge, input.buffered]).toEqual([true, 0]);
      }),
    );
  });

  test("R-GEN-24 what comes behind a frame is not given to its layer", async () => {
    const first = await frames(["last of the first"], later);
    const second = await frames(["first of the second"], later);
    for (let cut = 0; cut <= first.length + second.length; cut++) {
      const input = new LayerInput(testLayer(false, { later }));
      const wire = concatBytes(first, second);
      input.push(wire.slice(0, cut));
      let heard = await input.next();
      input.push(wire.slice(cut));
      heard ??= await input.next();
      expect(text(heard as Uint8Array)).toBe("last of the first");
      expect(input.atEdge).toBe(true);
      input.layer = testLayer(false, { later });
      expect(text((await input.next()) as Uint8Array)).toBe("first of the second");
    }
  });

  test("R-GEN-23 a frame that does not verify is an error, and those in front of it are not lost", async () => {
    const wire = concatBytes(await frames(["good"], later), Uint8Array.of(0, 0, 0, 6, 1, 2, 3, 4, 5, 6));
    const input = new LayerInput(testLayer(false, { later }));
    input.push(wire);
    expect(text((await input.next()) as Uint8Array)).toBe("good");
    await expect(async () => input.next()).rejects.toMatchObject({ code: "peer-not-verified" });
  });
});

test("what is held grows with what came, and is given back as a whole", () => {
  const input = new LayerInput(testLayer(false));
  const chunks = [1, 2, 3, 4, 5, 6, 7].map((octet) => new Uint8Array(1000).fill(octet));
  for (const chunk of chunks) input.push(chunk);
  expect(input.buffered).toBe(7000);
  expect(input.take()).toEqual(concatBytes(...chunks));
  expect(input.buffered).toBe(0);
});

test("R-GEN-22 a length over the maximum is refused by its four octets alone", () => {
  const input = new LayerInput(testLayer(false));
  for (const octet of [255, 255, 255]) {
    input.push(Uint8Array.of(octet));
    expect(input.next()).toBeUndefined();
  }
  input.push(Uint8Array.of(255));
  expect(() => input.next()).toThrow(expect.objectContaining({ code: "peer-not-verified" }));
});
