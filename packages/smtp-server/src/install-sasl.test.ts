/** The real smtp-server with our mechanisms, and our own client and bare lines on the other side. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, connect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import {
  memoryAccounts,
  type SASLMechanism,
  SASLServer,
  type ServerEvent,
  type ServerOptions,
  type ServerPolicy,
} from "sasl-core";
import {
  CRAM_MD5,
  cramMd5,
  LOGIN,
  login,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha256,
  scramSha256Plus,
} from "sasl-core/mechanisms";
import { authenticate, greet, runCommand } from "sasl-smtp";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-smtp/node";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { afterEach, describe, expect, test } from "vitest";
import { type InstallOptions, installSASL } from "./index.js";

const read = (name: string): string =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url), "utf8");
const tls = { cert: read("ecdsa-sha256.cert"), key: read("ec-p256.key") };
const alice = { username: "alice", password: "open sesame" };
const quiet: SMTPServerOptions = { ...tls, disableReverseLookup: true, closeTimeout: 100 };

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Settings {
  readonly smtp?: SMTPServerOptions;
  readonly sasl?: Partial<ServerOptions>;
  readonly install?: InstallOptions;
}

async function start({ smtp, sasl, install }: Settings = {}, Server: typeof SMTPServer = SMTPServer) {
  const events: ServerEvent[] = [];
  const sessions: SMTPServerSession[] = [];
  const server = new Server({
    ...quiet,
    onData(stream, session, callback) {
      sessions.push(session);
      stream.on("end", () => callback()).resume();
    },
    onAuth: () => {
      throw new Error("is not asked");
    },
    ...smtp,
  });
  const mechanisms = [plain, login, cramMd5, scramSha256, scramSha256Plus];
  const accounts = memoryAccounts({ alice: alice.password });
  installSASL(
    server,
    new SASLServer({ mechanisms, accounts, onOutcome: (event) => void events.push(event), ...sasl }),
    install,
  );
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  ends.push(() => new Promise<void>((resolve) => server.close(resolve)));
  return { server, events, sessions, port: (server.server.address() as AddressInfo).port };
}

type Running = Awaited<ReturnType<typeof start>>;

/** A connection to where AUTH can be said. */
async function reach({ port }: Running, channel: "starttls" | "implicit" | "clear") {
  const where = { port, host: "127.0.0.1" };
  const options = { ca: tls.cert, servername: "localhost" };
  const socket = channel === "implicit" ? tlsConnect({ ...where, ...options }) : connect(where);
  await once(socket, channel === "implicit" ? "secureConnect" : "connect");
  const upgrade = (wire: NodeLineTransport) => startTlsClient(wire, options);
  const greeting = await greet(nodeLineTransport(socket), channel === "starttls" ? { upgrade } : {});
  ends.push(async () => greeting.wire.close());
  return greeting;
}

/** Lines said in turn, and the reply to each. */
async function say(wire: NodeLineTransport, ...lines: string[]): Promise<string[]> {
  const replies: string[] = [];
  for (const line of lines) {
    await wire.write(`${line}\r\n`);
    replies.push(await wire.readLine(5000));
  }
  return replies;
}

const b64 = (text: string): string => Buffer.from(text).toString("base64");

