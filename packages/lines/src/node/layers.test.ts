/** A security layer on a socket of Node. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as netConnect, type Socket } from "node:net";
import { testLayer } from "sasl-core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { nodeLineTransport } from "./socket.js";

const opened: { destroy?(): void; close?(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0).reverse()) each.destroy ? each.destroy() : each.close?.();
});

async function sockets(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  opened.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = netConnect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  await once(near, "connect");
  const [far] = await accepted;
  opened.push(near, far);
  return { near, far };
}

describe.each([
  ["at once", false],
  ["later", true],
])("a layer that answers %s", (_, later) => {
  const transports = async () => {
    const { near, far } = await sockets();
    const client = nodeLineTransport(near);
    const server = nodeLineTransport(far, { role: "server" });
    await client.write("go\r\n");
    expect(await server.readLine(10)).toBe("go");
    client.protect(testLayer(true, { later }));
    server.protect(testLayer(false, { later }));
    return { client, server };
  };

  test("R-GEN-21 lines behind the switch go through it, whoever sends first", async () => {
    const { client, server } = await transports();
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      await from.write("héllo\r\nand ");
      await from.write("more\r\n");
      expect(await to.readLine(100)).toBe("héllo");
      expect(await to.readLine(100)).toBe("and more");
    }
    expect([client.secure, server.secure, client.externalSsf, server.externalSsf]).toEqual([true, true, 128, 128]);
  });

  test("R-LIM-03 a flood is held back while nobody reads, and its writer waits", async () => {
    const { client, server } = await transports();
    const line = `${"x".repeat(9998)}\r\n`;
    let written = 0;
    const flood = (async () => {
      for (; written < 1500; written++) await client.write(line);
    })();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(server.buffered).toBeLessThanOrEqual(16_384 + 65_536);
    expect(server.socket.bytesRead).toBeLessThan(200_000);
    for (let i = 0; i < 1500; i++) expect((await server.readLine(10_000)).length).toBe(9998);
    await flood;
    expect(written).toBe(1500);
  });

  test("R-GEN-23 a frame that was changed closes the socket", async () => {
    const { client, server } = await transports();
    client.socket.write(Uint8Array.of(0, 0, 0, 6, 1, 2, 3, 4, 5, 6));
    await expect(async () => server.readLine(100)).rejects.toMatchObject({ code: "peer-not-verified" });
    await expect.poll(() => server.socket.destroyed).toBe(true);
    await expect(async () => server.write("x\r\n")).rejects.toMatchObject({ code: "connection-lost" });
  });

  test("half of it may end; inside a frame that is a connection lost", async () => {
    const { client, server } = await transports();
    await client.write("last\r\n");
    client.socket.end(Uint8Array.of(0, 0));
    expect(await server.readLine(100)).toBe("last");
    await expect(async () => server.readLine(100)).rejects.toMatchObject({ code: "connection-lost" });
    await server.write("answer\r\n");
    expect(await client.readLine(100)).toBe("answer");
  });

  test("what was written is sent before it is closed", async () => {
    const { client, server } = await transports();
    void client.write("bye\r\n");
    client.close();
    expect(await server.readLine(100)).toBe("bye");
    await expect(async () => server.readLine(100)).rejects.toMatchObject({ code: "connection-lost" });
  });

  test("R-IMAP-09 R-SMTP-15 the socket cannot be taken back for TLS", async () => {
    const { client } = await transports();
    expect(() => client.release()).toThrow(TypeError);
    await client.write("still here\r\n");
  });
});
