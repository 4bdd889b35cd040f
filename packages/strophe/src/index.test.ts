import { startServer, type TestServer } from "sasl-cli/server";
import type { SASLMechanism } from "sasl-core";
import { memoryAccounts } from "sasl-core";
import { PLAIN, plain, SCRAM, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import type { Mechanism } from "sasl-core/plugin";
import { Strophe } from "strophe.js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { features, forged, hasty, type Script, script, silent, verbose } from "../test/lying.js";
import { type Login, type StropheConnection, useSASL } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
Strophe.setLogLevel(Strophe.LogLevel.FATAL);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(
  mechanisms: readonly Mechanism[],
): Promise<TestServer & { readonly ws: string; readonly wss: string }> {
  const accounts = memoryAccounts({ alice: alice.password });
  const server = await startServer({ ports: { ws: 0, wss: 0 }, accounts, mechanisms, allowPlaintext: true });
  closing.push(() => server.close());
  return { ...server, ws: `ws://localhost:${server.ports.ws}/`, wss: `wss://localhost:${server.ports.wss}/` };
}

/** strophe.js takes the global one, which has no certificate to believe. */
function believe(ca: string): void {
  const before = globalThis.WebSocket;
  closing.push(() => {
    globalThis.WebSocket = before;
  });
  globalThis.WebSocket = class extends WebSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol, { ca });
    }
  } as unknown as typeof globalThis.WebSocket;
}

/** The statuses a callback is told, to the end of the login or of the connection. */
type Client = StropheConnection & {
  connect(jid: string, password: string, callback: (status: number) => void): void;
  jid: string;
};

function connect(client: Client, password = "", last = ["CONNECTED", "DISCONNECTED"]): Promise<string[]> {
  const names = Object.entries<number>(Strophe.Status);
  const told: string[] = [];
  return new Promise((resolve) => {
    client.connect("alice@localhost", password, (status) => {
      const name = names.find(([, value]) => value === status)?.[0] ?? "?";
      told.push(name);
      if (last.includes(name)) resolve(told);
    });
  });
}

async function play(lines: readonly string[], offer = features): Promise<Script> {
  const server = await script(lines, offer);
  closing.push(() => server.close());
  return server;
}

function client(service: string): Client {
  const made = new Strophe.Connection(service) as Client;
  closing.push(() => made.connected && made.disconnect());
  return made;
}

function withSASL(service: string, mechanisms: readonly SASLMechanism[]): { made: Client; login: Login } {
  const made = client(service);
  return { made, login: useSASL(made, mechanisms, { limits: { timeoutMs: 5000 } }) };
}

const failed = ["CONNECTING", "AUTHFAIL", "DISCONNECTING", "DISCONNECTED"];

describe("strophe.js logs in", () => {
  for (const mechanism of [scramSha256, scramSha512]) {
    test(`with ${mechanism.name}, and again`, async () => {
      const { ws } = await serve([mechanism]);
      const { made, login } = withSASL(ws, [SCRAM(alice)]);
      for (let time = 0; time < 2; time++) {
        expect(await connect(made)).toEqual(["CONNECTING", "CONNECTED"]);
        expect(login).toMatchObject({ error: undefined, result: { mechanism: mechanism.name, serverVerified: true } });
        expect(made.jid).toMatch(/^alice@localhost\/./);
        made.disconnect();
        await vi.waitUntil(() => !made.connected);
      }
    });
  }

  test("where the signature comes before success", async () => {
    const { ws } = await serve([verbose]);
    const { made, login } = withSASL(ws, [SCRAM(alice)]);
    expect(await connect(made)).toContain("CONNECTED");
    expect(login.result?.serverVerified).toBe(true);
    expect(await connect(client(ws), alice.password, ["AUTHFAIL"])).toEqual(["CONNECTING", "AUTHFAIL"]);
  });

  test("with the strongest of both sides", async () => {
    const { ws } = await serve([plain, scramSha256, scramSha512]);
    const { made, login } = withSASL(ws, [PLAIN(alice), SCRAM(alice)]);
    expect(await connect(made)).toContain("CONNECTED");
    expect(login.result?.mechanism).toBe("SCRAM-SHA-512");
  });

  test("with PLAIN over TLS alone", async () => {
    const { ws, wss, caPem } = await serve([plain]);
    believe(caPem);
    const open = withSASL(ws, [PLAIN(alice)]);
    expect(await connect(open.made)).toEqual(failed);
    expect(open.login.error).toMatchObject({ code: "no-common-mechanism" });
    expect(await connect(client(ws), alice.password)).toEqual(["CONNECTING", "CONNECTED"]); // by itself
    const secured = withSASL(wss, [PLAIN(alice)]);
    expect(await connect(secured.made)).toContain("CONNECTED");
  });
});

