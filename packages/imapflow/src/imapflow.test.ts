/** Both ways into the real library, at servers of ours, honest and not. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { ImapFlow } from "imapflow";
import { ImapFlow as LatestImapFlow } from "imapflow-latest";
import { memoryAccounts, SASLServer, type ServerEvent, type TokenVerdict } from "sasl-core";
import {
  digestMd5,
  oauthbearer,
  plain,
  scramSha256,
  scramSha256Plus,
  scramSha512,
  scramSha512Plus,
} from "sasl-core/mechanisms";
import { DIGEST_MD5, OAUTHBEARER, PLAIN, SCRAM, SCRAMPLUS } from "sasl-imap/mechanisms";
import { IMAPListener } from "sasl-imap/node";
import { afterEach, describe, expect, test } from "vitest";
import { type AuthenticationResult, createImapFlow, type ImapFlowSettings, type SASLOptions } from "./index.js";

const read = (name: string): Buffer =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url));
const [cert, key] = [read("ecdsa-sha256.cert"), read("ec-p256.key")];
const alice = { username: "alice", password: "correct horse" };
const wrong = { username: "alice", password: "incorrect" };
const every = [scramSha256, scramSha256Plus, scramSha512, scramSha512Plus, plain, digestMd5, oauthbearer];

const tokens = async (token: string): Promise<TokenVerdict> =>
  token === "good-token" ? { ok: true, subject: "alice" } : { ok: false, status: "invalid_token" };

const servers: Server[] = [];
const clients: { close(): void }[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server.on("connection", (socket: Socket) => sockets.push(socket.on("error", () => {}))));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** An honest server, with as much of a mailbox as a client wants to see when it begins. */
async function serve(channel: "tls" | "starttls" | "none", mechanisms = every) {
  const events: ServerEvent[] = [];
  const listener = new IMAPListener({
    server: new SASLServer({
      mechanisms,
      accounts: memoryAccounts({ alice: alice.password }),
      host: "localhost",
      service: "imap",
      tokens,
      onOutcome: (event) => void events.push(event),
    }),
    ...(channel === "starttls" && { tls: { cert, key } }),
    async onAuthenticated(_, connection) {
      for (let command = await connection.nextCommand(); command; command = await connection.nextCommand()) {
        const name = command.name.toUpperCase();
        if (name === "CAPABILITY") await connection.wire.write("* CAPABILITY IMAP4rev1 NAMESPACE\r\n");
        if (name === "NAMESPACE") await connection.wire.write('* NAMESPACE (("" "/")) NIL NIL\r\n');
        if (name === "LIST") await connection.wire.write('* LIST (\\HasNoChildren) "/" INBOX\r\n');
        if (name === "LOGOUT") await connection.wire.write("* BYE see you\r\n");
        await connection.wire.write(`${command.tag} OK done\r\n`);
        if (name === "LOGOUT") return;
      }
    },
  });
  const server =
    channel === "tls"
      ? createTlsServer({ cert, key }, (socket) => listener.accept(socket))
      : createServer((socket) => listener.accept(socket));
  return { port: await listen(server), events };
}

const libraries = [
  ["transport of 2.10.2", LatestImapFlow],
  ["inside of 2.1.2", ImapFlow],
  ["inside of 2.10.2", Object.assign(class extends LatestImapFlow {}, { version: "2.4.0" })],
] as const;

type Mechanisms = Parameters<typeof createImapFlow>[2];

