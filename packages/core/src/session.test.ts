import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  codeAfter,
  codeOf,
  connection,
  everybody,
  pairings,
  serverWith,
  sessionFor,
  storeOf,
} from "../test/support.js";
import type { AccountProperties } from "./accounts.js";
import { isSASLError, type SASLErrorCode, SASLFailure } from "./errors.js";
import { encodeUtf8 } from "./internal/text.js";
import { defineMechanism, type Mechanism, type ServerContext, type ServerConversation } from "./mechanism.js";
import { anonymous, cramMd5, login, plain, scramSha256, scramSha256Plus } from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import type { ServerEvent, ServerOptions, ServerPolicy } from "./server.js";

const right = "\0tim\0tanstaaftanstaaf";
const empty = new Uint8Array(0);

/** A mechanism written for one test. */
function mechanismOf(server: (ctx: ServerContext) => ServerConversation, more: Partial<Mechanism> = {}): Mechanism {
  return defineMechanism({
    name: "X-TEST",
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous"],
    source: "this test",
    server,
    ...more,
  });
}

/** Tells who it is at once, with additional data. */
const withData = mechanismOf(async function* () {
  yield;
  return { authcid: "tim", data: encodeUtf8("signature") };
});

const echo = mechanismOf(async function* () {
  let heard = yield;
  for (;;) heard = yield heard ?? empty;
});

describe("R-GEN-02 R-GEN-03 what was not offered", () => {
  const names = ["", "X", "plain", "PLAIN\0", "__proto__", "constructor", "toString", "hasOwnProperty", "CRAM-MD5"];
  test.each(names)("%j is unsupported", async (name) => {
    const session = sessionFor(plain);
    expect(await codeAfter(session, name, [right])).toBe("mechanism-unsupported");
    expect(await codeAfter(session, "PLAIN", [right])).toBe("success"); // and the session goes on
  });

  const policies: readonly [policy: ServerPolicy, secure: boolean, offered: string[], code: SASLErrorCode][] = [
    [{}, false, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "ANONYMOUS"], "channel-not-protected"],
    [{ minStrength: "challenge" }, true, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5"], "mechanism-too-weak"],
    [{ minStrength: "mutual" }, true, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], "mechanism-too-weak"],
    [{ channelBinding: "require" }, true, ["SCRAM-SHA-256-PLUS"], "mechanism-too-weak"],
    [{ minStrength: "bound" }, true, ["SCRAM-SHA-256-PLUS"], "mechanism-too-weak"],
  ];
  test.each(policies)("R-GEN-26 R-CB-05 under %o, secure: %s", async (policy, secure, offered, code) => {
    const server = serverWith([plain, cramMd5, anonymous, scramSha256, scramSha256Plus], { policy });
    expect(server.mechanisms({ ...connection, secure })).toEqual(offered);
    expect(await codeAfter(server.session({ ...connection, secure }), "PLAIN", [right])).toBe(code);
  });

  test("R-CB-09 no bound mechanism where nothing can be bound to, or binding is off", () => {
    const server = serverWith([scramSha256, scramSha256Plus]);
    expect(server.mechanisms({ secure: true })).toEqual(["SCRAM-SHA-256"]);
    expect(server.mechanisms({ secure: true, channelBinding: { types: [], data: () => empty } })).toEqual([
      "SCRAM-SHA-256",
    ]);
    const off = serverWith([scramSha256, scramSha256Plus], { policy: { channelBinding: "disable" } });
    expect(off.mechanisms(connection)).toEqual(["SCRAM-SHA-256"]);
  });

  test("announces the strongest first, whatever the order given", () => {
    const all = pairings.map(({ mechanism }) => mechanism);
    const names = serverWith(all).mechanisms(connection);
    expect(names).toEqual(serverWith(all.toReversed()).mechanisms(connection));
    expect(names.indexOf("SCRAM-SHA-256")).toBeLessThan(names.indexOf("SCRAM-SHA-1"));
    expect(names.indexOf("PLAIN")).toBeLessThan(names.indexOf("LOGIN"));
    expect(names.at(-1)).toBe("ANONYMOUS");
    expect(() => serverWith([plain, plain])).toThrow(RangeError);
  });
});

