import { readFileSync } from "node:fs";
import { createServer, connect as netConnect, type Server, type Socket } from "node:net";
import { type ConnectionOptions, createSecureContext, connect as tlsConnect } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { type NodeLineTransport, nodeLineTransport } from "./socket.js";
import { startTlsClient, startTlsServer } from "./start-tls.js";

const read = (name: string): Buffer =>
  readFileSync(new URL(`../../../core/test/certificates/${name}`, import.meta.url));
const cert = read("ecdsa-sha256.cert.pem");
const secureContext = createSecureContext({ cert, key: read("ec-p256.key.pem") });
const trusting: ConnectionOptions = { ca: cert, servername: "localhost" };

const opened: { destroy?(): void; close?(): void }[] = [];
afterEach(() => {
  // Last opened first: Node 20 crashes when a socket is destroyed under the TLS socket that wraps it.
  for (const each of opened.splice(0).reverse()) each.destroy ? each.destroy() : each.close?.();
});

/** A loopback connection: both raw sockets. */
async function sockets(): Promise<{ near: Socket; far: Socket }> {
  const server: Server = createServer();
  const far = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const near = netConnect((server.address() as { port: number }).port, "127.0.0.1");
  await new Promise((resolve) => near.once("connect", resolve));
  const pair = { near, far: await far };
  opened.push(pair.near, pair.far, server);
  pair.far.on("error", () => {});
  pair.near.on("error", () => {});
  return pair;
}

async function transports(): Promise<{ near: NodeLineTransport; far: NodeLineTransport }> {
  const { near, far } = await sockets();
  return { near: nodeLineTransport(near), far: nodeLineTransport(far, { role: "server" }) };
}