describe("strophe.js is told of failures", () => {
  test("a wrong password", async () => {
    const { ws } = await serve([scramSha256]);
    const { made, login } = withSASL(ws, [SCRAM({ ...alice, password: "wrong" })]);
    expect(await connect(made)).toEqual(failed);
    expect(login).toMatchObject({
      result: undefined,
      error: { kind: "AuthenticationFailure", code: "refused", opaqueError: { condition: "not-authorized" } },
    });
  });

  /** What strophe.js tells where it is left alone: nothing at all after success without a signature, which it looks for in vain. */
  const lies: readonly [why: string, mechanism: Mechanism, stock: string | undefined][] = [
    ["a forged signature", forged, "AUTHFAIL"],
    ["no signature", silent, undefined],
    ["success after the first message", hasty, "CONNECTED"],
  ];
  for (const [why, mechanism, stock] of lies) {
    test(`${why}, which it takes for ${stock} by itself`, async () => {
      const { ws } = await serve([mechanism]);
      const { made, login } = withSASL(ws, [SCRAM(alice)]);
      expect(await connect(made)).toEqual(failed);
      expect(login).toMatchObject({ result: undefined, error: { code: "peer-not-verified" } });
      if (stock) expect(await connect(client(ws), alice.password, [stock])).toEqual(["CONNECTING", stock]);
    });
  }

  const scripts: readonly [why: string, lines: string[], code: string, told: string[]][] = [
    ["success without a message", ["<success SASL/>"], "peer-not-verified", failed],
    ["success twice", ["<success SASL/>\n<success SASL/>"], "peer-not-verified", failed],
    ["bad base64", ["<challenge SASL>%%%</challenge>"], "incorrect-encoding", failed],
    ["markup in a challenge", ["<challenge SASL>cj1h<b/></challenge>"], "malformed-message", failed],
    ["an empty challenge", ["<challenge SASL/>"], "malformed-message", failed],
    ["a long challenge", [`<challenge SASL>${"A".repeat(400_000)}</challenge>`], "limit-exceeded", failed],
    ["something else", ["<iq xmlns='jabber:client' type='set' id='1'/>"], "unexpected-message", failed],
    ["success of another namespace", ["<success xmlns='urn:xmpp:other'/>"], "unexpected-message", failed],
    ["a lost connection", ["close"], "connection-lost", ["CONNECTING", "DISCONNECTED"]],
  ];
  for (const [why, lines, code, told] of scripts) {
    test(why, async () => {
      const server = await play(lines);
      const { made, login } = withSASL(server.url, [SCRAM(alice)]);
      expect(await connect(made)).toEqual(told);
      expect(login).toMatchObject({ result: undefined, error: { code } });
    });
  }

  test("a login that is given up", async () => {
    const server = await play([]);
    const abort = new AbortController();
    const made = client(server.url);
    const login = useSASL(made, [SCRAM(alice)], { signal: abort.signal });
    const told = connect(made);
    await vi.waitUntil(() => server.heard.length > 0);
    abort.abort();
    expect(await told).toEqual(failed);
    expect(login.error).toMatchObject({ code: "aborted" });
  });
});

test("no password is sent where mechanisms were taken off the list", async () => {
  const legacy = "<auth xmlns='http://jabber.org/features/iq-auth'/>";
  const server = await play([], features.replace(/<mechanisms.*<.mechanisms>/, legacy));
  const { made, login } = withSASL(server.url, [PLAIN(alice), SCRAM(alice)]);
  expect(await connect(made, alice.password)).toEqual(failed);
  expect(login.error).toMatchObject({ code: "no-common-mechanism" });
  expect(server.heard).toEqual([]);
  void connect(client(server.url), alice.password);
  await vi.waitUntil(() => server.heard.length > 0);
  expect(server.heard[0]).toContain("jabber:iq:auth"); // by itself
});

