import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTLS, TLSSocket } from "node:tls";
import { type SASLErrorCode, SASLFailure } from "sasl-core";
import { PLAIN } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { cert, key } from "../../test/certificate.js";
import { rejection, SASL } from "../../test/support.js";
import { authenticate } from "../index.js";
import { SocketStream, type SocketStreamOptions } from "./index.js";

const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' version='1.0'>";
const features = (content = ""): string => `<stream:features>${content}</stream:features>`;
const TLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const PLAIN_OFFER = `<mechanisms ${SASL}><mechanism>PLAIN</mechanism></mechanisms>`;
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const login = [PLAIN({ username: "alice", password: "open sesame" })];

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A client stream to a server that does as this function says, given a way to hear what the client says. */
async function peer(
  script: (socket: Socket, hear: (what: RegExp) => Promise<string>) => void | Promise<void>,
  options: Partial<SocketStreamOptions> = {},
): Promise<SocketStream & { heard: () => string }> {
  let heard = "";
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
    });
    const hear = async (what: RegExp): Promise<string> => {
      while (!what.test(heard)) await once(socket, "data");
      const said = heard;
      heard = "";
      return said;
    };
    void Promise.resolve(script(socket, hear)).catch(() => {});
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket);
  const stream = new SocketStream(socket, {
    domain: "localhost",
    from: "alice@localhost",
    timeoutMs: 2000,
    ...options,
  });
  return Object.assign(stream, { heard: () => heard });
}