describe("logs in", () => {
  const rows: readonly [name: string, mechanism: SASLMechanism, binding: string | undefined][] = [
    ["SCRAM-SHA-256-PLUS", SCRAMPLUS(alice), "tls-exporter"],
    ["SCRAM-SHA-256", SCRAM(alice), undefined],
    ["CRAM-MD5", CRAM_MD5(alice), undefined],
    ["LOGIN", LOGIN(alice), undefined],
    ["PLAIN", PLAIN(alice), undefined],
  ];
  for (const channel of ["starttls", "implicit"] as const) {
    for (const [name, mechanism, binding] of rows) {
      test(`by ${name} over ${channel}, and sends mail as who it is`, async () => {
        const running = await start({ smtp: { secure: channel === "implicit" } });
        const { wire, announced } = await reach(running, channel);
        const result = await authenticate(wire, announced, [mechanism], { policy: { requireEncryption: false } });
        expect(result).toMatchObject({ mechanism: name, channelBinding: binding });
        expect(running.events).toMatchObject([{ ok: true, mechanism: name, authcid: "alice", remote: "127.0.0.1" }]);
        for (const command of ["MAIL FROM:<a@localhost>", "RCPT TO:<b@localhost>", "DATA", "Hello.\r\n."]) {
          await wire.write(`${command}\r\n`);
          expect(await wire.readLine(1000)).toMatch(/^[23]/);
        }
        expect(running.sessions).toMatchObject([{ user: "alice", transmissionType: "ESMTPSA", secure: true }]);
      });
    }
  }

  test("R-SMTP-07 with an initial response, with none, and with an empty one", async () => {
    const message = b64(`\0alice\0${alice.password}`);
    const running = await start({ smtp: { secure: true } });
    const [first, second, third] = [
      await reach(running, "implicit"),
      await reach(running, "implicit"),
      await reach(running, "implicit"),
    ];
    expect(await say(first.wire, `AUTH PLAIN ${message}`)).toEqual(["235 2.7.0 Authentication succeeded"]);
    expect(await say(second.wire, "auth plain", message)).toEqual(["334 ", "235 2.7.0 Authentication succeeded"]);
    expect(await say(third.wire, "AUTH PLAIN =")).toEqual(["501 5.5.2 Malformed authentication message"]);
  });

  test("as whom the application says", async () => {
    const user = async ({ authcid, mechanism }: { authcid: string; mechanism: string }) => ({
      name: authcid,
      mechanism,
    });
    const running = await start({ smtp: { secure: true }, install: { user } });
    const { wire, announced } = await reach(running, "implicit");
    await authenticate(wire, announced, [PLAIN(alice)]);
    const [connection] = running.server.connections;
    expect(connection?.session.user).toEqual({ name: "alice", mechanism: "PLAIN" });
  });
});

describe("R-SMTP-01 announces", () => {
  test("nothing before TLS, and what is possible after it", async () => {
    const running = await start();
    const clear = await reach(running, "clear");
    expect(clear.announced.mechanisms).toEqual([]);
    expect(await say(clear.wire, "AUTH SCRAM-SHA-256")).toEqual(["538 5.7.11 TLS is needed first"]);
    const secured = await reach(running, "starttls");
    expect(secured.announced.mechanisms).toEqual(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]);
    const again = await runCommand(clear.wire, "EHLO me");
    expect(again.lines.join()).not.toContain("AUTH"); // not what the other connection has
  });

  test("without TLS what nobody can listen in on, where AUTH is allowed there", async () => {
    const running = await start({ smtp: { allowInsecureAuth: true } });
    const { wire, announced } = await reach(running, "clear");
    expect(announced.mechanisms).toEqual(["SCRAM-SHA-256"]);
    expect(await say(wire, `AUTH PLAIN ${b64(`\0alice\0${alice.password}`)}`)).toEqual([
      "538 5.7.11 TLS is needed first",
    ]);
    expect(await authenticate(wire, announced, [SCRAM(alice)])).toMatchObject({ serverVerified: true });
  });

  test("what the connection's own policy leaves", async () => {
    const policy: ServerPolicy = { channelBinding: "require" };
    const running = await start({ smtp: { secure: true }, install: { connection: () => ({ policy }) } });
    const { wire, announced } = await reach(running, "implicit");
    expect(announced.mechanisms).toEqual(["SCRAM-SHA-256-PLUS"]);
    expect(await say(wire, "AUTH SCRAM-SHA-256")).toEqual(["534 5.7.9 Mechanism is too weak"]);
  });
});

