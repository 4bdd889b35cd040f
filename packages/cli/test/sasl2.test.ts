/** SASL2 and what comes with it, between `sasl login` and the test server, over TLS. */

import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { connect } from "node:tls";
import { type AccountStore, makeScramVerifier, memoryAccounts, SASLServer, saslError } from "sasl-core";
import { hashSha256, SCRAMPLUS, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import {
  authenticate,
  bareJid,
  bind2,
  type ClientInline,
  enableCarbons,
  enableStreamManagement,
  NS_SM,
  resume,
  type ServerTask,
  sasl2,
} from "sasl-xmpp";
import { SocketStream, XMPPListener } from "sasl-xmpp/node";
import { newTotp, totpCode, totpProperty, totpTask } from "sasl-xmpp/totp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { mechanismNamed } from "../src/known-mechanisms.js";
import { type LoginEvent, startServer, type TestServer } from "../src/server/index.js";
import { Folder, password, type Run, sasl, serverCertificate } from "./support.js";

const folder = new Folder();
const passwordFile = folder.file("password", password);
const events: LoginEvent[] = [];
let accounts: AccountStore;
let server: TestServer;
let count = 0;

beforeAll(async () => {
  accounts = memoryAccounts({ alice: password, bob: password });
  server = await startServer({
    ports: { xmpp: 0, xmpps: 0, imap: 0 },
    accounts,
    onLogin: (event) => void events.push(event),
  });
});
const streams: SocketStream[] = [];
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  events.length = 0;
});
afterAll(async () => {
  await server?.close();
  folder.remove();
});

const newFile = (): string => `${folder.path}/tokens-${count++}.json`;

function login(...more: string[]): Promise<Run> {
  const url = `xmpp://alice@localhost:${server.ports.xmpp}`;
  return sasl(["login", url, "--ca", server.ca, "--json", "--password-file", passwordFile, ...more]);
}

