import { describe, expect, test, vi } from "vitest";
import {
  acceptToken,
  binding,
  codeOf,
  connection,
  type Pairing,
  pairing,
  pairings,
  recorded,
  serverWith,
  sessionFor,
  user,
} from "../test/support.js";
import { type AuthenticateOptions, authenticate, type ClientPolicy, evaluate } from "./authenticate.js";
import { channelBinding } from "./channel-binding.js";
import { clientMechanism, type SASLMechanism } from "./client.js";
import type { CredentialProvider, CredentialRequest } from "./credentials.js";
import { AuthenticationFailure, type SASLErrorCode, SASLFailure } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { decodeUtf8, encodeUtf8 } from "./internal/text.js";
import { defineMechanism } from "./mechanism.js";
import {
  ANONYMOUS,
  CRAM_MD5,
  EXTERNAL,
  LOGIN,
  OAUTHBEARER,
  PLAIN,
  SCRAM,
  SCRAMPLUS,
  XOAUTH2,
} from "./mechanisms/index.js";

const every = pairings.map(({ name }) => name);
const clients: readonly SASLMechanism[] = [
  LOGIN(user),
  PLAIN(user),
  ANONYMOUS(),
  CRAM_MD5(user),
  XOAUTH2(user),
  SCRAM(user),
  OAUTHBEARER(user),
  SCRAMPLUS(user, binding),
  EXTERNAL(),
];

const order = (options: AuthenticateOptions & { secure?: boolean } = {}, offered: readonly string[] = every) =>
  evaluate(offered, clients, { secure: true, ...options }).candidates.map(({ info }) => info.name);
const reasons = (options: AuthenticateOptions & { secure?: boolean } = {}, offered: readonly string[] = every) =>
  Object.fromEntries(
    evaluate(offered, clients, { secure: true, ...options }).skipped.map(({ mechanism, reason }) => [
      mechanism,
      reason,
    ]),
  );

