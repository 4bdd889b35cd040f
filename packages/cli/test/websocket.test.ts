/** XMPP over WebSocket at the test server: with TLS, without it on this machine, and from clients that speak something else. */
import { once } from "node:events";
import { request } from "node:http";
import { Element } from "ltx";
import { memoryAccounts } from "sasl-core";
import { authenticate, bind2, fast, ltxAdapter, memoryFastTokens, newUserAgentId, sasl2 } from "sasl-xmpp";
import { PLAIN, SCRAM } from "sasl-xmpp/mechanisms";
import { parseElement } from "sasl-xmpp/node";
import { websocketStream } from "sasl-xmpp/websocket";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type LoginEvent, startServer, type TestServer } from "../src/server/index.js";

const adapter = ltxAdapter(Element);
const codec = { adapter, parse: (xml: string) => parseElement(xml, adapter), serialize: String };
const alice = { username: "alice", password: "open sesame" };
const logins: LoginEvent[] = [];
let server: TestServer;

beforeAll(async () => {
  const accounts = memoryAccounts({ alice: alice.password });
  server = await startServer({ ports: { ws: 0, wss: 0, xmpp: 0 }, accounts, onLogin: (event) => logins.push(event) });
});
afterAll(() => server.close());

const urlOf = (scheme: "ws" | "wss") => `${scheme}://localhost:${server.ports[scheme]}/xmpp`;

describe.each(["ws", "wss"] as const)("%s", (scheme) => {
  test("R-XMPP-11 R-FAST-02 a login with the password, then with a token, each with a session", async () => {
    const session = bind2({ tag: "test" });
    const token = fast({ store: memoryFastTokens() });
    const profile = sasl2({ userAgent: { id: newUserAgentId() }, inline: [token, session] });
    const mechanisms: string[] = [];
    for (const credentials of [[SCRAM(alice), PLAIN(alice)], []]) {
      const socket = new WebSocket(urlOf(scheme), "xmpp", { ca: server.caPem });
      const stream = websocketStream(socket, codec, { domain: "localhost", from: "alice@localhost", secure: true });
      const result = await authenticate(stream, await stream.open(), credentials, { sasl2: profile });
      await stream.restart();
      expect(result.inline.get(session)?.jid).toMatch(/^alice@localhost\/test/);
      mechanisms.push(result.mechanism);
      stream.close();
    }
    expect(mechanisms).toEqual([expect.stringMatching(/^SCRAM-.*\d$/), expect.stringMatching(/^HT-.*-NONE$/)]);
    expect(logins.at(-1)).toMatchObject({ protocol: "xmpp", ok: true, authcid: "alice", channelBinding: null });
  });

  test("a client that does not ask for the subprotocol is turned away", async () => {
    const socket = new WebSocket(urlOf(scheme), { ca: server.caPem });
    const [code] = await once(socket, "close");
    expect(code).toBe(1002);
  });
});

test("what is no WebSocket hears so", async () => {
  const sent = request(`http://localhost:${server.ports.ws}/`).end();
  const [response] = await once(sent, "response");
  response.resume();
  expect(response.statusCode).toBe(426);
});
