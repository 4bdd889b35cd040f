import { describe, expect, test } from "vitest";
import { BufferedTransport } from "./buffered.js";
import { linePair } from "./pair.js";

describe("a pair", () => {
  test("what one end writes the other reads, before and after somebody asks", async () => {
    const { client, server } = linePair();
    client.write("one\r\ntwo\r\n");
    expect(await server.readLine(10)).toBe("one");
    expect(server.buffered).toBe(5);
    expect(await server.readLine(10)).toBe("two");
    const later = server.readLine(10);
    client.write("three");
    client.write("\r\n");
    expect(await later).toBe("three");
  });

  test("R-LIM-06 in single octets too", async () => {
    const { client, server } = linePair({ chunkBytes: 1 });
    const line = server.readLine(100);
    client.write("é and more\r\n");
    expect(await line).toBe("é and more");
  });

  test("R-LIM-05 closing either end settles a pending read, after what had arrived", async () => {
    for (const close of ["client", "server"] as const) {
      const pair = linePair();
      pair.client.write("last\r\n");
      pair[close].close();
      expect(await pair.server.readLine(10)).toBe("last");
      await expect(async () => pair.server.readLine(10)).rejects.toMatchObject({ code: "connection-lost" });
    }
    const { client, server } = linePair();
    const pending = server.readLine(10);
    client.close();
    client.close();
    await expect(pending).rejects.toMatchObject({ code: "connection-lost" });
    expect(() => server.write("x")).toThrow(expect.objectContaining({ code: "connection-lost" }));
  });

  test("literals, and lines behind them", async () => {
    const { client, server } = linePair();
    const pending = server.readBytes(4);
    client.write("ab\r");
    client.write("\n rest\r\n");
    expect(new TextDecoder().decode(await pending)).toBe("ab\r\n");
    expect(await server.readLine(10)).toBe(" rest");
    expect(await server.readBytes(0)).toEqual(new Uint8Array(0));
  });

  test("discard drops what has arrived", async () => {
    const { client, server } = linePair();
    client.write("evil\r\nmore");
    server.discard();
    client.write("good\r\n");
    expect(await server.readLine(10)).toBe("good");
  });

  test("misuse is an error of the programmer", () => {
    const { server } = linePair();
    expect(() => server.readLine(0)).toThrow(RangeError);
    expect(() => server.readBytes(-1)).toThrow(RangeError);
    void Promise.resolve(server.readLine(10)).catch(() => {});
    expect(() => server.readLine(10)).toThrow(TypeError);
  });
});

class Source extends BufferedTransport {
  readonly secure = false;
  readonly channelBinding = undefined;
  readonly asked: boolean[] = [];
  override send(): void {}
  override shut(): void {}
  override setPaused(paused: boolean): void {
    this.asked.push(paused);
  }
  feed(octets: number): void {
    this.receive(new Uint8Array(octets).fill(0x41));
  }
  feedText(text: string): void {
    this.receive(new TextEncoder().encode(text));
  }
}

describe("input nobody reads", () => {
  test("R-LIM-03 makes the source wait, and go on when somebody reads", async () => {
    const source = new Source();
    for (let i = 0; i < 17; i++) source.feed(1000);
    expect(source.asked).toEqual([true]);
    const line = source.readLine(100_000);
    expect(source.asked).toEqual([true, false]);
    source.feedText("\r\n");
    expect((await line).length).toBe(17_000);
  });

  test("R-IMAP-18 an announced literal is not reserved: what is held is what has come", async () => {
    const source = new Source();
    const literal = source.readBytes(4_000_000_000);
    source.feed(10);
    expect(source.buffered).toBe(10);
    void Promise.resolve(literal).catch(() => {});
  });
});
