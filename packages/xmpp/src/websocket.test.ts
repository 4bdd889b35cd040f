import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { DOMImplementation, DOMParser, XMLSerializer } from "@xmldom/xmldom";
import type { Element } from "ltx";
import { type SASLErrorCode, SASLFailure } from "sasl-core";
import { PLAIN, SCRAM } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { saslServer } from "../test/loopback.js";
import { ltxKit, rejection, SASL } from "../test/support.js";
import { authenticate, discover, XMPPConnection } from "./index.js";
import { parseElement } from "./stream/reader.js";
import { domCodec, WebSocketFraming, type WebSocketLike, websocketStream, type XMLCodec } from "./websocket.js";

const ltxCodec: XMLCodec<Element> = {
  adapter: ltxKit.adapter,
  parse: (xml) => parseElement(xml, ltxKit.adapter),
  serialize: String,
};
const quiet = new DOMParser({
  onError: (level, message) => {
    if (level !== "warning") throw new Error(message);
  },
});
const xmldom = domCodec(quiet, new XMLSerializer(), new DOMImplementation().createDocument(null, ""));
const codecs = [
  ["ltx", ltxCodec as XMLCodec<unknown>],
  ["@xmldom/xmldom", xmldom as XMLCodec<unknown>],
] as const;

