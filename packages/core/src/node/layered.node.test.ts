import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type Duplex, finished } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { concatBytes } from "../internal/bytes.js";
import type { SecurityLayer } from "../layer.js";
import { testLayer } from "../testing.js";
import { layered } from "./layered.js";

const opened: { destroy?(): void; close?(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0).reverse()) each.destroy ? each.destroy() : each.close?.();
});

/** A connection over loopback. Either end may end without the other. */
async function sockets(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  opened.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  await once(near, "connect");
  const [far] = await accepted;
  opened.push(near, far);
  return { near, far };
}

/** Both ends with a layer around them. */
async function pair(later = false) {
  const { near, far } = await sockets();
  return { client: layered(near, testLayer(true, { later })), server: layered(far, testLayer(false, { later })) };
}

/** Not by `for await`, which destroys the stream in the end. */
async function all(stream: Duplex): Promise<string> {
  const chunks: Uint8Array[] = [];
  stream.on("data", (chunk: Uint8Array) => void chunks.push(chunk));
  await once(stream, "end");
  return Buffer.concat(chunks).toString();
}

async function frames(layer: SecurityLayer, ...texts: string[]): Promise<Uint8Array> {
  const made: Uint8Array[] = [];
  for (const each of texts) made.push(await layer.encode(new TextEncoder().encode(each)));
  return concatBytes(...made);
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

/** How a stream ended, once it has. */
function ending(stream: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let error: { code?: string } | undefined;
    stream.on("error", (thrown) => {
      error = thrown as Error & { code?: string };
    });
    finished(stream, () => resolve(error?.code ?? "no error"));
  });
}

describe.each([
  ["at once", false],
  ["later", true],
])("a layer that answers %s", (_, later) => {
  test("plain text goes through in both directions, in order, and neither end sends it as it is", async () => {
    const { client, server } = await pair(later);
    const raw: Buffer[] = [];
    server.stream.prependListener("data", (chunk: Buffer) => void raw.push(Buffer.from(chunk)));
    for (let i = 0; i < 50; i++) client.write(`line ${i}\n`);
    client.end("last");
    server.end("and back");
    const said = `${Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join("")}last`;
    expect(await all(server)).toBe(said);
    expect(await all(client)).toBe("and back");
    expect(Buffer.concat(raw).toString()).not.toContain("line");
  });

  test("half of it may end: the other direction goes on", async () => {
    const { client, server } = await pair(later);
    client.end("question");
    expect(await all(server)).toBe("question");
    server.write("answer, ");
    await settle();
    server.end("and more");
    expect(await all(client)).toBe("answer, and more");
    await Promise.all([client, server].map((each) => each.closed || once(each, "close")));
    expect([client.stream.destroyed, server.stream.destroyed]).toEqual([true, true]);
  });

  test("R-GEN-21 octets that were read before belong to it, wherever they were divided", async () => {
    const wire = await frames(testLayer(true, { later }), "one, ", "two, ", "three");
    for (let cut = 0; cut <= wire.length; cut += 5) {
      const { near, far } = await sockets();
      const server = layered(far, testLayer(false, { later }), { head: wire.slice(0, cut) });
      near.end(wire.slice(cut));
      expect(await all(server)).toBe("one, two, three");
    }
  });

  test("R-GEN-23 a frame that was changed destroys both, and nothing of it comes out", async () => {
    const good = await frames(testLayer(true, { later }), "good", "spoilt");
    for (let at = good.length - 1; at > good.length - 16; at--) {
      const { near, far } = await sockets();
      const server = layered(far, testLayer(false, { later }));
      const ended = ending(server);
      let heard = "";
      server.on("data", (chunk: Buffer) => {
        heard += chunk.toString();
      });
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ 1;
      near.on("error", () => {});
      near.end(bad);
      // A length that is too small or too great leaves octets, or a part of a frame; too great for the layer it is at once.
      expect(["peer-not-verified", "connection-lost"]).toContain(await ended);
      expect(heard).toBe("good");
      expect([server.destroyed, far.destroyed]).toEqual([true, true]);
      expect(await new Promise((resolve) => server.write("x", resolve))).toMatchObject({
        code: "ERR_STREAM_DESTROYED",
      });
    }
  });

  test("R-GEN-22 a length over the maximum destroys both as soon as it is there", async () => {
    const { near, far } = await sockets();
    const server = layered(far, testLayer(false, { later }));
    const ended = ending(server);
    server.resume();
    near.on("error", () => {});
    near.write(Uint8Array.of(127, 255, 255, 255));
    expect(await ended).toBe("peer-not-verified");
    expect(far.destroyed).toBe(true);
  });

  test("R-GEN-23 input that ends inside a frame is no end", async () => {
    const wire = await frames(testLayer(true, { later }), "good", "cut");
    for (const cut of [1, 3, 4, 7, 8, 9, 11]) {
      for (const how of ["end", "destroySoon"] as const) {
        const { near, far } = await sockets();
        const server = layered(far, testLayer(false, { later }));
        const ended = ending(server);
        let heard = "";
        server.on("data", (chunk: Buffer) => {
          heard += chunk.toString();
        });
        near.write(wire.slice(0, wire.length - cut));
        near[how]();
        expect(await ended).toBe("connection-lost");
        expect(heard).toBe("good");
        expect(far.destroyed).toBe(true);
      }
    }
  });

  test("R-GEN-23 nor is a stream that goes away inside one", async () => {
    const wire = await frames(testLayer(true, { later }), "good", "cut");
    const { near, far } = await sockets();
    const server = layered(far, testLayer(false, { later }));
    const ended = ending(server);
    server.resume();
    near.write(wire.slice(0, -1));
    await expect.poll(() => far.bytesRead).toBe(wire.length - 1);
    far.destroy();
    expect(await ended).toBe("connection-lost");
  });

  test("R-LIM-03 a flood is held back while nobody reads, with one frame of plain text at most", async () => {
    const { client, server } = await pair(later);
    let decoded = 0;
    const { layer } = server;
    const { decode } = layer;
    Object.assign(layer, {
      decode: (bytes: Uint8Array) => {
        decoded += bytes.length;
        return decode(bytes);
      },
    });
    const total = 3_000_000;
    const text = Buffer.alloc(total, "flood ");
    let drained = false;
    client.write(text, () => {
      drained = true;
    });
    client.end();
    await settle();
    expect(decoded).toBe(0);
    server.once("readable", () => {});
    await settle();
    expect(decoded).toBeLessThan(2100);
    expect((server.stream as Socket).bytesRead).toBeLessThan(200_000);
    expect((await all(server)).length).toBe(total);
    expect(drained).toBe(true);
  });

  test("writing waits for a peer that does not read, and fails when it is gone", async () => {
    const { near, far } = await sockets();
    far.pause();
    const client = layered(near, testLayer(true, { later }));
    const ended = ending(client);
    const written = new Promise<Error | null | undefined>((resolve) => {
      client.write(Buffer.alloc(30_000_000), resolve);
    });
    await expect.poll(() => near.writableNeedDrain).toBe(true);
    expect(near.writableLength).toBeLessThan(200_000);
    far.resetAndDestroy();
    expect(await written).toBeInstanceOf(Error);
    expect(await ended).not.toBe("no error");
    expect(client.destroyed).toBe(true);
  });

  test("R-GEN-24 a second layer replaces the first, between two frames and at no other octet", async () => {
    const options = { later };
    const wire = concatBytes(
      await frames(testLayer(true, options), "one", "done"),
      await frames(testLayer(true, options), "two"),
    );
    for (let cut = 0; cut <= wire.length; cut++) {
      const { near, far } = await sockets();
      const server = layered(far, testLayer(false, options), { head: wire.slice(0, cut) });
      near.end(wire.slice(cut));
      const heard: string[] = [];
      for await (const chunk of server) {
        heard.push(String(chunk));
        if (String(chunk) === "done") server.protect(testLayer(false, options));
      }
      expect(heard).toEqual(["one", "done", "two"]);
    }
  });

  test("R-GEN-24 so does one that flows and is paused meanwhile, and what it writes follows", async () => {
    const { client, server } = await pair(later);
    const heard: string[] = [];
    client.write("done");
    const first = client.layer;
    client.protect(testLayer(true, { later }));
    expect(client.layer).not.toBe(first);
    client.write("two");
    server.on("data", async (chunk: Buffer) => {
      heard.push(String(chunk));
      if (heard.length > 1) return;
      server.pause();
      await settle();
      server.protect(testLayer(false, { later }));
      server.resume();
    });
    await expect.poll(() => heard).toEqual(["done", "two"]);
    server.write("back");
    expect(String((await once(client, "data"))[0])).toBe("back");
  });

  test("R-GEN-24 inside a frame nothing can be replaced", async () => {
    const wire = await frames(testLayer(true, { later }), "one");
    const { near, far } = await sockets();
    const server = layered(far, testLayer(false, { later }));
    const ended = ending(server);
    server.resume();
    near.write(wire.slice(0, 7));
    await expect.poll(() => far.bytesRead).toBe(7);
    expect(() => server.protect(testLayer(false))).toThrow(expect.objectContaining({ code: "unexpected-message" }));
    expect(await ended).toBe("unexpected-message");
    expect(far.destroyed).toBe(true);
  });
});

