import { describe, expect, test } from "vitest";
import { codeOf } from "../test/support.js";
import { type ClientSettings, clientMechanism } from "./client.js";
import type { CredentialProvider } from "./credentials.js";
import { AuthenticationFailure, type SASLErrorCode, SASLFailure } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { encodeUtf8 } from "./internal/text.js";
import { type ClientContext, type ClientConversation, defineMechanism, type Flow } from "./mechanism.js";
import { hashSha1, hashSha256, hashSha512, PLAIN, SCRAM } from "./mechanisms/index.js";
import { SASLStateMachine } from "./state-machine.js";

const a = encodeUtf8("a");
const b = encodeUtf8("b");
const empty = new Uint8Array(0);
const challenge = (payload: Uint8Array): SASLReply => ({ state: "challenge", payload });
const success = (payload?: Uint8Array): SASLReply => ({ state: "success", payload });

/** Plays a half against fixed replies. */
async function play(
  half: (ctx: ClientContext) => ClientConversation,
  replies: readonly (SASLReply | Error)[],
  { flow = "client-first" as Flow, credentials = {} as CredentialProvider, settings = {} as ClientSettings } = {},
) {
  const said: (Uint8Array | undefined | "abort")[] = [];
  const left = [...replies];
  const answer = async (payload: Uint8Array | undefined): Promise<SASLReply> => {
    said.push(payload);
    const next = left.shift() ?? new Error("nothing more to say");
    if (next instanceof Error) throw next;
    return next;
  };
  const wire: SASLInterface = {
    secure: true,
    initiate: (_, payload) => answer(payload),
    respond: answer,
    abort: async () => {
      said.push("abort");
      return { state: "failure" };
    },
  };
  const mechanism = defineMechanism({
    name: "X-TEST",
    flow,
    security: ["noAnonymous"],
    authzid: true,
    source: "this test",
    client: half,
  });
  const outcome = clientMechanism([mechanism], credentials).authenticate(
    new SASLStateMachine(wire),
    "X-TEST",
    settings,
  );
  return { said, result: await outcome.then(() => "success" as const, codeOfError), outcome };
}

function codeOfError(error: { code?: SASLErrorCode; constructor: { name: string } }): string {
  return error.code ?? error.constructor.name;
}

// biome-ignore lint/correctness/useYield: the only message is the last one
const saysAll = async function* (): ClientConversation {
  return a;
};
const wantsAnswer = async function* (): ClientConversation {
  yield a;
  return b;
};
const wantsProof = async function* (ctx: ClientContext): ClientConversation {
  const proof = yield ctx.final(a);
  if (proof === undefined) throw ctx.fail("peer-not-verified", "no proof");
};
const takesProof = async function* (ctx: ClientContext): ClientConversation {
  yield ctx.final(a);
};
const hearsOnly = async function* (): ClientConversation {
  yield a;
};
const goesOn = async function* (ctx: ClientContext): ClientConversation {
  yield ctx.final(a);
  return b;
};
const asksMore = async function* (ctx: ClientContext): ClientConversation {
  yield ctx.final(a);
  yield ctx.final(b);
};
const listens = async function* (): ClientConversation {
  yield;
  return b;
};

