import tls from "node:tls";
import { startServer, type TestServer } from "sasl-cli/server";
import type { SASLMechanism } from "sasl-core";
import { memoryAccounts } from "sasl-core";
import { PLAIN, plain, SCRAM, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import type { Mechanism } from "sasl-core/plugin";
import { type Agent, createClient } from "stanza";
import { afterEach, describe, expect, test, vi } from "vitest";
import { features, forged, hasty, type Script, script, silent, verbose } from "../../strophe/test/lying.js";
import { type Login, useSASL } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.restoreAllMocks();
});

interface Served extends TestServer {
  readonly ws: string;
  readonly wss: string;
}

async function serve(mechanisms: readonly Mechanism[]): Promise<Served> {
  const accounts = memoryAccounts({ alice: alice.password });
  const server = await startServer({ ports: { ws: 0, wss: 0 }, accounts, mechanisms, allowPlaintext: true });
  closing.push(() => server.close());
  return { ...server, ws: `ws://localhost:${server.ports.ws}/`, wss: `wss://localhost:${server.ports.wss}/` };
}

async function play(lines: readonly string[], offer = features): Promise<Script> {
  const server = await script(lines, offer);
  closing.push(() => server.close());
  return server;
}

function client(service: string, password?: string): Agent {
  const transports = { websocket: service, bosh: false };
  const made = createClient({ jid: "alice@localhost", transports, ...(password !== undefined && { password }) });
  closing.push(() => made.disconnect());
  return made;
}

function withSASL(service: string, mechanisms: readonly SASLMechanism[]): { made: Agent; login: Login } {
  const made = client(service);
  return { made, login: useSASL(made, mechanisms, { limits: { timeoutMs: 5000 } }) };
}

const events = ["auth:success", "auth:failed", "session:started", "disconnected"] as const;

/** What a client tells, to its session or its end. */
function connect(made: Agent): Promise<string[]> {
  const told: string[] = [];
  return new Promise((resolve) => {
    for (const event of events) {
      made.once(event, () => {
        told.push(event);
        if (event === "session:started" || event === "disconnected") resolve(told);
      });
    }
    made.connect();
  });
}

const started = ["auth:success", "session:started"];
const failed = ["auth:failed", "disconnected"];

describe("stanza logs in", () => {
  for (const mechanism of [scramSha256, scramSha512]) {
    test(`with ${mechanism.name}, and again`, async () => {
      const { ws } = await serve([mechanism]);
      const { made, login } = withSASL(ws, [SCRAM(alice)]);
      for (let time = 0; time < 2; time++) {
        expect(await connect(made)).toEqual(started);
        expect(login).toMatchObject({ error: undefined, result: { mechanism: mechanism.name, serverVerified: true } });
        expect(made.jid).toMatch(/^alice@localhost\/./);
        const over = new Promise<void>((resolve) => made.once("disconnected", () => resolve()));
        made.disconnect();
        await over;
        made.removeAllListeners("auth:failed");
      }
    });
  }

  test("where the signature comes before success", async () => {
    const { ws } = await serve([verbose]);
    const { made, login } = withSASL(ws, [SCRAM(alice)]);
    expect(await connect(made)).toEqual(started);
    expect(login.result?.serverVerified).toBe(true);
  });

  test("with the strongest of both sides", async () => {
    const { ws } = await serve([plain, scramSha256, scramSha512]);
    const { made, login } = withSASL(ws, [PLAIN(alice), SCRAM(alice)]);
    expect(await connect(made)).toEqual(started);
    expect(login.result?.mechanism).toBe("SCRAM-SHA-512");
  });

  test("with PLAIN over TLS alone", async () => {
    const { ws, wss, caPem } = await serve([plain]);
    believe(caPem);
    const open = withSASL(ws, [PLAIN(alice)]);
    expect(await connect(open.made)).toEqual(failed);
    expect(open.login.error).toMatchObject({ code: "no-common-mechanism" });
    expect(await connect(client(ws, alice.password))).toEqual(started); // by itself
    const secured = withSASL(wss, [PLAIN(alice)]);
    expect(await connect(secured.made)).toEqual(started);
  });
});

/** Nothing of stanza says which certificates to believe: in Node.js that is the environment's, in a browser the browser's. */
function believe(ca: string): void {
  const { connect: before } = tls;
  vi.spyOn(tls, "connect").mockImplementation(((options: object) => before({ ...options, ca })) as typeof before);
}

describe("stanza is told of failures", () => {
  test("a wrong password", async () => {
    const { ws } = await serve([scramSha256]);
    const { made, login } = withSASL(ws, [SCRAM({ ...alice, password: "wrong" })]);
    expect(await connect(made)).toEqual(failed);
    expect(login).toMatchObject({
      result: undefined,
      error: { kind: "AuthenticationFailure", code: "refused", opaqueError: { condition: "not-authorized" } },
    });
  });

  const lies: readonly [why: string, mechanism: Mechanism][] = [
    ["a forged signature", forged],
    ["no signature", silent],
    ["success after the first message", hasty],
  ];
  for (const [why, mechanism] of lies) {
    test(`${why}, which it does not see by itself`, async () => {
      const { ws } = await serve([mechanism]);
      const { made, login } = withSASL(ws, [SCRAM(alice)]);
      expect(await connect(made)).toEqual(failed);
      expect(login).toMatchObject({ result: undefined, error: { code: "peer-not-verified" } });
      expect(await connect(client(ws, alice.password))).toEqual(started);
    });
  }

  const scripts: readonly [why: string, lines: string[], code: string, told: string[]][] = [
    ["success without a message", ["<success SASL/>"], "peer-not-verified", failed],
    ["success twice", ["<success SASL/>\n<success SASL/>"], "peer-not-verified", failed],
    ["bad base64", ["<challenge SASL>%%%</challenge>"], "incorrect-encoding", failed],
    ["markup in a challenge", ["<challenge SASL>cj1h<b/></challenge>"], "malformed-message", failed],
    ["an empty challenge", ["<challenge SASL/>"], "malformed-message", failed],
    ["a long challenge", [`<challenge SASL>${"A".repeat(400_000)}</challenge>`], "limit-exceeded", failed],
    ["an element of the client's", ["<auth SASL/>"], "unexpected-message", failed],
    ["a lost connection", ["close"], "connection-lost", ["disconnected"]],
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

test("no session is bound where mechanisms were taken off the list", async () => {
  const bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
  const server = await play([], features.replace(/<mechanisms.*<.mechanisms>/, bind));
  const { made, login } = withSASL(server.url, [SCRAM(alice)]);
  expect(await connect(made)).toEqual(failed);
  expect(login.error).toMatchObject({ code: "no-common-mechanism" });
  expect(server.heard).toEqual([]);
  const itself = client(server.url, alice.password);
  itself.connect();
  await vi.waitUntil(() => server.heard.length > 0);
  expect(server.heard[0]).toContain("<bind");
});

test("a login says nothing on the connection that comes after it", async () => {
  const server = await play([]);
  const made = client(server.url);
  const answers: ((credentials: typeof alice) => void)[] = [];
  useSASL(made, [SCRAM(() => new Promise((resolve) => answers.push(resolve)))]);
  made.connect();
  await vi.waitUntil(() => answers.length === 1);
  const over = new Promise<void>((resolve) => made.once("disconnected", () => resolve()));
  made.disconnect();
  await over;
  made.connect();
  await vi.waitUntil(() => answers.length === 2);
  for (const answer of answers) answer(alice);
  await vi.waitUntil(() => server.heard.length > 0);
  expect(server.heard).toHaveLength(1);
});