describe("the beginning", () => {
  test("R-GEN-05 one empty challenge without an initial response, then the first message", async () => {
    for (const first of [undefined, empty]) {
      const session = sessionFor(echo);
      const reply = await session.initiate("X-TEST", first);
      expect(reply).toEqual({ state: "challenge", payload: empty });
      // R-GEN-04: an empty initial response is a message, which the echo gives back; no initial response is none.
      expect(await session.respond(encodeUtf8("a"))).toEqual({ state: "challenge", payload: encodeUtf8("a") });
    }
  });

  test("R-GEN-04 an `either` mechanism hears whether there was an initial response", async () => {
    const heard: (Uint8Array | undefined)[] = [];
    const either = mechanismOf(
      async function* () {
        heard.push(yield);
        return { authcid: "tim" };
      },
      { flow: "either" },
    );
    await sessionFor(either).initiate("X-TEST");
    await sessionFor(either).initiate("X-TEST", empty);
    expect(heard).toEqual([undefined, empty]);
  });

  test("a second initiate during an exchange ends it", async () => {
    const session = sessionFor(login);
    await session.initiate("LOGIN");
    expect(await codeOf(session.initiate("LOGIN"))).toBe("unexpected-message");
    expect(session.pending).toBe(false);
    expect(await codeOf(session.respond(empty))).toBe("unexpected-message");
  });
});

describe("R-GEN-09 additional data with success", () => {
  test("travels with the success where the protocol can carry it", async () => {
    const session = sessionFor(withData, {}, { successData: true });
    expect(await session.initiate("X-TEST", empty)).toEqual({ state: "success", payload: encodeUtf8("signature") });
    expect(session.result?.authcid).toBe("tim");
  });

  test("is a challenge elsewhere, and success waits for an empty answer", async () => {
    const session = sessionFor(withData);
    expect(await session.initiate("X-TEST", empty)).toEqual({ state: "challenge", payload: encodeUtf8("signature") });
    expect(session.result).toBeUndefined();
    expect(await session.respond(empty)).toEqual({ state: "success" });
    expect(session.result?.authcid).toBe("tim");
  });

  test("any other answer fails", async () => {
    const session = sessionFor(withData);
    await session.initiate("X-TEST", empty);
    expect(await codeOf(session.respond(encodeUtf8("\0")))).toBe("unexpected-message");
    expect(session.result).toBeUndefined();
  });

  test("an abort in place of the answer fails", async () => {
    const session = sessionFor(withData);
    await session.initiate("X-TEST", empty);
    expect(await session.abort()).toEqual({ state: "failure" });
    expect(await codeOf(session.respond(empty))).toBe("unexpected-message");
    expect(session.result).toBeUndefined();
  });

  test("R-GEN-08 empty data is data, absent data is none", async () => {
    for (const data of [empty, undefined]) {
      const mechanism = mechanismOf(async function* () {
        yield;
        return { authcid: "tim", data };
      });
      expect((await sessionFor(mechanism, {}, { successData: true }).initiate("X-TEST", empty)).payload).toEqual(data);
      const reply = await sessionFor(mechanism).initiate("X-TEST", empty);
      expect(reply.state).toBe(data ? "challenge" : "success");
    }
  });
});