describe("R-GEN-10 R-GEN-11 R-GEN-13 who decides success", () => {
  const rows: readonly [
    why: string,
    half: (ctx: ClientContext) => ClientConversation,
    replies: readonly SASLReply[],
    result: SASLErrorCode | "success",
    said: readonly (Uint8Array | undefined | "abort")[],
  ][] = [
    ["all said, success", saysAll, [success()], "success", [a]],
    ["all said, success with empty data", saysAll, [success(empty)], "success", [a]],
    ["all said, success with data", saysAll, [success(b)], "unexpected-message", [a]],
    ["all said, a challenge", saysAll, [challenge(empty)], "unexpected-message", [a, "abort"]],
    ["an answer wanted, success", wantsAnswer, [success()], "peer-not-verified", [a]],
    ["an answer wanted, success with data", wantsAnswer, [success(b)], "peer-not-verified", [a]],
    ["an answer wanted and got", wantsAnswer, [challenge(b), success()], "success", [a, b]],
    ["a proof wanted, success without", wantsProof, [success()], "peer-not-verified", [a]],
    ["a proof wanted, with the success", wantsProof, [success(b)], "success", [a]],
    ["a proof wanted, empty, with the success", wantsProof, [success(empty)], "success", [a]],
    ["a proof wanted, as a challenge", wantsProof, [challenge(b), success()], "success", [a, empty]],
    ["a proof twice", wantsProof, [challenge(b), success(b)], "unexpected-message", [a, empty]],
    [
      "a challenge after the proof",
      wantsProof,
      [challenge(b), challenge(b)],
      "unexpected-message",
      [a, empty, "abort"],
    ],
    ["an answer wanted, though not looked at, success", hearsOnly, [success()], "peer-not-verified", [a]],
    ["an answer wanted, though not looked at, success with data", hearsOnly, [success(b)], "peer-not-verified", [a]],
    ["something left to say, success", goesOn, [success(b)], "peer-not-verified", [a]],
    ["something left to say and said", goesOn, [challenge(b), success()], "success", [a, b]],
    ["something left to hear, success", asksMore, [success(b)], "peer-not-verified", [a]],
    ["a proof taken, none given", takesProof, [success()], "success", [a]],
  ];
  test.each(rows)("%s", async (_, half, replies, result, said) => {
    const played = await play(half, replies);
    expect(played.result).toBe(result);
    expect(played.said).toEqual(said);
  });

  test("R-GEN-06 a server-first half says nothing with the name, and hears the challenge", async () => {
    const played = await play(listens, [challenge(a), success()], { flow: "server-first" });
    expect(played).toMatchObject({ result: "success", said: [undefined, b] });
    expect(await play(listens, [success()], { flow: "server-first" })).toMatchObject({ result: "peer-not-verified" });
  });

  test("a half that contradicts its own flow is a mistake of its author", async () => {
    expect((await play(listens, [])).result).toBe("TypeError");
    expect((await play(saysAll, [], { flow: "server-first" })).result).toBe("TypeError");
    expect((await play(saysAll, [success()], { flow: "either" })).result).toBe("success");
  });
});

describe("failures", () => {
  test("on the wire are shown to the half, which may say more but cannot make them good", async () => {
    const seen: unknown[] = [];
    const curious = async function* (): ClientConversation {
      try {
        yield a;
      } catch (error) {
        seen.push(error);
      }
      return b;
    };
    const refusal = new AuthenticationFailure("refused", "no");
    const played = await play(curious, [refusal, success()]);
    expect(played).toMatchObject({ result: "refused", said: [a] });
    expect(seen).toEqual([refusal]);
  });

  const throwing = (error: unknown) =>
    async function* (): ClientConversation {
      yield a;
      throw error;
    };
  const rows: readonly [why: string, error: unknown, result: string][] = [
    ["a typed one", new SASLFailure("malformed-message", "no"), "malformed-message"],
    ["a mistake of the programmer", new TypeError("no"), "TypeError"],
    ["another error", new Error("no"), "aborted"],
    ["no error at all", "no", "aborted"],
    ["nothing", undefined, "aborted"],
  ];
  test.each(rows)("of the half: %s is passed on, and the peer is told", async (_, error, result) => {
    expect(await play(throwing(error), [challenge(b)])).toMatchObject({ result, said: [a, "abort"] });
  });

  test("before anything was said, the peer is told nothing", async () => {
    // biome-ignore lint/correctness/useYield: it never gets there
    const early = async function* (ctx: ClientContext): ClientConversation {
      throw ctx.fail("no-credentials", "none");
    };
    expect(await play(early, [])).toMatchObject({ result: "no-credentials", said: [] });
  });

  test("R-GEN-12 `ended` hears of each end exactly once", async () => {
    const ends: readonly [reply: SASLReply | Error, heard: readonly boolean[]][] = [
      [success(), [true]],
      [success(b), [true]],
      [new SASLFailure("temporary", "later"), [false]],
      [challenge(empty), [false]], // the half is convinced, and then the wire has nothing more to say
    ];
    for (const [reply, expected] of ends) {
      const heard: boolean[] = [];
      await play(
        async function* (ctx) {
          ctx.ended((ok) => heard.push(ok));
          yield ctx.final(a);
        },
        [reply],
      );
      expect(heard).toEqual(expected);
    }
  });
});

