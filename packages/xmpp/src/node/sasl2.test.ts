/** SASL2 between our client and our server, over sockets and WebSockets. */
import { once } from "node:events";
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { Element } from "ltx";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { layered, layeredLogin, testLayer } from "../../test/layered.js";
import { ca, type Loopback, loopback, saslServer } from "../../test/loopback.js";
import { note, noteServer, wordServer, wordTask } from "../../test/sasl2.js";
import { ltxKit, rejection } from "../../test/support.js";
import {
  type AuthenticatedStream,
  authenticate,
  authenticatedXMLLimits,
  discover,
  NS_CLIENT,
  newUserAgentId,
  sasl2,
  XMPPConnection,
} from "../index.js";
import { WebSocketFraming, websocketStream } from "../websocket.js";
import { parseElement, SocketStream } from "./index.js";

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: Parameters<typeof loopback>[0] = {}): Promise<Loopback> {
  const started = await loopback(options);
  closing.push(() => started.close());
  return started;
}

const alice = { username: "alice", password: "open sesame" };
const names = { domain: "localhost", from: "alice@localhost" };
const ping = () => new Element("message", { xmlns: NS_CLIENT }).c("body").t("x".repeat(200_000)).up();
const withTask = { inline: [noteServer()], tasks: [wordServer("abc")] };
const client = () =>
  sasl2({ userAgent: { id: newUserAgentId(), software: "chat" }, inline: [note], tasks: [wordTask("abc")] });

/** What the other side put on a socket. */
function tap(socket: Duplex): () => Buffer {
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(Buffer.from(chunk)));
  return () => Buffer.concat(received);
}

test("R-SA2-01 R-SA2-11 STARTTLS, SCRAM-SHA-256-PLUS, a task, features without a header, long stanzas", async () => {
  const streams: AuthenticatedStream<Element>[] = [];
  const server = await start({
    sasl2: withTask,
    features: (_, adapter) => [adapter.create("bind", "urn:ietf:params:xml:ns:xmpp-bind")],
    onAuthenticated: async (stream) => {
      streams.push(stream);
      for (let each = await stream.receive(); each; each = await stream.receive()) await stream.send(each);
    },
  });
  const stream = new SocketStream(await server.connect(), names);
  const first = await stream.open();
  expect(discover(first, stream.adapter).sasl2).toBe(false);
  expect(stream.from).toBeUndefined();
  const features = await stream.startTLS({ ca });
  expect(discover(features, stream.adapter).sasl2).toBe(true);
  expect(stream.from).toBe("alice@localhost");
  const id = stream.id;
  const result = await authenticate(stream, features, [SCRAMPLUS(alice), SCRAM(alice)], { sasl2: client() });
  expect(result).toMatchObject({
    profile: "sasl2",
    mechanism: "SCRAM-SHA-256-PLUS",
    channelBinding: "tls-exporter",
    jid: "alice@localhost",
    tasks: ["WORD"],
  });
  expect(result.inline.get(note)).toBe("hello alice@localhost");
  expect(stream.features).toBeUndefined();
  expect(String(await stream.restart())).toContain("<bind ");
  expect(stream.id).toBe(id);
  await stream.send(ping()); // longer than what is let in before the login, both ways
  expect((await stream.receive()).getChildText("body")).toHaveLength(200_000);
  expect(streams).toMatchObject([{ profile: "sasl2", jid: "alice@localhost", userAgent: { software: "chat" } }]);
  expect(server.events).toMatchObject([{ ok: true, channelBinding: "tls-exporter" }]);
  expect(server.errors).toEqual([]);
  stream.close();
});

test("the same code logs in with either profile", async () => {
  for (const profile of ["sasl1", "sasl2"] as const) {
    const server = await start({ direct: true, sasl2: profile === "sasl2" ? {} : false });
    const stream = new SocketStream(await server.connectTLS(), names);
    const result = await authenticate(stream, await stream.open(), [SCRAM(alice), SCRAMPLUS(alice)], {
      sasl2: client(),
    });
    expect(result.profile).toBe(profile);
    expect(stream.adapter.name(await stream.restart())).toBe("features");
    await stream.send(ping());
    expect((await stream.receive()).getName()).toBe("message");
    stream.close();
  }
});

test("R-SA2-17 another login over the stream: the server ends it", async () => {
  const server = await start({ direct: true });
  const stream = new SocketStream(await server.connectTLS(), names);
  const features = await stream.open();
  await authenticate(stream, features, [PLAIN(alice)], { sasl2: sasl2() });
  await stream.restart();
  const error = await rejection(authenticate(stream, features, [PLAIN(alice)], { sasl2: sasl2() }));
  expect(error).toMatchObject({ code: "connection-lost", opaqueError: { condition: "policy-violation" } });
});

test("a flood of stanzas before authenticate gets nobody in", async () => {
  const server = await start({ direct: true, sasl2: withTask });
  const stream = new SocketStream(await server.connectTLS(), names);
  const features = await stream.open();
  const flood = Array.from({ length: 500 }, () => stream.send(new Element("message", { xmlns: NS_CLIENT })));
  await Promise.all(flood);
  const error = await rejection(authenticate(stream, features, [PLAIN(alice)], { sasl2: client() }));
  expect(error).toMatchObject({ code: "connection-lost" });
  expect(server.events.filter(({ ok }) => ok)).toEqual([]);
});