describe("two servers in a program", () => {
  test("do not disturb each other, nor one that is smtp-server's own", async () => {
    const one = await start({ smtp: { secure: true }, sasl: { mechanisms: [scramSha256] } });
    const other = await start({
      smtp: { secure: true },
      sasl: { mechanisms: [plain], accounts: memoryAccounts({ bob: "other" }) },
    });
    const asked: string[] = [];
    const bare = new SMTPServer({
      ...quiet,
      secure: true,
      onAuth({ username = "" }, _, callback) {
        asked.push(username);
        callback(null, { user: username });
      },
    });
    bare.listen(0, "127.0.0.1");
    await once(bare.server, "listening");
    ends.push(() => new Promise<void>((resolve) => bare.close(resolve)));
    const third = { ...one, port: (bare.server.address() as AddressInfo).port };
    const [first, second, plainOne] = [
      await reach(one, "implicit"),
      await reach(other, "implicit"),
      await reach(third, "implicit"),
    ];
    expect(first.announced.mechanisms).toEqual(["SCRAM-SHA-256"]);
    expect(second.announced.mechanisms).toEqual(["PLAIN"]);
    expect(plainOne.announced.mechanisms).toEqual(["LOGIN", "PLAIN"]);
    await authenticate(first.wire, first.announced, [SCRAM(alice)]);
    await authenticate(second.wire, second.announced, [PLAIN({ username: "bob", password: "other" })]);
    await authenticate(plainOne.wire, plainOne.announced, [PLAIN({ username: "carol", password: "x" })]);
    expect(asked).toEqual(["carol"]);
  });

  test("one of CommonJS is served as well", async () => {
    const { SMTPServer: Other } = createRequire(import.meta.url)("smtp-server") as typeof import("smtp-server");
    expect(Other).not.toBe(SMTPServer);
    const running = await start({ smtp: { secure: true } }, Other);
    const { wire, announced } = await reach(running, "implicit");
    expect(await authenticate(wire, announced, [SCRAMPLUS(alice)])).toMatchObject({ channelBinding: "tls-exporter" });
  });

  test("a server gets its SASL once", () => {
    const server = new SMTPServer(quiet);
    const sasl = new SASLServer({ mechanisms: [plain], accounts: memoryAccounts({}) });
    expect(installSASL(server, sasl)).toBe(server);
    expect(() => installSASL(server, sasl)).toThrow(TypeError);
    expect(() => installSASL(new SMTPServer(quiet), sasl, { maxAttempts: 2 })).toThrow(RangeError);
  });
});

describe("a version with other insides is refused, so that nobody is logged in by onAuth unawares", () => {
  const sasl = new SASLServer({ mechanisms: [plain], accounts: memoryAccounts({}) });
  for (const name of ["handler_AUTH", "handler_EHLO", "_isSupported"] as const) {
    test(`without ${name}`, () => {
      const { prototype } = SMTPConnection;
      const before = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
      delete (prototype as Partial<SMTPConnection>)[name];
      try {
        expect(() => installSASL(new SMTPServer(quiet), sasl)).toThrow(TypeError);
      } finally {
        Object.defineProperty(prototype, name, before);
      }
    });
  }

  test("with connections that are no set", () => {
    const server = Object.assign(new SMTPServer(quiet), { connections: new Map() as never });
    expect(() => installSASL(server, sasl)).toThrow(TypeError);
  });
});

