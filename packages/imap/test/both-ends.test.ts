/** Client and server of ours with the wire between them: every mechanism, plain and over real TLS. */
import { readFileSync } from "node:fs";
import { createServer, connect as netConnect } from "node:net";
import { createSecureContext } from "node:tls";
import { channelBinding, memoryAccounts, SASLServer } from "sasl-core";
import * as server from "sasl-core/mechanisms";
import { linePair } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { authenticate, discover, greet, IMAPConnection, type ServerResult } from "../src/index.js";
import {
  ANONYMOUS,
  CRAM_MD5,
  EXTERNAL,
  LOGIN,
  OAUTHBEARER,
  PLAIN,
  SCRAM,
  SCRAMPLUS,
  XOAUTH2,
} from "../src/mechanisms.js";
import { type NodeLineTransport, nodeLineTransport, startTlsClient, startTlsServer } from "../src/node/index.js";
import { settled } from "./script.js";

const alice = { username: "alice", password: "correct horse" };
const token = { username: "alice", token: "good" };

const config = {
  mechanisms: [
    server.plain,
    server.login,
    server.anonymous,
    server.external,
    server.cramMd5,
    server.scramSha1,
    server.scramSha256,
    server.scramSha256Plus,
    server.scramSha512,
    server.oauthbearer,
    server.xoauth2,
  ],
  accounts: memoryAccounts({ alice: alice.password }),
  service: "imap",
  anonymous: "guest",
  tokens: (given: string) =>
    given === "good" ? ({ ok: true, subject: "alice" } as const) : ({ ok: false, status: "invalid_token" } as const),
};

const binding = channelBinding({ "tls-exporter": new Uint8Array(32).fill(7) });

async function login(mechanism: Parameters<typeof authenticate>[2][number], chunkBytes?: number) {
  const { client, server: wire } = linePair({
    secure: true,
    clientBinding: binding,
    serverBinding: binding,
    chunkBytes,
  });
  const results: ServerResult[] = [];
  const running = new IMAPConnection(wire, {
    server: new SASLServer(config),
    onAuthenticated: (result) => void results.push(result),
    connection: () => ({ external: { names: ["alice"] } }),
  }).run();
  const { announced } = await greet(client);
  try {
    const result = await authenticate(client, announced, [mechanism], { policy: { channelBinding: "prefer" } });
    await running;
    return { result, server: results[0] };
  } finally {
    client.close();
  }
}

const right: readonly [name: string, mechanism: Parameters<typeof login>[0]][] = [
  ["PLAIN", PLAIN(alice)],
  ["LOGIN", LOGIN(alice)],
  ["ANONYMOUS", ANONYMOUS({ trace: "sirhc" })],
  ["EXTERNAL", EXTERNAL({})],
  ["CRAM-MD5", CRAM_MD5(alice)],
  ["SCRAM-SHA-512", SCRAM(alice)],
  ["SCRAM-SHA-256-PLUS", SCRAMPLUS(alice, binding)],
  ["OAUTHBEARER", OAUTHBEARER(token)],
  ["XOAUTH2", XOAUTH2(token)],
];

describe("every mechanism", () => {
  for (const [name, mechanism] of right) {
    test(`R-LIM-06 ${name}, whole and in single octets`, async () => {
      for (const chunkBytes of [undefined, 1]) {
        const { result, server } = await login(mechanism, chunkBytes);
        expect(result.mechanism).toBe(name);
        expect(result.capabilities?.mechanisms).toEqual([]);
        expect(server).toMatchObject({ mechanism: name, authcid: name === "ANONYMOUS" ? "guest" : "alice" });
        expect(result.channelBinding).toBe(name.endsWith("-PLUS") ? "tls-exporter" : undefined);
      }
    });
  }

  const bad = { username: "alice", password: "wrong" };
  const wrong: readonly [name: string, mechanism: Parameters<typeof login>[0]][] = [
    ["PLAIN", PLAIN(bad)],
    ["LOGIN", LOGIN(bad)],
    ["CRAM-MD5", CRAM_MD5(bad)],
    ["SCRAM-SHA-512", SCRAM(bad)],
    ["SCRAM-SHA-256-PLUS", SCRAMPLUS(bad, binding)],
    ["OAUTHBEARER", OAUTHBEARER({ username: "alice", token: "bad" })],
    ["XOAUTH2", XOAUTH2({ username: "alice", token: "bad" })],
    ["EXTERNAL as somebody else", EXTERNAL({ authzid: "root" })],
  ];
  for (const [name, mechanism] of wrong) {
    test(`R-IMAP-08 ${name} with the wrong secret is refused`, async () => {
      await expect(login(mechanism)).rejects.toMatchObject({ kind: "AuthenticationFailure" });
    });
  }
});