describe("R-GEN-14 after an outcome", () => {
  test("success is the last word", async () => {
    const session = sessionFor(plain);
    await session.initiate("PLAIN", encodeUtf8(right));
    const { result } = session;
    expect(await codeOf(session.initiate("PLAIN", encodeUtf8(right)))).toBe("unexpected-message");
    expect(await codeOf(session.respond(empty))).toBe("unexpected-message");
    expect(await session.abort()).toEqual({ state: "failure" });
    expect(session.result).toBe(result);
  });

  test("R-GEN-16 failure lets a new exchange begin, and nothing else", async () => {
    const session = sessionFor(plain);
    expect(await codeAfter(session, "PLAIN", ["\0tim\0wrong"])).toBe("refused");
    expect(await codeOf(session.respond(encodeUtf8(right)))).toBe("unexpected-message");
    expect(await codeAfter(session, "PLAIN", [right])).toBe("success");
  });

  test("R-GEN-15 nothing survives: names, nonces, binding", async () => {
    const events: ServerEvent[] = [];
    const options = { onOutcome: (event: ServerEvent) => events.push(event) };
    const session = serverWith([plain, cramMd5, scramSha256Plus], options).session(connection);
    await codeAfter(session, "SCRAM-SHA-256-PLUS", ["p=tls-exporter,,n=tim,r=abc", "c=,r=x,p=AA=="]);
    expect(events.at(-1)).toMatchObject({ authcid: "tim", channelBinding: "tls-exporter" });
    await codeAfter(session, "PLAIN", [""]);
    expect(events.at(-1)).toMatchObject({ mechanism: "PLAIN", authcid: undefined, channelBinding: undefined });
    const challenges = new Set<string>();
    for (let i = 0; i < 5; i++) {
      challenges.add(String((await session.initiate("CRAM-MD5")).payload));
      await session.abort();
    }
    expect(challenges.size).toBe(5);
    await codeAfter(session, "PLAIN", [right]);
    expect(session.result).toMatchObject({ authcid: "tim", channelBinding: undefined });
  });
});

test("R-GEN-31 R-GEN-17 failures that must look alike are alike to the last letter", async () => {
  const accounts = memoryAccounts({
    tim: "tanstaaftanstaaf",
    bound: { authPassword: [] },
    disabled: { userPassword: "tanstaaftanstaaf", disabled: true },
  });
  const said = ["\0tim\0wrong", "\0anna\0tanstaaftanstaaf", "\0bound\0tanstaaftanstaaf", "\0disabled\0wrong"];
  const seen = new Set<string>();
  for (const message of said) {
    try {
      await sessionFor(plain, { accounts }).initiate("PLAIN", encodeUtf8(message));
    } catch (error) {
      if (!isSASLError(error)) throw error;
      seen.add(JSON.stringify([error.code, error.message, error.detail, error.text, error.opaqueError, error.cause]));
    }
  }
  expect([...seen]).toEqual([
    JSON.stringify(["refused", "wrong password", undefined, undefined, undefined, undefined]),
  ]);
  expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", ["\0disabled\0tanstaaftanstaaf"])).toBe(
    "account-disabled",
  );
});

