/**
 * What a chat client sees of the test server after the login.
 */
import { connect } from "node:net";
import type { Element } from "ltx";
import { parse } from "ltx";
import { clientMechanism, type Mechanism, memoryAccounts } from "sasl-core";
import { authenticate } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { mechanismNamed } from "../src/known-mechanisms.js";
import type { TestServer } from "../src/server/index.js";
import { serveAll } from "./support.js";

let server: TestServer;
const streams: SocketStream[] = [];
const plain = mechanismNamed("PLAIN") as Mechanism;

beforeAll(async () => {
  const accounts = memoryAccounts({ alice: "a", bob: "b" });
  server = await serveAll({ accounts, allowPlaintext: true, mechanisms: [plain] });
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});
afterAll(() => server?.close());

/** Logs in; answers are texts. */
async function login(
  user: string,
): Promise<{ ask(xml: string): Promise<string>; hear(): Promise<string>; say(xml: string): void }> {
  const stream = new SocketStream(connect(server.ports.xmpp as number, "127.0.0.1"), { domain: "localhost" });
  streams.push(stream);
  const features = await stream.open();
  const mechanism = clientMechanism([plain], { username: user, password: user[0] as string });
  await authenticate(stream, features, [mechanism], { policy: { requireEncryption: false } });
  const after = String(await stream.restart());
  expect(after).toContain("urn:ietf:params:xml:ns:xmpp-bind");
  expect(after).not.toContain("xmpp-sasl");
  const say = (xml: string): void => void stream.send(parse(xml) as unknown as Element);
  const hear = async (): Promise<string> => String(await stream.receive());
  return {
    say,
    hear,
    ask(xml) {
      say(xml);
      return hear();
    },
  };
}

const iq = (type: string, child: string, more = ""): string =>
  `<iq xmlns='jabber:client' type='${type}' id='1' ${more}>${child}</iq>`;
const bind = (resource: string): string =>
  iq("set", `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${resource && `<resource>${resource}</resource>`}</bind>`);
const message = (to: string): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat' id='m'><body>hi &amp; ho</body></message>`;

async function bound(user: string, resource: string): ReturnType<typeof login> {
  const client = await login(user);
  expect(await client.ask(bind(resource))).toContain(`<jid>${user}@localhost/${resource}</jid>`);
  return client;
}

describe("XMPP after the login", () => {
  test("binds the resource that is asked for, or makes one, once", async () => {
    const client = await login("alice");
    const made = await client.ask(bind(""));
    expect(made).toMatch(/<jid>alice@localhost\/[0-9a-f-]{36}<\/jid>/);
    expect(await client.ask(bind("again"))).toContain("not-allowed");
    await bound("alice", "desk");
    const second = await login("alice");
    expect(await second.ask(bind("desk"))).toMatch(/<jid>alice@localhost\/desk-[0-9a-f-]{36}<\/jid>/);
  });

  test("nothing but bind before bind", async () => {
    const client = await login("alice");
    expect(await client.ask(iq("get", "<query xmlns='jabber:iq:roster'/>"))).toContain("not-authorized");
    expect(await client.ask(message("alice@localhost"))).toContain("not-authorized");
    expect(await client.ask("<presence xmlns='jabber:client'/>")).toContain("not-authorized");
    expect(await client.ask(bind("\u0001".replace("\u0001", " "))).then((text) => text.includes("iq"))).toBe(true);
  });

  const queries: readonly [what: string, xml: string, answer: RegExp][] = [
    ["session", iq("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"), /type="result"/],
    ["ping", iq("get", "<ping xmlns='urn:xmpp:ping'/>", "to='localhost'"), /type="result".*from="localhost"/],
    [
      "an empty roster",
      iq("get", "<query xmlns='jabber:iq:roster'/>"),
      /type="result".*<query xmlns="jabber:iq:roster"\/>/,
    ],
    [
      "service discovery",
      iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
      /<identity .*urn:xmpp:ping/,
    ],
    ["items", iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"), /type="result"/],
    ["anything else", iq("get", "<query xmlns='x:y'/>"), /type="error".*service-unavailable/],
    ["a request without content", iq("get", ""), /type="error".*bad-request/],
    ["a request of no type", iq("frob", "<x xmlns='y'/>"), /type="error".*bad-request/],
    ["somebody who is not there", iq("get", "<query xmlns='x:y'/>", "to='bob@localhost/x'"), /service-unavailable/],
  ];
  for (const [what, xml, answer] of queries) {
    test(`answers: ${what}`, async () => {
      const client = await bound("alice", "desk");
      const text = await client.ask(xml);
      expect(text).toMatch(answer);
      expect(text).toContain('id="1"');
    });
  }

  test("presence comes back, and makes a bare JID reachable", async () => {
    const client = await bound("alice", "desk");
    expect(await client.ask(message("alice@localhost"))).toContain("service-unavailable");
    expect(await client.ask("<presence xmlns='jabber:client'/>")).toContain('from="alice@localhost/desk"');
    const text = await client.ask(message("alice@localhost"));
    expect(text).toContain('from="alice@localhost/desk"');
    expect(text).toContain("<body>hi &amp; ho</body>");
  });

  test("a message to a full JID arrives, from whom the server says", async () => {
    const alice = await bound("alice", "desk");
    const bob = await bound("bob", "phone");
    alice.say(message("bob@localhost/phone").replace("<message ", "<message from='mallory@localhost' "));
    const text = await bob.hear();
    expect(text).toContain('from="alice@localhost/desk"');
    expect(text).not.toContain("mallory");
  });

  test("an answer from one client to another", async () => {
    const alice = await bound("alice", "desk");
    const bob = await bound("bob", "phone");
    alice.say(iq("get", "<query xmlns='x:y'/>", "to='bob@localhost/phone'"));
    expect(await bob.hear()).toContain("x:y");
    bob.say(iq("result", "", "to='alice@localhost/desk'"));
    expect(await alice.hear()).toMatch(/type="result"/);
  });

  test("an element that is no stanza ends the stream", async () => {
    const client = await bound("alice", "desk");
    client.say("<frob xmlns='jabber:client'/>");
    await expect(client.hear()).rejects.toMatchObject({ code: "connection-lost" });
  });
});
