import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { DOMImplementation } from "@xmldom/xmldom";
import { Element } from "ltx";
import { ANONYMOUS, EXTERNAL, external, PLAIN, plain, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { key } from "../../test/certificate.js";
import { ca, type Loopback, loopback, saslServer } from "../../test/loopback.js";
import { domKit, rejection } from "../../test/support.js";
import { authenticate, discover, ltxAdapter, NS_CLIENT } from "../index.js";
import { SocketStream, XMPPListener } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
const open: Loopback[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
async function start(...args: Parameters<typeof loopback>): Promise<Loopback> {
  const started = await loopback(...args);
  open.push(started);
  return started;
}

describe("client and listener over loopback", () => {
  test("STARTTLS, SCRAM-SHA-256-PLUS, restart, stanzas, close", async () => {
    const server = await start({ features: (_, { create }) => [create("bind", "urn:ietf:params:xml:ns:xmpp-bind")] });
    const stream = new SocketStream(await server.connect(), { domain: "localhost", from: "alice@localhost" });
    const clear = discover(await stream.open(), stream.adapter);
    expect(clear).toMatchObject({ mechanisms: [], startTLS: "required" }); // R-XMPP-01
    const firstId = stream.id;
    const features = await stream.startTLS({ ca });
    expect(stream.secure).toBe(true);
    expect(stream.id).not.toBe(firstId);
    expect(discover(features, stream.adapter)).toEqual({
      mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"],
      bindingTypes: ["tls-exporter", "tls-server-end-point"],
      initialResponse: true,
      startTLS: undefined,
      sasl2: true,
      fast: false,
    });
    const secondId = stream.id;
    const result = await authenticate(stream, features, [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)]);
    expect(result).toMatchObject({
      mechanism: "SCRAM-SHA-256-PLUS",
      channelBinding: "tls-exporter",
      serverVerified: true,
    });
    const after = await stream.restart();
    expect(stream.id).not.toBe(secondId); // R-XMPP-11
    expect(discover(after, stream.adapter)).toMatchObject({ mechanisms: [], startTLS: undefined }); // R-XMPP-14
    expect(String(after)).toContain("xmpp-bind");
    await stream.send(
      new Element("message", { xmlns: NS_CLIENT, to: "alice@localhost" }).c("body").t("hi & <bye>").up(),
    );
    expect((await stream.receive()).getChildText("body")).toBe("hi & <bye>");
    stream.close();
    expect(await rejection(stream.receive())).toMatchObject({ code: "connection-lost" });
    expect(server.events).toMatchObject([{ ok: true, authcid: "alice", channelBinding: "tls-exporter" }]);
    expect(server.errors).toEqual([]);
  });

  test("direct TLS with DOM elements", async () => {
    const server = await start({ direct: true });
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" }, domKit);
    const features = await stream.open();
    const result = await authenticate(stream, features, [SCRAMPLUS(alice)]);
    expect(result).toMatchObject({ channelBinding: "tls-exporter" });
    await stream.restart();
    const document = new DOMImplementation().createDocument(NS_CLIENT, "presence");
    await stream.send(document.documentElement as never);
    expect((await stream.receive()).localName).toBe("presence");
    stream.close();
  });

  test("in the clear where the server's owner wants that", async () => {
    const server = await start({ tls: undefined, sasl: { policy: { requireEncryption: false } } });
    const stream = new SocketStream(await server.connect(), { domain: "localhost" });
    const features = await stream.open();
    await authenticate(stream, features, [PLAIN(alice)], { policy: { requireEncryption: false } });
    await stream.restart();
    stream.close();
  });

  test("ANONYMOUS", async () => {
    const server = await start({ sasl: { anonymous: "guest" }, direct: true });
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" });
    await authenticate(stream, await stream.open(), [ANONYMOUS({})]);
    await stream.restart();
    expect(server.events).toMatchObject([{ ok: true, authcid: "guest" }]);
    stream.close();
  });

  test("a wrong password, then the right one on the same stream", async () => {
    const server = await start({ direct: true });
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" });
    const features = await stream.open();
    const wrong = authenticate(stream, features, [SCRAM({ username: "alice", password: "wrong" })], {
      policy: { channelBinding: "disable" },
    });
    expect(await rejection(wrong)).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
    await authenticate(stream, features, [PLAIN(alice)]);
    await stream.restart();
    stream.close();
  });

  test("R-LIM-07 many at once, some of them hostile", async () => {
    const server = await start();
    const login = async () => {
      const stream = new SocketStream(await server.connect(), { domain: "localhost" });
      await stream.open();
      const features = await stream.startTLS({ ca });
      await authenticate(stream, features, [PLAIN(alice)]);
      await stream.restart();
      stream.close();
    };
    const attack = async (text: string) => {
      const socket = await server.connect();
      socket.on("error", () => {});
      socket.resume().end(text);
      await once(socket, "close");
    };
    await Promise.all([
      login(),
      attack("<!DOCTYPE x>"),
      login(),
      attack("GET / HTTP/1.1\r\n\r\n"),
      login(),
      attack("\xff"),
      attack(""),
    ]);
    expect(server.events.filter(({ ok }) => ok)).toHaveLength(3);
  });
});

describe("XMPPListener", () => {
  test("R-LIM-05 R-XMPP-17 clients that stop are told and let go, whatever they were doing", async () => {
    const server = await start({ loginTimeoutMs: 100 });
    const ends = async (...words: string[]) => {
      const socket = await server.connect();
      let said = "";
      socket.on("data", (chunk) => {
        said += chunk;
      });
      socket.on("error", () => {});
      for (const word of words) socket.write(word);
      await once(socket, "close");
      return said;
    };
    const header =
      "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'>";
    const timeout = "<connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
    const [silent, opened, half, handshake] = await Promise.all([
      ends(),
      ends(header),
      ends(header, "<starttls"),
      ends(header, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    ]);
    for (const said of [silent, opened, half]) expect(said.endsWith(timeout)).toBe(true);
    expect(handshake.endsWith("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")).toBe(true);
    await expect.poll(() => server.listener.size).toBe(0);
  });

  test("an authenticated client may take its time", { timeout: 30_000 }, async () => {
    const server = await start({ loginTimeoutMs: 2000, direct: true }); // a busy machine takes its time for a login
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" });
    await authenticate(stream, await stream.open(), [PLAIN(alice)]);
    await stream.restart();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await stream.send(new Element("iq", { xmlns: NS_CLIENT }));
    expect((await stream.receive()).name).toBe("iq");
    stream.close();
  });

  test("R-GEN-26 strength comes from the socket, and a policy is asked for again after TLS has begun", async () => {
    const asked: boolean[] = [];
    const server = await start({
      requireTLS: false,
      sasl: { policy: { requireEncryption: false } },
      connection: (socket) => {
        asked.push(socket instanceof TLSSocket);
        return { policy: { minSsf: 200 } };
      },
    });
    const offered = async (ciphers: string) => {
      const stream = new SocketStream(await server.connect(), { domain: "localhost" });
      const before = discover(await stream.open(), stream.adapter).mechanisms;
      const after = discover(await stream.startTLS({ ca, ciphers }), stream.adapter).mechanisms;
      stream.close();
      return [before, after];
    };
    expect(await offered("TLS_AES_128_GCM_SHA256")).toEqual([[], []]);
    expect(await offered("TLS_AES_256_GCM_SHA384")).toEqual([[], ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"]]);
    expect(asked).toEqual([false, true, false, true]);
  });

  test("a proxy in front that ends TLS: what it says is believed, and STARTTLS is not offered", async () => {
    const server = await start({ connection: () => ({ secure: true, remote: "192.0.2.7" }) });
    const stream = new SocketStream(await server.connect(), { domain: "localhost" });
    const features = await stream.open();
    expect(discover(features, stream.adapter)).toMatchObject({
      mechanisms: ["SCRAM-SHA-256", "PLAIN"],
      startTLS: undefined,
    });
    await authenticate(stream, features, [PLAIN(alice)], { policy: { requireEncryption: false } });
    stream.close();
    expect(server.events).toMatchObject([{ ok: true, remote: "192.0.2.7" }]);
  });

  test("R-LIM-05 an authenticated client that is silent for too long is let go, white space keeps it", {
    timeout: 30_000,
  }, async () => {
    const ends: unknown[] = [];
    const server = await start({ direct: true, idleTimeoutMs: 1500, onEnd: ({ code }) => void ends.push(code) });
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" });
    await authenticate(stream, await stream.open(), [PLAIN(alice)]);
    await stream.restart();
    for (let i = 0; i < 8; i++) {
      stream.socket.write(" ");
      await new Promise((resolve) => setTimeout(resolve, 250)); // much less than may pass in silence
    }
    expect(ends).toEqual([]);
    expect(await rejection(stream.receive())).toMatchObject({ opaqueError: { condition: "connection-timeout" } });
    await expect.poll(() => ends).toEqual(["timed-out"]);
  });

  for (const [how, leave] of [
    ["closes", (socket: Socket) => void socket.end()],
    ["goes", (socket: Socket) => void socket.destroy()],
    ["resets", (socket: Socket) => void socket.resetAndDestroy()],
  ] as const) {
    test(`R-LIM-05 R-LIM-08 a client that ${how} in the middle of an exchange is in the log, with its address`, async () => {
      const ends: unknown[] = [];
      const server = await start({ tls: undefined, onEnd: (end) => void ends.push(end) });
      const socket = await server.connect();
      const stream = new SocketStream(socket, { domain: "localhost" });
      await stream.open();
      const { create } = stream.adapter;
      await stream.send(create("auth", "urn:ietf:params:xml:ns:xmpp-sasl", { mechanism: "SCRAM-SHA-256" }));
      await stream.receive();
      leave(socket);
      const expected = { code: "connection-lost", remote: "127.0.0.1" };
      await expect.poll(() => ends).toMatchObject([{ ...expected, result: undefined, failures: 0 }]);
      expect(server.events).toMatchObject([{ ...expected, mechanism: "SCRAM-SHA-256", ok: false }]);
      expect(server.listener.size).toBe(0);
    });
  }

  test("close() tells every client that the server shuts down", async () => {
    const server = await start({ direct: true });
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost" });
    await stream.open();
    server.listener.close();
    expect(await rejection(stream.receive())).toMatchObject({ opaqueError: { condition: "system-shutdown" } });
  });

  for (const [how, direct] of [
    ["STARTTLS", false],
    ["direct TLS", true],
  ] as const) {
    test(`EXTERNAL with a client certificate over ${how}`, async () => {
      const server = await start({
        direct,
        tls: { key, cert: ca, ca },
        external: (socket) => ({
          names: [`${socket.getPeerCertificate().subject.CN === "localhost" ? "alice" : "x"}@localhost`],
        }),
        sasl: { mechanisms: [external, plain] },
      });
      const certificate = { ca, cert: ca, key };
      const log = async (options: typeof certificate | { ca: string }) => {
        const socket = direct ? await server.connectTLS(options) : await server.connect();
        const stream = new SocketStream(socket, { domain: "localhost" });
        let features = await stream.open();
        if (!direct) features = await stream.startTLS(options);
        const { mechanisms } = discover(features, stream.adapter);
        const done = mechanisms.includes("EXTERNAL") ? await authenticate(stream, features, [EXTERNAL({})]) : undefined;
        stream.close();
        return [mechanisms, done?.mechanism];
      };
      expect(await Promise.all([log(certificate), log({ ca }), log(certificate)])).toEqual([
        [["EXTERNAL", "PLAIN"], "EXTERNAL"],
        [["PLAIN"], undefined],
        [["EXTERNAL", "PLAIN"], "EXTERNAL"],
      ]);
      expect(server.events.map(({ authcid }) => authcid)).toEqual(["alice", "alice"]);
    });
  }

  for (const [how, direct] of [
    ["STARTTLS", false],
    ["direct TLS", true],
  ] as const) {
    for (const [who, certificate, offered] of [
      ["without a certificate is nobody", {}, ["PLAIN"]],
      ["with one is who it was", { cert: ca, key }, ["EXTERNAL", "PLAIN"]],
    ] as const) {
      test(`R-EXT-01 a client ${who} when it resumes its session, over ${how}`, async () => {
        const asked: boolean[] = [];
        const server = await start({
          direct,
          tls: { key, cert: ca, ca },
          external(socket) {
            asked.push(socket.isSessionReused());
            return { names: ["alice@localhost"] };
          },
          sasl: { mechanisms: [external, plain] },
        });
        const visit = async (session?: Buffer) => {
          const options = { ca, ...certificate, session };
          const stream = new SocketStream(direct ? await server.connectTLS(options) : await server.connect(), {
            domain: "localhost",
          });
          let features = await stream.open();
          if (!direct) features = await stream.startTLS(options);
          const socket = stream.socket as TLSSocket;
          const found = { resumed: socket.isSessionReused(), session: socket.getSession() };
          stream.close();
          return { ...found, mechanisms: discover(features, stream.adapter).mechanisms };
        };
        const { session, ...first } = await visit();
        expect(first).toEqual({ resumed: false, mechanisms: offered });
        expect(await visit(session)).toMatchObject({ resumed: true, mechanisms: offered });
        expect(asked).toEqual(offered.length > 1 ? [false, true] : []);
      });
    }
  }

  test("R-EXT-01 upgrades over sockets without addresses are not mixed up", async () => {
    const name = `sasl-xmpp-${randomUUID()}`;
    const path = process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
    const listener = new XMPPListener({
      server: saslServer({ mechanisms: [external, plain] }),
      hosts: ["localhost"],
      tls: { key, cert: ca, ca },
      external: () => ({ names: ["alice@localhost"] }),
    });
    const server = createServer((socket) => listener.accept(socket)).listen(path);
    await once(server, "listening");
    const streams = [0, 1, 2, 3].map(() => new SocketStream(connect(path), { domain: "localhost", timeoutMs: 3000 }));
    await Promise.all(streams.map((stream) => stream.open()));
    const offers = await Promise.all(
      streams.map((stream, index) => stream.startTLS({ ca, ...(index % 2 ? { cert: ca, key } : {}) })),
    );
    expect(offers.map((features) => discover(features, ltxAdapter(Element)).mechanisms.length)).toEqual([1, 2, 1, 2]);
    for (const stream of streams) stream.close();
    listener.close();
    await new Promise((resolve) => server.close(resolve));
  });

  test("R-LIM-05 a handshake that fails where certificates are asked for ends the connection", async () => {
    const server = await start({ tls: { key, cert: ca, ca }, external: () => undefined });
    const socket = await server.connect();
    socket.on("error", () => {});
    socket.write(
      "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'>",
    );
    socket.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    for await (const chunk of socket) if (String(chunk).includes("<proceed")) break;
    await expect.poll(() => server.listener.size).toBe(0);
    const other = await server.connect();
    let said = "";
    other
      .on("error", () => {})
      .on("data", (chunk) => {
        said += chunk;
        if (said.includes("<stream:features") && !said.includes("<proceed")) {
          other.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        }
        if (said.includes("<proceed")) other.write("this is no TLS");
      });
    other.write(
      "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'>",
    );
    await once(other, "close");
    await expect.poll(() => server.errors).toHaveLength(2);
    expect(server.errors).toEqual([
      expect.objectContaining({ code: "channel-not-protected" }),
      expect.objectContaining({ code: "channel-not-protected" }),
    ]);
    expect(server.listener.size).toBe(0);
  });

  test("R-LIM-05 a TLS client that is gone before it is accepted disturbs nobody", async () => {
    const server = await start({ direct: true });
    const socket = await server.connectTLS();
    socket.destroy();
    const gone = new TLSSocket(new Socket());
    gone.on("error", () => {});
    gone.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    server.listener.accept(gone);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.listener.size).toBe(0);
  });
});
