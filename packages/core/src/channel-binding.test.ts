import { describe, expect, test } from "vitest";
import { channelBinding } from "./channel-binding.js";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("channelBinding", () => {
  test("keeps the order given and returns each type's data", async () => {
    const binding = channelBinding({
      "tls-exporter": bytes(1, 2),
      "tls-server-end-point": bytes(3),
      "x.own-1": bytes(4),
    });
    expect(binding.types).toEqual(["tls-exporter", "tls-server-end-point", "x.own-1"]);
    expect(await binding.data("tls-exporter")).toEqual(bytes(1, 2));
    expect(await binding.data("x.own-1")).toEqual(bytes(4));
  });

  test("R-CB-09 leaves out a type whose data is empty or missing", async () => {
    const binding = channelBinding({
      "tls-exporter": bytes(),
      "tls-unique": undefined,
      "tls-server-end-point": bytes(7),
    });
    expect(binding.types).toEqual(["tls-server-end-point"]);
    expect(await binding.data("tls-exporter")).toBeUndefined();
    expect(await binding.data("tls-unique")).toBeUndefined();
    expect(channelBinding({}).types).toEqual([]);
  });

  test("R-CB-09 has no data under names every object inherits", async () => {
    const binding = channelBinding({ "tls-unique": bytes(1) });
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(await binding.data(name)).toBeUndefined();
    }
    const hostile = JSON.parse('{"__proto__":[1,2,3]}') as Record<string, Uint8Array>;
    expect(() => channelBinding(hostile)).toThrow(TypeError);
    const inherited = Object.create({ "tls-unique": bytes(1) }) as Record<string, Uint8Array>;
    expect(channelBinding(inherited).types).toEqual([]);
  });

  test("does not see later changes of the caller's array", async () => {
    const data = bytes(1, 2, 3);
    const binding = channelBinding({ "tls-exporter": data });
    data.fill(0);
    expect(await binding.data("tls-exporter")).toEqual(bytes(1, 2, 3));
  });

  test("copies what a view shows and no more", async () => {
    const binding = channelBinding({ "tls-exporter": bytes(9, 1, 2, 9).subarray(1, 3) });
    const data = await binding.data("tls-exporter");
    expect(data).toEqual(bytes(1, 2));
    expect(data?.buffer.byteLength).toBe(2);
  });

  const misuse: readonly [why: string, values: unknown][] = [
    ["an empty type name", { "": bytes(1) }],
    ["a type name with a comma", { "tls,unique": bytes(1) }],
    ["a type name with a space", { "tls unique": bytes(1) }],
    ["a type name with a line break", { "tls-unique\n": bytes(1) }],
    ["text as data", { "tls-unique": "secret" }],
    ["an array of numbers as data", { "tls-unique": [1, 2] }],
    ["a view of wider elements as data", { "tls-unique": new Uint16Array(2) }],
    ["null as data", { "tls-unique": null }],
  ];
  for (const [why, values] of misuse) {
    test(`throws TypeError for ${why}`, () => {
      expect(() => channelBinding(values as Record<string, Uint8Array>)).toThrow(TypeError);
    });
  }
});