describe("SocketStream", () => {
  test("sends a header without from in the clear, and reads features", async () => {
    let header = "";
    const stream = await peer(
      async (socket, hear) => {
        header = await hear(/>$/);
        socket.write(HEADER + features(TLS));
      },
      { lang: "de" },
    );
    const found = await stream.open();
    expect(header).toBe(
      "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0' xml:lang='de'>",
    );
    expect(found).toBe(stream.features);
    expect(stream.id).toBe("1");
    expect(stream.secure).toBe(false);
  });

  const openings: readonly [why: string, answer: string, code: SASLErrorCode][] = [
    ["R-XMPP-15 a DTD", "<!DOCTYPE x>", "incorrect-encoding"],
    ["R-XMPP-15 a comment", `${HEADER}<!-- x -->`, "incorrect-encoding"],
    ["R-XMPP-16 ill-formed XML", `${HEADER}<a></b>`, "incorrect-encoding"],
    ["R-XMPP-16 ill-formed UTF-8", `${HEADER}<\xff>`, "incorrect-encoding"],
    ["R-XMPP-17 an element too long", `${HEADER}<a>${"x".repeat(100_000)}`, "limit-exceeded"],
    ["something else than a stream", "* OK IMAP4rev1 ready <here>\r\n", "incorrect-encoding"],
    ["another namespace", HEADER.replace("jabber:client", "jabber:server"), "incorrect-encoding"],
    ["no version", HEADER.replace("version='1.0'>", ">"), "incorrect-encoding"],
    ["something else than features", `${HEADER}<message/>`, "unexpected-message"],
    ["features of another namespace", `${HEADER}<features/>`, "unexpected-message"],
    ["the end of the stream", `${HEADER}</stream:stream>`, "connection-lost"],
    [
      "a stream error",
      `${HEADER}<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>no</text></stream:error>`,
      "connection-lost",
    ],
  ];
  for (const [why, answer, code] of openings) {
    test(`open() ends with ${code} on ${why}`, async () => {
      const stream = await peer((socket) => void socket.write(answer, "latin1"));
      const error = await rejection(stream.open());
      expect(error).toMatchObject({ kind: "SASLFailure", code });
      expect(await rejection(stream.receive())).toBeInstanceOf(SASLFailure);
      expect(await rejection(stream.send(stream.adapter.create("a", "b")))).toMatchObject({ code: "connection-lost" });
    });
  }

  test("a stream error's condition and text are kept", async () => {
    const stream = await peer((socket) => void socket.write(openings.at(-1)?.[1] ?? ""));
    expect(await rejection(stream.open())).toMatchObject({ text: "no", opaqueError: { condition: "host-unknown" } });
  });

  test("tells the server what it did wrong", async () => {
    let said = "";
    const stream = await peer(async (socket, hear) => {
      socket.write(`${HEADER}<!-- -->`);
      said = await hear(/<\/stream:stream>/);
    });
    await rejection(stream.open());
    await once(stream.socket, "close");
    expect(said).toContain(
      "<restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
  });

  test("R-LIM-05 a server that closes, or says nothing, ends in a typed error", async () => {
    const closed = await peer((socket) => void socket.end());
    expect(await rejection(closed.open())).toMatchObject({ code: "connection-lost" });
    const silent = await peer(() => {}, { timeoutMs: 50 });
    expect(await rejection(silent.open())).toMatchObject({ code: "timed-out" });
    const reset = await peer((socket) => void socket.resetAndDestroy());
    expect(await rejection(reset.open())).toMatchObject({ code: "connection-lost" });
  });

  test("a signal ends the wait", async () => {
    const controller = new AbortController();
    const stream = await peer(() => {}, { signal: controller.signal });
    const opening = rejection(stream.open());
    controller.abort();
    expect(await opening).toMatchObject({ code: "aborted" });
    const later = new AbortController();
    const opened = await peer((socket) => void socket.write(HEADER + features()), { signal: later.signal });
    await opened.open();
    const receiving = rejection(opened.receive());
    later.abort(new Error("enough"));
    expect(await receiving).toMatchObject({ code: "aborted", cause: { message: "enough" } });
    const before = await peer(() => {}, { signal: AbortSignal.abort() });
    expect(await rejection(before.open())).toMatchObject({ code: "aborted" });
  });

  test("two waits at once are a mistake of the caller", async () => {
    const stream = await peer(() => {});
    const first = rejection(stream.receive());
    await expect(stream.receive()).rejects.toThrow(TypeError);
    stream.close();
    await first;
  });
});

describe("startTLS", () => {
  /** Accepts TLS on the server's end of a socket. */
  const secure = (socket: Socket): TLSSocket => {
    socket.removeAllListeners("data");
    const tls = new TLSSocket(socket, { isServer: true, key, cert });
    tls.on("error", () => {});
    return tls;
  };
  const upgrade = async (
    socket: Socket,
    hear: (what: RegExp) => Promise<string>,
    proceed: string | readonly string[],
    content = PLAIN_OFFER,
  ): Promise<void> => {
    await hear(/<stream:stream/);
    socket.write(HEADER + features(TLS));
    await hear(/<starttls/);
    for (const part of [proceed].flat()) socket.write(part);
    const tls = secure(socket);
    tls.once("data", () => tls.write(HEADER + features(content)));
  };

  test("opens the stream anew, now with from", async () => {
    const stream = await peer((socket, hear) => upgrade(socket, hear, PROCEED));
    await stream.open();
    const found = await stream.startTLS({ ca: cert });
    expect(String(found)).toContain("PLAIN");
    expect(stream.secure).toBe(true);
    expect(stream.channelBinding?.types).toEqual(["tls-exporter", "tls-server-end-point"]);
  });

  const injections: readonly [why: string, proceed: string | readonly string[]][] = [
    ["in the same segment", `${PROCEED}${HEADER}${features("<injected xmlns='urn:x'/>")}`],
    ["half an element in the same segment", `${PROCEED}${HEADER}<stream:features><injected xmlns='urn:x'>`],
    ["white space in the same segment", `${PROCEED}\n\n`],
  ];
  for (const [why, proceed] of injections) {
    test(`R-XMPP-20 what came in the clear is not read after TLS: ${why}`, async () => {
      const stream = await peer((socket, hear) => upgrade(socket, hear, proceed));
      await stream.open();
      const found = await stream.startTLS({ ca: cert });
      expect(String(found)).not.toContain("injected");
      expect(String(found)).toContain("PLAIN");
    });
  }

  test("R-XMPP-03 stops when the server does not offer TLS, before anything is sent", async () => {
    const stream = await peer((socket) => void socket.write(HEADER + features(PLAIN_OFFER)));
    const found = await stream.open();
    expect(await rejection(stream.startTLS())).toMatchObject({ code: "channel-not-protected" });
    const late = await rejection(authenticate(stream, found, login));
    expect(late).toMatchObject({ code: "no-common-mechanism" });
    expect(stream.heard()).not.toContain("auth ");
  });

  test("R-XMPP-03 stops when the server refuses TLS", async () => {
    const stream = await peer(async (socket, hear) => {
      socket.write(HEADER + features(TLS + PLAIN_OFFER));
      await hear(/<starttls/);
      socket.write("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
    });
    await stream.open();
    expect(await rejection(stream.startTLS())).toMatchObject({ code: "channel-not-protected" });
  });

  test("a certificate of somebody else ends the connection", async () => {
    const stream = await peer((socket, hear) => upgrade(socket, hear, PROCEED), { domain: "example.org" });
    await stream.open();
    const error = await rejection(stream.startTLS({ ca: cert }));
    expect(error).toMatchObject({ code: "connection-lost", cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
  });

  const addresses: readonly [domain: string, good: boolean][] = [
    ["127.0.0.1", true],
    ["LOCALHOST.", true],
    ["127.0.0.2", false],
    ["[::1]", false],
    ["::1", false],
  ];
  for (const [domain, good] of addresses) {
    test(`a certificate for localhost and 127.0.0.1 is ${good ? "good" : "not good"} for the domain ${domain}`, async () => {
      const stream = await peer((socket, hear) => upgrade(socket, hear, PROCEED), { domain });
      await stream.open();
      const upgraded = stream.startTLS({ ca: cert });
      if (good) expect(String(await upgraded)).toContain("PLAIN");
      else expect(await rejection(upgraded)).toMatchObject({ cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
    });
  }

  for (const direct of [false, true]) {
    const how = direct ? "direct TLS" : "STARTTLS";
    /** Logs in over TLS that verifies nothing. */
    const trusting = async (options: Partial<SocketStreamOptions>) => {
      const header = { sent: "" };
      const answer = `${HEADER}${features(PLAIN_OFFER)}`;
      const server = await peer((socket, hear) => {
        if (!direct) return upgrade(socket, hear, PROCEED);
        const tls = secure(socket);
        tls.once("data", (data) => {
          header.sent = String(data);
          tls.write(answer);
        });
        return undefined;
      }, options);
      if (!direct) {
        await server.open();
        return { stream: server, found: await server.startTLS({ rejectUnauthorized: false }) };
      }
      // The socket below was made by `peer`; another stream goes over TLS on top of it.
      const socket = connectTLS({ socket: server.socket.removeAllListeners("data"), rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const stream = new SocketStream(socket, { domain: "localhost", from: "alice@localhost", ...options });
      const found = await stream.open();
      expect(header.sent.includes("from=")).toBe(stream.secure);
      return { stream, found };
    };

    test(`R-SMTP-17 R-PLAIN-06 a certificate nobody verified is no protection, over ${how}`, async () => {
      const { stream, found } = await trusting({});
      expect(stream.secure).toBe(false);
      expect(stream.channelBinding?.types).toContain("tls-exporter");
      expect(await rejection(authenticate(stream, found, login))).toMatchObject({ code: "no-common-mechanism" });
      await expect(stream.startTLS()).rejects.toThrow(TypeError);
      stream.close();
    });

    test(`a certificate nobody verified is protection for who says so, over ${how}`, async () => {
      const { stream } = await trusting({ allowUnverifiedCertificate: true });
      expect(stream.secure).toBe(true);
      stream.close();
    });
  }

  test("a certificate nobody vouches for ends the connection", async () => {
    const stream = await peer((socket, hear) => upgrade(socket, hear, PROCEED));
    await stream.open();
    expect(await rejection(stream.startTLS())).toMatchObject({ code: "connection-lost" });
  });

  test("R-LIM-05 a server that never speaks TLS is timed out", async () => {
    const stream = await peer(
      async (socket, hear) => {
        socket.write(HEADER + features(TLS));
        await hear(/<starttls/);
        socket.write(PROCEED);
      },
      { timeoutMs: 200 },
    );
    await stream.open();
    expect(await rejection(stream.startTLS({ ca: cert }))).toMatchObject({ code: "timed-out" });
    await once(stream.socket, "close");
  });

  test("misuse is a TypeError", async () => {
    const stream = await peer(() => {});
    await expect(stream.startTLS()).rejects.toThrow(TypeError);
  });

  test("R-XMPP-11 earlier features are forgotten", async () => {
    const stream = await peer((socket, hear) => upgrade(socket, hear, PROCEED, ""));
    const clear = await stream.open();
    const found = await stream.startTLS({ ca: cert });
    expect(stream.features).toBe(found);
    expect(stream.features).not.toBe(clear);
  });
});