for (const [way, Library] of libraries) {
  describe(way, () => {
    const logs: string[] = [];
    const note = (entry: unknown): void => void logs.push(JSON.stringify(entry, bigint));
    const logger = { debug: note, info: note, warn: note, error: note, trace: note };
    function make(
      port: number,
      mechanisms: Mechanisms,
      settings: Partial<ImapFlowSettings<typeof ImapFlow>> = {},
      options: SASLOptions = {},
    ) {
      logs.length = 0;
      const results: AuthenticationResult[] = [];
      const client = createImapFlow(
        Library as unknown as typeof ImapFlow,
        { host: "localhost", port, tls: { ca: cert }, logger, logRaw: true, ...settings },
        mechanisms,
        { onAuthenticated: (result) => void results.push(result), ...options },
      );
      client.on("error", () => {});
      clients.push(client);
      return { client, results };
    }
    const attempt = async (...args: Parameters<typeof make>): Promise<unknown> => {
      const { client } = make(...args);
      return client.connect().then(
        () => "connected",
        (error: unknown) => error,
      );
    };

    const logins: readonly [
      what: string,
      channel: "tls" | "starttls" | "none",
      mechanisms: Mechanisms,
      expected: object,
    ][] = [
      [
        "SCRAM, bound",
        "tls",
        [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)],
        { mechanism: "SCRAM-SHA-512-PLUS", channelBinding: "tls-exporter", serverVerified: true },
      ],
      [
        "SCRAM, bound, after STARTTLS",
        "starttls",
        [SCRAMPLUS(alice), PLAIN(alice)],
        { mechanism: "SCRAM-SHA-512-PLUS", channelBinding: "tls-exporter", serverVerified: true },
      ],
      ["SCRAM without TLS", "none", [SCRAM(alice)], { mechanism: "SCRAM-SHA-512", serverVerified: true }],
      ["PLAIN", "tls", [PLAIN(alice)], { mechanism: "PLAIN" }],
      ["PLAIN after STARTTLS", "starttls", [PLAIN(alice)], { mechanism: "PLAIN" }],
      [
        "a bearer token",
        "tls",
        [OAUTHBEARER({ token: "good-token", username: "alice" })],
        { mechanism: "OAUTHBEARER" },
      ],
      ["DIGEST-MD5, where the server speaks first", "tls", [DIGEST_MD5(alice)], { mechanism: "DIGEST-MD5" }],
    ];
    for (const [what, channel, mechanisms, expected] of logins) {
      test(`logs in: ${what}`, async () => {
        const { port, events } = await serve(channel);
        const settings = channel === "tls" ? { secure: true } : channel === "none" ? { doSTARTTLS: false } : {};
        const { client, results } = make(port, mechanisms, settings);
        await client.connect();
        expect(client.usable).toBe(true);
        expect((await client.list()).map(({ path }) => path)).toEqual(["INBOX"]);
        await client.logout();
        expect(results).toMatchObject([expected]);
        expect(events).toMatchObject([{ ok: true }]);
      });
    }

    test("secrets are in no log", async () => {
      const { port } = await serve("tls");
      const { client } = make(port, [PLAIN(alice)], { secure: true });
      await client.connect();
      const all = logs.join("\n");
      for (const secret of [alice.password, Buffer.from(`\0alice\0${alice.password}`).toString("base64")]) {
        expect(all).not.toContain(secret);
        expect(all).not.toContain(Buffer.from(secret).toString("base64").replace(/=+$/, ""));
      }
    });

    test("one mechanism list logs in again and again, an instance once", async () => {
      const { port } = await serve("tls");
      const mechanisms = [SCRAM(alice)];
      for (let i = 0; i < 2; i++) {
        const { client } = make(port, mechanisms, { secure: true });
        await client.connect();
        await client.logout();
        await expect(client.connect()).rejects.toThrow("re-use");
      }
    });

    const refusals: readonly [what: string, channel: "tls" | "none", mechanisms: Mechanisms, expected: object][] = [
      ["a wrong password", "tls", [SCRAM(wrong)], { kind: "AuthenticationFailure", code: "refused" }],
      ["a wrong password of PLAIN", "tls", [PLAIN(wrong)], { kind: "AuthenticationFailure", code: "refused" }],
      ["a bad token", "tls", [OAUTHBEARER({ token: "bad", username: "alice" })], { code: "refused" }],
      ["PLAIN without TLS", "none", [PLAIN(alice)], { code: "no-common-mechanism" }],
      ["no mechanism", "tls", [], { code: "no-common-mechanism" }],
    ];
    for (const [what, channel, mechanisms, expected] of refusals) {
      test(`connect() rejects with our error: ${what}`, async () => {
        const { port } = await serve(channel);
        const settings = channel === "tls" ? { secure: true } : { doSTARTTLS: false };
        expect(await attempt(port, mechanisms, settings)).toMatchObject(expected);
      });
    }

    test("TLS is required: no STARTTLS, no login", async () => {
      const { port, events } = await serve("none");
      expect(await attempt(port, [SCRAM(alice)])).toBeInstanceOf(Error);
      expect(events).toEqual([]);
    });

    test("a certificate of somebody else's", async () => {
      const { port, events } = await serve("tls");
      const settings = { secure: true, tls: { ca: read("rsa-sha256.cert") } };
      expect(await attempt(port, [SCRAM(alice)], settings)).toBeInstanceOf(Error);
      expect(events).toEqual([]);
      const unverified = { secure: true, tls: { rejectUnauthorized: false } };
      expect(await attempt(port, [PLAIN(alice)], unverified)).toMatchObject({ code: "no-common-mechanism" });
      expect(await attempt(port, [PLAIN(alice)], unverified, { allowUnverifiedCertificate: true })).toBe("connected");
    });

    test("a signal that is aborted: `*` goes out, and connect() rejects", async () => {
      const heard: string[] = [];
      const cut = new AbortController();
      const abortFirst = (line: string): Promise<string> => {
        cut.abort();
        return serverFirst(line);
      };
      const port = await lie([abortFirst], heard);
      const options = { signal: cut.signal };
      expect(await attempt(port, [SCRAM(alice)], { secure: true }, options)).toMatchObject({ code: "aborted" });
      expect(heard).toEqual(["AUTHENTICATE SCRAM-SHA-256", "*"]);
    });

    /** A server that says what it is told to whatever it hears, TAG standing for the tag of the exchange. */
    async function lie(answers: readonly (string | ((first: string) => Promise<string>))[], heard: string[] = []) {
      const server = createTlsServer({ cert, key }, (socket) => {
        let [tag, rest] = ["", ""];
        const left = [...answers];
        const say = async (line: string): Promise<void> => {
          const [first = "", name = ""] = line.split(" ");
          if (name === "CAPABILITY") {
            const offered = "AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=DIGEST-MD5";
            socket.write(`* CAPABILITY IMAP4rev1 SASL-IR ${offered}\r\n${first} OK done\r\n`);
            return;
          }
          heard.push(name === "AUTHENTICATE" ? line.split(" ").slice(1, 3).join(" ") : line);
          if (name === "AUTHENTICATE") tag = first;
          const answer = left.shift() ?? (line === "*" ? `${tag} BAD cancelled` : `${tag} OK whatever you say`);
          const text = typeof answer === "string" ? answer : await answer(line);
          if (text.endsWith("close")) socket.end(text.slice(0, -5));
          else socket.write(`${text.replaceAll("TAG", tag)}\r\n`);
        };
        socket
          .on("error", () => {})
          .on("data", (chunk: Buffer) => {
            rest += chunk.toString("latin1");
            for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
              const line = rest.slice(0, end);
              rest = rest.slice(end + 2);
              void say(line);
            }
          });
        socket.write("* OK here I am\r\n");
      });
      return listen(server);
    }

    const b64 = (text: string): string => Buffer.from(text).toString("base64");
    /** The honest first message of a server that knows nothing. */
    const serverFirst = async (line: string): Promise<string> => {
      const first = Buffer.from(line.split(" ")[3] ?? "", "base64").toString();
      const nonce = /r=([^,]+)/.exec(first)?.[1];
      return `+ ${b64(`r=${nonce}xyz,s=${b64("salt of sixteen.")},i=4096`)}`;
    };
    const forged = `+ ${b64(`v=${Buffer.alloc(32, 7).toString("base64")}`)}`;
    /** Where imapflow itself sees the end, it says so in its own words. */
    const lost = way.startsWith("transport") ? "connection-lost" : "ClosedAfterConnectTLS";
    /** imapflow passes over both by itself; then there is the OK without a proof. */
    const [flooded, stray] = way.startsWith("transport")
      ? ["limit-exceeded", "unexpected-message"]
      : ["peer-not-verified", "peer-not-verified"];
    const lies: readonly [what: string, answers: Parameters<typeof lie>[0], code: string][] = [
      ["a forged signature", [serverFirst, forged], "peer-not-verified"],
      ["OK without a signature", [serverFirst, "TAG OK [CAPABILITY IMAP4rev1] welcome"], "peer-not-verified"],
      ["OK at once", ["TAG OK welcome"], "peer-not-verified"],
      ["a challenge that is no base64", ["+ !!!!"], "incorrect-encoding"],
      ["a challenge that is too long", [`+ ${"A".repeat(20_000)}`], "limit-exceeded"],
      ["somebody else's nonce", [`+ ${b64("r=abc,s=c2FsdA==,i=4096")}`], "peer-not-verified"],
      ["a NO in the middle", [serverFirst, "TAG NO [AUTHENTICATIONFAILED] no"], "refused"],
      ["a NO for now", ["TAG NO [UNAVAILABLE] later"], "temporary"],
      ["a connection closed in the middle", [serverFirst, "close"], lost],
      ["a literal in place of a challenge", ["+ {4}\r\nabcd"], "incorrect-encoding"],
      ["a flood of untagged lines", [`${"* 1 EXISTS\r\n".repeat(3000)}TAG OK welcome`], flooded],
      ["the end of another command", ["ZZ99 OK welcome\r\nTAG OK welcome"], stray],
      ["a second challenge at once", [async (line) => `${await serverFirst(line)}\r\n+ AAAA`], "malformed-message"],
      ["a BYE", [serverFirst, "* BYE too busy\r\nclose"], lost],
    ];
    for (const [what, answers, code] of lies) {
      test(`a server that answers with ${what}: ${code}, and PLAIN is not tried`, async () => {
        const heard: string[] = [];
        const port = await lie(answers, heard);
        const error = await attempt(port, [SCRAM(alice), PLAIN(alice)], { secure: true });
        expect(error).toMatchObject({ code });
        expect(heard.join("\n")).not.toContain("PLAIN");
        expect(logs.join("\n")).not.toContain(alice.password);
      });
    }

    const beforeTls: readonly [what: string, answer: string][] = [
      ["capabilities behind the OK", "TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"],
      ["a login behind the OK", "TAG OK go\r\n* PREAUTH welcome\r\n"],
      ["a NO", "TAG NO not today\r\n"],
      ["an OK and nothing that is TLS", "TAG OK go\r\n+later"],
      ["the end", "close"],
    ];
    for (const [what, answer] of beforeTls) {
      test(`STARTTLS is answered with ${what}: nothing is said in the clear`, async () => {
        const heard: string[] = [];
        const port = await listen(
          createServer((socket) => {
            socket.write("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=SCRAM-SHA-256 SASL-IR] here\r\n");
            socket.on("data", (chunk) => {
              const [tag = "", name = ""] = chunk.toString("latin1").trim().split(" ");
              heard.push(name);
              if (name !== "STARTTLS") socket.write(`* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n${tag} OK\r\n`);
              else if (answer === "close") socket.destroy();
              else {
                const [now = "", later = ""] = answer.replace("TAG", tag).split("+");
                socket.write(now);
                if (later !== "") setImmediate(() => socket.end(later));
              }
            });
          }),
        );
        const settings = { tls: { rejectUnauthorized: false } };
        const options = { allowUnverifiedCertificate: true };
        expect(await attempt(port, [SCRAM(alice), PLAIN(alice)], settings, options)).toBeInstanceOf(Error);
        expect(heard).not.toContain("AUTHENTICATE");
        expect(heard).not.toContain("LOGIN");
      });
    }

    test("PREAUTH proves nothing", async () => {
      const port = await listen(
        createTlsServer({ cert, key }, (socket) => {
          socket.write("* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
          socket
            .on("error", () => {})
            .on("data", (chunk) => {
              const tag = chunk.toString().split(" ")[0];
              socket.write(`* CAPABILITY IMAP4rev1\r\n${tag} OK\r\n`);
            });
        }),
      );
      expect(await attempt(port, [SCRAM(alice)], { secure: true })).toMatchObject({ code: "unexpected-message" });
    });

    test("close() ends a login that is under way", async () => {
      const port = await listen(createTlsServer({ cert, key }, () => {}));
      const { client } = make(port, [SCRAM(alice)], { secure: true });
      const connecting = client.connect().catch((error: unknown) => error);
      await once(servers[servers.length - 1] as Server, "secureConnection");
      client.close();
      expect(await connecting).toBeInstanceOf(Error);
    });

    test("imapflow gets no credentials", () => {
      const settings: object = { host: "localhost", auth: { user: "alice", pass: "x" } };
      expect(() => createImapFlow(Library as unknown as typeof ImapFlow, settings, [])).toThrow(TypeError);
    });
  });
}

test("an older imapflow that gives itself out for a newer one logs in nobody", async () => {
  const { port, events } = await serve("tls");
  const Liar = Object.assign(class extends ImapFlow {}, { version: "9.9.9" });
  const settings = { host: "localhost", port, secure: true, tls: { ca: cert }, logger: false } as const;
  const client = createImapFlow(Liar, settings, [PLAIN(alice)]);
  client.on("error", () => {});
  clients.push(client);
  await expect(client.connect()).rejects.toBeInstanceOf(Error);
  expect(events).toEqual([]);
});

function bigint(_: string, value: unknown): unknown {
  return typeof value === "bigint"
    ? String(value)
    : value instanceof Error
      ? { ...value, message: value.message }
      : value;
}