describe("a plain socket", () => {
  test("carries lines, is not secure, and binds to nothing", async () => {
    const { near, far } = await transports();
    const line = far.readLine(100);
    await near.write("héllo\r\nnext\r\n");
    expect(await line).toBe("héllo");
    expect(await far.readLine(100)).toBe("next");
    expect([near.secure, far.secure, near.channelBinding]).toEqual([false, false, undefined]);
  });

  test("knows its peer, has no strength, and tells once that it is gone, also while nobody reads", async () => {
    const { near, far } = await transports();
    expect([far.remote, far.externalSsf]).toEqual(["127.0.0.1", 0]);
    let lost = 0;
    far.onLost = () => void lost++;
    near.close();
    await expect.poll(() => lost).toBe(1);
    far.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lost).toBe(1);
  });

  test("one that was released tells nothing any more", async () => {
    const { near, far } = await transports();
    let lost = 0;
    far.onLost = () => void lost++;
    const { socket } = far.release();
    near.close();
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(lost).toBe(0);
  });

  test("R-LIM-05 the end, an error and close settle what is pending", async () => {
    for (const end of [
      (near: Socket) => near.end(),
      (near: Socket) => near.destroy(),
      (near: Socket) => near.resetAndDestroy(),
      (_: Socket, far: NodeLineTransport) => far.close(),
      (_: Socket, far: NodeLineTransport) => far.socket.destroy(new Error("cable")),
    ]) {
      const { near, far } = await sockets();
      const wire = nodeLineTransport(far);
      const pending = wire.readLine(100);
      end(near, wire);
      await expect(pending).rejects.toMatchObject({ code: "connection-lost" });
      await expect(async () => wire.readLine(100)).rejects.toMatchObject({ code: "connection-lost" });
      await new Promise((resolve) => (far.destroyed ? resolve(0) : far.once("close", resolve)));
      await expect(async () => wire.write("x")).rejects.toMatchObject({ code: "connection-lost" });
    }
  });

  test("a line that came just before the end is read", async () => {
    const { near, far } = await sockets();
    near.end("last\r\n");
    const wire = nodeLineTransport(far);
    expect(await wire.readLine(100)).toBe("last");
    await expect(async () => wire.readLine(100)).rejects.toMatchObject({ code: "connection-lost" });
  });

  test("close sends what was written", async () => {
    const { near, far } = await transports();
    await near.write("bye\r\n");
    near.close();
    near.close();
    expect(await far.readLine(100)).toBe("bye");
  });

  test("R-LIM-03 a flood is held back while nobody reads", async () => {
    const { near, far } = await sockets();
    const wire = nodeLineTransport(far);
    for (let i = 0; i < 200; i++) near.write(`${"x".repeat(9998)}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(wire.buffered).toBeLessThanOrEqual(16_384 + 65_536);
    for (let i = 0; i < 200; i++) expect((await wire.readLine(10_000)).length).toBe(9998);
  });

  test("writing waits for a peer that does not read, until it is gone", async () => {
    const { near, far } = await sockets();
    far.pause();
    const wire = nodeLineTransport(near);
    let waited: unknown;
    for (let i = 0; i < 1000 && waited === undefined; i++) waited = wire.write("x".repeat(65_536));
    expect(waited).toBeInstanceOf(Promise);
    far.destroy();
    await expect(waited).rejects.toMatchObject({ code: "connection-lost" });
  });

  test("R-LIM-05 a signal ends it, also when it was aborted before", async () => {
    for (const early of [true, false]) {
      const { near } = await sockets();
      const stop = new AbortController();
      if (early) stop.abort();
      const wire = nodeLineTransport(near, { signal: stop.signal });
      const pending = (async () => wire.readLine(100))();
      stop.abort();
      await expect(pending).rejects.toMatchObject({ code: "connection-lost" });
      expect(near.destroyed).toBe(true);
    }
  });

  test("a socket that is gone already", async () => {
    const { near } = await sockets();
    near.destroy();
    await expect(async () => nodeLineTransport(near).readLine(10)).rejects.toMatchObject({ code: "connection-lost" });
  });
});

describe("release", () => {
  test("gives the socket back with what nobody read", async () => {
    const { near, far } = await transports();
    await near.write("one\r\ntwo");
    expect(await far.readLine(100)).toBe("one");
    const { socket, leftover } = far.release();
    expect(new TextDecoder().decode(leftover)).toBe("two");
    expect([socket.listenerCount("data"), socket.listenerCount("error"), socket.isPaused()]).toEqual([0, 1, true]);
    await expect(async () => far.readLine(10)).rejects.toMatchObject({ code: "connection-lost" });
    expect(() => far.release()).toThrow(expect.objectContaining({ code: "connection-lost" }));
  });
});

describe("TLS", () => {
  const begin = async (
    tls: ConnectionOptions,
    options = {},
  ): Promise<{ near: NodeLineTransport; far: NodeLineTransport }> => {
    const { near, far } = await transports();
    const [client, server] = await Promise.all([
      startTlsClient(near, tls, options),
      startTlsServer(far, { secureContext }),
    ]);
    opened.push(client.socket, server.socket);
    return { near: client, far: server };
  };

  test("begins on both ends; lines go on, and both can bind to the same data", async () => {
    const { near, far } = await begin(trusting);
    await near.write("inside\r\n");
    expect(await far.readLine(100)).toBe("inside");
    expect([near.secure, far.secure]).toEqual([true, true]);
    expect(near.channelBinding?.types).toEqual(["tls-exporter", "tls-server-end-point"]);
    for (const type of near.channelBinding?.types ?? []) {
      expect(near.channelBinding?.data(type)).toEqual(far.channelBinding?.data(type));
    }
    expect(near.channelBinding).toBe(near.channelBinding);
  });

  test("R-SMTP-17 without a verified certificate it is not secure, unless the caller says so", async () => {
    const lax: ConnectionOptions = { servername: "localhost", rejectUnauthorized: false };
    expect((await begin(lax)).near.secure).toBe(false);
    expect((await begin(lax, { allowUnverifiedCertificate: true })).near.secure).toBe(true);
  });

  test("R-SMTP-17 a certificate for another name, or from nobody known, ends in a failure", async () => {
    for (const tls of [{ ca: cert, servername: "example.com" }, { servername: "localhost" }]) {
      const { near, far } = await transports();
      const server = startTlsServer(far, { secureContext }).catch(() => undefined);
      await expect(startTlsClient(near, tls)).rejects.toMatchObject({ code: "channel-not-protected" });
      expect(near.socket.destroyed).toBe(true);
      await server;
    }
  });

  test("R-IMAP-10 R-SMTP-16 clear text behind the go-ahead is an attack on the client", async () => {
    const { near, far } = await transports();
    await far.write("go\r\n* CAPABILITY AUTH=PLAIN\r\n");
    expect(await near.readLine(100)).toBe("go");
    await expect(startTlsClient(near, trusting)).rejects.toMatchObject({ code: "peer-not-verified" });
    expect(near.socket.destroyed).toBe(true);
  });

  test("R-IMAP-10 R-SMTP-16 clear text that comes a moment later is one too", async () => {
    const { near, far } = await transports();
    const started = startTlsClient(near, trusting);
    await far.write("* CAPABILITY AUTH=PLAIN\r\n");
    await expect(started).rejects.toMatchObject({ code: "channel-not-protected" });
  });

  test("R-IMAP-09 R-SMTP-15 clear text ahead of the handshake is never read as a line by the server", async () => {
    const { near, far } = await transports();
    await near.write("STARTTLS\r\nEVIL\r\n");
    expect(await far.readLine(100)).toBe("STARTTLS");
    const [client, server] = await Promise.all([
      startTlsClient(near, trusting),
      startTlsServer(far, { secureContext }),
    ]);
    opened.push(client.socket, server.socket);
    await client.write("good\r\n");
    expect(await server.readLine(100)).toBe("good");
  });

  test("R-SMTP-15 a handshake that fails, or does not come, ends the connection", async () => {
    const { near, far } = await transports();
    await near.write("this is no handshake\r\n");
    await expect(startTlsServer(far, { secureContext })).rejects.toMatchObject({ code: "channel-not-protected" });
    expect(far.socket.destroyed).toBe(true);

    const silent = await transports();
    const stop = new AbortController();
    const waiting = startTlsServer(silent.far, { secureContext }, { signal: stop.signal });
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "channel-not-protected" });

    const gone = await transports();
    const lost = startTlsClient(gone.near, trusting);
    gone.far.socket.destroy();
    await expect(lost).rejects.toMatchObject({ code: "channel-not-protected" });
  });

  test("a socket that speaks TLS from the start", async () => {
    const { near, far } = await sockets();
    const server = startTlsServer(nodeLineTransport(far), { secureContext });
    const socket = tlsConnect({ ...trusting, socket: near });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    const wire = nodeLineTransport(socket);
    opened.push(socket, (await server).socket);
    await wire.write("hi\r\n");
    expect(await (await server).readLine(10)).toBe("hi");
    expect(wire.secure).toBe(true);
    socket.destroy();
    expect(wire.channelBinding).toBeUndefined();
  });
});