describe("R-GEN-19 authorization", () => {
  const asAnna = "anna\0tim\0tanstaaftanstaaf";
  const rows: readonly [why: string, authorize: unknown, result: SASLErrorCode | "success"][] = [
    ["no hook", undefined, "authorization-refused"],
    ["a hook that says yes", () => true, "success"],
    ["a hook that says yes later", async () => true, "success"],
    ["a hook that says no", () => false, "authorization-refused"],
    ["a hook that says something else", () => "yes", "authorization-refused"],
    ["a hook that says nothing", () => undefined, "authorization-refused"],
    [
      "a hook that throws",
      () => {
        throw new Error("the directory is down");
      },
      "temporary",
    ],
    ["a hook that rejects", () => Promise.reject(new Error("the directory is down")), "temporary"],
  ];
  test.each(rows)("%s", async (_, authorize, result) => {
    const session = sessionFor(plain, { authorize } as Partial<ServerOptions>);
    expect(await codeAfter(session, "PLAIN", [asAnna])).toBe(result);
    expect(session.result?.authzid).toBe(result === "success" ? "anna" : undefined);
  });

  test("the hook is not asked about oneself, nor after a wrong password", async () => {
    const authorize = vi.fn(() => true);
    await codeAfter(sessionFor(plain, { authorize }), "PLAIN", ["tim\0tim\0tanstaaftanstaaf"]);
    await codeAfter(sessionFor(plain, { authorize }), "PLAIN", ["anna\0tim\0wrong"]);
    expect(authorize).not.toHaveBeenCalled();
  });

  const canonical: readonly [
    why: string,
    canonicalize: (name: string) => unknown,
    result: SASLErrorCode | "success",
  ][] = [
    ["lower case", (name) => name.toLowerCase(), "success"],
    ["later", async (name) => name.toLowerCase(), "success"],
    ["R-CAN-03 nothing", () => "", "malformed-message"],
    ["R-CAN-03 something too long", (name) => name.repeat(500), "limit-exceeded"],
    ["no text", () => undefined, "temporary"],
    ["an exception", () => Promise.reject(new Error("no")), "temporary"],
  ];
  test.each(canonical)("R-CAN-01 R-CAN-02 a canonical form: %s", async (_, canonicalize, result) => {
    const options = { canonicalizers: [{ name: "a rule", canonicalize }] } as Partial<ServerOptions>;
    const session = sessionFor(plain, options);
    expect(await codeAfter(session, "PLAIN", ["Tim\0TIM\0tanstaaftanstaaf"])).toBe(result);
    if (result === "success") expect(session.result).toMatchObject({ authcid: "tim", authzid: "tim" });
  });

  test("R-XMPP-18 a canonical form is one at the host that the peer asked for", async () => {
    const canonicalize = vi.fn((name: string) => name);
    const canonicalizers = [{ name: "a rule", canonicalize }];
    await codeAfter(sessionFor(plain, { canonicalizers }, { host: "a.example" }), "PLAIN", [
      "anna\0tim\0tanstaaftanstaaf",
    ]);
    const here = { host: "a.example", side: "server", mechanism: "PLAIN", service: undefined };
    expect(canonicalize.mock.calls).toEqual([
      ["tim", { ...here, role: "authcid" }],
      ["anna", { ...here, role: "authzid" }],
    ]);
  });

  test("R-CAN-01 without an authzid one call is for authcid and authzid both", async () => {
    const canonicalize = vi.fn((name: string) => name);
    const session = sessionFor(plain, { canonicalizers: [{ name: "a rule", canonicalize }] });
    expect(await codeAfter(session, "PLAIN", ["\0tim\0tanstaaftanstaaf"])).toBe("success");
    expect(canonicalize.mock.calls).toEqual([["tim", expect.objectContaining({ role: "both" })]]);
  });
});

test("R-GEN-26 required binding is looked at again when the mechanism is done", async () => {
  const forgetful = mechanismOf(
    async function* () {
      yield;
      return { authcid: "tim" };
    },
    { channelBinding: true },
  );
  const session = sessionFor(forgetful, { policy: { channelBinding: "require" } });
  expect(await codeAfter(session, "X-TEST", [""])).toBe("mechanism-too-weak");
  expect(session.result).toBeUndefined();
});

describe("R-LIM-01 limits", () => {
  test("a message over the limit ends the exchange, at the limit it passes", async () => {
    const session = sessionFor(echo, { limits: { maxMessageBytes: 8 } });
    expect(await codeAfter(session, "X-TEST", ["12345678", "12345678"])).toBe("challenge");
    expect(await codeOf(session.respond(new Uint8Array(9)))).toBe("limit-exceeded");
    expect(session.pending).toBe(false);
    expect(await codeAfter(session, "X-TEST", ["123456789"])).toBe("limit-exceeded");
  });

  test("20 messages pass, the next one ends the exchange", async () => {
    const session = sessionFor(echo);
    await session.initiate("X-TEST", empty);
    for (let i = 1; i < 20; i++) await session.respond(empty);
    expect(await codeOf(session.respond(empty))).toBe("limit-exceeded");
    expect(session.pending).toBe(false);
  });
});

