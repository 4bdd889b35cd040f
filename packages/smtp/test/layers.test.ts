/** Security layers in SMTP: where they begin, what both ends forget then, and what does not get through. */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import {
  clientMechanism,
  hiddenMechanisms,
  memoryAccounts,
  SASLServer,
  type SecurityLayer,
  type ServerOptions,
  type ServerResult,
} from "sasl-core";
import { rc4, rc4_40, singleDes, tripleDes } from "sasl-core/legacy";
import { DIGEST_MD5, digestMd5With, SCRAM, scramSha256 } from "sasl-core/mechanisms";
import { concatBytes } from "sasl-core/plugin";
import { layeredMechanism, testLayer } from "sasl-core/testing";
import { BufferedTransport, type LineTransport, linePair } from "sasl-lines";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  authenticate,
  type ConnectionEnd,
  ehlo,
  greet,
  runCommand,
  SASLClient,
  SMTPConnection,
  type SMTPConnectionOptions,
} from "../src/index.js";
import { nodeLineTransport, SMTPListener } from "../src/node/index.js";
import { b64, bytes, settled } from "./script.js";

const alice = { username: "alice", password: "correct horse" };

/** A connection's end of which a test has the octets. */
class Raw extends BufferedTransport {
  readonly channelBinding = undefined;
  readonly sent: Uint8Array[] = [];
  ended = false;
  get secure(): boolean {
    return this.layerSsf > 1;
  }
  feed(octets: Uint8Array): void {
    this.receive(octets.slice());
  }
  finish(): void {
    this.endInput();
  }
  protected override send(data: string | Uint8Array): void {
    this.sent.push(typeof data === "string" ? bytes(data) : data);
  }
  protected override shut(): void {
    this.ended = true;
  }
  protected override setPaused(): void {}
}

async function frames(layer: SecurityLayer, ...texts: string[]): Promise<Uint8Array> {
  const made: Uint8Array[] = [];
  for (const each of texts) made.push(await layer.encode(bytes(each)));
  return concatBytes(...made);
}

/** Everything that happens without further input. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 4));

/** When this was sent. */
const asked = (wire: Raw, text = "\r\n") =>
  vi.waitUntil(() => Buffer.concat(wire.sent).includes(text), { interval: 2, timeout: 5000 });

function server(options: Partial<ServerOptions> = {}, more: Partial<SMTPConnectionOptions> = {}) {
  const results: ServerResult[] = [];
  const mails: string[][] = [];
  const ends: ConnectionEnd[] = [];
  const shared: SMTPConnectionOptions = {
    server: new SASLServer({
      mechanisms: [layeredMechanism(), scramSha256],
      accounts: memoryAccounts({ alice: alice.password }),
      host: "mail.example.com",
      service: "smtp",
      ...options,
    }),
    onAuthenticated: (result) => void results.push(result),
    async onMessage({ from, recipients }, lines) {
      const mail = [from, ...recipients];
      for await (const line of lines) mail.push(line);
      mails.push(mail);
    },
    onEnd: (end) => void ends.push(end),
    ...more,
  };
  return { shared, results, mails, ends };
}

const digest = { host: "mail.example.com" };
const kinds = [
  ["a layer that answers at once", layeredMechanism(), [clientMechanism([layeredMechanism()], alice)], 128],
  [
    "a layer that answers later",
    layeredMechanism({ later: true }),
    [clientMechanism([layeredMechanism({ later: true })], alice)],
    128,
  ],
  ["integrity alone", layeredMechanism({ ssf: 1 }), [clientMechanism([layeredMechanism()], alice)], 1],
  ["DIGEST-MD5 with auth-int", digestMd5With({}), [DIGEST_MD5(alice)], 1],
  [
    "DIGEST-MD5 with auth-conf, rc4",
    digestMd5With({ ciphers: [rc4, rc4_40] }),
    [DIGEST_MD5(alice, { ciphers: [rc4] })],
    128,
  ],
  [
    "DIGEST-MD5 with auth-conf, 3des",
    digestMd5With({ ciphers: [tripleDes] }),
    [DIGEST_MD5(alice, { ciphers: [tripleDes, singleDes] })],
    112,
  ],
] as const;