describe("the choice", () => {
  test("R-GEN-27 strongest first, whatever the peer's order", () => {
    const strongest = order();
    expect(strongest).toEqual([
      "EXTERNAL",
      "SCRAM-SHA-256-PLUS",
      "CRAM-MD5",
      "OAUTHBEARER",
      "XOAUTH2",
      "PLAIN",
      "LOGIN",
      "ANONYMOUS",
    ]);
    expect(order({}, every.toReversed())).toEqual(strongest);
    expect(order({}, [...every].sort())).toEqual(strongest);
  });

  test("R-GEN-27 or the caller's own order, still not the peer's", () => {
    const given = order({ order: "given" });
    expect(given.slice(0, 5)).toEqual(["LOGIN", "PLAIN", "ANONYMOUS", "CRAM-MD5", "XOAUTH2"]);
    expect(order({ order: "given" }, every.toReversed())).toEqual(given);
  });

  const policies: readonly [policy: ClientPolicy, secure: boolean, expected: readonly string[]][] = [
    [{}, false, ["EXTERNAL", "SCRAM-SHA-256-PLUS", "ANONYMOUS"]],
    [{ requireEncryption: false }, false, [...order()]],
    [{ minStrength: "challenge" }, true, ["EXTERNAL", "SCRAM-SHA-256-PLUS", "CRAM-MD5"]],
    [{ minStrength: "mutual" }, true, ["EXTERNAL", "SCRAM-SHA-256-PLUS"]],
    [{ require: ["noAnonymous"] }, true, order().filter((name) => name !== "ANONYMOUS")],
    [{ require: ["mutualAuth"] }, true, ["SCRAM-SHA-256-PLUS"]],
    [{ forbid: ["noAnonymous"] }, true, ["ANONYMOUS"]],
    [{ minSsf: 256 }, true, []],
    [{ minSsf: 128, require: ["mutualAuth"] }, true, ["SCRAM-SHA-256-PLUS"]],
    [{ channelBinding: "require" }, true, ["SCRAM-SHA-256-PLUS"]],
    [{ channelBinding: "disable", require: ["mutualAuth"] }, true, ["SCRAM-SHA-256", "SCRAM-SHA-1"]],
  ];
  const wrong: readonly ClientPolicy[] = [
    { minStrength: "strong" as never },
    { channelBinding: "required" as never },
    { require: ["mutual"] as never },
    { forbid: ["passCredential"] as never },
    { minSsf: Number.NaN },
    { maxSsf: -1 },
  ];
  test.each(wrong)("R-GEN-26 %o is a mistake, and opens nothing", async (policy) => {
    expect(() => order({ policy, secure: true })).toThrow(RangeError);
    const wire = { initiate: () => Promise.reject(new Error("something was sent")) } as never;
    await expect(authenticate(wire, ["PLAIN"], clients, { policy })).rejects.toThrow(RangeError);
  });

  test.each(policies)("R-GEN-26 R-PLAIN-06 under %o, secure: %s", (policy, secure, expected) => {
    expect(order({ policy, secure })).toEqual(expected);
  });

  test("says why each of the others is passed over", () => {
    expect(reasons({ policy: { minStrength: "mutual", channelBinding: "disable" } }, [...every, "GSSAPI"])).toEqual({
      PLAIN: "weaker than the minimum, mutual",
      LOGIN: "weaker than the minimum, mutual",
      ANONYMOUS: "weaker than the minimum, mutual",
      "CRAM-MD5": "weaker than the minimum, mutual",
      OAUTHBEARER: "weaker than the minimum, mutual",
      XOAUTH2: "weaker than the minimum, mutual",
      "SCRAM-SHA-256-PLUS": "channel binding is disabled",
      GSSAPI: "not among the mechanisms given",
    });
    expect(reasons({ secure: false })).toMatchObject({ PLAIN: "needs an encrypted channel" });
    expect(reasons()).toMatchObject({ "SCRAM-SHA-256": "the channel can be bound" });
    const noToken = evaluate(["OAUTHBEARER"], [OAUTHBEARER({ username: "tim", password: "x" })], { secure: true });
    expect(noToken.skipped).toEqual([{ mechanism: "OAUTHBEARER", reason: "the credentials hold no token" }]);
  });

  test("R-CB-09 nothing to bind to: the unbound variants are taken", () => {
    const unbound = [SCRAM(user), SCRAMPLUS(user, channelBinding({ "tls-exporter": new Uint8Array(0) }))];
    const offered = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
    const { candidates, skipped } = evaluate(offered, unbound, { secure: true });
    expect(candidates.map(({ info }) => info.name)).toEqual(["SCRAM-SHA-256"]);
    expect(skipped).toEqual([{ mechanism: "SCRAM-SHA-256-PLUS", reason: "no channel binding that both sides have" }]);
  });

  test("R-CB-01 a type the server does not announce cannot be bound to", () => {
    const offered = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
    const options = { secure: true, serverBindingTypes: ["tls-server-end-point"] };
    expect(evaluate(offered, clients, options).candidates.map(({ info }) => info.name)).toEqual(["SCRAM-SHA-256"]);
  });

  test("R-GEN-02 R-LIM-04 names that are none, or that every object inherits, are passed over", async () => {
    const hostile = ["__proto__", "constructor", "toString", "plain", "PLAIN\r\nX", "", "A".repeat(5000)];
    expect(order({}, hostile)).toEqual([]);
    expect(order({}, [...hostile, "PLAIN"])).toEqual(["PLAIN"]);
    const error = await authenticate(sessionFor(pairing("PLAIN").mechanism), hostile, clients).then(
      () => undefined,
      (thrown: SASLFailure) => thrown,
    );
    expect(error?.code).toBe("no-common-mechanism");
    expect(error?.message).not.toMatch(/[\r\n]|AAAAA/); // R-GEN-30: no raw peer text in a message
  });

  test("an empty offer, or nothing acceptable, has its own code and the reasons", async () => {
    const wire = recorded(sessionFor(pairing("PLAIN").mechanism));
    await expect(authenticate(wire, [], clients)).rejects.toMatchObject({ code: "no-common-mechanism", skipped: [] });
    await expect(
      authenticate(wire, ["PLAIN", "GSSAPI"], clients, { policy: { require: ["mutualAuth"] } }),
    ).rejects.toMatchObject({
      code: "no-common-mechanism",
      skipped: [
        { mechanism: "PLAIN", reason: "does not have mutualAuth" },
        { mechanism: "GSSAPI", reason: "not among the mechanisms given" },
      ],
    });
    expect(wire.calls).toEqual([]);
  });
});

