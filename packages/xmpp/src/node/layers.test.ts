import { once } from "node:events";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { Element } from "ltx";
import { isSASLError, type SecurityLayer, type ServerPolicy } from "sasl-core";
import { PLAIN, plain } from "sasl-core/mechanisms";
import { concatBytes, securityLayer } from "sasl-core/plugin";
import { afterEach, describe, expect, test } from "vitest";
import { layered, layeredLogin, testLayer } from "../../test/layered.js";
import { ca, type Loopback, loopback } from "../../test/loopback.js";
import { bytes, ltxKit, rejection } from "../../test/support.js";
import { authenticate, type ConnectionEnd, elementPair, NS_CLIENT, SASLClient, type StreamEvent } from "../index.js";
import { type WebSocketLike, websocketStream } from "../websocket.js";
import { SocketFraming, SocketStream } from "./index.js";

const open: Loopback[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Started extends Loopback {
  readonly ends: ConnectionEnd[];
}

async function start(policy: ServerPolicy = {}, slow = false): Promise<Started> {
  const ends: ConnectionEnd[] = [];
  const started = await loopback({
    sasl: { mechanisms: [layered(slow), plain], policy },
    requireTLS: false,
    onEnd: (end) => ends.push(end),
  });
  open.push(started);
  return Object.assign(started, { ends });
}

function message(text: string): Element {
  return new Element("message", { xmlns: NS_CLIENT }).c("body").t(text).up();
}

async function ended(server: Started): Promise<ConnectionEnd> {
  while (server.ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  return server.ends[0] as ConnectionEnd;
}

/** What both sides put on the wire of a socket. */
function tap(socket: Duplex): { sent: () => Buffer; received: () => Buffer } {
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  const write = socket.write.bind(socket);
  socket.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
    sent.push(Buffer.from(chunk as string));
    return write(chunk, ...rest);
  }) as typeof socket.write;
  socket.on("data", (chunk: Buffer) => received.push(Buffer.from(chunk)));
  return { sent: () => Buffer.concat(sent), received: () => Buffer.concat(received) };
}

const strengths: readonly [name: string, ssf: number, slow: boolean][] = [
  ["integrity", 1, false],
  ["integrity, later", 1, true],
  ["confidentiality", 128, false],
  ["confidentiality, later", 128, true],
];

describe.each(strengths)("a security layer between client and listener: %s", (_, ssf, slow) => {
  const policy = { maxSsf: ssf };

  async function login(): Promise<{ server: Started; stream: SocketStream; wire: ReturnType<typeof tap> }> {
    const server = await start(policy, slow);
    const socket = await server.connect();
    const wire = tap(socket);
    const stream = new SocketStream(socket, { domain: "localhost", from: "alice@localhost" });
    const { layer } = await authenticate(stream, await stream.open(), [layeredLogin(slow)], { policy });
    expect(layer?.ssf).toBe(ssf);
    return { server, stream, wire };
  }

  test("R-GEN-21 it begins right behind success, in both directions", async () => {
    const { stream, wire } = await login();
    const before = { sent: wire.sent().length, received: wire.received().length };
    expect(wire.received().toString("latin1")).toMatch(/<success [^>]*>[^<]*<\/success>$/);
    await stream.restart();
    const header = await testLayer(ssf, "server").decode(wire.sent().subarray(before.sent));
    expect(Buffer.concat(header).toString()).toMatch(/^<\?xml version='1.0'\?><stream:stream [^>]*>$/);
    const answer = await testLayer(ssf, "client").decode(wire.received().subarray(before.received));
    expect(Buffer.concat(answer).toString()).toMatch(/^<\?xml[^>]*><stream:stream [^>]*><stream:features/);
    stream.close();
  });

  test("R-GEN-25 what was learnt before it is forgotten; what the server says through it can be looked at", async () => {
    const { stream } = await login();
    expect([stream.features, stream.id]).toEqual([undefined, undefined]);
    expect(stream.secure).toBe(ssf > 1);
    const features = await stream.restart();
    expect([stream.features, typeof stream.id]).toEqual([features, "string"]);
    stream.close();
  });

  test("stanzas of any size, in their order, and a polite end", async () => {
    const { server, stream } = await login();
    await stream.restart();
    const texts = ["hi & <bye>", "ü".repeat(50_000), "", "last"];
    await Promise.all(texts.map((text) => stream.send(message(text))));
    for (const text of texts) expect((await stream.receive()).getChildText("body")).toBe(text);
    void stream.send(message("on the way out"));
    stream.close();
    expect(await ended(server)).toMatchObject({ code: undefined, secure: ssf > 1, result: { authcid: "alice" } });
    expect(server.events).toMatchObject([{ ok: true, ssf }]);
    expect(server.errors).toEqual([]);
  });

  test("R-GEN-24 there is no second one, nor TLS on top of it", async () => {
    const { stream } = await login();
    expect([stream.protect, new SASLClient(stream).layers]).toEqual([undefined, false]);
    await stream.restart();
    await expect(stream.startTLS({ ca })).rejects.toThrow(TypeError);
    stream.close();
  });

  test("R-GEN-23 what a server cannot verify ends the connection, and reaches nobody", async () => {
    const { server, stream } = await login();
    await stream.restart();
    stream.socket.write(
      Buffer.concat([Buffer.of(0, 0, 0, 60), Buffer.from("<message xmlns='jabber:client'/>".padEnd(60))]),
    );
    await once(stream.socket, "close");
    expect(await ended(server)).toMatchObject({ code: "peer-not-verified", result: { authcid: "alice" } });
  });
});