describe("the one call", () => {
  test("R-PLAIN-06 no plaintext secret over a connection that is not secure", async () => {
    const { client, server: wire } = linePair();
    const attempt = authenticate(client, "AUTH=PLAIN AUTH=LOGIN SASL-IR", [PLAIN(alice), LOGIN(alice)]);
    expect(await settled(attempt)).toBe("no-common-mechanism");
    expect(wire.buffered).toBe(0);
  });

  test("R-GEN-11 success too early is none", async () => {
    const { client, server: wire } = linePair({ secure: true });
    const attempt = authenticate(client, discover("AUTH=SCRAM-SHA-256 SASL-IR"), [SCRAM(alice)], { tag: () => "a1" });
    expect(await wire.readLine(1000)).toMatch(/^a1 AUTHENTICATE SCRAM-SHA-256 /);
    wire.write("a1 OK welcome\r\n");
    expect(await settled(attempt)).toBe("peer-not-verified");
    expect(wire.buffered).toBe(0);
  });

  test("R-GEN-16 a signal cancels on the wire", async () => {
    const { client, server: wire } = linePair({ secure: true });
    const stop = new AbortController();
    const attempt = authenticate(client, "AUTH=SCRAM-SHA-256 SASL-IR", [SCRAM(alice)], {
      signal: stop.signal,
      tag: () => "a1",
    });
    await wire.readLine(1000);
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 0));
    wire.write("+ cj1hYmM=\r\n");
    expect(await wire.readLine(1000)).toBe("*");
    wire.write("a1 BAD cancelled\r\n");
    expect(await settled(attempt)).toBe("aborted");
  });

  test("the next mechanism after one the server does not know, over the same connection", async () => {
    const { client, server: wire } = linePair({ secure: true });
    let count = 0;
    const attempt = authenticate(client, ["AUTH=SCRAM-SHA-512", "AUTH=SCRAM-SHA-256"], [SCRAM(alice)], {
      tag: () => `a${++count}`,
    });
    expect(await wire.readLine(1000)).toBe("a1 AUTHENTICATE SCRAM-SHA-512");
    wire.write("a1 NO unknown\r\n");
    expect(await wire.readLine(1000)).toBe("a2 AUTHENTICATE SCRAM-SHA-256");
    wire.write("a2 NO unknown\r\n");
    expect(await settled(attempt)).toBe("mechanism-unsupported");
  });
});

describe("over TCP and TLS", () => {
  const read = (name: string): Buffer => readFileSync(new URL(`../../core/test/certificates/${name}`, import.meta.url));
  const cert = read("ecdsa-sha256.cert.pem");
  const secureContext = createSecureContext({ cert, key: read("ec-p256.key.pem") });

  test("R-IMAP-11 R-IMAP-13 STARTTLS, then SCRAM bound to the connection", async () => {
    const results: ServerResult[] = [];
    const saslServer = new SASLServer(config);
    const listener = createServer((socket) => {
      void new IMAPConnection<NodeLineTransport>(nodeLineTransport(socket, { role: "server" }), {
        server: saslServer,
        startTls: (wire, signal) => startTlsServer(wire, { secureContext }, { signal }),
        onAuthenticated: (result) => void results.push(result),
      }).run();
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as { port: number };
    const socket = netConnect(port, "127.0.0.1");
    const { wire, announced, announcedBefore } = await greet(nodeLineTransport(socket), {
      upgrade: (clear) => startTlsClient(clear, { ca: cert, servername: "localhost" }),
    });
    expect(announcedBefore?.mechanisms).not.toContain("PLAIN");
    expect(announced.mechanisms).toContain("SCRAM-SHA-256-PLUS");
    const result = await authenticate(wire, announced, [SCRAM(alice), SCRAMPLUS(alice)], { host: "localhost" });
    expect(result).toMatchObject({
      mechanism: "SCRAM-SHA-256-PLUS",
      serverVerified: true,
      channelBinding: "tls-exporter",
    });
    expect(results).toMatchObject([{ authcid: "alice", channelBinding: "tls-exporter" }]);
    wire.close();
    listener.close();
  });
});