describe("refuses", () => {
  const good = b64(`\0alice\0${alice.password}`);
  const rows: readonly [why: string, lines: readonly string[], last: string, settings?: Settings][] = [
    ["a wrong password", [`AUTH PLAIN ${b64("\0alice\0wrong")}`], "535 5.7.8 Authentication credentials invalid"],
    [
      "an unknown user, in the same words",
      [`AUTH PLAIN ${b64("\0nobody\0wrong")}`],
      "535 5.7.8 Authentication credentials invalid",
    ],
    ["a mechanism nobody has", ["AUTH X-NONE"], "504 5.5.4 Mechanism is not supported"],
    ["no mechanism", ["AUTH"], "501 5.5.4 Syntax: AUTH mechanism [initial-response]"],
    ["two initial responses", ["AUTH PLAIN a b"], "501 5.5.4 Syntax: AUTH mechanism [initial-response]"],
    ["wrong base64", ["AUTH PLAIN %%%"], "501 5.5.2 Invalid base64"],
    ["wrong base64 later", ["AUTH PLAIN", "%%%"], "501 5.5.2 Invalid base64"],
    ["R-SMTP-05 an abort", ["AUTH PLAIN", "*"], "501 5.7.0 Authentication cancelled"],
    [
      "an abort later",
      ["AUTH SCRAM-SHA-256", b64("n,,n=alice,r=abcdefghijklmnop"), "*"],
      "501 5.7.0 Authentication cancelled",
    ],
    [
      "R-SMTP-10 a line that is too long",
      ["AUTH PLAIN", "A".repeat(4000)],
      "500 5.5.6 Authentication exchange line is too long",
      { install: { maxLineBytes: 2000 } },
    ],
    ["a second login", [`AUTH PLAIN ${good}`, `AUTH PLAIN ${good}`], "503 5.5.1 Already authenticated"],
    [
      "a login within a transaction",
      ["MAIL FROM:<a@localhost>", `AUTH PLAIN ${good}`],
      "503 5.5.1 A mail transaction is going on",
      { smtp: { authOptional: true } },
    ],
    [
      "whom the application does not know",
      [`AUTH PLAIN ${good}`],
      "535 5.7.8 Not allowed to act as that user",
      { install: { user: () => undefined } },
    ],
    [
      "everybody when the application fails",
      [`AUTH PLAIN ${good}`],
      "454 4.7.0 Authentication is not possible at present",
      {
        install: {
          user: () => {
            throw new Error("the data base is down");
          },
        },
      },
    ],
    [
      "everybody when the accounts are away",
      [`AUTH PLAIN ${good}`],
      "454 4.7.0 Authentication is not possible at present",
      {
        sasl: {
          accounts: {
            lookup: () => {
              throw new Error("away");
            },
          } as never,
        },
      },
    ],
  ];
  for (const [why, lines, last, settings = {}] of rows) {
    test(`${why}: ${last.slice(0, 9)}`, async () => {
      const running = await start({ ...settings, smtp: { secure: true, ...settings.smtp } });
      const { wire } = await reach(running, "implicit");
      expect((await say(wire, ...lines)).at(-1)).toBe(last);
      const [connection] = running.server.connections;
      if (!why.includes("second")) expect(connection?.session.user).toBeFalsy();
      expect(await say(wire, "NOOP")).toEqual(["250 OK"]); // it goes on
    });
  }

  test("R-SMTP-18 an answer that was sent ahead of its challenge", async () => {
    const running = await start({ smtp: { secure: true } });
    const { wire } = await reach(running, "implicit");
    await wire.write(`AUTH PLAIN\r\n${good}\r\n`);
    expect(await wire.readLine(1000)).toBe("334 ");
    expect(await wire.readLine(1000)).toBe("501 5.7.0 Unexpected authentication message");
    expect(await say(wire, "NOOP")).toEqual(["250 OK"]);
    expect(running.events).toMatchObject([{ ok: false, code: "unexpected-message" }]);
  });

  test("R-SMTP-20 the fourth attempt, after as many lines as they take", async () => {
    const running = await start({ smtp: { secure: true } });
    const { wire } = await reach(running, "implicit");
    for (let attempt = 1; attempt <= 3; attempt++) {
      const replies = await say(wire, "AUTH LOGIN", b64("alice"), b64("wrong"));
      expect(replies.at(-1)).toBe("535 5.7.8 Authentication credentials invalid");
    }
    expect(await wire.readLine(1000)).toBe("421 4.7.0 Too many attempts");
    await expect(wire.readLine(1000)).rejects.toMatchObject({ code: "connection-lost" });
    expect(running.events.map(({ ok }) => ok)).toEqual([false, false, false]);
  });

  test("a client that leaves in the middle, and keeps serving the others", async () => {
    const running = await start({ smtp: { secure: true } });
    const { wire } = await reach(running, "implicit");
    await say(wire, "AUTH SCRAM-SHA-256", b64("n,,n=alice,r=abcdefghijklmnop"));
    wire.socket.destroy();
    await expect.poll(() => running.events).toMatchObject([{ ok: false, code: "connection-lost" }]);
    await expect.poll(() => running.server.connections.size).toBe(0);
    const other = await reach(running, "implicit");
    expect(await authenticate(other.wire, other.announced, [SCRAM(alice)])).toMatchObject({ serverVerified: true });
  });
});

test("no secret is in smtp-server's logs", async () => {
  const entries: string[] = [];
  const keep = (...args: unknown[]): void => void entries.push(JSON.stringify(args));
  const logger = { level() {}, trace: keep, debug: keep, info: keep, warn: keep, error: keep, fatal: keep };
  const running = await start({ smtp: { secure: true, logger } });
  const { wire } = await reach(running, "implicit");
  await say(wire, "AUTH PLAIN", b64("\0alice\0wrong password"), `AUTH PLAIN ${b64(`\0alice\0${alice.password}`)}`);
  expect(entries.length).toBeGreaterThan(5);
  for (const secret of ["wrong password", alice.password]) {
    for (const text of [secret, b64(`\0alice\0${secret}`)])
      expect(entries.filter((each) => each.includes(text))).toEqual([]);
  }
});
