/** Sockets of Node served by a listener: TLS, certificates of clients, strength, time, shutting down. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from "node:tls";
import { memoryAccounts, SASLServer, type ServerEvent, type ServerResult } from "sasl-core";
import { external, plain, scramSha256Plus } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { authenticate, type ConnectionEnd, greet } from "../src/index.js";
import { EXTERNAL, PLAIN, SCRAMPLUS } from "../src/mechanisms.js";
import { nodeLineTransport, SMTPListener, type SMTPListenerOptions, startTlsClient } from "../src/node/index.js";

const read = (name: string): Buffer =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url));
const [cert, key] = [read("ecdsa-sha256.cert"), read("ec-p256.key")];
const alice = { username: "alice", password: "correct horse" };

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0).reverse()) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function start(options: Partial<SMTPListenerOptions> = {}, direct = false) {
  const events: ServerEvent[] = [];
  const ends: ConnectionEnd[] = [];
  const results: ServerResult[] = [];
  const errors: unknown[] = [];
  const listener = new SMTPListener({
    server: new SASLServer({
      mechanisms: [plain, scramSha256Plus, external],
      accounts: memoryAccounts({ alice: alice.password }),
      onOutcome: (event) => void events.push(event),
    }),
    tls: { cert, key, ca: cert },
    onEnd: (end) => void ends.push(end),
    onError: (error) => void errors.push(error),
    onAuthenticated: (result) => void results.push(result),
    ...options,
  });
  const tls = { cert, key, ca: cert, requestCert: true, rejectUnauthorized: false };
  const server = direct
    ? createTlsServer(tls, (socket) => listener.accept(socket))
    : createServer((socket) => listener.accept(socket));
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const dial = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  };
  return { listener, events, ends, results, errors, port, dial };
}

const clients = [
  ["without a certificate", {}, ["SCRAM-SHA-256-PLUS", "PLAIN"]],
  ["with a certificate", { cert, key }, ["SCRAM-SHA-256-PLUS", "EXTERNAL", "PLAIN"]],
  [
    "with one nobody vouches for",
    { cert: read("rsa-sha256.cert"), key: read("rsa.key") },
    ["SCRAM-SHA-256-PLUS", "PLAIN"],
  ],
] as const;

for (const direct of [false, true]) {
  describe(direct ? "TLS from the start" : "STARTTLS", () => {
    for (const [who, certificate, names] of clients) {
      test(`R-EXT-01 a client ${who} is offered ${names.join(", ")}, and logs in`, async () => {
        const { port, dial, events, ends, results, listener } = await start(
          { external: () => ({ names: ["alice"] }) },
          direct,
        );
        const tls = { ca: cert, servername: "localhost", ...certificate };
        let socket: Socket;
        if (direct) {
          socket = tlsConnect({ ...tls, port, host: "127.0.0.1" });
          sockets.push(socket);
          await once(socket, "secureConnect");
        } else socket = await dial();
        const { wire, announced } = await greet(nodeLineTransport(socket), {
          ...(direct ? {} : { upgrade: (clear) => startTlsClient(clear as never, tls) }),
        });
        expect([...announced.mechanisms].sort()).toEqual([...names].sort());
        const mechanisms = "cert" in certificate && names.length > 2 ? [EXTERNAL({})] : [SCRAMPLUS(alice)];
        const { mechanism } = await authenticate(wire, announced, mechanisms);
        await expect.poll(() => results).toMatchObject([{ mechanism, authzid: "alice" }]);
        expect(events).toMatchObject([{ ok: true, mechanism, remote: "127.0.0.1" }]);
        expect(listener.size).toBe(1);
        wire.close();
        await expect.poll(() => ends).toMatchObject([{ remote: "127.0.0.1", secure: true, result: { mechanism } }]);
        expect(listener.size).toBe(0);
      });
    }
  });
}

test("R-GEN-26 the strength of the cipher counts by itself, and a policy is asked for again after TLS has begun", async () => {
  const seen: (number | undefined)[] = [];
  const { dial } = await start({
    connection: (socket) => {
      seen.push("getCipher" in socket ? 1 : 0);
      return { policy: { minSsf: 200, requireEncryption: false } };
    },
  });
  const offered = async (ciphers: string): Promise<readonly string[]> => {
    const { wire, announced, announcedBefore } = await greet(nodeLineTransport(await dial()), {
      upgrade: (clear) => startTlsClient(clear as never, { ca: cert, servername: "localhost", ciphers }),
    });
    expect(announcedBefore?.mechanisms).toEqual([]);
    wire.close();
    return announced.mechanisms;
  };
  expect(await offered("TLS_AES_256_GCM_SHA384")).toEqual(["SCRAM-SHA-256-PLUS", "PLAIN"]);
  expect(await offered("TLS_AES_128_GCM_SHA256")).toEqual([]);
  expect(new Set(seen)).toEqual(new Set([0, 1]));
});

test("R-LIM-05 clients that stop are told and let go, in the middle of a handshake too", async () => {
  const { dial, ends, listener } = await start({ loginTimeoutMs: 50, external: () => undefined });
  const silent = nodeLineTransport(await dial());
  await silent.readLine(1000);
  const { wire } = { wire: nodeLineTransport(await dial()) };
  await wire.readLine(1000);
  wire.write("STARTTLS\r\n");
  await wire.readLine(1000);
  expect(await silent.readLine(1000)).toMatch(/^421 4\.4\.2 /);
  await expect(async () => wire.readLine(1000)).rejects.toMatchObject({ code: "connection-lost" });
  await expect.poll(() => ends.map(({ code }) => code)).toEqual(["timed-out", "timed-out"]);
  expect(listener.size).toBe(0);
});

test("R-SMTP-15 a handshake that fails ends the connection, and nobody else's", async () => {
  const { dial, ends, errors } = await start();
  const other = nodeLineTransport(await dial());
  await other.readLine(1000);
  const wire = nodeLineTransport(await dial());
  await wire.readLine(1000);
  wire.write("STARTTLS\r\n");
  await wire.readLine(1000);
  wire.write("this is no TLS\r\n");
  await expect.poll(() => ends).toMatchObject([{ code: "channel-not-protected", result: undefined }]);
  expect(errors).toEqual([]);
  other.close();
});

for (const [how, leave] of [
  ["closes", (socket: Socket) => void socket.end()],
  ["goes", (socket: Socket) => void socket.destroy()],
  ["resets", (socket: Socket) => void socket.resetAndDestroy()],
] as const) {
  test(`R-LIM-05 R-LIM-08 a client that ${how} in the middle of an exchange is in the log, with its address`, async () => {
    const facts = () => ({ policy: { requireEncryption: false } });
    const { dial, events, ends, listener } = await start({ connection: facts });
    const socket = await dial();
    const wire = nodeLineTransport(socket);
    await wire.readLine(1000);
    wire.write("EHLO client.example\r\n");
    while (!(await wire.readLine(1000)).startsWith("250 "));
    wire.write("AUTH PLAIN\r\n");
    await wire.readLine(1000);
    leave(socket);
    const expected = { code: "connection-lost", remote: "127.0.0.1" };
    await expect.poll(() => ends).toMatchObject([{ ...expected, result: undefined, failures: 0 }]);
    expect(events).toMatchObject([{ ...expected, mechanism: "PLAIN", ok: false }]);
    expect(listener.size).toBe(0);
  });
}

test("close() tells every client that the server shuts down", async () => {
  const { dial, listener, ends } = await start();
  const wires = [nodeLineTransport(await dial()), nodeLineTransport(await dial())];
  for (const wire of wires) await wire.readLine(1000);
  expect(listener.size).toBe(2);
  listener.close();
  for (const wire of wires) expect(await wire.readLine(1000)).toMatch(/^421 4\.3\.2 /);
  await expect.poll(() => ends.map(({ code }) => code)).toEqual(["aborted", "aborted"]);
  expect(listener.size).toBe(0);
});

test("R-LIM-07 a fault of the program ends one connection and is told", async () => {
  const fault = new TypeError("bug");
  const { port, errors, listener } = await start({ onAuthenticated: () => Promise.reject(fault) }, true);
  const socket = tlsConnect({ ca: cert, servername: "localhost", port, host: "127.0.0.1" }) as TLSSocket;
  sockets.push(socket);
  await once(socket, "secureConnect");
  const { wire, announced } = await greet(nodeLineTransport(socket));
  await authenticate(wire, announced, [PLAIN(alice)]).catch(() => {});
  await expect.poll(() => errors).toEqual([fault]);
  await expect.poll(() => listener.size).toBe(0);
});

test("R-LIM-07 what the application cannot say of a connection ends that connection, and the log hears of it", async () => {
  const { listener, ends, errors, dial } = await start({
    connection: () => {
      throw new Error("no address");
    },
  });
  const socket = await dial();
  socket.resume();
  await once(socket, "close");
  await expect.poll(() => ends).toEqual([expect.objectContaining({ code: "temporary", secure: false })]);
  expect(errors).toEqual([expect.objectContaining({ message: "no address" })]);
  expect(listener.size).toBe(0);
});
