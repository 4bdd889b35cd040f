/** Sessions under stream management at the test server that begin or go on after the login (XEP-0198 §3 to §7). */
import { connect } from "node:tls";
import type { Element } from "ltx";
import { parse } from "ltx";
import { memoryAccounts } from "sasl-core";
import { PLAIN } from "sasl-core/mechanisms";
import {
  authenticate,
  bind2,
  type ClientInline,
  enableStreamManagement,
  newUserAgentId,
  resume,
  sasl2,
} from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../src/server/index.js";

const SM = "xmlns='urn:xmpp:sm:3'";
const offered = '<sm xmlns="urn:xmpp:sm:3"/>';
const failed = (condition: string, h = ""): string =>
  `<failed xmlns="urn:xmpp:sm:3"${h}><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`;

let server: TestServer;
const streams: SocketStream[] = [];
beforeAll(async () => {
  server = await startServer({ ports: { xmpps: 0 }, accounts: memoryAccounts({ alice: "a", bob: "b" }) });
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});
afterAll(() => server?.close());

/** Logs in, with SASL1 where no inline features are given, and not always by the features behind; answers are texts. */
async function login(user: string, inline?: readonly ClientInline[], awaitsFeatures = true, client?: string) {
  const socket = connect({ port: server.ports.xmpps as number, host: "localhost", ca: server.caPem });
  await new Promise((done) => socket.once("secureConnect", done));
  const stream = new SocketStream(socket, { domain: "localhost", from: `${user}@localhost` });
  streams.push(stream);
  const mechanisms = [PLAIN({ username: user, password: user[0] as string })];
  const result = await authenticate(
    stream,
    await stream.open(),
    mechanisms,
    inline && {
      sasl2: sasl2({ inline, ...(client && { userAgent: { id: client } }) }),
    },
  );
  const features = awaitsFeatures ? String(await stream.restart()) : "";
  const say = (xml: string): void => void stream.send(parse(xml) as unknown as Element);
  const hear = async (): Promise<string> => String(await stream.receive());
  const ask = (xml: string): Promise<string> => {
    say(xml);
    return hear();
  };
  return { stream, socket, features, result, say, hear, ask };
}
type Client = Awaited<ReturnType<typeof login>>;

const iq = (type: string, child: string): string => `<iq xmlns='jabber:client' type='${type}' id='1'>${child}</iq>`;
const ping = iq("get", "<ping xmlns='urn:xmpp:ping'/>");
const presence = "<presence xmlns='jabber:client'/>";
const message = (to: string, text: string): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat'><body>${text}</body></message>`;
const enable = `<enable ${SM} resume='true'/>`;
const resumption = (id: string, h: number): string => `<resume ${SM} previd='${id}' h='${h}'/>`;