describe("whether there is a layer", () => {
  test("none over TLS by default", async () => {
    const server = await start();
    const stream = new SocketStream(await server.connect(), { domain: "localhost" });
    await stream.open();
    const result = await authenticate(stream, await stream.startTLS({ ca }), [layeredLogin()]);
    expect(result).toMatchObject({ mechanism: "X-LAYERED", layer: undefined });
    await stream.restart();
    await stream.send(message("hi"));
    expect((await stream.receive()).getChildText("body")).toBe("hi");
    stream.close();
  });

  test("without TLS the policy gets what it asks for, or nobody gets in", async () => {
    const server = await start({ minSsf: 56 });
    const first = new SocketStream(await server.connect(), { domain: "localhost" });
    const features = await first.open();
    expect(String(features)).toContain("<mechanism>X-LAYERED</mechanism>");
    expect(String(features)).not.toContain("PLAIN");
    const weak = { policy: { maxSsf: 1 } };
    expect(await rejection(authenticate(first, features, [layeredLogin()], weak))).toMatchObject({
      code: "mechanism-too-weak",
    });
    const { layer } = await authenticate(first, features, [layeredLogin()]);
    expect(layer?.ssf).toBe(128);
    first.close();
  });

  test("none where the connection cannot carry one", () => {
    const socket: WebSocketLike = {
      url: "ws://localhost",
      protocol: "xmpp",
      readyState: 1,
      send() {},
      close() {},
      addEventListener() {},
    };
    const web = websocketStream(socket, ltxKit, { domain: "localhost" });
    const { client } = elementPair(ltxKit.adapter);
    for (const transport of [web, client]) {
      expect(transport.protect).toBeUndefined();
      expect(new SASLClient(transport).layers).toBe(false);
    }
  });

  test("mechanisms without one leave the stream as it is", async () => {
    const server = await start({ requireEncryption: false });
    const stream = new SocketStream(await server.connect(), { domain: "localhost" });
    const login = PLAIN({ username: "alice", password: "open sesame" });
    const result = await authenticate(stream, await stream.open(), [login], { policy: { requireEncryption: false } });
    expect(result.layer).toBeUndefined();
    await stream.restart();
    expect(stream.secure).toBe(false);
    stream.close();
  });
});

/** The wire as a test writes it. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  #taken: (() => void) | undefined;
  #held = false;

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.written.push(chunk);
    if (this.#held) this.#taken = done;
    else done();
  }

  /** From now on nothing goes out. @returns lets it. */
  hold(): () => void {
    this.#held = true;
    return () => {
      this.#held = false;
      this.#taken?.();
    };
  }
}

const OPEN = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/** A client's framing that has read a header; what comes next is the end of an exchange. */
async function framed(): Promise<{ wire: Wire; framing: SocketFraming<Element> }> {
  const wire = new Wire();
  const framing = new SocketFraming(wire, ltxKit.adapter);
  wire.push(OPEN);
  await framing.next();
  return { wire, framing };
}

function shown(event: StreamEvent<Element>): string {
  return event.type === "element" ? event.element.getName() : event.type;
}

const texts = [OPEN, "<features/>", "<a>ü > </a>", "<b/>"];