const alice = { username: "alice", password: "open sesame" };
const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='localhost' id='1' version='1.0'/>";
const FEATURES = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms ${SASL}><mechanism>PLAIN</mechanism></mechanisms></stream:features>`;

/** A WebSocket whose other end is this test. */
class FakeSocket implements WebSocketLike {
  readonly said: string[] = [];
  readonly url = "wss://localhost/";
  protocol = "xmpp";
  readyState = 1;
  readonly #listeners = new Map<string, ((event: { data: unknown }) => void)[]>();
  readonly #answers: string[];

  constructor(...answers: string[]) {
    this.#answers = answers;
  }
  addEventListener(type: string, listener: never): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  send(data: string): void {
    this.said.push(data);
    if (data.startsWith("<open") || data.startsWith("<auth")) {
      for (const answer of this.#answers.splice(0)) this.emit("message", answer);
    }
  }
  close(): void {
    this.readyState = 3;
    this.emit("close");
  }
  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }
}

const servers: WebSocketServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

for (const [name, codec] of codecs) {
  describe(`XMPP over WebSocket with ${name}`, () => {
    test("our client and our server through ws", async () => {
      const jids: string[] = [];
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "xmpp" });
      servers.push(server);
      server.on("connection", (socket) => {
        const framing = new WebSocketFraming(socket, codec);
        const connection = new XMPPConnection(
          { framing, ...codec, secure: true },
          {
            server: saslServer(),
            hosts: ["localhost"],
            onAuthenticated: async (stream) => {
              jids.push(stream.jid);
              for (let element = await stream.receive(); element; element = await stream.receive())
                await stream.send(element);
            },
          },
        );
        void connection.run();
      });
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, "xmpp");
      const stream = websocketStream(socket, codec, { domain: "localhost", secure: true });
      const features = await stream.open();
      expect(discover(features, stream.adapter).mechanisms).toEqual(["SCRAM-SHA-256", "PLAIN"]);
      const result = await authenticate(stream, features, [SCRAM(alice)]);
      expect(result).toMatchObject({ mechanism: "SCRAM-SHA-256", serverVerified: true });
      expect(discover(await stream.restart(), stream.adapter).mechanisms).toEqual([]);
      await stream.send(stream.adapter.create("message", "jabber:client", {}, ["a < b"]));
      const echoed = await stream.receive();
      expect(stream.adapter.children(echoed)).toEqual(["a < b"]);
      stream.close();
      await once(socket, "close");
      expect(jids).toEqual(["alice@localhost"]);
    });

    test("RFC 7395 §3.4 each message is one element and nothing else", async () => {
      const socket = new FakeSocket(OPEN, FEATURES, `<success ${SASL}/>`);
      const stream = websocketStream(socket, codec, { domain: "localhost", from: "alice@localhost" });
      await authenticate(stream, await stream.open(), [PLAIN(alice)]);
      stream.close();
      expect(socket.said[0]).toBe(
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0' from='alice@localhost'/>",
      );
      for (const message of socket.said) expect(message).toMatch(/^<[^ ].*>$/s); // R-XMPP-05
      expect(socket.said.at(-1)).toBe("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    });

    test.each([
      ["declared", "<stream:error xmlns:stream='http://etherx.jabber.org/streams'>"],
      ["not declared, as Prosody has it", "<stream:error>"],
    ])("RFC 7395 §3.3.3 a stream error says why, with its prefix %s", async (_, tag) => {
      const error = `${tag}<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`;
      const stream = websocketStream(new FakeSocket(OPEN, FEATURES, error), codec, { domain: "localhost" });
      await stream.open();
      expect(await rejection(stream.receive())).toMatchObject({
        code: "connection-lost",
        opaqueError: { condition: "conflict" },
      });
    });

    const hostile: readonly [why: string, answers: readonly string[], code: SASLErrorCode][] = [
      ["white space first", [` ${OPEN}`], "incorrect-encoding"],
      ["text", ["hello"], "incorrect-encoding"],
      ["nothing", [""], "incorrect-encoding"],
      ["two elements", [OPEN, `${FEATURES}${FEATURES}`], "incorrect-encoding"],
      [
        "half an element",
        [OPEN, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>"],
        "incorrect-encoding",
      ],
      ["R-XMPP-15 a DTD", ["<!DOCTYPE open [<!ENTITY a 'b'>]><open/>"], "incorrect-encoding"],
      ["R-XMPP-15 a comment", [OPEN, "<a xmlns='b'><!-- c --></a>"], "incorrect-encoding"],
      ["R-XMPP-15 an instruction", [OPEN, "<a xmlns='b'><?c?></a>"], "incorrect-encoding"],
      ["R-XMPP-16 a prefix nobody declared", [OPEN, "<stream:features/>"], "incorrect-encoding"],
      ["R-XMPP-17 a message too long", [OPEN, `<a xmlns='b'>${"c".repeat(100_000)}</a>`], "limit-exceeded"],
      ["open in another namespace", ["<open xmlns='jabber:client' version='1.0'/>"], "unexpected-message"],
      [
        "a stream header of TCP",
        ["<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>"],
        "unexpected-message",
      ],
      ["no version", ["<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"], "incorrect-encoding"],
      ["close", [OPEN, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"], "connection-lost"],
    ];
    for (const [why, answers, code] of hostile) {
      test(`ends with ${code} on ${why}`, async () => {
        const stream = websocketStream(new FakeSocket(...answers), codec, { domain: "localhost" });
        expect(await rejection(stream.open())).toMatchObject({ kind: "SASLFailure", code });
      });
    }
  });
}

describe("WebSocketFraming", () => {
  test("binary messages are refused", async () => {
    const socket = new FakeSocket();
    const framing = new WebSocketFraming(socket, ltxCodec);
    socket.emit("message", new ArrayBuffer(4));
    expect(await rejection(framing.next())).toMatchObject({ condition: "bad-format" });
  });

  test("R-LIM-03 messages that nobody asks for are bounded together", async () => {
    const socket = new FakeSocket();
    const framing = new WebSocketFraming(socket, ltxCodec, { maxMessageLength: 20 });
    for (let i = 0; i < 6; i++) socket.emit("message", "<a xmlns='urn:bbb'/>");
    for (let i = 0; i < 4; i++) expect((await framing.next()).type).toBe("element");
    expect(await rejection(framing.next())).toMatchObject({ condition: "policy-violation" });
    const fresh = new WebSocketFraming(socket, ltxCodec, { maxMessageLength: 20 });
    for (let i = 0; i < 9; i++) {
      socket.emit("message", "<a xmlns='urn:bbb'/>");
      expect((await fresh.next()).type).toBe("element");
    }
    socket.emit("message", "<a xmlns='urn:bbb'/>");
    expect(fresh.discard()).toBe(true);
    expect(fresh.discard()).toBe(false);
  });

  test("RFC 7395 §3.1 a server that did not choose the subprotocol is left", async () => {
    const socket = new FakeSocket(OPEN, FEATURES);
    socket.protocol = "";
    const stream = websocketStream(socket, ltxCodec, { domain: "localhost" });
    expect(await rejection(stream.open())).toMatchObject({ code: "unexpected-message" });
    expect(socket.said).toEqual([]);
  });

  test("waits for the WebSocket to open, and hears that it never does", async () => {
    const socket = new FakeSocket(OPEN, FEATURES);
    socket.readyState = 0;
    const opening = websocketStream(socket, ltxCodec, { domain: "localhost" }).open();
    socket.readyState = 1;
    socket.emit("open");
    expect((await opening).getName()).toBe("features");

    const failing = new FakeSocket();
    failing.readyState = 0;
    const refused = rejection(websocketStream(failing, ltxCodec, { domain: "localhost" }).open());
    failing.emit("error");
    expect(await refused).toMatchObject({ code: "connection-lost" });
  });

  test("R-LIM-05 a WebSocket that closes ends whoever waits", async () => {
    const socket = new FakeSocket(OPEN);
    let lost = 0;
    const framing = new WebSocketFraming(socket, ltxCodec);
    framing.onLost = () => {
      lost++;
    };
    framing.open({});
    expect((await framing.next()).type).toBe("open");
    const waiting = rejection(framing.next());
    socket.close();
    socket.emit("error");
    expect(await waiting).toBeInstanceOf(SASLFailure);
    expect(await rejection(framing.next())).toMatchObject({ code: "connection-lost" });
    expect(lost).toBe(1);
  });

  test("R-PLAIN-06 a ws: URL is no protected channel", async () => {
    const socket = new FakeSocket(OPEN, FEATURES);
    const stream = websocketStream(Object.assign(socket, { url: "ws://localhost/" }), ltxCodec, {
      domain: "localhost",
    });
    expect(stream.secure).toBe(false);
    const login = authenticate(stream, await stream.open(), [PLAIN(alice)]);
    expect(await rejection(login)).toMatchObject({ code: "no-common-mechanism" });
  });

  test("what a browser puts in place of ill-formed XML is refused", () => {
    const errorDocument = (xml: string) => ({
      parseFromString: () => ({ documentElement: new DOMParser().parseFromString(xml, "text/xml").documentElement }),
    });
    for (const xml of [
      "<parsererror xmlns='http://www.mozilla.org/newlayout/xml/parsererror.xml'>error</parsererror>",
      "<a><parsererror xmlns='http://www.w3.org/1999/xhtml'/></a>",
      "<html xmlns='http://www.w3.org/1999/xhtml'><body><parsererror/></body></html>",
    ]) {
      const codec = domCodec(errorDocument(xml) as never, new XMLSerializer() as never, {} as never);
      expect(() => codec.parse("<a>")).toThrow(expect.objectContaining({ condition: "not-well-formed" }));
    }
  });
});
