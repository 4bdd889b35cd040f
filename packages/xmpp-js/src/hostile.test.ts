/** What servers may do instead of logging somebody in, and the code it ends with. */
import { client } from "@xmpp/client";
import { PLAIN, SCRAM } from "sasl-core/mechanisms";
import { sasl2 } from "sasl-xmpp";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  base64,
  bind,
  bindAll,
  type Hostile,
  header,
  hostile,
  offer,
  type Peer,
  SASL,
  SASL2,
  serverFirst,
  success,
} from "../test/hostile.js";
import { trustCertificate } from "../test/service.js";
import { type SASLErrorCode, saslClient } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
const features = (...children: string[]) => `<stream:features>${children.join("")}</stream:features>`;

const opened: Hostile[] = [];
beforeEach(trustCertificate);
afterEach(() => {
  vi.restoreAllMocks();
  for (const each of opened.splice(0)) each.close();
});

/** Says this in place of the first challenge of SCRAM-SHA-256. */
const instead = (make: (first: string) => string) => async (peer: Peer) => {
  await peer.open(offer("sasl1", "SCRAM-SHA-256"));
  const [, first = ""] = await peer.read(/<auth [^>]*>([^<]*)</);
  peer.say(make(first));
  await peer.read(/<abort/);
  peer.close();
};

/** The same with SASL2. */
const instead2 = (make: (first: string) => string) => async (peer: Peer) => {
  await peer.open(offer("sasl2", "SCRAM-SHA-256"));
  const [, first = ""] = await peer.read(/<initial-response[^>]*>([^<]*)</);
  peer.say(make(first));
  await peer.read(/<abort/);
  peer.close();
};

const challenge = (text: string) => `<challenge ${SASL}>${text}</challenge>`;

/** In place of success. */
const finale =
  (...xml: string[]) =>
  async (peer: Peer) => {
    await peer.open(offer("sasl1", "SCRAM-SHA-256"));
    const [, first = ""] = await peer.read(/<auth [^>]*>([^<]*)</);
    peer.say(challenge(serverFirst(first)));
    await peer.read(/<response[^>]*>/);
    peer.say(...xml);
    await peer.read(/never/);
  };

const rows: readonly [why: string, script: (peer: Peer) => Promise<void>, code: SASLErrorCode][] = [
  ["features with a session and no login", (peer) => peer.open(bind), "no-common-mechanism"],
  ["features with nothing", (peer) => peer.open(), "no-common-mechanism"],
  ["mechanisms that nobody here knows", (peer) => peer.open(offer("sasl1", "X-OTHER")), "no-common-mechanism"],
  ["the same with SASL2", (peer) => peer.open(offer("sasl2", "X-OTHER")), "no-common-mechanism"],
  [
    "a stanza in place of features",
    async (peer) => {
      await peer.read(/<stream:stream[^>]*>/);
      peer.say(header, "<message><body>hello</body></message>");
    },
    "unexpected-message",
  ],
  [
    "a session taken up again, of which nobody knows",
    async (peer) => {
      await peer.read(/<stream:stream[^>]*>/);
      peer.say(header, "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='1'/>");
    },
    "unexpected-message",
  ],
  ["success at once", instead(() => success("sasl1")), "peer-not-verified"],
  ["success at once, with SASL2", instead2(() => success("sasl2") + features(bind)), "peer-not-verified"],
  ["success without a signature", finale(success("sasl1")), "peer-not-verified"],
  ["success with a forged signature", finale(success("sasl1", `v=${"A".repeat(43)}=`)), "peer-not-verified"],
  ["success with an error", finale(success("sasl1", "e=other-error")), "refused"],
  ["a foreign nonce", instead(() => challenge(base64(`r=mine,s=${base64("salt")},i=4096`))), "peer-not-verified"],
  ["too few iterations", instead((first) => challenge(serverFirst(first, 1))), "peer-not-verified"],
  ["too many", instead((first) => challenge(serverFirst(first, 2_000_000_000))), "limit-exceeded"],
  ["what is no base64", instead(() => challenge("r=!")), "incorrect-encoding"],
  ["what is no SCRAM", instead(() => challenge(base64("hello"))), "malformed-message"],
  ["a challenge without end", instead(() => challenge("A".repeat(200_000))), "limit-exceeded"],
  ["a stanza in the exchange", instead(() => "<message/>"), "unexpected-message"],
  ["SASL2 where there is none", instead(() => `<success ${SASL2}/>`), "unexpected-message"],
  ["not-authorized", instead(() => `<failure ${SASL}><not-authorized/></failure>`), "refused"],
  ["not-authorized, with SASL2", instead2(() => `<failure ${SASL2}><not-authorized ${SASL}/></failure>`), "refused"],
  ["an account that is closed", instead(() => `<failure ${SASL}><account-disabled/></failure>`), "account-disabled"],
];