test("split at every octet, both ways", async () => {
  const server = await start({ direct: true, sasl2: withTask });
  // A proxy that passes on one octet at a time, in TLS of its own on neither side: it sits below.
  const proxy = createServer((near) => {
    const far = connectSocket(server.port, "127.0.0.1");
    const pass = (from: typeof near, to: typeof near) => {
      from.on("data", (chunk: Buffer) => {
        for (const octet of chunk) to.write(Buffer.of(octet));
      });
      from.on("close", () => to.destroy()).on("error", () => {});
    };
    near.setNoDelay(true);
    far.setNoDelay(true);
    pass(near, far);
    pass(far, near);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  closing.push(() => proxy.close());
  const socket = await server.connectTLS({ port: (proxy.address() as AddressInfo).port });
  const stream = new SocketStream(socket, names);
  const result = await authenticate(stream, await stream.open(), [SCRAMPLUS(alice)], { sasl2: client() });
  expect(result.tasks).toEqual(["WORD"]);
  expect(stream.adapter.name(await stream.restart())).toBe("features");
  stream.close();
});

describe("R-SA2-19 a security layer begins", () => {
  for (const [where, options, last] of [
    ["right behind success", {}, "success"],
    [
      "right behind the first continue",
      { tasks: [wordServer("ab"), wordServer("c", { name: "C", step: 1 })] },
      "continue",
    ],
  ] as const) {
    for (const slow of [false, true]) {
      test(`${where}${slow ? ", later" : ""}`, async () => {
        const policy = { maxSsf: 128 };
        const streams: AuthenticatedStream<Element>[] = [];
        const server = await start({
          sasl: { mechanisms: [layered(slow)], policy: { ...policy, minSsf: 1 } },
          // Secure by other means than encryption, so that a layer is wanted.
          connection: () => ({ secure: true, externalSsf: 0 }),
          tls: undefined,
          sasl2: options,
          onAuthenticated: async (stream) => {
            streams.push(stream);
            for (let each = await stream.receive(); each; each = await stream.receive()) await stream.send(each);
          },
        });
        const socket = await server.connect();
        const received = tap(socket);
        const stream = new (class extends SocketStream {
          constructor() {
            super(socket, names);
            this.secured(undefined, true);
          }
        })();
        const result = await authenticate(stream, await stream.open(), [layeredLogin(slow)], {
          policy: { ...policy, minSsf: 1 },
          externalSsf: 0,
          sasl2: sasl2({ tasks: [wordTask("ab"), wordTask("c", "C")] }),
        });
        expect(result).toMatchObject({ profile: "sasl2", layer: { ssf: 128 } });
        expect(stream.adapter.name(await stream.restart())).toBe("features");
        await stream.send(ping());
        expect((await stream.receive()).getName()).toBe("message");
        // Up to that element in the clear, and not an octet behind it.
        const wire = received();
        const end = `</${last}>`;
        const clear = wire.indexOf(end) + end.length;
        expect(wire.subarray(0, clear).toString("latin1")).toMatch(new RegExp(`<${last} [^]*</${last}>$`));
        const hidden = Buffer.concat(await testLayer(128, "client").decode(wire.subarray(clear))).toString();
        expect(hidden).toMatch(last === "success" ? /^<stream:features / : /^<task-data /);
        expect(hidden.match(/<continue /g)?.length ?? 0).toBe(last === "success" ? 0 : 1);
        expect(streams).toHaveLength(1);
        stream.close();
      });
    }
  }
});

test("over WebSocket", async () => {
  const { adapter } = ltxKit;
  const codec = {
    adapter,
    parse: (xml: string) => parseElement(xml, adapter, authenticatedXMLLimits),
    serialize: String,
  };
  const streams: AuthenticatedStream<Element>[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "xmpp" });
  closing.push(() => server.close());
  server.on("connection", (socket) => {
    const connection = new XMPPConnection<Element>(
      { framing: new WebSocketFraming<Element>(socket, codec), ...codec, secure: true },
      {
        server: saslServer(),
        hosts: ["localhost"],
        sasl2: withTask,
        onAuthenticated: async (stream) => {
          streams.push(stream);
          for (let each = await stream.receive(); each; each = await stream.receive()) await stream.send(each);
        },
      },
    );
    void connection.run();
  });
  await once(server, "listening");
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, "xmpp");
  const stream = websocketStream(socket, codec, { ...names, secure: true });
  const result = await authenticate(stream, await stream.open(), [SCRAM(alice)], { sasl2: client() });
  expect(result).toMatchObject({ profile: "sasl2", jid: "alice@localhost", tasks: ["WORD"] });
  expect(stream.adapter.name(await stream.restart())).toBe("features");
  await stream.send(ping());
  expect((await stream.receive()).getName()).toBe("message");
  expect(streams).toMatchObject([{ profile: "sasl2" }]);
  stream.close();
});