test("R-PLAIN-06 R-OAUTH-12 nothing in clear text goes over an open channel, also not by hand", async () => {
  for (const { name, client, mechanism } of pairings.filter((each) => each.mechanism.needsProtection)) {
    const session = serverWith([mechanism], { policy: { requireEncryption: false } }).session({ secure: false });
    const wire = recorded(session);
    expect(await codeOf(authenticate(wire, [name], [client()]))).toBe("no-common-mechanism");
    const { SASLStateMachine } = await import("./state-machine.js");
    expect(await codeOf(client().authenticate(new SASLStateMachine(wire), name))).toBe("channel-not-protected");
    expect(wire.calls).toEqual([]);
    const outcome = await authenticate(wire, [name], [client()], { policy: { requireEncryption: false } });
    expect(outcome.mechanism).toBe(name);
  }
});

/** A peer that answers each mechanism with an error, or says yes. */
function peerOf(answers: Readonly<Record<string, SASLErrorCode | "success">>) {
  const tried: string[] = [];
  const wire: SASLInterface = {
    secure: true,
    initiate: async (name): Promise<SASLReply> => {
      tried.push(name);
      const code = answers[name];
      if (code === "success") return { state: "success" };
      if (code === "refused") throw new AuthenticationFailure("refused", "no");
      throw new SASLFailure((code ?? "mechanism-unsupported") as "temporary", `the peer says ${code}`);
    },
    respond: () => Promise.reject(new SASLFailure("unexpected-message", "not in this test")),
    abort: async () => ({ state: "failure" }),
  };
  return { wire, tried };
}

const plainLike = (name: string, security: readonly "noPlaintext"[] = [], rank = 0) =>
  clientMechanism(
    [
      defineMechanism({
        name,
        flow: "client-first",
        security: ["noAnonymous", ...security],
        rank,
        source: "this test",
        // biome-ignore lint/correctness/useYield: the only message is the last one
        async *client() {
          return new Uint8Array(1);
        },
      }),
    ],
    {},
  );

/** Two of the plaintext class, two of the challenge class. */
const four = [
  plainLike("P-1", [], 1),
  plainLike("P-2"),
  plainLike("C-1", ["noPlaintext"], 1),
  plainLike("C-2", ["noPlaintext"]),
];
const offer = ["P-1", "P-2", "C-1", "C-2"];

