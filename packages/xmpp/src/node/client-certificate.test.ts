import type { PeerCertificate, TLSSocket } from "node:tls";
import { memoryAccounts, SASLServer, SASLStateMachine } from "sasl-core";
import { EXTERNAL, external, plain } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test } from "vitest";
import { cert, key } from "../../test/certificate.js";
import { type ClientCertificate, elsewhere, none, one, several, tricky } from "../../test/client-certificates.js";
import { example } from "../../test/inline.js";
import { ca, type Loopback, loopback } from "../../test/loopback.js";
import { kits, rejection, scripted, shape } from "../../test/support.js";
import { authenticate, bareJid, discover, SASLClient, serve, type XMPPFailure } from "../index.js";
import { certificateAuthzid, certificateIdentity, SocketStream } from "./index.js";

const open: Loopback[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** Bare JIDs by the common name. */
const byCommonName = ({ subject }: PeerCertificate) => [`${subject.CN}@localhost`];

/** A login over TLS with a certificate: the condition of the failure, or who it was; `undefined` where nothing is offered. */
async function login(
  certificate: ClientCertificate | undefined,
  authzid: string | undefined,
  lookup?: (certificate: PeerCertificate) => readonly string[],
  trusted: readonly ClientCertificate[] = [one, several, none, elsewhere, tricky],
): Promise<string | undefined> {
  const server = await loopback({
    tls: { key, cert, ca: trusted.map((each) => each.cert) },
    external: certificateIdentity({ hosts: ["LOCALHOST"], lookup }),
    sasl: { mechanisms: [external, plain], accounts: memoryAccounts({ alice: "a", bob: "b", jürgen: "c", eve: "d" }) },
  });
  open.push(server);
  const stream = new SocketStream(await server.connect(), { domain: "localhost" });
  try {
    await stream.open();
    const features = await stream.startTLS({ ca, ...certificate });
    if (!discover(features, stream.adapter).mechanisms.includes("EXTERNAL")) return undefined;
    await authenticate(stream, features, [EXTERNAL({ authzid })]);
    return server.events[0]?.authcid;
  } catch (error) {
    return ((error as { opaqueError?: XMPPFailure }).opaqueError as XMPPFailure).condition;
  } finally {
    stream.socket.destroy();
  }
}

describe("certificateIdentity", () => {
  type Row = readonly [
    what: string,
    certificate: ClientCertificate | undefined,
    authzid: string | undefined,
    outcome: string | undefined,
    lookup?: (certificate: PeerCertificate) => readonly string[],
  ];
  const rows: readonly Row[] = [
    ["R-EXT-02 one address and no authzid", one, undefined, "alice"],
    ["R-EXT-03 one address and the same authzid", one, "alice@localhost", "alice"],
    ["R-EXT-03 R-XMPP-18 the same in other letters", one, "ALICE@LocalHost", "alice"],
    ["R-EXT-03 an e-mail address is none", one, "bob@localhost", "invalid-authzid"],
    ["R-EXT-03 a full JID", one, "alice@localhost/a", "invalid-authzid"],
    ["R-EXT-02 two addresses and no authzid", several, undefined, "invalid-authzid"],
    ["R-EXT-03 two addresses and the first", several, "alice@localhost", "alice"],
    ["R-EXT-03 two addresses and the second", several, "bob@localhost", "bob"],
    ["R-EXT-03 an address at a domain that is not served", several, "eve@elsewhere.example", "invalid-authzid"],
    ["R-EXT-03 two addresses and somebody else", several, "eve@localhost", "invalid-authzid"],
    ["R-EXT-01 no address", none, undefined, undefined],
    ["R-EXT-01 addresses elsewhere alone", elsewhere, undefined, undefined],
    ["R-EXT-01 addresses elsewhere are not looked up", elsewhere, undefined, undefined, byCommonName],
    ["R-EXT-01 no certificate", undefined, undefined, undefined, byCommonName],
    ["R-EXT-02 a look-up and no authzid", none, undefined, "alice", byCommonName],
    ["R-EXT-03 a look-up and the same authzid", none, "alice@localhost", "alice", byCommonName],
    ["R-EXT-03 a look-up and another authzid", none, "bob@localhost", "invalid-authzid", byCommonName],
    [
      "R-EXT-02 a look-up that finds two",
      none,
      undefined,
      "invalid-authzid",
      () => ["alice@localhost", "bob@localhost"],
    ],
    ["R-EXT-01 a look-up that finds nobody", none, undefined, undefined, () => []],
    [
      "R-EXT-01 a look-up that finds no JIDs",
      none,
      undefined,
      undefined,
      () => ["", "localhost", "a@localhost/b", "@"],
    ],
    ["R-EXT-02 letters beyond ASCII, and an entry made to look like two", tricky, undefined, "jürgen"],
    ["R-EXT-03 whom an entry made to look like two seems to name", tricky, "eve@localhost", "invalid-authzid"],
  ];
  for (const [what, certificate, authzid, outcome, lookup] of rows) {
    test(`XEP-0178 ${what}`, async () => {
      expect(await login(certificate, authzid, lookup)).toBe(outcome);
    });
  }

  test("R-EXT-01 XEP-0178 a certificate that nobody trusts stands for nobody", async () => {
    expect(await login(one, undefined, byCommonName, [several])).toBeUndefined();
  });

  const texts: readonly [what: string, subjectaltname: string | undefined, names: readonly string[]][] = [
    ["nothing", undefined, []],
    ["what Node cannot read", "othername:<unsupported>", []],
    ["another kind of name", "othername:SmtpUTF8Mailbox:alice@localhost, URI:xmpp:alice@localhost", []],
    ["an address twice", "othername:XmppAddr:alice@localhost, othername:XmppAddr:Alice@localhost", ["alice@localhost"]],
    ["a domain", "othername:XmppAddr:localhost", []],
    ["a full JID", "othername:XmppAddr:alice@localhost/a", []],
    ["no JID", "othername:XmppAddr:a@b@localhost, othername:XmppAddr:", []],
    ["an address in quotes", 'othername:"XmppAddr:alice@localhost"', ["alice@localhost"]],
    ["quotes that do not close", 'othername:"XmppAddr:alice@localhost', []],
    ["a JSON string that is none", 'othername:"XmppAddr:alice@localhost\\x"', []],
    ["an address in an entry of another type", 'URI:"a\\u002c othername:XmppAddr:eve@localhost"', []],
    ["a name as every object has", "othername:XmppAddr:__proto__@localhost", ["__proto__@localhost"]],
  ];
  const socketWith = (certificate: object, authorized = true) =>
    ({
      authorized,
      getProtocol: () => "TLSv1.3",
      getCipher: () => ({ standardName: "TLS_AES_128_GCM_SHA256" }),
      isSessionReused: () => false,
      getEphemeralKeyInfo: () => null,
      getPeerCertificate: () => certificate,
    }) as unknown as TLSSocket;
  const identityOf = certificateIdentity({ hosts: ["localhost"], lookup: () => [] });
  for (const [what, subjectaltname, names] of texts) {
    test(`R-EXT-01 reads ${what}`, () => {
      expect(identityOf(socketWith({ raw: Buffer.of(0), subjectaltname }))?.names ?? []).toEqual(names);
    });
  }

  test("R-EXT-01 a server that let an unverified certificate in, or a resumed session without one, has nobody", () => {
    const subjectaltname = "othername:XmppAddr:alice@localhost";
    expect(identityOf(socketWith({ raw: Buffer.of(0), subjectaltname }))).toEqual({ names: ["alice@localhost"] });
    expect(identityOf(socketWith({ raw: Buffer.of(0), subjectaltname }, false))).toBeUndefined();
    const everybody = certificateIdentity({ hosts: ["localhost"], lookup: () => ["alice@localhost"] });
    expect(everybody(socketWith({ raw: Buffer.of(0) }))).toEqual({ names: ["alice@localhost"] });
    expect(everybody(socketWith({}))).toBeUndefined();
  });
});

describe("certificateAuthzid", () => {
  const rows: readonly [what: string, certificate: ClientCertificate, jid: string, authzid: string | undefined][] = [
    ["one address: the server knows", one, "alice@localhost", undefined],
    ["one address, with a resource", one, "Alice@localhost/a", undefined],
    ["one address: to be somebody else", one, "bob@localhost", "bob@localhost"],
    ["several addresses: which", several, "ALICE@localhost", "alice@localhost"],
    ["no address: the server finds out", none, "alice@localhost", undefined],
  ];
  for (const [what, certificate, jid, authzid] of rows) {
    test(`XEP-0178 ${what}`, () => {
      expect(certificateAuthzid(certificate.cert, jid)).toBe(authzid);
    });
  }
  test.each(["", "localhost", "@localhost", "a b@localhost"])("needs the JID of an account: %j", (jid) => {
    expect(() => certificateAuthzid(one.cert, jid)).toThrow(RangeError);
  });
});

const juliet = "juliet@example.com";
for (const kit of kits) {
  describe(`XEP-0178 §3 with ${kit.name}`, () => {
    const rows: readonly [auth: string, names: readonly string[], answer: string][] = [
      ["auth-one", [juliet], "success-one"],
      ["auth-several", [juliet, "romeo@example.com"], "success-several"],
      ["auth-one", [juliet, "romeo@example.com"], "failure-several"],
      ["auth-none", [juliet], "success-mapped"],
      ["auth-several", ["romeo@example.com"], "failure-other"],
    ];
    for (const [auth, names, answer] of rows) {
      test(`R-EXT-02 R-EXT-03 ${auth} is answered with ${answer}`, async () => {
        const server = new SASLServer({
          mechanisms: [external],
          accounts: memoryAccounts({ juliet: "a", romeo: "b" }),
          service: "xmpp",
          canonicalizers: [bareJid(["example.com"])],
        });
        const session = server.session({ secure: true, host: "example.com", external: { names } });
        const transport = scripted(kit, []);
        await serve(transport, session, kit.parse(example("0178", auth)));
        expect(transport.sent).toEqual([shape(kit, kit.parse(example("0178", answer)))]);
      });
    }

    const clients: readonly [auth: string, authzid: string | undefined][] = [
      ["auth-one", undefined],
      ["auth-several", juliet],
      ["auth-none", undefined],
    ];
    for (const [auth, authzid] of clients) {
      test(`R-XMPP-04 the client says ${auth}`, async () => {
        const transport = scripted(kit, [example("0178", "success-one")]);
        const client = new SASLClient(transport);
        await EXTERNAL({ authzid }).authenticate(new SASLStateMachine(client), "EXTERNAL");
        expect(transport.sent).toEqual([shape(kit, kit.parse(example("0178", auth)), "mechanism")]);
      });
    }
  });
}

test("the failure for nobody says not-authorized", async () => {
  const [kit] = kits as [(typeof kits)[number]];
  const transport = scripted(kit, [example("0178", "failure-unmapped")]);
  expect(await rejection(new SASLClient(transport).initiate("EXTERNAL"))).toMatchObject({ code: "refused" });
});