describe.each([
  ["at once", false],
  ["later", true],
])("octets through a layer that answers %s", (_, slow) => {
  test("R-GEN-21 each is taken on its side of success, however they are divided", async () => {
    const wires = fc.record({ cuts: fc.array(fc.nat(400), { maxLength: 8 }), ssf: fc.constantFrom(1, 128) });
    await fc.assert(
      fc.asyncProperty(wires, async ({ cuts, ssf }) => {
        const { wire, framing } = await framed();
        const layer = testLayer(ssf, "server");
        const frames = await Promise.all(texts.map((text) => layer.encode(bytes(text))));
        const whole = concatBytes(bytes(SUCCESS), ...frames);
        const edges = [...new Set([0, ...cuts.filter((cut) => cut < whole.length), whole.length])].sort(
          (a, b) => a - b,
        );
        for (const [index, edge] of edges.entries()) wire.push(whole.slice(edge, edges[index + 1] ?? edge));
        wire.push(null);
        const seen = [shown(await framing.next())];
        framing.protect(testLayer(ssf, "client", slow));
        framing.restart(true);
        for (let i = 0; i < texts.length; i++) seen.push(shown(await framing.next()));
        expect(seen).toEqual(["success", "open", "features", "a", "b"]);
        expect(await rejection(framing.next())).toMatchObject({ code: "connection-lost" });
      }),
      { numRuns: 60 },
    );
  });

  const good = (layer: SecurityLayer, text: string): Uint8Array => layer.encode(bytes(text)) as Uint8Array;
  const hostile: readonly [why: string, wire: (layer: SecurityLayer) => Uint8Array][] = [
    ["R-GEN-21 plain text in its place", () => bytes(`${OPEN}<features/>`)],
    ["R-GEN-22 a length over the maximum", () => Uint8Array.of(0, 0, 0x10, 1)],
    ["R-GEN-22 the greatest length", () => Uint8Array.of(255, 255, 255, 255)],
    ["R-GEN-23 an empty frame", () => Uint8Array.of(0, 0, 0, 0)],
    ["R-GEN-23 a bit turned over", (layer) => good(layer, OPEN).map((octet, i) => (i === 20 ? octet ^ 1 : octet))],
    ["R-GEN-23 a frame of another place in the order", (layer) => layer.encode(bytes("<a/>")) && good(layer, OPEN)],
    ["R-GEN-23 a frame of our own that comes back", () => good(testLayer(128, "client"), OPEN)],
  ];
  for (const [why, make] of hostile) {
    test(`${why}: nothing of it is delivered, and the connection goes`, async () => {
      const { wire, framing } = await framed();
      wire.push(SUCCESS);
      await framing.next();
      framing.protect(testLayer(128, "client", slow));
      framing.restart(true);
      const closed = once(wire, "close");
      wire.push(make(testLayer(128, "server")));
      const error = await rejection(framing.next());
      expect([isSASLError(error), error.code, error.message]).toEqual([
        true,
        "peer-not-verified",
        "what came through the security layer does not verify",
      ]);
      await closed;
      const { length } = wire.written;
      void framing.write("<a/>");
      framing.close();
      expect(wire.written).toHaveLength(length);
    });
  }

  test("a frame that was cut off is a lost connection", async () => {
    const { wire, framing } = await framed();
    wire.push(SUCCESS);
    await framing.next();
    framing.protect(testLayer(128, "client", slow));
    framing.restart(true);
    wire.push(good(testLayer(128, "server"), OPEN).slice(0, -1));
    wire.push(null);
    expect(await rejection(framing.next())).toMatchObject({ code: "connection-lost" });
  });

  test("while nobody asks for more, no more is read", async () => {
    const { wire, framing } = await framed();
    framing.protect(testLayer(1, "client", slow));
    const layer = testLayer(1, "server");
    wire.push(good(layer, "<a/>"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(wire.isPaused()).toBe(true);
    wire.push(good(layer, "<b/>"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(wire.readableLength).toBeGreaterThan(0);
    expect([shown(await framing.next()), shown(await framing.next())]).toEqual(["a", "b"]);
  });

  test("a write waits as long as the connection takes no more, and what was written goes out before the end", async () => {
    const { wire, framing } = await framed();
    framing.protect(testLayer(1, "client", slow));
    const release = wire.hold();
    let taken = false;
    const written = Promise.resolve(framing.write(`<a>${"x".repeat(100_000)}</a>`)).then(() => {
      taken = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(taken).toBe(false);
    release();
    await written;
    void framing.write("<b>\ud800</b>"); // as it would go out without a layer
    framing.close();
    framing.end();
    await once(wire, "finish");
    wire.push(null);
    const heard = await testLayer(1, "server").decode(Buffer.concat(wire.written));
    expect(Buffer.concat(heard).toString()).toMatch(/^<a>x{100000}<\/a><b>\ufffd<\/b><\/stream:stream>$/);
  });
});

test("R-GEN-24 a framing takes one layer", async () => {
  const { framing } = await framed();
  framing.protect(testLayer(1, "client"));
  expect(() => framing.protect(testLayer(1, "client"))).toThrow(TypeError);
});

/** A layer that is at work on the first frame for as long as a test takes. */
function neverDone(): SecurityLayer {
  const never = new Promise<never>(() => {});
  return securityLayer({ ssf: 1, maxInput: 100, maxOutput: 100, wrap: () => never, unwrap: () => never });
}

test("who waits is told at once that the stream is closed, also while a frame is being looked at", async () => {
  const { wire, framing } = await framed();
  framing.protect(neverDone());
  const waiting = rejection(framing.next());
  wire.push(Uint8Array.of(0, 0, 0, 1, 0));
  await new Promise((resolve) => setImmediate(resolve));
  framing.end();
  expect(await waiting).toMatchObject({ code: "connection-lost" });
});
