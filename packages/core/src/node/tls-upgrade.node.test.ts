import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { type ConnectionOptions, connect } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { tlsFacts, tlsUpgrade } from "./index.js";

const file = (name: string): Buffer => readFileSync(new URL(`../../test/certificates/${name}.pem`, import.meta.url));
const cert = file("ecdsa-sha256.cert");
const key = file("ec-p256.key");

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  // Node 20 ends the program when a socket is destroyed under a TLS socket that wraps it: what wraps comes last, and goes first.
  for (const socket of sockets.splice(0).reverse()) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Two ends of a connection in the clear. */
async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  near.on("error", () => {});
  sockets.push(near, far);
  return { near, far };
}

const rows: readonly [requestCert: boolean, who: string, options: ConnectionOptions, verified: boolean][] = [
  [false, "a client", {}, false],
  [false, "a client with a certificate nobody asked for", { cert, key }, false],
  [true, "a client without a certificate", {}, false],
  [true, "a client with a certificate", { cert, key }, true],
  [true, "a client with one nobody vouches for", { cert: file("rsa-sha256.cert"), key: file("rsa.key") }, false],
];
for (const [requestCert, who, options, verified] of rows) {
  test(`R-EXT-01 ${who} is ${verified ? "" : "not "}verified where certificates are ${requestCert ? "" : "not "}asked for`, async () => {
    const upgrade = tlsUpgrade({ cert, key, ca: cert, requestCert });
    const { near, far } = await pair();
    const client = connect({ socket: near, servername: "localhost", ca: cert, ...options });
    sockets.push(client);
    const [secured] = await Promise.all([upgrade(far), once(client, "secureConnect")]);
    sockets.push(secured);
    expect(tlsFacts(secured)?.verified).toBe(verified);
    secured.write("hello");
    expect(String((await once(client, "data"))[0])).toBe("hello");
  });
}

for (const requestCert of [false, true]) {
  describe(`R-LIM-05 a handshake that fails, certificates ${requestCert ? "" : "not "}asked for`, () => {
    const upgrade = tlsUpgrade({ cert, key, ca: cert, requestCert });
    const failures: readonly [why: string, act: (near: Socket, far: Socket, stop: AbortController) => void][] = [
      ["the client speaks no TLS", (near) => void near.write("EHLO here\r\n\r\n")],
      ["the client goes", (near) => void near.destroy()],
      ["the client sends half of it and goes", (near) => void near.end(Buffer.from([22, 3, 1, 2, 0, 1]))],
      ["the time is up", (_near, _far, stop) => stop.abort()],
      [
        "the time is up in the middle of it",
        (near, _far, stop) => {
          const through = new PassThrough(); // the client's hello goes out, and nothing gets back to it
          const client = connect({
            socket: Duplex.from({ writable: near, readable: through }),
            servername: "localhost",
          });
          client.on("error", () => {});
          near.once("data", () => stop.abort());
        },
      ],
    ];
    for (const [why, act] of failures) {
      test(why, async () => {
        const { near, far } = await pair();
        const stop = new AbortController();
        const upgraded = upgrade(far, stop.signal);
        act(near, far, stop);
        await expect(upgraded).rejects.toMatchObject({ kind: "SASLFailure", code: "channel-not-protected" });
        await expect.poll(() => far.destroyed).toBe(true);
      });
    }

    test("the time was up before", async () => {
      const { far } = await pair();
      await expect(upgrade(far, AbortSignal.abort())).rejects.toMatchObject({ code: "channel-not-protected" });
      expect(far.destroyed).toBe(true);
    });

    test("the socket was gone before", async () => {
      const { far } = await pair();
      far.destroy();
      await expect(upgrade(far)).rejects.toMatchObject({ code: "channel-not-protected" });
    });

    test("R-LIM-07 others beside it are served", async () => {
      const [bad, good] = [await pair(), await pair()];
      const lost = expect(upgrade(bad.far)).rejects.toThrow();
      const served = upgrade(good.far);
      bad.near.write("this is no TLS");
      const client = connect({ socket: good.near, servername: "localhost", ca: cert });
      const [secured] = await Promise.all([served, once(client, "secureConnect"), lost]);
      sockets.push(client, secured);
    });
  });
}

test("a certificate that is none is said at once", () => {
  expect(() => tlsUpgrade({ cert: "none", key })).toThrow();
});

for (const requestCert of [false, true]) {
  test(`R-LIM-05 a bad record after the handshake ends the connection, certificates ${requestCert ? "" : "not "}asked for`, async () => {
    const { near, far } = await pair();
    const upgraded = tlsUpgrade({ cert, key, ca: cert, requestCert })(far);
    const client = connect({ socket: near, ca: cert, servername: "localhost" });
    sockets.push(client);
    client.on("error", () => {});
    await once(client, "secureConnect");
    const secured = await upgraded;
    sockets.push(secured);
    secured.on("error", () => {});
    const heard = new Promise((resolve) => secured.on("data", resolve)); // and goes on reading
    client.write("hello");
    await heard;
    const closed = new Promise((resolve) => secured.once("close", resolve)); // with an error before, or without
    near.write(Buffer.from([0x17, 3, 3, 0, 0x28, ...new Uint8Array(40)]));
    await closed;
    expect(far.destroyed).toBe(true);
  });
}