test("a login says nothing on the connection that comes after it", async () => {
  const server = await play([]);
  const made = client(server.url);
  let answer: (credentials: typeof alice) => void = () => {};
  let asked = 0;
  useSASL(made, [
    SCRAM(() => {
      asked++;
      return new Promise((resolve) => {
        answer = resolve;
      });
    }),
  ]);
  void connect(made);
  await vi.waitUntil(() => asked === 1);
  const first = answer;
  void connect(made);
  await vi.waitUntil(() => asked === 2);
  first(alice);
  answer(alice);
  await vi.waitUntil(() => server.heard.length > 0);
  expect(server.heard).toHaveLength(1);
});

test("a login cut short leads to nothing on the connection that comes after it", async () => {
  const success = "<success SASL/>";
  const bind = features.replace(/<mechanisms.*<.mechanisms>/, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");
  const bound =
    "<iq xmlns='jabber:client' type='result' id='_bind_auth_2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@localhost/1</jid></bind></iq>";
  const first = await play([success], features.replace("SCRAM-SHA-256", "PLAIN"));
  const second = await play([`${bind}\n${bound}`]);
  const made = client(first.url);
  const login = useSASL(made, [PLAIN(alice), SCRAM(alice)], { policy: { requireEncryption: false } });
  Object.assign(made, { _sendRestart() {} }); // so that no features follow
  void connect(made);
  await vi.waitUntil(() => login.result);
  Object.assign(made, { service: second.url });
  expect(await connect(made)).toEqual(failed);
  expect(second.heard.join()).not.toContain("_bind_auth_2");
  expect(login).toMatchObject({ result: undefined, error: { code: "unexpected-message" } });
});

test("no earlier login is taken for one where none began", async () => {
  const { ws } = await serve([scramSha256]);
  const { made, login } = withSASL(ws, [SCRAM(alice)]);
  expect(await connect(made)).toContain("CONNECTED");
  made.disconnect();
  await vi.waitUntil(() => !made.connected);
  const bare = await play([], features.replace(/<mechanisms.*<.mechanisms>/, ""));
  Object.assign(made, { service: bare.url });
  expect(await connect(made)).toEqual(["CONNECTING", "CONNFAIL", "DISCONNECTED"]);
  expect(login.result).toBeUndefined();
});

test("over BOSH too", async () => {
  const bodies = [
    `sid='1' wait='1' requests='2' hold='1'>${features.replace("SCRAM-SHA-256", "PLAIN")}`,
    "><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    `>${features.replace(/<mechanisms.*<.mechanisms>/, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")}`,
    "><iq xmlns='jabber:client' type='result' id='_bind_auth_2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@localhost/1</jid></bind></iq>",
  ];
  const sent: string[] = [];
  vi.stubGlobal("XMLHttpRequest", answering(bodies, sent));
  closing.push(() => vi.unstubAllGlobals());
  const { made, login } = withSASL("https://localhost/http-bind", [PLAIN(alice)]);
  expect(await connect(made)).toEqual(["CONNECTING", "CONNECTED"]);
  expect(login.result?.mechanism).toBe("PLAIN");
  expect(sent.join()).toContain('mechanism="PLAIN"');
  bodies.push("type='terminate'>");
  made.disconnect();
  await vi.waitUntil(() => !made.connected);
});

/** An XMLHttpRequest that answers with these, and holds what comes then. */
function answering(bodies: string[], sent: string[]): unknown {
  return class {
    readyState = 0;
    status = 200;
    responseText = "";
    responseXML: Document | null = null;
    onreadystatechange: () => void = () => {};
    overrideMimeType(): void {}
    setRequestHeader(): void {}
    abort(): void {}
    getAllResponseHeaders(): string {
      return "";
    }
    open(): void {
      this.readyState = 1;
    }
    send(data: string): void {
      sent.push(data);
      const body = bodies.shift();
      if (body === undefined) return;
      this.responseText = `<body xmlns='http://jabber.org/protocol/httpbind' ${body}</body>`;
      this.responseXML = new DOMParser().parseFromString(this.responseText, "text/xml");
      this.readyState = 4;
      queueMicrotask(() => this.onreadystatechange());
    }
  };
}
