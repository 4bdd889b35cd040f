/** The library against our server. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { client, xml } from "@xmpp/client";
import { PLAIN, plain, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { bind2, fast, memoryFastTokens, newUserAgentId, sasl2, type XMPPAuthenticationResult } from "sasl-xmpp";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { Service, type ServiceOptions, trustCertificate, type Way } from "../test/service.js";
import { type SASLClientOptions, saslClient } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
const mechanisms = [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)];
const ways: readonly Way[] = ["xmpp", "xmpps", "wss"];

const services: Service[] = [];
const clients: ReturnType<typeof client>[] = [];
beforeEach(() => {
  trustCertificate();
  // Node.js 20 has none; and this one trusts the certificate.
  vi.stubGlobal(
    "WebSocket",
    class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { rejectUnauthorized: false });
      }
    },
  );
});
afterEach(async () => {
  for (const each of clients.splice(0)) await each.stop();
  for (const each of services.splice(0)) each.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function start(options: ServiceOptions): Promise<Service> {
  const service = await Service.start(options);
  services.push(service);
  return service;
}

function connect({ url }: Service, settings: SASLClientOptions = {}, given = mechanisms) {
  const results: XMPPAuthenticationResult[] = [];
  const errors: unknown[] = [];
  const xmpp = saslClient(client, { service: url, domain: "localhost", username: "alice" }, given, {
    onAuthenticated: (result) => results.push(result),
    ...settings,
  });
  xmpp.on("error", (error) => errors.push(error));
  xmpp.reconnect.delay = 1;
  clients.push(xmpp);
  return { xmpp, results, errors };
}

describe.each(ways)("over %s", (way) => {
  const bound = way === "wss" ? {} : { mechanism: "SCRAM-SHA-256-PLUS", channelBinding: "tls-exporter" };

  test("SASL1", async () => {
    const service = await start({ way });
    const { xmpp, results, errors } = connect(service);
    expect(String(await xmpp.start())).toBe("alice@localhost/r");
    expect(results).toMatchObject([{ profile: "sasl1", mechanism: "SCRAM-SHA-256", serverVerified: true, ...bound }]);
    expect(errors).toEqual([]);
    await xmpp.send(xml("presence"));
    await vi.waitFor(() => expect(service.heard).toEqual(["bind", "presence"]));
  });

  test("SASL2, and a resource the old way", async () => {
    const service = await start({ way, sasl2: true });
    const { xmpp, results, errors } = connect(service, { sasl2: sasl2() });
    expect(String(await xmpp.start())).toBe("alice@localhost/r");
    expect(results).toMatchObject([{ profile: "sasl2", mechanism: "SCRAM-SHA-256", jid: "alice@localhost", ...bound }]);
    expect(errors).toEqual([]);
    expect(service.heard).toEqual(["bind"]);
  });

  test("SASL2 with Bind 2 and FAST: a token the second time, and nothing is bound again", async () => {
    const service = await start({ way, sasl2: true });
    const inline = [fast({ store: memoryFastTokens() }), bind2({ tag: "chat" })];
    const { xmpp, results, errors } = connect(service, {
      sasl2: sasl2({ userAgent: { id: newUserAgentId() }, inline }),
    });
    const jid = String(await xmpp.start());
    expect(jid).toMatch(/^alice@localhost\/chat/);
    expect(String(xmpp.jid)).toBe(jid);
    await xmpp.send(xml("presence"));
    await vi.waitFor(() => expect(service.heard).toEqual(["presence"]));

    const online = once(xmpp, "online");
    service.cut();
    const [again] = await online;
    expect(String(again)).toMatch(/^alice@localhost\/chat/);
    expect(results.map(({ mechanism }) => mechanism.slice(0, 3))).toEqual(["SCR", "HT-"]);
    expect(service.logins.map((each) => each.endsWith("bound"))).toEqual([true, true]);
    expect(errors.filter((each) => (each as { code?: string }).code !== "ECONNRESET")).toEqual([]);
  });

  test("SASL1 where SASL2 is offered and not wanted", async () => {
    const service = await start({ way, sasl2: true });
    const { xmpp, results } = connect(service);
    expect(String(await xmpp.start())).toBe("alice@localhost/r");
    expect(results).toMatchObject([{ profile: "sasl1" }]);
    expect(service.heard).toEqual(["bind"]);
  });

  test("a wrong password ends it; the right one may follow", async () => {
    for (const profile of ["sasl1", "sasl2"] as const) {
      const service = await start({ way, sasl2: profile === "sasl2" });
      let password = "wrong";
      const mechanism = SCRAM(async () => ({ username: "alice", password }));
      const { xmpp, results, errors } = connect(service, { sasl2: sasl2() }, [mechanism]);
      const refused = { kind: "AuthenticationFailure", code: "refused" };
      await expect(xmpp.start()).rejects.toMatchObject(refused);
      expect(errors).toMatchObject([refused]);
      expect(xmpp.status).toBe("offline"); // and so it does not come back by itself
      expect(service.failures).toEqual(["SCRAM-SHA-256 refused"]);
      password = alice.password;
      expect(String(await xmpp.start())).toBe("alice@localhost/r");
      expect(results).toMatchObject([{ profile }]);
    }
  });
});

test("every login runs anew, with SASL1 as well", async () => {
  const service = await start({});
  const { xmpp, results } = connect(service);
  await xmpp.start();
  for (let login = 2; login <= 3; login++) {
    const online = once(xmpp, "online");
    service.cut();
    await online;
    expect(results).toHaveLength(login);
  }
});

test("with a session to take up again, Bind 2 stays out of the way", async () => {
  const service = await start({ way: "xmpps", sasl2: true, managed: true });
  const { xmpp, results } = connect(service, { sasl2: sasl2({ inline: [bind2()] }) });
  await xmpp.start();
  Object.assign(xmpp.streamManagement, { id: "earlier" });
  service.cut();
  await vi.waitFor(() => expect(results).toHaveLength(2));
  expect(service.logins.map((each) => each.endsWith("bound"))).toEqual([true, false]);
  await vi.waitFor(() => expect(service.heard).toContain("resume"));
});

test("the library's events show nothing of a login", async () => {
  const service = await start({ way: "xmpps", mechanisms: [plain] });
  const { xmpp } = connect(service, {}, [PLAIN(alice)]);
  const seen: string[] = [];
  xmpp.on("element", (element) => seen.push(String(element)));
  xmpp.on("send", (element) => seen.push(String(element)));
  await xmpp.start();
  expect(seen.join("")).toContain("<bind");
  expect(seen.join("")).not.toMatch(/<auth|<success|b3BlbiBzZXNhbWU|AGFsaWNl/);
});

test("no password over a connection without TLS", async () => {
  vi.stubGlobal("WebSocket", WebSocket);
  const { once: wait, url, close } = await plainServer();
  const xmpp = saslClient(client, { service: url, domain: "localhost", username: "alice" }, [PLAIN(alice)]);
  xmpp.on("error", () => {});
  await expect(xmpp.start()).rejects.toMatchObject({ code: "no-common-mechanism" });
  expect(await wait()).not.toContain("<auth");
  close();
});

test("stopped, it stays so when the socket below TLS ends, and may be started again", async () => {
  const { xmpp, results } = connect(await start({}));
  const sockets: Socket[] = [];
  xmpp.on("connect", () => sockets.push(xmpp.socket as unknown as Socket));
  await xmpp.start();
  const [below] = sockets;
  const closed = below && once(below, "close");
  await xmpp.stop();
  await closed;
  expect(xmpp.status).toBe("offline");
  await xmpp.start();
  expect(results).toHaveLength(2);
});

test("it cannot be started twice", async () => {
  const { xmpp } = connect(await start({}));
  await xmpp.start();
  await expect(xmpp.start()).rejects.toThrow("not offline");
});

/** Offers PLAIN without STARTTLS. */
async function plainServer() {
  const { createServer } = await import("node:net");
  const heard: string[] = [];
  const ended: Promise<unknown>[] = [];
  const server = createServer((socket) => {
    ended.push(once(socket, "close"));
    socket.on("error", () => {});
    socket.on("data", (chunk) => heard.push(String(chunk)));
    socket.write(
      "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>" +
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `xmpp://127.0.0.1:${(server.address() as { port: number }).port}`,
    once: async () => {
      await Promise.all(ended);
      return heard.join("");
    },
    close: () => server.close(),
  };
}