describe("the context", () => {
  test("R-GEN-29 nonces are fresh, printable, without comma, with at least 128 bits", async () => {
    const nonces = new Set<string>();
    await play(
      async function* (ctx) {
        for (let i = 0; i < 100; i++) nonces.add(ctx.nonce());
        expect(ctx.random(16)).toHaveLength(16);
        expect(ctx.random(16)).not.toEqual(ctx.random(16));
        yield ctx.final(a);
      },
      [success()],
    );
    expect(nonces.size).toBe(100);
    for (const nonce of nonces) expect(nonce).toMatch(/^[\x21-\x2b\x2d-\x7e]{22,}$/);
  });

  test("R-GEN-28 comparison takes unequal lengths as unequal", async () => {
    await play(
      async function* (ctx) {
        expect(ctx.equal(a, a.slice())).toBe(true);
        expect(ctx.equal(a, b)).toBe(false);
        expect(ctx.equal(a, empty)).toBe(false);
        expect(ctx.equal(empty, new Uint8Array(1))).toBe(false);
        yield ctx.final(a);
      },
      [success()],
    );
  });

  test("text is strict, and a message that must be there is", async () => {
    await play(
      async function* (ctx) {
        expect(() => ctx.text(undefined)).toThrow(expect.objectContaining({ code: "unexpected-message" }));
        expect(() => ctx.text(Uint8Array.of(0xff))).toThrow(expect.objectContaining({ code: "incorrect-encoding" }));
        expect(ctx.text(empty)).toBe("");
        yield ctx.final(a);
      },
      [success()],
    );
  });

  test("R-LIM-01 identities of the application are checked as the peer's are", async () => {
    // biome-ignore lint/correctness/useYield: the only message is the last one
    const asks = async function* (ctx: ClientContext): ClientConversation {
      await ctx.credentials("identity");
      return a;
    };
    for (const [authzid, result] of [
      ["a".repeat(1024), "success"],
      ["a".repeat(1025), "limit-exceeded"],
      ["ä".repeat(513), "limit-exceeded"],
      ["a\0", "malformed-message"],
    ] as const) {
      expect((await play(asks, [success()], { credentials: { authzid } })).result).toBe(result);
    }
  });
});

describe("a mechanism value", () => {
  test("knows its names, strongest first, and the best of an offer", () => {
    const scram = SCRAM({ username: "tim", password: "x" }, { hashes: [hashSha1, hashSha512, hashSha256] });
    expect(scram.variants.map(({ name }) => name)).toEqual(["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]);
    expect(scram.anySupported(["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])).toBe("SCRAM-SHA-256");
    expect(scram.anySupported(new Set(["PLAIN", "__proto__", "constructor"]))).toBeUndefined();
    expect(PLAIN({}).anySupported([])).toBeUndefined();
  });

  test("refuses a token that is none of its names", async () => {
    const machine = new SASLStateMachine({
      initiate: async () => success(),
      respond: async () => success(),
      abort: async () => ({ state: "failure" }),
    });
    for (const token of ["LOGIN", "__proto__", ""]) {
      const started = async () => PLAIN({ username: "tim", password: "x" }).authenticate(machine, token);
      await expect(started()).rejects.toThrow(TypeError);
    }
  });

  test("a mechanism without a client half is no client's", () => {
    const server = defineMechanism({ name: "X", flow: "client-first", security: [], source: "this test" });
    expect(clientMechanism([server], {}).variants).toEqual([]);
    expect(() => defineMechanism({ ...server, name: "not a name" })).toThrow(TypeError);
  });
});

test("an exchange on a machine that was used already fails", async () => {
  const wire: SASLInterface = {
    secure: true,
    initiate: async () => success(),
    respond: async () => success(),
    abort: async () => ({ state: "failure" }),
  };
  const machine = new SASLStateMachine(wire);
  await PLAIN({ username: "tim", password: "x" }).authenticate(machine, "PLAIN");
  expect(await codeOf(PLAIN({ username: "tim", password: "x" }).authenticate(machine, "PLAIN"))).toBe(
    "unexpected-message",
  );
});