describe("R-GEN-32 going on after a failure", () => {
  const stops: readonly SASLErrorCode[] = [
    "refused",
    "authorization-refused",
    "credentials-expired",
    "account-disabled",
    "malformed-message",
    "incorrect-encoding",
    "unexpected-message",
    "peer-not-verified",
    "channel-not-protected",
    "limit-exceeded",
    "temporary",
    "timed-out",
    "aborted",
    "connection-lost",
  ];
  test.each(stops)("%s ends it: no other mechanism is tried", async (code) => {
    const { wire, tried } = peerOf({ "C-1": code, "C-2": "success", "P-1": "success" });
    expect(await codeOf(authenticate(wire, offer, four))).toBe(code);
    expect(tried).toEqual(["C-1"]);
  });

  test.each(["mechanism-unsupported", "mechanism-too-weak"] as const)(
    "%s leads to the next of the same class",
    async (code) => {
      const { wire, tried } = peerOf({ "C-1": code, "C-2": "success" });
      const outcome = await authenticate(wire, offer, four);
      expect(outcome.mechanism).toBe("C-2");
      expect(outcome.skipped).toContainEqual({ mechanism: "C-1", reason: `the peer says ${code}` });
      expect(tried).toEqual(["C-1", "C-2"]);
    },
  );

  test.each(["mechanism-unsupported", "mechanism-too-weak"] as const)(
    "%s never leads to a weaker class",
    async (code) => {
      const { wire, tried } = peerOf({ "C-1": code, "C-2": code, "P-1": "success", "P-2": "success" });
      await expect(authenticate(wire, offer, four)).rejects.toMatchObject({ code, skipped: { length: 4 } });
      expect(tried).toEqual(["C-1", "C-2"]);
    },
  );

  test("with the caller's order, weak ones before strong ones may follow each other upwards only", async () => {
    const { wire, tried } = peerOf({
      "P-1": "mechanism-too-weak",
      "P-2": "mechanism-too-weak",
      "C-1": "mechanism-unsupported",
    });
    await codeOf(authenticate(wire, offer, four, { order: "given" }));
    expect(tried).toEqual(["P-1", "P-2", "C-1", "C-2"]);
    const mixed = peerOf({ "C-1": "mechanism-unsupported" });
    await codeOf(authenticate(mixed.wire, offer, [...four].reverse(), { order: "given" }));
    expect(mixed.tried).toEqual(["C-2", "C-1"]);
  });

  test("no credentials for one leads to the next, also to a weaker one: the peer turned nothing down", async () => {
    const asked: string[] = [];
    const provider: CredentialProvider = ({ kind, mechanism }) => {
      asked.push(`${kind} for ${mechanism}`);
      return kind === "password" ? user : undefined;
    };
    const { wire, tried } = peerOf({ PLAIN: "success" });
    const outcome = await authenticate(wire, ["SCRAM-SHA-256", "PLAIN"], [SCRAM(provider), PLAIN(provider)]);
    expect(outcome.mechanism).toBe("PLAIN");
    expect(outcome.skipped[0]?.mechanism).toBe("SCRAM-SHA-256");
    expect(asked).toEqual(["scram for SCRAM-SHA-256", "password for PLAIN"]);
    expect(tried).toEqual(["PLAIN"]);
  });

  test("what was not needed is named too", async () => {
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("PLAIN").mechanism]);
    const mechanisms = [PLAIN(user), SCRAM(user)];
    const { mechanism, skipped } = await authenticate(
      server.session(connection),
      ["PLAIN", "SCRAM-SHA-256"],
      mechanisms,
    );
    expect(mechanism).toBe("SCRAM-SHA-256");
    expect(skipped).toEqual([{ mechanism: "PLAIN", reason: "SCRAM-SHA-256 was taken" }]);
  });

  test("R-GEN-32 a server cannot push down to PLAIN with a salt that the keys do not fit", async () => {
    const keys = {
      hash: "SHA-256",
      salt: new Uint8Array(8),
      iterations: 4096,
      clientKey: new Uint8Array(32),
      serverKey: new Uint8Array(32),
    };
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("PLAIN").mechanism]);
    const wire = recorded(server.session(connection));
    const mechanisms = [SCRAM({ username: "tim", keys }), PLAIN(user)];
    const outcome = authenticate(wire, ["SCRAM-SHA-256", "PLAIN"], mechanisms);
    await expect(outcome).rejects.toMatchObject({
      code: "no-credentials",
      skipped: expect.arrayContaining([{ mechanism: "PLAIN", reason: "weaker than one that failed" }]),
    });
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]);
  });

  test("a provider that has nothing for the strongest is asked for the next, before anything was said", async () => {
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("PLAIN").mechanism]);
    const wire = recorded(server.session(connection));
    const mechanisms = [SCRAM(() => undefined), PLAIN(user)];
    await expect(authenticate(wire, ["SCRAM-SHA-256", "PLAIN"], mechanisms)).resolves.toMatchObject({
      mechanism: "PLAIN",
    });
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate"]);
  });

  test("R-CBT-03 announced types that cannot be a server's own end it before anything is said", async () => {
    const binding = channelBinding({ "tls-exporter": new Uint8Array(32).fill(1) });
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("SCRAM-SHA-256-PLUS").mechanism]);
    const offered = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
    const rows: readonly [types: readonly string[] | undefined, outcome: string][] = [
      [["foo"], "peer-not-verified"],
      [[], "peer-not-verified"],
      [["foo", "tls-server-end-point"], "SCRAM-SHA-256"],
      [["tls-exporter"], "SCRAM-SHA-256-PLUS"],
      [undefined, "SCRAM-SHA-256-PLUS"],
    ];
    for (const [serverBindingTypes, expected] of rows) {
      const wire = recorded(server.session({ ...connection, channelBinding: binding }));
      const mechanisms = [SCRAM(user), SCRAMPLUS(user)];
      const played = authenticate(wire, offered, mechanisms, { channelBinding: binding, serverBindingTypes });
      const result = await played.then(
        ({ mechanism }) => mechanism,
        (error) => error.code,
      );
      expect(result, String(serverBindingTypes)).toBe(expected);
      if (expected === "peer-not-verified") expect(wire.calls).toEqual([]);
    }
  });

  test("tampering with SCRAM never leads to PLAIN", async () => {
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("PLAIN").mechanism]);
    const tamper: readonly [why: string, change: (text: string) => string, code: SASLErrorCode][] = [
      ["the nonce", (text) => text.replace(/^r=/, "r=x"), "peer-not-verified"],
      ["too few iterations", (text) => text.replace(/i=\d+/, "i=1"), "peer-not-verified"],
      ["too many iterations", (text) => text.replace(/i=\d+/, "i=600001"), "limit-exceeded"],
      ["the salt", (text) => text.replace(/s=[^,]+/, "s="), "malformed-message"],
      ["an extension", (text) => `m=x,${text}`, "malformed-message"],
    ];
    for (const [why, change, code] of tamper) {
      const wire = recorded(server.session(connection), (reply, index) => {
        if (index !== 0 || !reply.payload) return reply;
        return { state: "challenge", payload: encodeUtf8(change(decodeUtf8(reply.payload))) };
      });
      const exchange = authenticate(wire, ["SCRAM-SHA-256", "PLAIN"], [SCRAM(user), PLAIN(user)]);
      expect(await codeOf(exchange), why).toBe(code);
      expect(
        wire.calls.map(({ call }) => call),
        why,
      ).toEqual(["initiate", "abort"]);
    }
  });

  test("R-SCRAM-20 a server that cannot sign is not believed", async () => {
    const wire = recorded(sessionFor(pairing("SCRAM-SHA-256").mechanism), (reply, index) => {
      if (index !== 1) return reply;
      return { state: "challenge", payload: encodeUtf8(`v=${"A".repeat(43)}=`) };
    });
    expect(await codeOf(authenticate(wire, ["SCRAM-SHA-256", "PLAIN"], [SCRAM(user), PLAIN(user)]))).toBe(
      "peer-not-verified",
    );
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "respond", "abort"]);
  });
});

