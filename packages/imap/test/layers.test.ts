/** Security layers in IMAP: where they begin, what is void then, and what does not get through. */
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
  capabilities,
  discover,
  greet,
  IMAPConnection,
  type IMAPConnectionOptions,
  runCommand,
  SASLClient,
} from "../src/index.js";
import { IMAPListener, nodeLineTransport } from "../src/node/index.js";
import { b64, bytes, settled, tags } from "./script.js";

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

/** When something was sent. */
const asked = (wire: Raw) => vi.waitUntil(() => wire.sent.length > 0, { interval: 2, timeout: 5000 });

/** What serves every command after the login. */
function server(options: Partial<ServerOptions> = {}, more: Partial<IMAPConnectionOptions> = {}) {
  const results: ServerResult[] = [];
  const commands: string[] = [];
  const ends: ConnectionEnd[] = [];
  const shared: IMAPConnectionOptions = {
    server: new SASLServer({
      mechanisms: [layeredMechanism(), scramSha256],
      accounts: memoryAccounts({ alice: alice.password }),
      host: "mail.example.com",
      service: "imap",
      ...options,
    }),
    async onAuthenticated(result, connection) {
      results.push(result);
      for (let command = await connection.nextCommand(); command; command = await connection.nextCommand()) {
        commands.push(command.name);
        await connection.wire.write(`${command.tag} OK ${command.name} done\r\n`);
      }
    },
    onEnd: (end) => void ends.push(end),
    ...more,
  };
  return { shared, results, commands, ends };
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

describe.each(kinds)("%s", (_, mechanism, mechanisms, ssf) => {
  test("R-IMAP-16 R-IMAP-11 R-IMAP-15 goes in force at both ends, and everything is asked anew", async () => {
    for (const chunkBytes of [undefined, 1, 7]) {
      const { shared, results, commands, ends } = server({ mechanisms: [mechanism, scramSha256] });
      const { client, server: wire } = linePair({ chunkBytes });
      const running = new IMAPConnection(wire, shared).run();
      const { announced } = await greet(client);
      const result = await authenticate(client, announced, mechanisms, digest);
      expect(result).toMatchObject({ mechanism: mechanism.name, rediscover: true, capabilities: undefined });
      expect([result.layer?.ssf, results[0]?.layer?.ssf]).toEqual([ssf, ssf]);
      expect([client.secure, wire.secure]).toEqual([ssf > 1, ssf > 1]);
      const now = await capabilities(client);
      expect(new Set(now.mechanisms)).toEqual(new Set(announced.mechanisms));
      const offers = { before: announced.mechanisms, after: now.mechanisms };
      const given = [...mechanisms, SCRAM(alice)];
      expect(hiddenMechanisms(result.mechanism, offers, given, { ...digest, secure: false })).toEqual([]);
      for (let i = 0; i < 5; i++) await runCommand(client, `SELECT ${"x".repeat(i * 700)}`);
      expect(await settled(runCommand(client, "STARTTLS"))).toBe("malformed-message"); // BAD
      expect(await settled(runCommand(client, "AUTHENTICATE SCRAM-SHA-256"))).toBe("malformed-message"); // R-IMAP-06
      await settled(runCommand(client, "LOGOUT"));
      await running;
      expect(commands).toEqual(["SELECT", "SELECT", "SELECT", "SELECT", "SELECT"]);
      expect(ends).toMatchObject([{ code: undefined, secure: ssf > 1 }]);
    }
  });

  test("over TCP, with a reader that is slow and a server that shuts down", async () => {
    const lines = 60;
    const long = "x".repeat(9000);
    let written = 0;
    const { shared, ends } = server(
      { mechanisms: [mechanism] },
      {
        async onAuthenticated(_, connection) {
          await connection.nextCommand();
          for (; written < lines; written++) await connection.wire.write(`* ${written} ${long}\r\n`);
          await connection.nextCommand();
        },
      },
    );
    const listener = new IMAPListener(shared as never);
    const { wire, announced } = await greet(nodeLineTransport(await dial((socket) => listener.accept(socket))));
    const result = await authenticate(wire, announced, mechanisms, digest);
    expect(result.layer?.ssf).toBe(ssf);
    await wire.write("a1 FETCH\r\n");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((wire as { buffered: number }).buffered).toBeLessThanOrEqual(16_384 + 65_536);
    for (let i = 0; i < lines; i++) expect(await wire.readLine(10_000)).toBe(`* ${i} ${long}`);
    listener.close();
    expect(await wire.readLine(1000)).toMatch(/^\* BYE The server shuts down/);
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
const login = `a1 AUTHENTICATE X-LAYERED ${b64(`128 0 alice ${proof}`)}\r\n\r\n`;

describe("the server's end, octet by octet", () => {
  const play = async (...pieces: readonly Uint8Array[]) => {
    const { shared, commands, results, ends } = server();
    const wire = new Raw();
    const running = new IMAPConnection(wire, shared).run();
    for (const piece of pieces) {
      wire.feed(piece);
      await settle();
    }
    wire.finish();
    await running;
    const sent = Buffer.concat(wire.sent);
    const end = sent.indexOf("Authenticated\r\n") + "Authenticated\r\n".length;
    return { clear: sent.subarray(0, end).toString(), layered: sent.subarray(end), commands, results, ends };
  };

  test("R-GEN-21 R-IMAP-16 the layer begins behind the client's last line and behind the server's OK", async () => {
    const clear = bytes(login);
    const wire = concatBytes(clear, await frames(testLayer(true), "a2 NOO", "P\r\na3 NOOP\r\n"));
    for (let cut = clear.length - 4; cut <= wire.length; cut++) {
      const heard = await play(wire.slice(0, cut), wire.slice(cut));
      expect(heard.clear).toMatch(/^\* OK [^\n]*\n\+ MTI4\r\na1 OK Authenticated\r\n$/);
      const texts = (await testLayer(true).decode(heard.layered)).map((text) => new TextDecoder().decode(text));
      expect(texts.join("")).toBe("a2 OK NOOP done\r\na3 OK NOOP done\r\n");
      expect(heard.commands).toEqual(["NOOP", "NOOP"]);
      expect(heard.ends).toMatchObject([{ code: "connection-lost" }]);
    }
  });

  const bad: readonly [why: string, octets: () => Promise<Uint8Array> | Uint8Array][] = [
    ["R-GEN-21 a command in the clear, sent ahead", () => bytes("a2 DELETE inbox\r\n")],
    ["R-GEN-21 one that looks like a frame", () => bytes("\0\0\0\x15a2 DELETE inbox\r\n....")],
    ["R-GEN-21 empty lines", () => bytes("\r\n\r\n")],
    ["R-GEN-22 a length over the maximum", () => Uint8Array.of(255, 255, 255, 255)],
    ["R-GEN-23 a frame of another count", async () => (await frames(testLayer(true), "x", "a2 NOOP\r\n")).slice(10)],
    ["R-GEN-23 a frame of the server's own", () => frames(testLayer(false), "a2 NOOP\r\n")],
    ["R-GEN-23 a frame that was changed", async () => (await frames(testLayer(true), "a2 NOOP\r\n")).fill(0, -1)],
    ["R-GEN-23 a frame without octets", () => Uint8Array.of(0, 0, 0, 0)],
  ];
  for (const [why, octets] of bad) {
    test(`${why} ends the connection and is no command`, async () => {
      const wire = concatBytes(bytes(login), await octets());
      for (const cut of [wire.length, login.length, login.length + 2, login.length - 2]) {
        const heard = await play(wire.slice(0, cut), wire.slice(cut));
        expect(heard.results.length).toBe(1);
        expect(heard.commands).toEqual([]);
        expect(heard.layered.length).toBe(0);
        expect(heard.ends).toMatchObject([{ code: "peer-not-verified" }]);
      }
    });
  }

  test("R-GEN-21 what comes before the switch is read as it is", async () => {
    const frame = await frames(testLayer(true), "a2 NOOP\r\n");
    const heard = await play(concatBytes(frame, bytes(login)));
    expect(heard.results).toEqual([]);
  });

  test("R-GEN-23 commands in front of a frame that was changed are not lost, and nothing behind it is heard", async () => {
    const sender = testLayer(true);
    const good = await frames(sender, "a2 NOOP\r\na3 NO");
    const spoilt = (await frames(sender, "OP\r\n")).fill(0, -1);
    const heard = await play(concatBytes(bytes(login), good, spoilt, await frames(sender, "a4 NOOP\r\n")));
    expect(heard.commands).toEqual(["NOOP"]);
    expect(heard.ends).toMatchObject([{ code: "peer-not-verified" }]);
  });
});

describe("the client's end, octet by octet", () => {
  const capability = "* CAPABILITY IMAP4rev1 AUTH=X-EVIL\r\n";
  const clear = bytes(`+ MTI4\r\n${capability}a1 OK [CAPABILITY IMAP4rev1 AUTH=X-EVIL] welcome\r\n`);
  const begin = (wire: LineTransport) =>
    authenticate(wire, "SASL-IR AUTH=X-LAYERED", [clientMechanism([layeredMechanism()], alice)], { tag: tags() });

  test("R-GEN-21 R-IMAP-16 R-IMAP-15 the layer begins behind the server's OK, which says nothing else any more", async () => {
    const octets = concatBytes(clear, await frames(testLayer(false), "* 3 EXI", "STS\r\n* BYE\r\n"));
    for (let cut = clear.length - 4; cut <= octets.length; cut++) {
      const wire = new Raw();
      const done = begin(wire);
      await asked(wire);
      wire.feed(octets.subarray(0, cut));
      await settle();
      wire.feed(octets.subarray(cut));
      expect(await done).toMatchObject({ rediscover: true, capabilities: undefined, text: "welcome" });
      expect(await wire.readLine(100)).toBe("* 3 EXISTS");
      expect(await wire.readLine(100)).toBe("* BYE");
      await wire.write("a2 NOOP\r\n");
      expect(Buffer.concat(wire.sent.slice(0, -1)).toString()).toBe(login);
      expect(wire.sent.at(-1)).toEqual(await frames(testLayer(true), "a2 NOOP\r\n"));
    }
  });

  test("R-GEN-21 R-GEN-23 what is in the clear behind the OK is believed by nobody", async () => {
    for (const evil of [capability, "a2 OK NOOP done\r\n", "* BYE\r\n"]) {
      const wire = new Raw();
      const done = begin(wire);
      await asked(wire);
      wire.feed(concatBytes(clear, bytes(evil)));
      await done;
      expect(await settled(capabilities(wire, { tag: () => "a2" }))).toBe("peer-not-verified");
      expect(wire.ended).toBe(true);
    }
  });
});

describe("whether there is one", () => {
  const mechanisms = [clientMechanism([layeredMechanism()], alice)];

  test("R-GEN-25 a mechanism that was hidden in the clear is seen through the layer", async () => {
    const { shared } = server();
    const { client, server: wire } = linePair();
    const running = new IMAPConnection(wire, shared).run();
    const { announced } = await greet(client);
    const cut = discover([...announced.capabilities].filter((each) => each !== "AUTH=SCRAM-SHA-256"));
    const weak = { ...layeredMechanism(), security: ["noPlaintext", "noAnonymous"] } as const;
    const given = [clientMechanism([weak], alice), SCRAM(alice)];
    const result = await authenticate(client, cut, given);
    expect(result).toMatchObject({ mechanism: "X-LAYERED", rediscover: true });
    const offers = { before: cut.mechanisms, after: (await capabilities(client)).mechanisms };
    expect(hiddenMechanisms(result.mechanism, offers, given, { secure: false })).toEqual(["SCRAM-SHA-256"]);
    client.close();
    await running;
  });

  test("R-GEN-25 a server that thinks more of a channel with a layer does not show it another list for that", async () => {
    const strict = { mechanisms: [layeredMechanism(), scramSha256], policy: { minSsf: 100 } };
    const { shared } = server(strict);
    const { client, server: wire } = linePair();
    const running = new IMAPConnection(wire, shared).run();
    const { announced } = await greet(client);
    expect(announced.mechanisms).toEqual(["X-LAYERED"]);
    const result = await authenticate(client, announced, mechanisms, { policy: { minSsf: 100 } });
    expect(result.layer?.ssf).toBe(128);
    expect((await capabilities(client)).mechanisms).toEqual(["X-LAYERED"]);
    client.close();
    await running;
  });

  const without: readonly [why: string, secure: boolean, carries: boolean, facts: { layers?: boolean }][] = [
    ["over a channel that is protected already", true, true, {}],
    ["where the client's transport can carry none", false, false, {}],
    ["where the program wants none", false, true, { layers: false }],
  ];
  for (const [why, secure, carries, facts] of without) {
    test(`none ${why}: the capabilities of the OK count`, async () => {
      const { shared, results } = server({}, { connection: () => facts });
      const { client, server: wire } = linePair({ secure });
      void new IMAPConnection(wire, shared).run();
      const bare: LineTransport = {
        secure,
        readLine: (most) => client.readLine(most),
        write: (text) => client.write(text),
      };
      const near = carries ? client : bare;
      const { announced } = await greet(near);
      const result = await authenticate(near, announced, mechanisms);
      expect(result).toMatchObject({ layer: undefined, rediscover: false });
      expect(result.capabilities?.capabilities.has("IMAP4REV1")).toBe(true);
      expect(results[0]?.layer).toBeUndefined();
      await runCommand(near, "NOOP");
      client.close();
    });
  }

  test("R-GEN-26 a program cannot promise a layer that its transport cannot carry", async () => {
    const { shared } = server({ policy: { minSsf: 1 } }, { connection: () => ({ layers: true }) });
    const { client, server: wire } = linePair();
    Object.defineProperty(wire, "protect", { value: undefined });
    const running = new IMAPConnection(wire, shared).run();
    expect((await greet(client)).announced.mechanisms).toEqual([]);
    client.close();
    await running;
  });

  test("SASLClient agrees to one only when it is told to", () => {
    const { client } = linePair();
    expect([new SASLClient(client).layers, new SASLClient(client, { layers: true }).layers]).toEqual([false, true]);
  });
});