async function bound(user: string, resource: string): Promise<Client> {
  const client = await login(user);
  const wanted = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`;
  expect(await client.ask(iq("set", wanted))).toContain(`<jid>${user}@localhost/${resource}</jid>`);
  return client;
}

/** @returns the id of the session. */
async function enabled(client: Client): Promise<string> {
  const answer = await client.ask(enable);
  expect(answer).toMatch(/^<enabled xmlns="urn:xmpp:sm:3" id="[\w-]{24}" resume="true" max="60"\/>$/);
  return /id="([^"]*)"/.exec(answer)?.[1] as string;
}

/** Waits until nobody is reached there any more. What was sent until then is for the session. */
async function gone(jid: string, witness: Client): Promise<void> {
  while (!(await witness.ask(message(jid, "lost"))).includes("service-unavailable"));
}

/** Cuts the connection, and waits until the server has seen it. */
async function cut(client: Client, jid: string, witness: Client): Promise<void> {
  client.socket.destroy();
  await gone(jid, witness);
}

/** What is heard until something with this text is. */
async function hearUntil(client: Client, text: string): Promise<string[]> {
  const heard: string[] = [];
  do heard.push(await client.hear());
  while (!heard.at(-1)?.includes(text));
  return heard;
}

describe("sasl serve --xmpp: stream management after the login", () => {
  test("XEP-0198 §3: counts from enable on, and answers r", async () => {
    const client = await bound("alice", "desk");
    expect(client.features).toContain(offered);
    await client.ask(ping); // not counted
    await enabled(client);
    expect(await client.ask(`<r ${SM}/>`)).toBe('<a xmlns="urn:xmpp:sm:3" h="0"/>');
    await client.ask(ping);
    expect(await client.ask(`<r ${SM}/>`)).toBe('<a xmlns="urn:xmpp:sm:3" h="1"/>');
    client.say(`<a ${SM} h='1'/>`);
    client.say(`<a ${SM} h='2'/>`); // more than was sent
    await expect(client.hear()).rejects.toMatchObject({ opaqueError: { condition: "undefined-condition" } });
  });

  test("XEP-0198 §3: without resume there is no id", async () => {
    const client = await bound("alice", "desk");
    expect(await client.ask(`<enable ${SM}/>`)).toBe('<enabled xmlns="urn:xmpp:sm:3"/>');
    expect(await client.ask(`<r ${SM}/>`)).toContain('h="0"');
  });

  test("XEP-0198 §3 §6: out of order it fails, and the stream goes on", async () => {
    const early = await login("alice");
    expect(await early.ask(enable)).toBe(failed("unexpected-request"));
    const client = await bound("alice", "desk");
    expect(await client.ask(resumption("x", 0))).toBe(failed("unexpected-request"));
    const id = await enabled(client);
    expect(await client.ask(enable)).toBe(failed("unexpected-request"));
    expect(await client.ask(resumption(id, 0))).toBe(failed("unexpected-request"));
    expect(await client.ask(`<r ${SM}/>`)).toContain('h="0"');
  });

  test("XEP-0198 §5: an unknown session cannot be resumed, and the client binds another", async () => {
    const client = await login("alice");
    for (const id of ["__proto__", "x".repeat(4000)]) {
      expect(await client.ask(resumption(id, 0))).toBe(failed("item-not-found"));
    }
    expect(await client.ask(resumption("x".repeat(4001), 0))).toBe(failed("bad-request"));
    expect(await client.ask(iq("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"))).toContain("<jid>alice@");
  });

  test("XEP-0198 §5: a session goes on, with what was not confirmed, its presence and its carbons", async () => {
    const bob = await bound("bob", "phone");
    const first = await bound("alice", "desk");
    const id = await enabled(first);
    expect(await first.ask(iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>"))).toContain("result");
    expect(await first.ask(presence)).toContain("presence");
    for (const text of ["one", "two"]) {
      bob.say(message("alice@localhost/desk", text));
      expect(await first.hear()).toContain(text);
    }
    first.socket.destroy();

    const thief = await login("bob");
    expect(await thief.ask(resumption(id, 0))).toBe(failed("item-not-found"));
    const second = await login("alice");
    expect(await second.ask(resumption(id, 5))).toBe(failed("unexpected-request")); // four were sent
    // The result, the presence and the first message were handled.
    expect(await second.ask(resumption(id, 3))).toBe(`<resumed xmlns="urn:xmpp:sm:3" previd="${id}" h="2"/>`);
    expect(await second.hear()).toContain("two");
    expect(await second.hear()).toBe('<r xmlns="urn:xmpp:sm:3"/>');
    second.say(`<a ${SM} h='4'/>`);
    bob.say(message("alice@localhost", "three")); // to those that are available
    expect(await second.hear()).toContain("three");
    const third = await bound("alice", "tablet");
    expect(await third.ask(message("alice@localhost/tablet", "four"))).toContain("four");
    expect(await second.hear()).toMatch(/<received xmlns="urn:xmpp:carbons:2".*four/);
  });

  test("XEP-0198 §5: a live session moves, and can be moved and lost again", async () => {
    const bob = await bound("bob", "phone");
    let last = await bound("alice", "desk");
    const id = await enabled(last);
    for (let i = 0; i < 3; i++) {
      const next = await login("alice");
      expect(await next.ask(resumption(id, 0))).toMatch(/^<resumed /);
      await expect(last.hear()).rejects.toMatchObject({ opaqueError: { condition: "conflict" } });
      last = next;
    }
    await cut(last, "alice@localhost/desk", bob);
    const inline = resume({ previd: id, h: 0 });
    const client = await login("alice", [inline], false);
    expect(client.result.inline?.get(inline)).toEqual({ resumed: true, h: 0, jid: "alice@localhost/desk" });
    bob.say(message("alice@localhost/desk", "still there"));
    expect(await hearUntil(client, "still there")).not.toHaveLength(0);
  });

  test("XEP-0198 §5: what arrives meanwhile comes once, and behind what was not confirmed", async () => {
    const bob = await bound("bob", "phone");
    const first = await bound("alice", "desk");
    const id = await enabled(first);
    const texts = Array.from({ length: 90 }, (_, i) => `number ${i}.`);
    const long = ".".repeat(10_000); // more than goes out at once
    for (const text of texts.slice(0, 40)) bob.say(message("alice@localhost/desk", text + long));
    await hearUntil(first, "number 39.");
    const second = await login("alice");
    second.say(resumption(id, 0));
    for (const text of texts.slice(40)) bob.say(message("alice@localhost/desk", text));
    const heard = await hearUntil(second, "number 89.");
    expect(heard.flatMap((each) => /number \d+\./.exec(each) ?? [])).toEqual(texts);
    second.say(`<a ${SM} h='90'/>`);
    expect(await second.ask(`<r ${SM}/>`)).toMatch(/^<[ar] /);
  });

  test("XEP-0198 §5: whoever took the resource in the meantime makes room", async () => {
    const bob = await bound("bob", "phone");
    const first = await bound("alice", "desk");
    const id = await enabled(first);
    await cut(first, "alice@localhost/desk", bob);
    const other = await bound("alice", "desk");
    const second = await login("alice");
    expect(await second.ask(resumption(id, 0))).toMatch(/^<resumed /);
    await expect(other.hear()).rejects.toMatchObject({ opaqueError: { condition: "conflict" } });
  });

  test("XEP-0198 §7: a stream that the client closed is not resumed", async () => {
    const bob = await bound("bob", "phone");
    const first = await bound("alice", "desk");
    const id = await enabled(first);
    first.stream.close();
    await gone("alice@localhost/desk", bob);
    const second = await login("alice");
    expect(await second.ask(resumption(id, 0))).toBe(failed("item-not-found"));
  });

  test("SASL2 without anything inline, and with bind alone", async () => {
    const plain = await login("alice", []);
    expect(plain.features).toContain("xmpp-bind");
    expect(plain.features).toContain(offered);
    const binding = bind2();
    const client = await login("alice", [binding]);
    expect(client.features).toContain(offered);
    expect(client.features).not.toContain("xmpp-bind");
    const id = await enabled(client);
    await client.ask(ping);
    const second = await login("alice", []);
    expect(await second.ask(resumption(id, 1))).toBe(`<resumed xmlns="urn:xmpp:sm:3" previd="${id}" h="1"/>`);
  });

  test("what was enabled with the login is offered no more", async () => {
    const binding = bind2({ features: [enableStreamManagement()] });
    const client = await login("alice", [binding]);
    expect(client.result.inline?.get(binding)?.answers[0]).toMatchObject({ enabled: true, resume: true });
    expect(client.features).not.toContain(offered);
    expect(await client.ask(enable)).toBe(failed("unexpected-request"));
  });

  test("XEP-0386 §3.2: a client that binds again ends its earlier session, and no other", async () => {
    const binding = bind2({ features: [enableStreamManagement()] });
    const client = newUserAgentId();
    const first = await login("alice", [binding], true, client);
    const others = [
      await login("alice", [binding], true, newUserAgentId()),
      await login("alice", [binding]),
      await login("bob", [binding], true, client),
    ];
    await login("alice", [binding], true, client);
    await expect(first.hear()).rejects.toMatchObject({ opaqueError: { condition: "conflict" } });
    for (const each of others) expect(await each.ask(ping)).toContain("result");
    const { id = "" } = { ...first.result.inline?.get(binding)?.answers[0] } as { id?: string };
    expect(await (await login("alice")).ask(resumption(id, 0))).toBe(failed("item-not-found"));
  });

  test("an account keeps twenty sessions, and takes none from others", async () => {
    const binding = bind2({ features: [enableStreamManagement()] });
    const sessionOf = async (user: string) => {
      const client = await login(user, [binding]);
      const { jid = "", answers = [undefined] } = client.result.inline?.get(binding) ?? {};
      const { id = "" } = { ...answers[0] } as { id?: string };
      return { client, jid, id };
    };
    const witness = await bound("bob", "phone");
    const live = await sessionOf("bob");
    const ids: string[] = [];
    for (let i = 0; i < 21; i++) {
      const { client, jid, id } = await sessionOf("alice");
      ids.push(id);
      await cut(client, jid, witness);
    }
    const last = await login("alice");
    expect(await last.ask(resumption(ids[0] ?? "", 0))).toBe(failed("item-not-found"));
    expect(await last.ask(resumption(ids[1] ?? "", 0))).toMatch(/^<resumed /);
    const bobs = await login("bob");
    expect(await bobs.ask(resumption(live.id, 0))).toMatch(/^<resumed /);
  });

  test("a queue is bounded by length too", async () => {
    const bob = await bound("bob", "phone");
    const alice = await bound("alice", "desk");
    await enabled(alice);
    const long = "x".repeat(600_000);
    for (let i = 0; i < 2; i++) {
      bob.say(message("alice@localhost/desk", long));
      expect((await alice.hear()).length).toBeGreaterThan(long.length);
    }
    bob.say(message("alice@localhost/desk", "more"));
    await expect(alice.hear()).rejects.toMatchObject({ opaqueError: { condition: "resource-constraint" } });
  });
});
