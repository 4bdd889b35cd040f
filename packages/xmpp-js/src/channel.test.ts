/** What a connection is worth, and what browsers have in place of the same. */
import { once } from "node:events";
import { type AddressInfo, Socket } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { cert, key } from "../test/certificate.js";
import { canStartTLS, channelOf, drop } from "./channel-node.js";
import * as web from "./channel-web.js";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function connect(options: tls.ConnectionOptions): Promise<TLSSocket> {
  const server = tls.createServer({ key, cert }, (socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = tls.connect({ port, host: "127.0.0.1", servername: "localhost", ...options });
  closing.push(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, "secureConnect");
  return socket;
}

const rows: readonly [service: string | undefined, domain: string, trusted: boolean][] = [
  ["xmpps://127.0.0.1:5223", "example.com", true], // whom the user named
  ["xmpp://127.0.0.1", "localhost", true],
  ["xmpp://127.0.0.1", "example.com", false],
  [undefined, "localhost", true],
  [undefined, "example.com", false], // where DNS led to somebody else, with a certificate of their own
  ["example.com", "example.com", false],
];
for (const [service, domain, trusted] of rows) {
  test(`a certificate for localhost, ${service ?? "no service"}, domain ${domain}: ${trusted}`, async () => {
    const socket = await connect({ ca: cert });
    expect(channelOf({ socket }, { service, domain })).toMatchObject({ trusted, tlsVersion: "0304" });
    expect(channelOf({ socket }, { service, domain }).channelBinding?.types).toContain("tls-exporter");
  });
}

test("a certificate that nobody vouches for", async () => {
  const socket = await connect({ rejectUnauthorized: false });
  expect(channelOf({ socket }, { service: "xmpps://localhost", domain: "localhost" }).trusted).toBe(false);
});

test("the end of each kind of socket", async () => {
  const socket = await connect({ ca: cert });
  expect([canStartTLS(socket), canStartTLS({ socket }), canStartTLS(new Socket())]).toEqual([false, false, true]);
  drop({ socket });
  expect(socket.destroyed).toBe(true);
  const plain = new Socket();
  drop(plain);
  expect(plain.destroyed).toBe(true);
  const calls: string[] = [];
  const close = () => calls.push("close");
  drop({ socket: { close, terminate: () => calls.push("terminate") } });
  drop({ socket: { close } });
  drop({ socket: null });
  expect(calls).toEqual(["terminate", "close"]);
});

test("in a browser there are WebSockets, and no channel to bind to", () => {
  const calls: string[] = [];
  web.drop({ socket: { close: () => calls.push("close") } });
  web.drop({});
  expect(calls).toEqual(["close"]);
  expect(web.channelOf({}, {})).toEqual({ trusted: true });
  expect(web.canStartTLS({})).toBe(false);
});