async function attempt(script: (peer: Peer) => Promise<void>) {
  const server = await hostile(script);
  opened.push(server);
  const options = { service: server.url, domain: "localhost", username: "alice" };
  const xmpp = saslClient(client, options, [SCRAM(alice), PLAIN(alice)], { sasl2: sasl2() });
  const online = vi.fn();
  const errors: unknown[] = [];
  xmpp.on("online", online);
  xmpp.on("error", (error) => errors.push(error));
  return { xmpp, online, errors, server, started: xmpp.start() };
}

for (const [why, script, code] of rows) {
  test(`a server says ${why}: ${code}`, async () => {
    const { xmpp, online, errors, server, started } = await attempt(script);
    await expect(started).rejects.toMatchObject({ code });
    expect(errors).toMatchObject([{ code }]);
    expect(xmpp.status).toBe("offline"); // and so it does not come back by itself
    await Promise.all(server.scripts);
    expect(online).not.toHaveBeenCalled();
  });
}

/** After these the library comes back by itself. */
const again: readonly [why: string, script: (peer: Peer) => Promise<void>, code: SASLErrorCode][] = [
  [
    "nothing more",
    async (peer) => {
      await peer.open(offer("sasl1", "SCRAM-SHA-256"));
      await peer.read(/<auth [^>]*>/);
      peer.close();
    },
    "connection-lost",
  ],
  ["the end of the stream", instead(() => "</stream:stream>"), "connection-lost"],
  ["temporary-auth-failure", instead(() => `<failure ${SASL}><temporary-auth-failure/></failure>`), "temporary"],
];

for (const [why, script, code] of again) {
  test(`a server says ${why}: ${code}, and another attempt follows`, async () => {
    let connections = 0;
    const { xmpp, online, errors, started } = await attempt((peer) => {
      connections++;
      return script(peer);
    });
    xmpp.reconnect.delay = 1;
    await expect(started).rejects.toMatchObject({ code });
    await vi.waitFor(() => expect(connections).toBeGreaterThan(1));
    xmpp.reconnect.stop();
    await vi.waitFor(() => expect(xmpp.status).toBe("disconnect"));
    await xmpp.stop();
    expect(errors[0]).toMatchObject({ code });
    expect(online).not.toHaveBeenCalled();
  });
}

test("SASL2: what comes behind a success that is not verified never reaches the library", async () => {
  const seen: string[] = [];
  const { xmpp, started } = await attempt(
    instead2(() => success("sasl2", `v=${"A".repeat(43)}=`) + features(bind, "<never/>")),
  );
  xmpp.on("element", (element) => seen.push(element.name));
  await expect(started).rejects.toMatchObject({ code: "peer-not-verified" });
  expect(seen).toEqual(["stream:features"]); // those before the login
});

test("SASL2: the server says that this is somebody else", async () => {
  const server = await hostile(async (peer) => {
    await peer.open(offer("sasl2", "PLAIN"));
    await peer.read(/<\/authenticate>/);
    peer.say(success("sasl2", undefined, "mallory@localhost"), features(bind));
    await peer.read(/never/);
  });
  opened.push(server);
  const options = { service: server.url, domain: "localhost", username: "alice" };
  const xmpp = saslClient(client, options, [PLAIN(alice)], { sasl2: sasl2() });
  xmpp.on("error", () => {});
  await expect(xmpp.start()).rejects.toMatchObject({ code: "peer-not-verified" });
});

test("a stream error in answer to the end of the stream: the client stays offline, and starts again", async () => {
  const streamError =
    "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
  const server = await hostile(async (peer) => {
    await peer.open(offer("sasl1", "PLAIN"));
    await peer.read(/<\/auth>/);
    peer.say(success("sasl1"));
    await peer.open(bind);
    await bindAll(peer);
    await peer.read(/<\/stream:stream>/);
    peer.say(streamError);
    await peer.read(/never/);
  });
  opened.push(server);
  const xmpp = saslClient(client, { service: server.url, domain: "localhost", username: "alice" }, [PLAIN(alice)]);
  const errors: unknown[] = [];
  xmpp.on("error", (error) => errors.push(error));
  const ends: string[] = [];
  xmpp.on("disconnect", () => ends.push("disconnect"));
  for (let login = 1; login <= 3; login++) {
    expect(String(await xmpp.start())).toBe("alice@localhost/r");
    await xmpp.stop();
    expect(xmpp.status).toBe("offline");
    expect(errors).toHaveLength(login);
    expect(ends).toHaveLength(login); // each is followed by a reconnection unless the client is offline then
  }
});