describe("stores", () => {
  const faults: readonly [why: string, lookup: () => unknown][] = [
    [
      "throws",
      () => {
        throw new Error("ECONNREFUSED");
      },
    ],
    ["rejects", () => Promise.reject(new Error("ECONNREFUSED"))],
    ["rejects with nothing", () => Promise.reject()],
    ["answers with text", () => "tim"],
    ["answers with a password that is no text", () => ({ userPassword: 7 })],
    ["answers with a password that cannot be prepared", () => ({ userPassword: "a\x07b" })],
    ["answers with an empty password", () => ({ userPassword: "" })],
    ["answers with verifiers that are no list", () => ({ authPassword: "SCRAM-SHA-256" })],
    ["answers with a verifier that is nothing", () => ({ authPassword: [null] })],
  ];
  for (const mechanism of [plain, scramSha256, cramMd5]) {
    const onlyPlain = mechanism === cramMd5 ? faults.slice(0, 7) : faults;
    test.each(onlyPlain)(`R-STO-04 ${mechanism.name}: a store that %s is a temporary fault`, async (why, lookup) => {
      const events: ServerEvent[] = [];
      const options = { accounts: storeOf(lookup as never), onOutcome: (event: ServerEvent) => events.push(event) };
      const session = sessionFor(mechanism, options);
      const messages = { PLAIN: [right], "SCRAM-SHA-256": ["n,,n=tim,r=abc"] }[mechanism.name];
      const code = messages
        ? codeAfter(session, mechanism.name, messages)
        : session.initiate("CRAM-MD5").then(() => codeOf(session.respond(encodeUtf8(`tim ${"0".repeat(32)}`))));
      expect(await code).toBe("temporary");
      expect(events).toHaveLength(1);
      expect(events[0]?.code).toBe("temporary");
      if (why === "throws") expect(events[0]?.detail).toContain("ECONNREFUSED"); // for the log
    });
  }

  test("the error of a fault tells the peer nothing of the store", async () => {
    const session = sessionFor(plain, { accounts: storeOf(() => Promise.reject(new Error("10.0.0.7: ECONNREFUSED"))) });
    await expect(session.initiate("PLAIN", encodeUtf8(right))).rejects.toMatchObject({
      message: "accounts cannot be looked up at present",
    });
  });

  test("a store is asked for what the mechanism needs, by the canonical name", async () => {
    const lookup = vi.fn((): AccountProperties => ({ userPassword: "tanstaaftanstaaf" }));
    await codeAfter(sessionFor(plain, { accounts: { lookup } }), "PLAIN", ["\0t\u00adim\0tanstaaftanstaaf"]);
    expect(lookup.mock.calls).toEqual([["tim", ["userPassword", "authPassword", "passwordHash", "disabled"]]]);
  });

  test("R-LIM-04 names every object inherits are users like others", async () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(await codeAfter(sessionFor(plain), "PLAIN", [`\0${name}\0tanstaaftanstaaf`])).toBe("refused");
      const accounts = memoryAccounts();
      accounts.store(name, { userPassword: "tanstaaftanstaaf" });
      const session = sessionFor(plain, { accounts });
      expect(await codeAfter(session, "PLAIN", [`\0${name}\0tanstaaftanstaaf`])).toBe("success");
      expect(session.result?.authcid).toBe(name);
    }
  });

  test("R-LIM-07 a fault of one exchange does not touch another", async () => {
    let calls = 0;
    const accounts = storeOf(() => {
      if (++calls === 1) throw new Error("once");
      return { userPassword: "tanstaaftanstaaf" };
    });
    const server = serverWith([plain], { accounts });
    const both = [server.session(connection), server.session(connection)];
    const codes = await Promise.all(both.map((session) => codeAfter(session, "PLAIN", [right])));
    expect(codes).toEqual(["temporary", "success"]);
  });
});

