/** What a server announces over a socket, and what SCRAM says of it: XEP-0474 and XEP-0515 with both profiles. */
import { TLSSocket } from "node:tls";
import { downgradeProtection, memoryAccounts } from "sasl-core";
import { hashedTokens, plain, SCRAM, SCRAMPLUS, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import { tlsVersion } from "sasl-core/node";
import { authenticate, fastServer, NS_BINDING_TYPES, NS_SASL, NS_SASL2, newUserAgentId, sasl2 } from "sasl-xmpp";
import { afterEach, describe, expect, test } from "vitest";
import { type Loopback, loopback } from "../../test/loopback.js";
import { rejection } from "../../test/support.js";
import { SocketStream, type XMPPListenerOptions } from "./index.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const alice = { username: "alice", password: "open sesame" };
const accounts = memoryAccounts({ alice: alice.password });

/** A stream to a server that says `t` where it is told to, and offers FAST beside its list. */
async function begin(telling: boolean, options: Partial<XMPPListenerOptions> = {}) {
  const tokens = hashedTokens({ accounts });
  const here: Loopback = await loopback({
    direct: true,
    sasl: { accounts, mechanisms: [plain, scramSha256, scramSha256Plus, ...tokens.mechanisms] },
    sasl2: { inline: [fastServer({ tokens })] },
    ...options,
    connection: (socket) => ({ tlsVersion: telling && socket instanceof TLSSocket ? tlsVersion(socket) : undefined }),
  });
  closing.push(() => here.close());
  const socket = await here.connectTLS();
  closing.push(() => socket.destroy());
  const stream = new SocketStream(socket, { domain: "localhost", from: "alice@localhost" });
  return { stream, features: await stream.open(), own: tlsVersion(socket) };
}

const profile = { sasl2: sasl2({ userAgent: { id: newUserAgentId() } }) };
const strict = downgradeProtection({ requireHash: true });

describe.each(["sasl1", "sasl2"] as const)("lists announced with %s", (name) => {
  for (const SCRAMs of [SCRAM, SCRAMPLUS]) {
    test(`R-SSDP-01 R-SSDP-02 ${SCRAMs.name} vouches for them, without the mechanisms of FAST`, async () => {
      const { stream, features } = await begin(false);
      const options = { ...profile, profile: name, downgradeProtection: strict };
      const result = await authenticate(stream, features, [SCRAMs(alice)], options);
      expect(result).toMatchObject({ profile: name, serverVerified: true });
    });
  }

  const namespace = name === "sasl1" ? NS_SASL : NS_SASL2;
  const [list, types] = [name === "sasl1" ? "mechanisms" : "authentication", "sasl-channel-binding"];
  const removed: readonly [why: string, parent: string, namespace: string][] = [
    ["the last mechanism", list, namespace],
    ["the last binding type", types, NS_BINDING_TYPES],
  ];
  for (const [why, parent, xmlns] of removed) {
    test(`R-SSDP-03 somebody took away ${why}`, async () => {
      const { stream, features } = await begin(false);
      const element = features.getChild(parent, xmlns);
      const names = element?.getChildElements().filter((each) => each.name !== "inline") ?? [];
      const one = names.at(-1);
      expect(one).toBeDefined();
      if (one) element?.remove(one);
      const options = { ...profile, profile: name, downgradeProtection: strict };
      const error = await rejection(authenticate(stream, features, [SCRAM(alice)], options));
      expect(error).toMatchObject({ code: "peer-not-verified" });
    });
  }

  test("R-TDP-01 tells the TLS version where the program wants it, and not otherwise", async () => {
    const protection = downgradeProtection({ requireTlsVersion: true });
    for (const telling of [true, false]) {
      const { stream, features, own } = await begin(telling);
      expect(stream).toMatchObject({ host: "localhost", tlsVersion: own }); // and so `authenticate` knows
      const options = { ...profile, profile: name, downgradeProtection: protection };
      const login = authenticate(stream, features, [SCRAM(alice)], options);
      if (telling) expect(await login).toMatchObject({ profile: name });
      else expect(await rejection(login)).toMatchObject({ code: "peer-not-verified" });
    }
  });

  test("R-SSDP-04 R-TDP-02 a listener may be told to say neither, which ends only what requires it", async () => {
    for (const [required, expected] of [
      [{}, undefined],
      [{ requireHash: true }, "peer-not-verified"],
      [{ requireTlsVersion: true }, "peer-not-verified"],
    ] as const) {
      const { stream, features } = await begin(true, { downgradeProtection: false });
      const options = { ...profile, profile: name, downgradeProtection: downgradeProtection(required) };
      const login = authenticate(stream, features, [SCRAM(alice)], options);
      if (expected === undefined) expect(await login).toMatchObject({ profile: name, serverVerified: true });
      else expect(await rejection(login)).toMatchObject({ code: expected });
    }
  });

  test("R-SSDP-01 what an account is offered is what is vouched for", async () => {
    const { stream, features } = await begin(true, { offerByAccount: true });
    const options = { ...profile, profile: name, downgradeProtection: strict };
    const result = await authenticate(stream, features, [SCRAMPLUS(alice)], options);
    expect(result).toMatchObject({ profile: name, mechanism: "SCRAM-SHA-256-PLUS" });
  });

  test("R-TDP-02 another TLS version than the stream's ends the login", async () => {
    const { stream, features, own } = await begin(true);
    const tlsVersion = own === "0304" ? "0303" : "0304";
    const options = { ...profile, profile: name, downgradeProtection: strict, tlsVersion };
    const error = await rejection(authenticate(stream, features, [SCRAM(alice)], options));
    expect(error).toMatchObject({ code: "peer-not-verified" });
  });
});