describe("errors and destroy go both ways", () => {
  test("from below", async () => {
    const { client } = await pair();
    const ended = ending(client);
    client.stream.destroy(Object.assign(new Error("cable"), { code: "ECABLE" }));
    expect(await ended).toBe("ECABLE");
    expect(client.destroyed).toBe(true);
  });

  test("from below without an error", async () => {
    const { client } = await pair();
    const closed = once(client, "close");
    client.stream.destroy();
    await closed;
    expect(client.destroyed).toBe(true);
  });

  test("from above", async () => {
    for (const error of [undefined, new Error("enough")]) {
      const { client } = await pair();
      const [ended, below] = [ending(client), ending(client.stream)];
      client.destroy(error);
      await Promise.all([ended, below]);
      expect(client.stream.destroyed).toBe(true);
    }
  });

  test("from a layer that cannot encode any more", async () => {
    const { client } = await pair();
    const ended = ending(client);
    expect(() => client.layer.decode(new Uint8Array(8).fill(255))).toThrow();
    client.write("x");
    expect(await ended).toBe("peer-not-verified");
    expect(client.stream.destroyed).toBe(true);
  });

  test("a stream that is gone, or has ended, already", async () => {
    const { near, far } = await sockets();
    near.destroy();
    expect(layered(near, testLayer(true)).destroyed).toBe(true);
    far.resume();
    await once(far, "end");
    expect(await all(layered(far, testLayer(false)))).toBe("");
  });

  test("a write after the stream has ended", async () => {
    const { client } = await pair();
    const ended = ending(client);
    client.stream.end();
    client.write("x");
    expect(await ended).toBe("connection-lost");
  });
});