describe("R-GEN-26 the result is looked at once more", () => {
  const claims = (security: readonly ("mutualAuth" | "noPlaintext")[], binds: boolean) =>
    clientMechanism(
      [
        defineMechanism({
          name: "X-PLUS",
          flow: "client-first",
          security: ["noAnonymous", ...security],
          channelBinding: binds,
          source: "this test",
          // biome-ignore lint/correctness/useYield: the only message is the last one
          async *client() {
            return new Uint8Array(0);
          },
        }),
      ],
      {},
      binding,
    );

  test("a mechanism that says it binds and does not", async () => {
    const { wire } = peerOf({ "X-PLUS": "success" });
    const exchange = authenticate(wire, ["X-PLUS"], [claims(["noPlaintext"], true)], {
      policy: { channelBinding: "require" },
    });
    expect(await codeOf(exchange)).toBe("peer-not-verified");
  });

  test("a mechanism whose exchange never took place", async () => {
    const liar: SASLMechanism = {
      ...claims([], false),
      authenticate: async () => ({
        mechanism: "X-PLUS",
        authcid: "tim",
        authzid: undefined,
        serverVerified: true,
        channelBinding: "tls-exporter",
        layer: undefined,
      }),
    };
    const { wire, tried } = peerOf({ "X-PLUS": "success" });
    expect(await codeOf(authenticate(wire, ["X-PLUS"], [liar]))).toBe("peer-not-verified");
    expect(tried).toEqual([]);
  });
});

