import {
  type AuthenticateOptions,
  type ClientPolicy,
  channelBinding,
  type DowngradeProtection,
  downgradeProtection,
  memoryAccounts,
  type SASLErrorCode,
  type SASLMechanism,
  SASLServer,
  type ServeOutcome,
  type ServerOptions,
} from "sasl-core";
import {
  ANONYMOUS,
  anonymous,
  CRAM_MD5,
  cramMd5,
  EXTERNAL,
  external,
  LOGIN,
  login,
  OAUTHBEARER,
  oauthbearer,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha1,
  scramSha256,
  scramSha256Plus,
} from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { kits, rejection, scripted, shape } from "../test/support.js";
import { announce, authenticate, bareJid, elementPair, serve } from "./index.js";
import { NS_BINDING_TYPES, NS_SASL, NS_STREAM } from "./namespaces.js";

const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });
const alice = { username: "alice", password: "open sesame" };

const ways: readonly [mechanism: string, client: SASLMechanism, bound?: string][] = [
  ["PLAIN", PLAIN(alice)],
  ["LOGIN", LOGIN(alice)],
  ["CRAM-MD5", CRAM_MD5(alice)],
  ["SCRAM-SHA-1", SCRAM(alice)],
  ["SCRAM-SHA-256", SCRAM(alice)],
  ["SCRAM-SHA-256-PLUS", SCRAMPLUS(alice), "tls-exporter"],
  ["ANONYMOUS", ANONYMOUS({ trace: "test" })],
  ["EXTERNAL", EXTERNAL({})],
  ["OAUTHBEARER", OAUTHBEARER({ username: "alice@localhost", token: "token" })],
];

const plugins = [plain, login, cramMd5, scramSha1, scramSha256, scramSha256Plus, anonymous, external, oauthbearer];

