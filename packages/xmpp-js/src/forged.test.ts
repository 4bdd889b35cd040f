/** A server that does not know the password: at the library's own client, and at ours. */
import { once } from "node:events";
import { client } from "@xmpp/client";
import { SCRAM } from "sasl-core/mechanisms";
import { sasl2 } from "sasl-xmpp";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  bind,
  bindAll,
  type Hostile,
  header,
  hostile,
  offer,
  type Peer,
  serverFirst,
  success,
} from "../test/hostile.js";
import { trustCertificate } from "../test/service.js";
import { saslClient } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
/** Base64 of 20 and of 32 zeros: the signatures of SHA-1 and SHA-256 have these lengths. */
const forged = { "SCRAM-SHA-1": `v=${"A".repeat(27)}=`, "SCRAM-SHA-256": `v=${"A".repeat(43)}=` } as const;
type Name = keyof typeof forged;

/** Goes through SCRAM without a password, up to a session. */
const scripts = {
  sasl1: (name: Name) => async (peer: Peer) => {
    await peer.open(offer("sasl1", name));
    const [, first = ""] = await peer.read(/<auth [^>]*>([^<]*)</);
    peer.say(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${serverFirst(first)}</challenge>`);
    await peer.read(/<response[^>]*>/);
    peer.say(success("sasl1", forged[name]));
    await peer.open(bind);
    await bindAll(peer);
    await peer.farewell();
  },
  sasl2: (name: Name) => async (peer: Peer) => {
    await peer.open(offer("sasl2", name));
    const [, first = ""] = await peer.read(/<initial-response[^>]*>([^<]*)</);
    peer.say(`<challenge xmlns='urn:xmpp:sasl:2'>${serverFirst(first)}</challenge>`);
    await peer.read(/<response[^>]*>/);
    peer.say(success("sasl2", forged[name]), `<stream:features>${bind}</stream:features>`);
    await bindAll(peer);
    await peer.farewell();
  },
} as const;

const opened: Hostile[] = [];
beforeEach(trustCertificate);
afterEach(() => {
  vi.restoreAllMocks();
  for (const each of opened.splice(0)) each.close();
});

async function server(script: (peer: Peer) => Promise<void>): Promise<Hostile> {
  const started = await hostile(script);
  opened.push(started);
  return started;
}

describe.each(["sasl1", "sasl2"] as const)("%s with a forged signature", (profile) => {
  test("the library's own client goes online", async () => {
    const { url } = await server(scripts[profile]("SCRAM-SHA-1"));
    const xmpp = client({ service: url, domain: "localhost", ...alice });
    xmpp.reconnect.stop();
    xmpp.on("error", () => {});
    const online = once(xmpp, "online");
    xmpp.start().catch(() => {});
    const [jid] = await online;
    expect(String(jid)).toBe("alice@localhost/r");
    await xmpp.stop();
  });

  test("R-GEN-32 ours does not", async () => {
    const { url, scripts: running } = await server(scripts[profile]("SCRAM-SHA-256"));
    const online = vi.fn();
    const options = { service: url, domain: "localhost", username: "alice" };
    const xmpp = saslClient(client, options, [SCRAM(alice)], { sasl2: sasl2() });
    const errors: unknown[] = [];
    xmpp.on("online", online);
    xmpp.on("error", (error) => errors.push(error));
    await expect(xmpp.start()).rejects.toMatchObject({ code: "peer-not-verified" });
    expect(errors).toMatchObject([{ code: "peer-not-verified" }]);
    expect(xmpp.status).toBe("offline");
    await Promise.all(running); // which ends when the client is gone
    expect(online).not.toHaveBeenCalled();
  });
});

test("a session without any login is refused as well", async () => {
  const { url } = await server(async (peer) => {
    await peer.read(/<stream:stream[^>]*>/);
    peer.say(header, `<stream:features>${bind}</stream:features>`);
    await bindAll(peer);
    await peer.farewell();
  });
  const xmpp = client({ service: url, domain: "localhost", ...alice });
  xmpp.reconnect.stop();
  const online = once(xmpp, "online");
  xmpp.start().catch(() => {});
  expect(String((await online)[0])).toBe("alice@localhost/r"); // the library's own
  await xmpp.stop();
  const ours = saslClient(client, { service: url, domain: "localhost", username: "alice" }, [SCRAM(alice)]);
  ours.on("error", () => {});
  await expect(ours.start()).rejects.toMatchObject({ code: "no-common-mechanism" });
});