describe("sasl login with SASL2", () => {
  test("takes it where it is offered, and binds; --sasl1 does neither", async () => {
    const { json } = await login();
    expect(json).toMatchObject({ ok: true, profile: "sasl2", fast: null, tasks: [] });
    expect(json.bind.jid).toMatch(/^alice@localhost\/sasl\/./);
    const classic = await login("--sasl1");
    expect(classic.json).toMatchObject({ ok: true, profile: "sasl1", fast: null, bind: null, tasks: [] });
    expect(classic.code).toBe(0);
  });

  test("asks for a token, and logs in with it in place of the password", async () => {
    const file = newFile();
    const first = await login("--fast-token-file", file);
    expect(first.json).toMatchObject({
      mechanism: "SCRAM-SHA3-512-PLUS",
      fast: { used: false, issued: true, mechanism: "HT-SHA-512-EXPR" },
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    // No password is given, and nobody can be asked.
    const url = `xmpps://alice@localhost:${server.ports.xmpps}`;
    const argv = ["login", url, "--ca", server.ca, "--fast-token-file", file];
    const second = await sasl([...argv, "--json"]);
    expect(second.json).toMatchObject({
      ok: true,
      mechanism: "HT-SHA-512-EXPR",
      channelBinding: "tls-exporter",
      serverVerified: true,
      fast: { used: true, mechanism: "HT-SHA-512-EXPR" },
      bind: { jid: expect.stringMatching(/^alice@localhost\/./) },
    });
    const { stdout, stderr, code } = await sasl([...argv, "--trace"]);
    expect(stdout).toMatch(
      /by SASL2; bound alice@localhost\/\S+; by a token of FAST.*; bound to the channel by tls-exporter/,
    );
    expect(stderr).toMatch(/^C: HT-SHA-512-EXPR initiate .*\n(.*\n)*-- by SASL2\n-- bound alice@localhost/);
    expect(stdout + stderr).not.toContain(tokenIn(file));
    expect(code).toBe(0);
    expect(events.map(({ mechanism, ok }) => [mechanism, ok])).toEqual([
      ["SCRAM-SHA3-512-PLUS", true],
      ["HT-SHA-512-EXPR", true],
      ["HT-SHA-512-EXPR", true],
    ]);
  });

  test("falls back to the password when the token is wrong, and gets a new one", async () => {
    const file = newFile();
    await login("--fast-token-file", file);
    const text = readFileSync(file, "utf8");
    const stale = tokenIn(file);
    const wrong = folder.file(`wrong-${count++}.json`, text.replace(stale, "A".repeat(stale.length)));
    const { json, code } = await login("--fast-token-file", wrong);
    expect(json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA3-512-PLUS", fast: { used: false, issued: true } });
    expect(code).toBe(0);
    expect(tokenIn(wrong)).not.toBe("A".repeat(stale.length));
    expect(events.slice(-2).map(({ mechanism, ok }) => [mechanism, ok])).toEqual([
      ["HT-SHA-512-EXPR", false],
      ["SCRAM-SHA3-512-PLUS", true],
    ]);
  });

  test("drops a token that is refused, when there is no password to go on with", async () => {
    const file = newFile();
    await login("--fast-token-file", file);
    const wrong = folder.file(
      `wrong-${count++}.json`,
      readFileSync(file, "utf8").replace(tokenIn(file), "A".repeat(43)),
    );
    const url = `xmpp://alice@localhost:${server.ports.xmpp}`;
    const argv = ["login", url, "--ca", server.ca, "--fast-token-file", wrong];
    const { code, stderr } = await sasl(argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sasl login: .*--password-file or --password-stdin gives a password\n$/);
    expect(JSON.parse(readFileSync(wrong, "utf8"))).toEqual({});
    expect((await sasl(argv)).code).toBe(64); // nothing to log in with at all
  });

  test("says that no token came from a server that gives none", async () => {
    const plain = mechanismNamed("PLAIN");
    const mechanisms = plain ? [plain] : [];
    const other = await startServer({ ports: { xmpps: 0 }, accounts, mechanisms });
    try {
      const file = newFile();
      const url = `xmpps://alice@localhost:${other.ports.xmpps}`;
      const argv = [
        "login",
        url,
        "--ca",
        other.ca,
        "--json",
        "--password-file",
        passwordFile,
        "--fast-token-file",
        file,
      ];
      const { json } = await sasl(argv);
      // Named mechanisms are all there is: none of them is a token's.
      expect(json).toMatchObject({ profile: "sasl2", fast: { used: false, issued: false, mechanism: null } });
      expect(existsSync(file)).toBe(false);
    } finally {
      await other.close();
    }
  });

  test("upgrades an account that lacks verifiers", async () => {
    const poor = memoryAccounts({ alice: { authPassword: [await makeScramVerifier(hashSha256, password)] } });
    const other = await startServer({ ports: { xmpps: 0 }, accounts: poor });
    try {
      const url = `xmpps://alice@localhost:${other.ports.xmpps}`;
      const argv = ["login", url, "--ca", other.ca, "--json", "--password-file", passwordFile];
      expect((await sasl(argv)).json).toMatchObject({ mechanism: "SCRAM-SHA-256-PLUS", tasks: ["UPGR-SCRAM-SHA-512"] });
      const after = await poor.lookup("alice", ["authPassword"]);
      expect(after?.authPassword?.map(({ hash }) => hash)).toEqual(["SHA-256", "SHA-512"]);
      expect((await sasl(argv)).json).toMatchObject({ ok: true, tasks: [] });
    } finally {
      await other.close();
    }
  });

  test("gives the code of a second factor", async () => {
    const { record } = newTotp({ issuer: "test", account: "alice" });
    const careful = memoryAccounts({ alice: { userPassword: password, [totpProperty]: record } });
    const { cert, key } = await serverCertificate("localhost");
    const listener = new XMPPListener({
      hosts: ["localhost"],
      server: new SASLServer({
        mechanisms: [scramSha256],
        accounts: careful,
        canonicalizers: [bareJid(["localhost"])],
      }),
      sasl2: { tasks: [totpTask({ accounts: careful })] },
      tls: { cert, key },
    });
    const sockets = createServer((socket) => listener.accept(socket)).listen(0, "127.0.0.1");
    await once(sockets, "listening");
    try {
      const url = `xmpp://alice@localhost:${(sockets.address() as AddressInfo).port}`;
      const argv = ["login", url, "--ca", folder.file("totp.pem", cert), "--password-file", passwordFile];
      const without = await sasl(argv);
      expect(without.code).toBe(2);
      expect(without.stderr).toMatch(/^sasl login: .*--totp-file FILE gives its code\n$/);
      const code = folder.file("code", `${totpCode(record)}\n`);
      const { json } = await sasl([...argv, "--json", "--totp-file", code]);
      expect(json).toMatchObject({ ok: true, profile: "sasl2", bind: null, tasks: ["TOTP"] });
      expect((await sasl([...argv, "--totp-file", code])).code).toBe(1); // it is used up
    } finally {
      listener.close();
      sockets.close();
    }
  });

  for (const name of ["TOTP", "UPGR-SCRAM-SHA-512"]) {
    test(`shows nowhere what it sent for ${name}, though the server says it back`, async () => {
      const heard: string[] = [];
      const quoting: ServerTask = {
        name,
        announce: ({ adapter }) =>
          name === "TOTP" ? [] : [adapter.create("upgrade", "urn:xmpp:sasl:upgrade:0", {}, [name])],
        due: () => true,
        async *perform({ adapter }, next) {
          const salt = adapter.create("salt", "urn:xmpp:scram-upgrade:0", { iterations: "4096" }, ["QSXCR+Q6sek8bf92"]);
          const told = name === "TOTP" ? next : yield [salt];
          heard.push(...told.map((each) => adapter.children(each).join("")));
          throw saslError("refused", "no", { text: `no good: ${heard.join()}` });
        },
      };
      const { cert, key } = await serverCertificate("localhost");
      const listener = new XMPPListener({
        hosts: ["localhost"],
        server: new SASLServer({
          mechanisms: [scramSha256, scramSha256Plus],
          accounts,
          canonicalizers: [bareJid(["localhost"])],
        }),
        sasl2: { tasks: [quoting] },
        tls: { cert, key },
      });
      const sockets = createServer((socket) => listener.accept(socket)).listen(0, "127.0.0.1");
      await once(sockets, "listening");
      try {
        const url = `xmpp://alice@localhost:${(sockets.address() as AddressInfo).port}`;
        const secrets = ["--password-file", passwordFile, "--totp-file", folder.file("code", "493817")];
        const { stdout, stderr, json } = await sasl([
          ...["login", url, "--ca", folder.file("quoting.pem", cert), "--json", "--trace"],
          ...secrets,
        ]);
        expect(heard).toEqual([expect.stringMatching(name === "TOTP" ? /^493817$/ : /^.{86}==$/)]);
        expect(json.error.peer).toMatch(/no good: <\d+ characters>/);
        expect(stdout + stderr).not.toContain(heard[0]);
      } finally {
        listener.close();
        sockets.close();
      }
    });
  }

  test("--mechanism is for tokens, too: what it does not name is not used, and yet one is asked for", async () => {
    const file = newFile();
    const some = ["--fast-token-file", file, "--mechanism"];
    const first = await login(...some, "SCRAM-SHA-512-PLUS");
    expect(first.json).toMatchObject({ mechanism: "SCRAM-SHA-512-PLUS", fast: { used: false, issued: true } });
    const again = await login(...some, "SCRAM-SHA-512-PLUS");
    expect(again.json).toMatchObject({ mechanism: "SCRAM-SHA-512-PLUS", fast: { used: false, issued: true } });
    const url = `xmpp://alice@localhost:${server.ports.xmpp}`;
    const argv = ["login", url, "--ca", server.ca, "--json", ...some];
    expect((await sasl([...argv, "HT-SHA-512-EXPR"])).json).toMatchObject({ mechanism: "HT-SHA-512-EXPR", ok: true });
    const other = await sasl([...argv, "ht-sha-256-endp"]);
    expect(other.code).toBe(64);
    expect(other.json.error.text).toMatch(
      /no token for HT-SHA-256-ENDP is in it; a login with the password brings one$/,
    );
    const unasked = await sasl([...argv, "PLAIN"]);
    expect(unasked.code).toBe(64);
    expect(unasked.stderr).toMatch(/no password: give --password-file/);
  });

  test("a file of tokens that cannot be written after all is named", async () => {
    const file = `${folder.path}/${"t".repeat(250)}`; // too long for what is written beside it
    const { code, json } = await login("--fast-token-file", file);
    expect(events).toMatchObject([{ ok: true }]);
    expect(code).toBe(64);
    expect(json.error.text).toBe(`${file}: no file can be written there; name one in a folder of yours`);
  });

  const wrong: readonly [why: string, argv: () => string[], text: RegExp][] = [
    ["--sasl1 for IMAP", () => ["imap", "--sasl1"], /--sasl1 is for xmpp and xmpps URLs/],
    ["a file for tokens for IMAP", () => ["imap", "--fast-token-file", newFile()], /--fast-token-file is for xmpp/],
    ["both", () => ["xmpp", "--sasl1", "--fast-token-file", newFile()], /--sasl1 and --fast-token-file exclude/],
    ["SASL1 and a code", () => ["xmpp", "--sasl1", "--totp-file", newFile()], /--sasl1 and --totp-file exclude/],
    [
      "a token for somebody else",
      () => ["xmpp", "--authzid", "b@c", "--fast-token-file", newFile()],
      /--authzid exclude/,
    ],
    ["a code as an argument", () => ["xmpp", "--totp", "123456"], /secrets are no arguments.*--totp-file/],
    ["a typing error", () => ["xmpp", "--fast-tokenfile", "x"], /Did you mean --fast-token-file/],
    [
      "a folder that is not there",
      () => ["xmpp", "--fast-token-file", `${folder.path}/no/x`],
      /no file can be written/,
    ],
    ["a file of something else", () => ["xmpp", "--fast-token-file", passwordFile], /no file of FAST tokens/],
  ];
  for (const [why, argv, text] of wrong) {
    test(`refuses in one line: ${why}`, async () => {
      const [scheme = "", ...options] = argv();
      const { code, stderr } = await sasl(["login", `${scheme}://alice@localhost:1`, ...options]);
      expect(code).toBe(64);
      expect(stderr).toMatch(text);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    });
  }
});

describe("sasl serve with SASL2", () => {
  /** Logs in with features of a session. */
  async function begin(user: string, inline: readonly ClientInline[]) {
    const socket = connect({ port: server.ports.xmpps as number, host: "localhost", ca: server.caPem });
    await new Promise((done) => socket.once("secureConnect", done));
    const stream = new SocketStream(socket, { domain: "localhost", from: `${user}@localhost` });
    streams.push(stream);
    const mechanisms = [SCRAMPLUS({ username: user, password })];
    const result = await authenticate(stream, await stream.open(), mechanisms, { sasl2: sasl2({ inline }) });
    return { stream, socket, result };
  }
  const message = (stream: SocketStream, to: string) =>
    stream.send(stream.adapter.create("message", "jabber:client", { to, type: "chat" }, ["hi"]));

  test("a stream that ended is taken up again, with what was not confirmed", async () => {
    const bob = bind2();
    const other = await begin("bob", [bob]);
    await other.stream.restart();
    const managed = bind2({ features: [enableStreamManagement()] });
    const first = await begin("alice", [managed]);
    await first.stream.restart();
    const { jid = "", answers } = first.result.inline.get(managed) ?? {};
    const id = (answers?.[0] as { id?: string } | undefined)?.id ?? "";
    await message(first.stream, other.result.inline.get(bob)?.jid ?? "");
    expect(String(await other.stream.receive())).toContain("hi");
    await first.stream.send(first.stream.adapter.create("r", NS_SM));
    expect(String(await first.stream.receive())).toContain('h="1"');
    await message(other.stream, jid);
    expect(String(await first.stream.receive())).toContain("hi");
    first.socket.destroy();
    const stranger = resume({ previd: id, h: 0 });
    const bobs = await begin("bob", [stranger]);
    expect(bobs.result.inline.get(stranger)).toMatchObject({ resumed: false, condition: "item-not-found" });
    const resumption = resume({ previd: id, h: 0 });
    const second = await begin("alice", [resumption, managed]);
    expect(second.result.inline.get(resumption)).toEqual({ resumed: true, h: 1, jid });
    // XEP-0198 §9.2: no features in between.
    const again = String(await second.stream.receive());
    expect(again).toContain(`to="${jid}"`);
    expect(again).toContain("hi");
  });

  test("a client is asked what it got, and cut off when it never says", async () => {
    const managed = bind2({ features: [enableStreamManagement()] });
    const { stream } = await begin("alice", [managed]);
    await stream.restart();
    const { adapter } = stream;
    const ping = () =>
      adapter.create("iq", "jabber:client", { type: "get", id: "p" }, [adapter.create("ping", "urn:xmpp:ping")]);
    let [stanzas, asked] = [0, 0];
    const exchange = async (answers: boolean) => {
      await stream.send(ping());
      stanzas++;
      expect(String(await stream.receive())).toContain("result");
      if (stanzas % 10 !== 0) return;
      expect(String(await stream.receive())).toMatch(/^<r /);
      asked++;
      if (answers) await stream.send(adapter.create("a", NS_SM, { h: String(stanzas) }));
    };
    for (let i = 0; i < 150; i++) await exchange(true);
    expect(asked).toBe(15);
    const silent = async () => {
      for (let i = 0; i < 150; i++) await exchange(false);
    };
    await expect(silent()).rejects.toMatchObject({ code: "connection-lost" });
    expect(stanzas).toBe(251);
  });

  test("carbons go to the other streams of both", async () => {
    const copied = bind2({ features: [enableCarbons()] });
    const plain = bind2();
    const watcher = await begin("alice", [copied]);
    await watcher.stream.restart();
    const talker = await begin("alice", [plain]);
    await talker.stream.restart();
    await message(talker.stream, talker.result.inline.get(plain)?.jid ?? "");
    expect(String(await watcher.stream.receive())).toMatch(/<received xmlns="urn:xmpp:carbons:2".*hi/);
  });
});

/** The token in a file of one account. */
function tokenIn(file: string): string {
  const [entry] = Object.values(JSON.parse(readFileSync(file, "utf8")) as Record<string, { token: string }>);
  return entry?.token ?? "";
}