for (const kit of kits) {
  const { adapter } = kit;

  /** Our client and our server with elements between them. */
  const run = async (
    names: readonly string[],
    mechanisms: readonly SASLMechanism[],
    options: Partial<ServerOptions> = {},
    secure = true,
  ) => {
    const server = new SASLServer({
      mechanisms: plugins.filter(({ name }) => names.includes(name)),
      accounts: memoryAccounts({ alice: "open sesame", bob: "pässwörd" }),
      service: "xmpp",
      canonicalizers: [bareJid(["localhost"])],
      anonymous: "guest",
      tokens: (token) => (token === "token" ? { ok: true, subject: "alice" } : { ok: false, status: "invalid_token" }),
      ...options,
    });
    const bound = secure ? binding : undefined;
    const pair = elementPair(adapter, { secure, clientBinding: bound, serverBinding: bound });
    const facts = { secure, channelBinding: bound, successData: true, external: { names: ["alice"] } };
    const session = server.session(facts);
    const offered = announce(server.mechanisms(facts), adapter, { bindingTypes: bound?.types });
    const features = adapter.create("features", NS_STREAM, {}, offered);
    const outcomes: ServeOutcome[] = [];
    const serving = (async () => {
      for (;;) outcomes.push(await serve(pair.server, session, await pair.server.receive()));
    })().catch(() => {});
    try {
      const result = await authenticate(pair.client, features, mechanisms, { host: "localhost" });
      return { result, session, outcomes };
    } finally {
      pair.client.close();
      await serving;
    }
  };

  describe(`authenticate and serve with ${kit.name}`, () => {
    for (const [name, mechanism, bound] of ways) {
      test(`log in with ${name}`, async () => {
        const { result, session, outcomes } = await run([name], [mechanism]);
        expect(result).toMatchObject({ mechanism: name, channelBinding: bound });
        const who = name === "ANONYMOUS" ? "guest" : "alice";
        expect(session.result).toMatchObject({ mechanism: name, authcid: who, authzid: who, channelBinding: bound });
        expect(outcomes).toEqual([{ ok: true }]);
      });
    }

    test("take the strongest of everything", async () => {
      const all = plugins.map(({ name }) => name);
      const { result } = await run(all, [PLAIN(alice), SCRAM(alice), SCRAMPLUS(alice)]);
      expect(result).toMatchObject({ mechanism: "SCRAM-SHA-256-PLUS", serverVerified: true });
    });

    for (const [name, mechanism] of [
      ["PLAIN", PLAIN({ ...alice, password: "wrong" })],
      ["SCRAM-SHA-256", SCRAM({ ...alice, password: "wrong" })],
      ["CRAM-MD5", CRAM_MD5({ username: "nobody", password: "wrong" })],
    ] as const) {
      test(`R-GEN-31 ${name} with wrong credentials is refused and no more is said`, async () => {
        const error = await rejection(run([name], [mechanism]));
        expect(error).toMatchObject({ kind: "AuthenticationFailure", code: "refused", text: undefined });
        const { element, ...rest } = error.opaqueError as { element: unknown };
        expect(rest).toEqual({ condition: "not-authorized", text: undefined, lang: undefined });
        expect(shape(kit, element)[3]).toEqual(["not-authorized", "urn:ietf:params:xml:ns:xmpp-sasl", {}]);
      });
    }

    test("R-XMPP-18 an authzid is a bare JID of this host", async () => {
      const { session } = await run(["PLAIN"], [PLAIN({ ...alice, authzid: "Alice@LOCALHOST" })]);
      expect(session.result).toMatchObject({ authcid: "alice", authzid: "alice" });
    });

    for (const authzid of ["alice@localhost/phone", "alice@elsewhere", "bob@localhost", "alice"]) {
      test(`R-XMPP-18 authzid ${authzid} is refused with invalid-authzid`, async () => {
        const error = await rejection(run(["PLAIN"], [PLAIN({ ...alice, authzid })]));
        expect(error).toMatchObject({ code: "authorization-refused", opaqueError: { condition: "invalid-authzid" } });
      });
    }

    test("R-XMPP-18 an authorization hook may allow somebody else", async () => {
      const { session } = await run(["PLAIN"], [PLAIN({ ...alice, authzid: "bob@localhost" })], {
        authorize: ({ authcid, authzid }) => authcid === "alice" && authzid === "bob",
      });
      expect(session.result).toMatchObject({ authcid: "alice", authzid: "bob" });
    });

    test("R-XMPP-07 a store that is down is temporary-auth-failure", async () => {
      const accounts = {
        lookup: () => {
          throw new Error("down");
        },
      };
      const error = await rejection(run(["PLAIN"], [PLAIN(alice)], { accounts }));
      expect(error).toMatchObject({ code: "temporary", opaqueError: { condition: "temporary-auth-failure" } });
    });

    test("R-XMPP-01 R-PLAIN-06 PLAIN is not offered in the clear", async () => {
      expect(await rejection(run(["PLAIN"], [PLAIN(alice)], {}, false))).toMatchObject({ code: "no-common-mechanism" });
    });

    test("R-XMPP-03 nothing is sent when features offer nothing acceptable", async () => {
      const pair = elementPair(adapter);
      const features = adapter.create("features", NS_STREAM);
      const error = await rejection(authenticate(pair.client, features, [PLAIN(alice)]));
      expect(error).toMatchObject({ code: "no-common-mechanism" });
    });

    const TYPES = ["tls-exporter", "tls-server-end-point"];
    const offers: readonly [
      why: string,
      names: readonly string[],
      types: readonly string[] | undefined,
      expected: "auth" | SASLErrorCode,
      policy?: ClientPolicy,
    ][] = [
      ["types, and nothing that binds", ["SCRAM-SHA-256", "PLAIN"], TYPES, "peer-not-verified"],
      ["the same, of which this end has none", ["SCRAM-SHA-256"], ["tls-unique"], "peer-not-verified"],
      ["types, and what only looks as if it bound", ["SCRAM-SHA-256", "X-PLUS-1"], TYPES, "peer-not-verified"],
      ["types, and EXTERNAL with something beside it", ["EXTERNAL", "PLAIN"], TYPES, "peer-not-verified"],
      ["types beside EXTERNAL alone", ["EXTERNAL"], TYPES, "auth"],
      ["types that are another profile's", [], TYPES, "no-common-mechanism"],
      ["an empty list of types", ["SCRAM-SHA-256"], [], "auth"],
      ["types, and nothing that binds, where binding is off", ["PLAIN"], TYPES, "auth", { channelBinding: "disable" }],
      ["no types", ["SCRAM-SHA-256", "PLAIN"], undefined, "auth"],
      ["what binds, and no types", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], undefined, "auth"],
      ["what binds, and types", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], TYPES, "auth"],
    ];
    for (const [why, names, types, expected, policy] of offers) {
      test(`R-CBT-02 SASL1 with ${why}: ${expected}`, async () => {
        const list = names.map((name) => adapter.create("mechanism", NS_SASL, {}, [name]));
        const children = [adapter.create("mechanisms", NS_SASL, {}, list)];
        const each = types?.map((type) => adapter.create("channel-binding", NS_BINDING_TYPES, { type }));
        if (each) children.push(adapter.create("sasl-channel-binding", NS_BINDING_TYPES, {}, each));
        const features = adapter.create("features", NS_STREAM, {}, children);
        const transport = { ...scripted(kit, []), channelBinding: binding };
        const ways = [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice), EXTERNAL({})];
        const error = await rejection(authenticate(transport, features, ways, { policy }));
        // The script ends after the first element.
        expect(error.code).toBe(expected === "auth" ? "connection-lost" : expected);
        expect(transport.sent.map(([name]) => name)).toEqual(expected === "auth" ? ["auth"] : []);
      });
    }

    test("host and TLS version are the stream's where the program does not say", async () => {
      const features = adapter.create("features", NS_STREAM, {}, announce(["SCRAM-SHA-256"], adapter));
      const known = async (options: AuthenticateOptions) => {
        let seen: unknown;
        const protection: DowngradeProtection = {
          ...downgradeProtection(),
          async admit({ settings: { host, tlsVersion } }) {
            seen = { host, tlsVersion };
          },
        };
        const transport = { ...scripted(kit, []), host: "example.com", tlsVersion: "0304" };
        await rejection(
          authenticate(transport, features, [SCRAM(alice)], { ...options, downgradeProtection: protection }),
        );
        return seen;
      };
      expect(await known({})).toEqual({ host: "example.com", tlsVersion: "0304" });
      expect(await known({ host: undefined, tlsVersion: undefined })).toEqual({
        host: "example.com",
        tlsVersion: "0304",
      });
      expect(await known({ host: "other.example", tlsVersion: "0303" })).toEqual({
        host: "other.example",
        tlsVersion: "0303",
      });
    });

    test("R-GEN-16 a signal aborts on the wire", async () => {
      const pair = elementPair(adapter, { secure: true });
      const features = adapter.create("features", NS_STREAM, {}, announce(["PLAIN"], adapter));
      const controller = new AbortController();
      const login = rejection(authenticate(pair.client, features, [PLAIN(alice)], { signal: controller.signal }));
      expect(adapter.name(await pair.server.receive())).toBe("auth");
      controller.abort();
      await pair.server.send(adapter.create("challenge", "urn:ietf:params:xml:ns:xmpp-sasl"));
      expect(adapter.name(await pair.server.receive())).toBe("abort");
      expect(await login).toMatchObject({ code: "aborted" });
    });
  });
}

test("a pair that is closed rejects on both sides", async () => {
  const [kit] = kits;
  const { client, server } = elementPair((kit as (typeof kits)[0]).adapter);
  const waiting = rejection(server.receive());
  client.close();
  expect(await waiting).toMatchObject({ code: "connection-lost" });
  expect(await rejection(client.receive())).toMatchObject({ code: "connection-lost" });
  expect(() => client.send({})).toThrow(expect.objectContaining({ code: "connection-lost" }));
});