describe("R-CB-01 the binding flag of SCRAM", () => {
  const firstMessage = async (
    offered: readonly string[],
    mechanisms: readonly SASLMechanism[],
    options: AuthenticateOptions,
  ) => {
    const wire = recorded(sessionFor(pairing("SCRAM-SHA-256").mechanism));
    await authenticate(wire, offered, mechanisms, options).catch(() => {});
    return decodeUtf8(wire.calls[0]?.payload ?? new Uint8Array(0)).split(",")[0];
  };
  const both = [SCRAM(user), SCRAMPLUS(user)];
  const rows: readonly [why: string, flag: string, offered: readonly string[], options: AuthenticateOptions][] = [
    ["p where both can", "p=tls-exporter", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], { channelBinding: binding }],
    [
      "p with the strongest common type",
      "p=b",
      ["SCRAM-SHA-256-PLUS"],
      {
        channelBinding: channelBinding({ a: new Uint8Array(1), b: new Uint8Array(1) }),
        serverBindingTypes: ["c", "b"],
      },
    ],
    ["y where this side can and no -PLUS is offered", "y", ["SCRAM-SHA-256"], { channelBinding: binding }],
    [
      "y where this side can and another -PLUS is offered",
      "y",
      ["X-OTHER-PLUS", "SCRAM-SHA-256"],
      { channelBinding: binding },
    ],
    ["n where this side cannot", "n", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], {}],
    [
      "n where it is switched off",
      "n",
      ["SCRAM-SHA-256"],
      { channelBinding: binding, policy: { channelBinding: "disable" } },
    ],
  ];
  test.each(rows)("%s", async (_, flag, offered, options) => {
    expect(await firstMessage(offered, both, options)).toBe(flag);
  });

  test.each([
    ["shortened", ["SCRAM-SHA-256"]],
    ["with another -PLUS in its place", ["SCRAM-SHA-256", "X-OTHER-PLUS"]],
  ])("R-CB-02 a list %s on the way is noticed by the server", async (_, offered) => {
    const server = serverWith([pairing("SCRAM-SHA-256").mechanism, pairing("SCRAM-SHA-256-PLUS").mechanism]);
    const wire = server.session(connection);
    expect(await codeOf(authenticate(wire, offered, both, { channelBinding: binding }))).toBe("refused");
    expect(wire.result).toBeUndefined();
  });

  test("R-CB-03 R-CB-09 a type whose data turns out to be missing is never bound to, nor silently dropped", async () => {
    for (const data of [undefined, new Uint8Array(0)]) {
      const broken = { types: ["tls-exporter"], data: () => data };
      const wire = recorded(sessionFor(pairing("SCRAM-SHA-256-PLUS").mechanism));
      const exchange = authenticate(wire, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], both, { channelBinding: broken });
      expect(await codeOf(exchange)).toBe("channel-not-protected");
      expect(wire.calls).toEqual([]);
    }
  });

  test("R-SCRAM-18 other data at the other end: a man in the middle", async () => {
    const elsewhere = {
      ...connection,
      channelBinding: channelBinding({ "tls-exporter": encodeUtf8("another connection") }),
    };
    const session = serverWith([pairing("SCRAM-SHA-256-PLUS").mechanism]).session(elsewhere);
    expect(await codeOf(authenticate(session, ["SCRAM-SHA-256-PLUS"], both, { channelBinding: binding }))).toBe(
      "refused",
    );
    expect(session.result).toBeUndefined();
  });
});