async function send(wire: LineTransport, lines: readonly string[]): Promise<number[]> {
  const codes: number[] = [];
  for (const command of ["MAIL FROM:<alice@example.com>", "RCPT TO:<bob@example.com>", "DATA"]) {
    codes.push((await runCommand(wire, command)).code);
  }
  for (const line of lines) await wire.write(`${line}\r\n`);
  codes.push((await runCommand(wire, ".")).code);
  return codes;
}

describe.each(kinds)("%s", (_, mechanism, mechanisms, ssf) => {
  test("R-SMTP-14 R-SMTP-01 both ends begin anew, and mail goes through it", async () => {
    for (const chunkBytes of [undefined, 1, 7]) {
      const { shared, results, mails, ends } = server({ mechanisms: [mechanism, scramSha256] });
      const { client, server: wire } = linePair({ chunkBytes });
      const running = new SMTPConnection(wire, shared).run();
      const { announced } = await greet(client);
      const result = await authenticate(client, announced, mechanisms, digest);
      expect(result).toMatchObject({ mechanism: mechanism.name, rediscover: true });
      expect([result.layer?.ssf, results[0]?.layer?.ssf]).toEqual([ssf, ssf]);
      expect([client.secure, wire.secure]).toEqual([ssf > 1, ssf > 1]);
      // The server has forgotten that there was an EHLO.
      expect((await runCommand(client, "MAIL FROM:<alice@example.com>")).code).toBe(503);
      const now = await ehlo(client, { clientName: "client.example.com" });
      expect(now.mechanisms).toEqual(announced.mechanisms);
      expect(now.startTls).toBe(false);
      const offers = { before: announced.mechanisms, after: now.mechanisms };
      const given = [...mechanisms, SCRAM(alice)];
      expect(hiddenMechanisms(result.mechanism, offers, given, { ...digest, secure: false })).toEqual([]);
      expect((await runCommand(client, "AUTH SCRAM-SHA-256")).code).toBe(503); // R-SMTP-02
      const lines = ["Subject: hi", "", "x".repeat(3000)];
      expect(await send(client, lines)).toEqual([250, 250, 354, 250]);
      expect(mails).toEqual([["alice@example.com", "bob@example.com", ...lines]]);
      expect((await runCommand(client, "QUIT")).code).toBe(221);
      await running;
      expect(ends).toMatchObject([{ code: undefined, secure: ssf > 1 }]);
    }
  });

  test("over TCP, with a long message, a handler that is slow and a server that shuts down", async () => {
    const long = "x".repeat(9000);
    let heard = 0;
    const { shared, ends } = server(
      { mechanisms: [mechanism] },
      {
        async onMessage(_, lines) {
          for await (const line of lines) {
            if (heard++ % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
            expect(line).toBe(long);
          }
        },
      },
    );
    const listener = new SMTPListener(shared as never);
    const { wire, announced } = await greet(nodeLineTransport(await dial((socket) => listener.accept(socket))));
    const result = await authenticate(wire, announced, mechanisms, digest);
    expect(result.layer?.ssf).toBe(ssf);
    await ehlo(wire);
    expect(await send(wire, Array(60).fill(long))).toEqual([250, 250, 354, 250]);
    expect(heard).toBe(60);
    listener.close();
    expect(await wire.readLine(1000)).toMatch(/^421 4\.3\.2/);
    expect(await settled((async () => wire.readLine(1000))())).toBe("connection-lost");
    await expect.poll(() => ends.map(({ code }) => code)).toEqual(["aborted"]);
  });
});

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const each of servers.splice(0)) each.close();
});