describe("waiting", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const never = () => new Promise<never>(() => {});

  const waits: readonly [what: string, options: Partial<ServerOptions>][] = [
    ["a store", { accounts: storeOf(never) }],
    ["an authorization hook", { authorize: never }],
    ["a canonical form", { canonicalizers: [{ name: "a rule", canonicalize: never }] }],
    ["preparation", { prepare: never }],
  ];
  const asAnna = encodeUtf8("anna\0tim\0tanstaaftanstaaf");

  test.each(waits)(
    "R-LIM-05 R-STO-04 %s that never answers is a temporary fault after the time limit",
    async (_, options) => {
      const session = sessionFor(plain, { ...options, limits: { timeoutMs: 5000 } });
      const waiting = codeOf(session.initiate("PLAIN", asAnna));
      await vi.advanceTimersByTimeAsync(4999);
      expect(session.pending).toBe(true);
      await vi.advanceTimersByTimeAsync(2);
      expect(await waiting).toBe("temporary");
      expect(session.pending).toBe(false);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test.each(waits)("R-GEN-16 an abort does not wait for %s, and a new exchange may follow", async (_, options) => {
    const events: ServerEvent[] = [];
    const session = sessionFor(plain, { ...options, onOutcome: (event) => events.push(event) });
    const waiting = codeOf(session.initiate("PLAIN", asAnna));
    await vi.advanceTimersByTimeAsync(1);
    expect(await session.abort()).toEqual({ state: "failure" });
    const second = codeOf(session.initiate("PLAIN", asAnna));
    expect(await waiting).toBe("aborted");
    await vi.advanceTimersByTimeAsync(61_001);
    expect(await second).toBe("temporary");
    expect(events.map(({ code }) => code)).toEqual(["aborted", "temporary"]); // each exchange is told once
    expect(vi.getTimerCount()).toBe(0);
  });

  test("R-LIM-05 a token verifier that never answers", async () => {
    const { mechanism } = pairings.find(({ name }) => name === "OAUTHBEARER") as (typeof pairings)[number];
    const session = sessionFor(mechanism, { tokens: never });
    const waiting = codeOf(session.initiate("OAUTHBEARER", encodeUtf8("n,,\x01auth=Bearer t\x01\x01")));
    await vi.advanceTimersByTimeAsync(60_001);
    expect(await waiting).toBe("temporary");
  });

  test("R-LIM-01 a peer that takes too long is told so", async () => {
    const session = sessionFor(login, { limits: { timeoutMs: 5000 } });
    await session.initiate("LOGIN");
    await vi.advanceTimersByTimeAsync(3000);
    await session.respond(encodeUtf8("tim"));
    await vi.advanceTimersByTimeAsync(3000);
    expect(await codeOf(session.respond(encodeUtf8("tanstaaftanstaaf")))).toBe("timed-out");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("no limit when it is set to 0", async () => {
    const session = sessionFor(login, { limits: { timeoutMs: 0 } });
    await session.initiate("LOGIN");
    await vi.advanceTimersByTimeAsync(10_000_000);
    await session.respond(encodeUtf8("tim"));
    expect((await session.respond(encodeUtf8("tanstaaftanstaaf"))).state).toBe("success");
  });

  test("a message before the last one was answered is refused and changes nothing", async () => {
    let answer: (found: AccountProperties) => void = () => {};
    const accounts = storeOf(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    const session = sessionFor(plain, { accounts });
    const first = session.initiate("PLAIN", encodeUtf8(right));
    await vi.advanceTimersByTimeAsync(1);
    expect(await codeOf(session.respond(encodeUtf8(right)))).toBe("unexpected-message");
    expect(await codeOf(session.initiate("PLAIN", encodeUtf8(right)))).toBe("unexpected-message");
    answer({ userPassword: "tanstaaftanstaaf" });
    expect((await first).state).toBe("success");
  });
});

describe("outcomes for the log", () => {
  test("one for each exchange, with what is known", async () => {
    const events: ServerEvent[] = [];
    const session = sessionFor(
      plain,
      { service: "imap", onOutcome: (event) => events.push(event) },
      { remote: "192.0.2.1" },
    );
    await codeAfter(session, "PLAIN", ["\0anna\0x"]);
    await codeAfter(session, "PLAIN", [right]);
    const common = { service: "imap", mechanism: "PLAIN", remote: "192.0.2.1", channelBinding: undefined };
    expect(events).toEqual([
      { ...common, ok: false, authcid: "anna", authzid: undefined, code: "refused", detail: "unknown user" },
      { ...common, ok: true, authcid: "tim", authzid: "tim", code: undefined, detail: undefined },
    ]);
  });

  test("a log that throws decides nothing", async () => {
    const onOutcome = () => {
      throw new Error("disk full");
    };
    expect(await codeAfter(sessionFor(plain, { onOutcome }), "PLAIN", [right])).toBe("success");
    expect(await codeAfter(sessionFor(plain, { onOutcome }), "PLAIN", ["\0tim\0x"])).toBe("refused");
  });

  test("R-GEN-30 what cannot be a name does not get into it", async () => {
    const events: ServerEvent[] = [];
    const options = { onOutcome: (event: ServerEvent) => events.push(event) };
    await codeAfter(sessionFor(plain, options), "PLAIN\r\nfaked log line", [right]);
    await codeAfter(sessionFor(plain, options), "SCRAM-SHA-1", [right]);
    await codeAfter(sessionFor(plain, options), "PLAIN", [`\0${"a".repeat(2000)}\0x`]);
    await codeAfter(sessionFor(plain, options), "PLAIN", ["\0tim\0tanstaaf\0extra"]);
    expect(events.map(({ mechanism, authcid, code }) => [mechanism, authcid, code])).toEqual([
      ["", undefined, "mechanism-unsupported"],
      ["SCRAM-SHA-1", undefined, "mechanism-unsupported"],
      ["PLAIN", undefined, "limit-exceeded"],
      ["PLAIN", undefined, "malformed-message"],
    ]);
    expect(JSON.stringify(events)).not.toContain("tanstaaf");
  });

  test("R-GEN-30 an attempt that a binding turned down is one, unless an exchange has begun or succeeded", async () => {
    const events: ServerEvent[] = [];
    const session = sessionFor(cramMd5, { onOutcome: (event) => events.push(event) }, { remote: "192.0.2.1" });
    const reason = new SASLFailure("malformed-message", "two arguments too many");
    session.refuse("PLAIN", reason);
    session.refuse("PLAIN\r\nfaked log line", reason);
    await session.initiate("CRAM-MD5");
    session.refuse("PLAIN", reason);
    expect(session.pending).toBe(true);
    await session.abort(new SASLFailure("connection-lost", "the connection was closed"));
    expect(events.map(({ ok, mechanism, code, detail }) => [ok, mechanism, code, detail])).toEqual([
      [false, "PLAIN", "malformed-message", "two arguments too many"],
      [false, "", "malformed-message", "two arguments too many"],
      [false, "CRAM-MD5", "connection-lost", "the connection was closed"],
    ]);
  });

  test("respond and abort without an exchange are no outcome", async () => {
    const onOutcome = vi.fn();
    const session = sessionFor(plain, { onOutcome });
    await codeOf(session.respond(empty));
    await session.abort();
    expect(onOutcome).not.toHaveBeenCalled();
  });
});

describe("plug-ins that break the rules", () => {
  const rows: readonly [why: string, server: (ctx: ServerContext) => ServerConversation][] = [
    [
      "listens twice in a row",
      async function* () {
        yield;
        yield;
        return { authcid: "tim" };
      },
    ],
    [
      "throws something else",
      // biome-ignore lint/correctness/useYield: it never gets there
      async function* () {
        throw new RangeError("a bug");
      },
    ],
    [
      "returns nothing",
      async function* () {
        yield;
        return undefined as never;
      },
    ],
    [
      "returns nobody",
      async function* () {
        yield;
        return { authcid: undefined as unknown as string };
      },
    ],
  ];
  test.each(rows)("one that %s fails as temporary", async (_, server) => {
    const session = sessionFor(mechanismOf(server), { accounts: everybody({}) });
    expect(await codeAfter(session, "X-TEST", ["a"])).toBe("temporary");
    expect(session.result).toBeUndefined();
  });

  test("one that returns an empty name fails", async () => {
    const nobody = mechanismOf(async function* () {
      yield;
      return { authcid: "" };
    });
    expect(await codeAfter(sessionFor(nobody), "X-TEST", ["a"])).not.toBe("success");
  });
});