describe("signals and time", () => {
  const never = () => new Promise<never>(() => {});

  test("a signal aborted before: nothing is asked and nothing is sent", async () => {
    for (const each of pairings) {
      const wire = recorded(sessionFor(each.mechanism));
      expect(await codeOf(authenticate(wire, [each.name], [each.client()], { signal: AbortSignal.abort() }))).toBe(
        "aborted",
      );
      expect(wire.calls).toEqual([]);
    }
  });

  const waiting: readonly Pairing[] = pairings.filter(({ mechanism }) => mechanism.needs !== undefined);
  test.each(waiting)("$name: an abort while the application is asked", async ({ name, client, mechanism }) => {
    const controller = new AbortController();
    let request: CredentialRequest | undefined;
    const session = sessionFor(mechanism);
    const wire = recorded(session);
    const mechanisms = [
      client((asked) => {
        request = asked;
        return never();
      }),
    ];
    const exchange = codeOf(
      authenticate(wire, [name], mechanisms, { signal: controller.signal, channelBinding: binding }),
    );
    await vi.waitFor(() => expect(request).toBeDefined());
    controller.abort();
    expect(await exchange).toBe("aborted");
    expect(request?.signal?.aborted).toBe(true);
    const begun = mechanism.flow === "server-first" ? ["initiate", "abort"] : [];
    expect(wire.calls.map(({ call }) => call)).toEqual(begun);
    expect(session.pending).toBe(false);
  });

  test.each(pairings)("$name: an abort while the peer thinks goes out once", async ({ name, client, mechanism }) => {
    const controller = new AbortController();
    const calls: string[] = [];
    const wire: SASLInterface = {
      secure: true,
      initiate: () => {
        calls.push("initiate");
        return never();
      },
      respond: never,
      abort: async () => {
        calls.push("abort");
        return { state: "failure" };
      },
    };
    const exchange = codeOf(
      authenticate(wire, [name], [client()], { signal: controller.signal, channelBinding: binding }),
    );
    await vi.waitFor(() => expect(calls).toEqual(["initiate"]));
    controller.abort();
    expect(await exchange).toBe("aborted");
    expect(calls).toEqual(["initiate", "abort"]);
    expect(mechanism.name).toBe(name);
  });

  test("R-SCRAM-29 an abort while keys are derived does not wait for them", async () => {
    const controller = new AbortController();
    let deriving = false;
    const { hashSha256 } = await import("./mechanisms/index.js");
    const slow = {
      ...hashSha256,
      digest: {
        ...hashSha256.digest,
        pbkdf2: () => {
          deriving = true;
          return never();
        },
      },
    };
    const wire = recorded(sessionFor(pairing("SCRAM-SHA-256").mechanism));
    const mechanisms = [SCRAM(user, { hashes: [slow] })];
    const exchange = codeOf(authenticate(wire, ["SCRAM-SHA-256"], mechanisms, { signal: controller.signal }));
    await vi.waitFor(() => expect(deriving).toBe(true));
    controller.abort();
    expect(await exchange).toBe("aborted");
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]);
  });

  test("R-LIM-01 the time limit covers the application, too", async () => {
    const wire = recorded(sessionFor(pairing("LOGIN").mechanism));
    const exchange = authenticate(wire, ["LOGIN"], [LOGIN(never)], { limits: { timeoutMs: 20 } });
    expect(await codeOf(exchange)).toBe("timed-out");
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]);
  });

  test("no timer is left behind by a mechanism that never began", async () => {
    vi.useFakeTimers();
    try {
      const wire = sessionFor(pairing("PLAIN").mechanism);
      await codeOf(authenticate(wire, ["PLAIN"], [PLAIN(() => undefined)]));
      await codeOf(authenticate(wire, ["PLAIN"], [PLAIN({ username: "", password: "" })]));
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a second token", () => {
  const make = { OAUTHBEARER, XOAUTH2 };
  test.each(["OAUTHBEARER", "XOAUTH2"] as const)(
    "R-OAUTH-08 %s: a provider is asked once more, with what the server said",
    async (name) => {
      const asked: unknown[] = [];
      const tokens = ["stale", user.token];
      const provider: CredentialProvider = ({ refused }) => {
        asked.push(refused);
        return { username: "tim", token: tokens.shift() as string };
      };
      const wire = recorded(sessionFor(pairing(name).mechanism, { tokens: acceptToken }));
      const outcome = await authenticate(wire, [name], [make[name](provider)]);
      expect(outcome.mechanism).toBe(name);
      expect(asked).toEqual([undefined, expect.objectContaining({ status: "invalid_token" })]);
      expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "respond", "initiate"]);
    },
  );

  test.each(["OAUTHBEARER", "XOAUTH2"] as const)("%s: and not a third time", async (name) => {
    let asked = 0;
    const provider: CredentialProvider = () => ({ username: "tim", token: `stale.${++asked}` });
    const wire = recorded(sessionFor(pairing(name).mechanism));
    expect(await codeOf(authenticate(wire, [name], [make[name](provider)]))).toBe("refused");
    expect(asked).toBe(2);
  });

  test("a plain object has nothing new to say", async () => {
    const wire = recorded(sessionFor(pairing("OAUTHBEARER").mechanism));
    expect(await codeOf(authenticate(wire, ["OAUTHBEARER"], [OAUTHBEARER({ token: "stale" })]))).toBe("refused");
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "respond"]);
  });

  test("a provider that gives up the second time ends it", async () => {
    let asked = 0;
    const provider: CredentialProvider = () => (asked++ ? undefined : { username: "tim", token: "stale" });
    const wire = recorded(sessionFor(pairing("OAUTHBEARER").mechanism));
    expect(await codeOf(authenticate(wire, ["OAUTHBEARER"], [OAUTHBEARER(provider)]))).toMatch(
      /^(no-credentials|refused)$/,
    );
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "respond"]);
  });

  test("a wrong password is never asked for again by itself", async () => {
    const provider = vi.fn(() => ({ username: "tim", password: "wrong" }));
    expect(await codeOf(authenticate(sessionFor(pairing("PLAIN").mechanism), ["PLAIN"], [PLAIN(provider)]))).toBe(
      "refused",
    );
    expect(provider).toHaveBeenCalledTimes(1);
  });
});

test("a mechanism value holds no exchange: it serves many at once", async () => {
  for (const each of pairings) {
    const mechanism = each.client();
    const sessions = [1, 2, 3].map(() => sessionFor(each.mechanism));
    const outcomes = await Promise.all(
      sessions.map((session) => authenticate(session, [each.name], [mechanism], { channelBinding: binding })),
    );
    expect(outcomes.map(({ mechanism: name }) => name)).toEqual([each.name, each.name, each.name]);
  }
});