async function dial(accept: (socket: Socket) => unknown): Promise<Socket> {
  const listening = createServer((socket) => {
    sockets.push(socket);
    accept(socket);
  });
  servers.push(listening);
  await once(listening.listen(0, "127.0.0.1"), "listening");
  const socket = connect((listening.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket);
  await once(socket, "connect");
  return socket;
}

/** What a client of X-LAYERED says: its first message, and nothing more. */
const proof = createHmac("sha256", alice.password).update("layer").digest().join(",");
const first = bytes(`EHLO me\r\nAUTH X-LAYERED ${b64(`128 0 alice ${proof}`)}\r\n`);
const last = bytes("\r\n");

describe("the server's end, octet by octet", () => {
  const play = async (...pieces: readonly Uint8Array[]) => {
    const { shared, results, mails, ends } = server();
    const wire = new Raw();
    const running = new SMTPConnection(wire, shared).run();
    wire.feed(first);
    await asked(wire, "334 ");
    for (const piece of pieces) {
      wire.feed(piece);
      await settle();
    }
    wire.finish();
    await running;
    const sent = Buffer.concat(wire.sent);
    const end = sent.indexOf("succeeded\r\n") + "succeeded\r\n".length;
    return { clear: sent.subarray(0, end).toString(), layered: sent.subarray(end), results, mails, ends };
  };

  test("R-GEN-21 R-SMTP-14 the layer begins behind the client's last line and behind the 235", async () => {
    const octets = concatBytes(last, await frames(testLayer(true), "NO", "OP\r\nMAIL FROM:<>\r\n", "EHLO me\r\n"));
    for (let cut = 0; cut <= octets.length; cut++) {
      const heard = await play(octets.slice(0, cut), octets.slice(cut));
      expect(heard.clear).toMatch(/\r\n334 MTI4\r\n235 2\.7\.0 Authentication succeeded\r\n$/);
      const texts = (await testLayer(true).decode(heard.layered)).map((text) => new TextDecoder().decode(text));
      expect(texts.join("").split("\r\n")).toEqual([
        "250 2.0.0 OK",
        "503 5.5.1 EHLO first",
        "250-localhost",
        "250-PIPELINING",
        "250-8BITMIME",
        "250-ENHANCEDSTATUSCODES",
        "250 AUTH SCRAM-SHA-256 X-LAYERED",
        "",
      ]);
      expect(heard.ends).toMatchObject([{ code: "connection-lost" }]);
    }
  });

  const bad: readonly [why: string, octets: () => Promise<Uint8Array> | Uint8Array][] = [
    ["R-GEN-21 commands in the clear, sent ahead", () => bytes("EHLO evil\r\nMAIL FROM:<evil@example.com>\r\n")],
    ["R-GEN-21 one that looks like a frame", () => bytes("\0\0\0\x0bEHLO evil\r\n")],
    ["R-GEN-21 empty lines", () => bytes("\r\n\r\n")],
    ["R-GEN-22 a length over the maximum", () => Uint8Array.of(255, 255, 255, 255)],
    ["R-GEN-23 a frame of another count", async () => (await frames(testLayer(true), "x", "EHLO me\r\n")).slice(10)],
    ["R-GEN-23 a frame of the server's own", () => frames(testLayer(false), "EHLO me\r\n")],
    ["R-GEN-23 a frame that was changed", async () => (await frames(testLayer(true), "EHLO me\r\n")).fill(0, -1)],
    ["R-GEN-23 a frame without octets", () => Uint8Array.of(0, 0, 0, 0)],
  ];
  for (const [why, octets] of bad) {
    test(`${why} ends the connection and is no command`, async () => {
      const wire = concatBytes(last, await octets());
      for (const cut of [wire.length, 0, 1, 2, 4]) {
        const heard = await play(wire.slice(0, cut), wire.slice(cut));
        expect(heard.results.length).toBe(1);
        expect(heard.layered.length).toBe(0);
        expect(heard.ends).toMatchObject([{ code: "peer-not-verified" }]);
      }
    });
  }

  test("R-GEN-23 a message in which a frame was changed is none", async () => {
    const sender = testLayer(true);
    const good = await frames(
      sender,
      "EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
      "Subject: hi\r\n\r\nHello\r\n",
    );
    const heard = await play(last, good, (await frames(sender, ".\r\n")).fill(0, -1));
    expect(heard.mails).toEqual([]);
    expect(heard.ends).toMatchObject([{ code: "peer-not-verified" }]);
  });
});

describe("the client's end, octet by octet", () => {
  const clear = bytes("334 MTI4\r\n235-2.7.0 welcome\r\n235 2.7.0 friend\r\n");
  const begin = (wire: LineTransport) =>
    authenticate(wire, "AUTH X-LAYERED", [clientMechanism([layeredMechanism()], alice)]);

  test("R-GEN-21 R-SMTP-14 the layer begins behind the last line of the 235", async () => {
    const octets = concatBytes(clear, await frames(testLayer(false), "250-h", "i\r\n250 AUTH X\r\n"));
    for (let cut = clear.length - 4; cut <= octets.length; cut++) {
      const wire = new Raw();
      const done = begin(wire);
      await asked(wire);
      wire.feed(octets.subarray(0, cut));
      await settle();
      wire.feed(octets.subarray(cut));
      expect(await done).toMatchObject({ rediscover: true, text: "welcome friend" });
      expect(await wire.readLine(100)).toBe("250-hi");
      expect(await wire.readLine(100)).toBe("250 AUTH X");
      await wire.write("EHLO me\r\n");
      expect(wire.sent.at(-1)).toEqual(await frames(testLayer(true), "EHLO me\r\n"));
    }
  });

  test("R-GEN-21 R-GEN-23 what is in the clear behind the 235 is believed by nobody", async () => {
    for (const evil of ["250-evil\r\n250 AUTH PLAIN\r\n", "421 go away\r\n"]) {
      const wire = new Raw();
      const done = begin(wire);
      await asked(wire);
      wire.feed(concatBytes(clear, bytes(evil)));
      await done;
      expect(await settled(ehlo(wire))).toBe("peer-not-verified");
      expect(wire.ended).toBe(true);
    }
  });
});

describe("whether there is one", () => {
  test("R-GEN-25 a mechanism that was hidden in the clear is seen through the layer", async () => {
    const { shared } = server();
    const { client, server: wire } = linePair();
    const running = new SMTPConnection(wire, shared).run();
    await greet(client);
    const weak = { ...layeredMechanism(), security: ["noPlaintext", "noAnonymous"] } as const;
    const given = [clientMechanism([weak], alice), SCRAM(alice)];
    const result = await authenticate(client, "AUTH X-LAYERED", given);
    expect(result).toMatchObject({ mechanism: "X-LAYERED", rediscover: true });
    const offers = { before: ["X-LAYERED"], after: (await ehlo(client)).mechanisms };
    expect(hiddenMechanisms(result.mechanism, offers, given, { secure: false })).toEqual(["SCRAM-SHA-256"]);
    client.close();
    await running;
  });

  const without: readonly [why: string, secure: boolean, carries: boolean, facts: { layers?: boolean }][] = [
    ["over a channel that is protected already", true, true, {}],
    ["where the client's transport can carry none", false, false, {}],
    ["where the program wants none", false, true, { layers: false }],
  ];
  for (const [why, secure, carries, facts] of without) {
    test(`none ${why}: EHLO need not be said again, and lists no mechanism any more`, async () => {
      const { shared, results } = server({}, { connection: () => facts });
      const { client, server: wire } = linePair({ secure });
      const running = new SMTPConnection(wire, shared).run();
      const bare: LineTransport = {
        secure,
        readLine: (most) => client.readLine(most),
        write: (text) => client.write(text),
      };
      const near = carries ? client : bare;
      const { announced } = await greet(near);
      const result = await authenticate(near, announced, [clientMechanism([layeredMechanism()], alice)]);
      expect(result).toMatchObject({ layer: undefined, rediscover: false });
      expect(results[0]?.layer).toBeUndefined();
      expect((await runCommand(near, "MAIL FROM:<alice@example.com>")).code).toBe(250);
      expect((await ehlo(near)).mechanisms).toEqual([]);
      client.close();
      await running;
    });
  }

  test("SASLClient agrees to one only when it is told to", () => {
    const { client } = linePair();
    expect([new SASLClient(client).layers, new SASLClient(client, { layers: true }).layers]).toEqual([false, true]);
  });
});
