import { describe, expect, test, vi } from "vitest";
import { codeAfter, sessionFor } from "../test/support.js";
import type { AccountProperties, AccountStore, PasswordScheme } from "./accounts.js";
import { authenticate } from "./authenticate.js";
import { appendRealm, usernameCaseMapped } from "./canonicalizers.js";
import { callbackAccounts, chainAccounts } from "./chain-accounts.js";
import { type SASLErrorCode, saslError } from "./errors.js";
import { defineMechanism, type Mechanism, type SecurityFlag, type ServerContext } from "./mechanism.js";
import {
  anonymous,
  cramMd5,
  external,
  hashSha256,
  LOGIN,
  login,
  PLAIN,
  plain,
  scramSha1,
  scramSha256,
  scramSha256Plus,
} from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { SASLServer, type ServerConnection, type ServerOptions, type ServerPolicy } from "./server.js";
import { setPassword } from "./set-password.js";
import { makeScramVerifier } from "./verifier.js";

const right = "\0tim\0secret";
const secure = { secure: true };

describe("what the application gets with the identity", () => {
  const tim = { userPassword: "secret", quota: 5, displayName: "Tim", secretNote: "x" };

  test("R-CAN-04 one look-up for mechanism, server and application, with each request once", async () => {
    const lookup = vi.fn(() => tim);
    const session = sessionFor(plain, { accounts: { lookup }, properties: ["quota", "displayName", "userPassword"] });
    expect(await codeAfter(session, "PLAIN", [right])).toBe("success");
    expect(lookup.mock.calls).toEqual([
      ["tim", ["userPassword", "authPassword", "passwordHash", "quota", "displayName", "disabled"]],
    ]);
  });

  test("R-CAN-04 what was named, and nothing the store gave besides; no secret that was not named", async () => {
    const session = sessionFor(plain, { accounts: memoryAccounts({ tim }), properties: ["quota", "mailbox"] });
    await codeAfter(session, "PLAIN", [right]);
    expect({ ...session.result?.properties }).toEqual({ quota: 5 });
    const asked = sessionFor(plain, { accounts: memoryAccounts({ tim }), properties: ["userPassword"] });
    await codeAfter(asked, "PLAIN", [right]);
    expect({ ...asked.result?.properties }).toEqual({ userPassword: "secret" });
  });

  test("R-LIM-04 a property named __proto__ is one like others", async () => {
    const account = JSON.parse('{"userPassword":"secret","__proto__":{"admin":true}}') as AccountProperties;
    const session = sessionFor(plain, { accounts: { lookup: () => account }, properties: ["__proto__"] });
    await codeAfter(session, "PLAIN", [right]);
    const { properties = {} } = session.result ?? {};
    expect(Object.keys(properties)).toEqual(["__proto__"]);
    expect((properties as { admin?: unknown }).admin).toBeUndefined();
  });

  test("R-CAN-04 acting as somebody else: their properties, looked up only after the mechanism succeeded", async () => {
    const anna = { quota: 9 };
    const lookup = vi.fn((name: string): AccountProperties => (name === "tim" ? tim : anna));
    const authorize = vi.fn(() => true);
    const options = { accounts: { lookup }, authorize, properties: ["quota"] };
    await codeAfter(sessionFor(plain, options), "PLAIN", ["anna\0tim\0wrong"]);
    expect(lookup.mock.calls.map(([name]) => name)).toEqual(["tim"]);
    const session = sessionFor(plain, options);
    expect(await codeAfter(session, "PLAIN", ["anna\0tim\0secret"])).toBe("success");
    expect(lookup.mock.calls.slice(1)).toEqual([
      ["tim", expect.anything()],
      ["anna", ["quota", "disabled"]],
    ]);
    expect({ ...session.result?.properties }).toEqual({ quota: 9 });
    expect(authorize.mock.calls).toEqual([[expect.objectContaining({ properties: { quota: 5 } })]]);
  });

  test("R-CAN-04 an authzid that is not allowed is not looked up", async () => {
    const lookup = vi.fn(() => tim);
    await codeAfter(sessionFor(plain, { accounts: { lookup } }), "PLAIN", ["anna\0tim\0secret"]);
    expect(lookup).toHaveBeenCalledTimes(1);
  });
});

describe("policy", () => {
  const all = [scramSha256Plus, scramSha256, cramMd5, plain, anonymous, external];
  const layered: Mechanism = defineMechanism({ ...scramSha1, name: "X-LAYER", maxSsf: 128 });
  const serverWith = (policy: ServerPolicy) =>
    new SASLServer({ mechanisms: [...all, layered], accounts: memoryAccounts(), anonymous: "nobody", policy });
  const none: readonly SecurityFlag[] = [];

  const rows: readonly [why: string, policy: ServerPolicy, connection: ServerConnection, names: readonly string[]][] = [
    ["nothing is asked", {}, secure, ["SCRAM-SHA-256", "X-LAYER", "CRAM-MD5", "PLAIN", "ANONYMOUS"]],
    ["flags that must be there", { require: ["mutualAuth"] }, secure, ["SCRAM-SHA-256", "X-LAYER"]],
    ["several of them", { require: ["noAnonymous", "noPlaintext"] }, secure, ["SCRAM-SHA-256", "X-LAYER", "CRAM-MD5"]],
    [
      "flags that must not",
      { forbid: ["passCredentials"] },
      secure,
      ["SCRAM-SHA-256", "X-LAYER", "CRAM-MD5", "ANONYMOUS"],
    ],
    [
      "empty lists",
      { require: none, forbid: none, minSsf: 0 },
      secure,
      ["SCRAM-SHA-256", "X-LAYER", "CRAM-MD5", "PLAIN", "ANONYMOUS"],
    ],
    ["strength the channel has", { minSsf: 128, require: ["mutualAuth"] }, secure, ["SCRAM-SHA-256", "X-LAYER"]],
    [
      "strength the channel is said to have",
      { minSsf: 256, require: ["mutualAuth"] },
      { secure: true, externalSsf: 256 },
      ["SCRAM-SHA-256", "X-LAYER"],
    ],
    ["strength only a layer can give", { minSsf: 56 }, { secure: false, layers: true }, ["X-LAYER"]],
    ["a connection that can carry no layer", { minSsf: 56 }, { secure: false }, []],
    ["strength nobody can give", { minSsf: 256 }, secure, []],
    ["no layer wanted", { minSsf: 56, maxSsf: 0 }, { secure: false, layers: true }, []],
    ["a stricter connection", {}, { secure: true, policy: { require: ["mutualAuth"] } }, ["SCRAM-SHA-256", "X-LAYER"]],
    [
      "a laxer connection",
      { require: ["mutualAuth"] },
      { secure: true, policy: { require: [], forbid: ["noPlaintext"] } },
      ["PLAIN"],
    ],
  ];
  test.each(rows)("R-GEN-26 R-GEN-03 %s", async (_, policy, connection, names) => {
    const server = serverWith(policy);
    expect(server.mechanisms(connection)).toEqual(names);
    // What is not announced is not accepted.
    for (const { name } of [...all, layered].filter((each) => !names.includes(each.name))) {
      await expect(server.session(connection).initiate(name)).rejects.toMatchObject({ kind: "SASLFailure" });
    }
  });

  test("R-GEN-26 policy is asked again when the mechanism is done", async () => {
    let secureStill = true;
    const connection: ServerConnection = {
      get secure() {
        return secureStill;
      },
    };
    const server = new SASLServer({ mechanisms: [login], accounts: memoryAccounts({ tim: "secret" }) });
    const session = server.session(connection);
    await session.initiate("LOGIN");
    await session.respond(new TextEncoder().encode("tim"));
    secureStill = false;
    await expect(session.respond(new TextEncoder().encode("secret"))).rejects.toMatchObject({
      code: "channel-not-protected",
    });
    expect(session.result).toBeUndefined();
  });

  test("a mechanism that needs the server's name is not offered without one", () => {
    const named = defineMechanism({ ...plain, name: "X-NAMED", needsHost: true });
    const at = (options: Partial<ServerOptions>, connection: ServerConnection = secure) =>
      new SASLServer({ mechanisms: [named], accounts: memoryAccounts(), ...options }).mechanisms(connection);
    expect(at({})).toEqual([]);
    expect(at({ host: "a.example" })).toEqual(["X-NAMED"]);
    expect(at({}, { secure: true, host: "a.example" })).toEqual(["X-NAMED"]);
  });
});

describe("mechanisms for a user", () => {
  test("one look-up answers for all of them", async () => {
    const verifier = await makeScramVerifier(hashSha256, "secret", { iterations: 4096 });
    const lookup = vi.fn((name: string) => (name === "tim" ? { authPassword: [verifier] } : undefined));
    const server = new SASLServer({ mechanisms: [scramSha1, scramSha256, cramMd5, plain], accounts: { lookup } });
    expect(await server.mechanismsFor("t\u00adim", secure)).toEqual(["SCRAM-SHA-256", "PLAIN"]);
    expect(lookup.mock.calls).toEqual([["tim", ["authPassword", "userPassword", "passwordHash", "disabled"]]]);
    expect(await server.mechanismsFor("tim", { secure: false })).toEqual(["SCRAM-SHA-256"]);
    expect(await server.workingMechanisms("tim", secure)).toEqual(["SCRAM-SHA-256", "PLAIN"]);
    expect(await server.workingMechanisms("nobody", secure)).toEqual([]);
  });

  test("R-STO-04 a store that is down says so", async () => {
    const accounts = callbackAccounts(() => Promise.reject(new Error("connect ECONNREFUSED")));
    const server = new SASLServer({ mechanisms: [plain], accounts });
    await expect(server.mechanismsFor("tim", secure)).rejects.toMatchObject({ code: "temporary" });
  });

  test("a store that judges passwords itself can do PLAIN for everybody", async () => {
    const accounts = { lookup: () => ({}), checkPassword: () => true };
    const server = new SASLServer({ mechanisms: [scramSha256, plain], accounts });
    expect(await server.mechanismsFor("tim", secure)).toEqual(["PLAIN"]);
  });
});

describe("password hashes", () => {
  const scheme = (calls: string[] = []): PasswordScheme => ({
    name: "test",
    recognizes: (stored) => stored.startsWith("$t$"),
    verify(password, stored) {
      calls.push(stored);
      if (stored === "$t$broken") throw new Error("absurd parameters");
      return stored === `$t$${password}`;
    },
    hash: (password) => `$t$${password}`,
  });
  const rows: readonly [why: string, account: AccountProperties, code: SASLErrorCode | "success"][] = [
    ["that fits", { passwordHash: ["$t$secret"] }, "success"],
    ["that does not", { passwordHash: ["$t$other"] }, "refused"],
    ["of which one fits", { passwordHash: ["$t$other", "$t$secret"] }, "success"],
    ["beside the password itself, which counts", { passwordHash: ["$t$secret"], userPassword: "other" }, "refused"],
    ["R-STO-08 that no scheme reads", { passwordHash: ["$u$secret"] }, "temporary"],
    ["R-STO-08 whose check fails", { passwordHash: ["$t$broken"] }, "temporary"],
    ["R-STO-04 that is no text", { passwordHash: [5] } as unknown as AccountProperties, "temporary"],
    ["R-STO-04 that is no list", { passwordHash: "$t$secret" } as unknown as AccountProperties, "temporary"],
    ["none at all", { passwordHash: [] }, "refused"],
    [
      "R-STO-04 beside a verifier that is nothing",
      { authPassword: [null] } as unknown as AccountProperties,
      "temporary",
    ],
    ["R-STO-04 beside a verifier of no hash", { authPassword: [{}] } as unknown as AccountProperties, "temporary"],
  ];
  test.each(rows)("a hash %s", async (_, account, code) => {
    const options = { accounts: { lookup: () => account }, passwordSchemes: [scheme()] };
    expect(await codeAfter(sessionFor(plain, options), "PLAIN", [right])).toBe(code);
  });

  test("R-GEN-31 a name nobody has costs one check, and the decoy's own password is not let in", async () => {
    const calls: string[] = [];
    const options = { accounts: memoryAccounts(), passwordSchemes: [scheme(calls)], secret: new Uint8Array(16) };
    const decoy = btoa("\0".repeat(16)); // what the scheme made its decoy of
    expect(await codeAfter(sessionFor(plain, options), "PLAIN", [`\0tim\0${decoy}`])).toBe("refused");
    expect(calls).toEqual([`$t$${decoy}`]);
  });

  test("R-GEN-31 once a real hash was seen, unknown names are tried against one of that kind", async () => {
    const calls: string[] = [];
    const server = new SASLServer({
      mechanisms: [plain],
      accounts: memoryAccounts({ tim: { passwordHash: ["$t$secret"] } }),
      passwordSchemes: [scheme(calls)],
    });
    const tryAs = (message: string) => codeAfter(server.session(secure), "PLAIN", [message]);
    expect(await tryAs(right)).toBe("success");
    expect(await tryAs("\0nobody\0secret")).toBe("refused");
    expect(calls).toEqual(["$t$secret", "$t$secret"]);
  });
});

describe("names nobody has are not told apart", () => {
  const scheme = (verify: (password: string, stored: string) => boolean): PasswordScheme => ({
    name: "test",
    recognizes: (stored) => stored.startsWith("$t$"),
    verify,
    hash: () => "$t$decoy",
  });
  const codes = async (server: SASLServer, names: readonly string[]) => {
    const result: string[] = [];
    for (const name of names) result.push(await codeAfter(server.session(secure), "PLAIN", [`\0${name}\0wrong`]));
    return result;
  };

  test("R-GEN-31 a hash that nobody can read is not what unknown names are tried against", async () => {
    const server = new SASLServer({
      mechanisms: [plain],
      accounts: memoryAccounts({ imported: { passwordHash: ["$y$j9T$x"] }, broken: { passwordHash: ["$t$absurd"] } }),
      passwordSchemes: [
        scheme((_, stored) => {
          if (stored === "$t$absurd") throw new Error("absurd parameters");
          return false;
        }),
      ],
    });
    expect(await codes(server, ["imported", "broken", "nobody"])).toEqual(["temporary", "temporary", "refused"]);
  });

  test("R-GEN-31 a fault while the decoy is made is not kept", async () => {
    const hash = vi
      .fn(() => "$t$decoy")
      .mockImplementationOnce(() => {
        throw new Error("no memory");
      });
    const schemes = [{ ...scheme(() => false), hash }];
    const server = new SASLServer({ mechanisms: [plain], accounts: memoryAccounts(), passwordSchemes: schemes });
    expect(await codes(server, ["nobody", "nobody"])).toEqual(["temporary", "refused"]);
  });

  test("R-GEN-31 an account with the password itself costs what an unknown name costs", async () => {
    const calls: string[] = [];
    const schemes = [scheme((_, stored) => calls.push(stored) < 0)];
    const accounts = memoryAccounts({ tim: "secret" });
    const server = new SASLServer({ mechanisms: [plain], accounts, passwordSchemes: schemes });
    expect(await codes(server, ["tim", "nobody"])).toEqual(["refused", "refused"]);
    expect(calls).toEqual(["$t$decoy", "$t$decoy"]);
  });
});

describe("policy of a connection", () => {
  const accounts = memoryAccounts({ tim: "secret" });
  test("R-GEN-26 a point that is undefined takes nothing from the server's", () => {
    const server = new SASLServer({ mechanisms: [plain], accounts, policy: { forbid: ["passCredentials"] } });
    expect(server.mechanisms({ secure: true, policy: { forbid: undefined, minSsf: undefined } })).toEqual([]);
  });

  test.each([
    ["required by the server, preferred on this connection", "require", "prefer", "success"],
    ["required on this connection alone", "prefer", "require", "mechanism-too-weak"],
  ] as const)("R-GEN-26 R-CB-05 binding %s", async (_, server, connection, code) => {
    const options = { policy: { channelBinding: server } };
    const session = sessionFor(plain, { accounts, ...options }, { policy: { channelBinding: connection } });
    expect(await codeAfter(session, "PLAIN", [right])).toBe(code);
  });

  const wrong: readonly ServerPolicy[] = [
    { minStrength: "strong" as never },
    { channelBinding: "required" as never },
    { require: ["mutual"] as never },
    { forbid: ["passCredential"] as never },
    { minSsf: Number.NaN },
    { maxSsf: -1 },
  ];
  test.each(wrong)("R-GEN-26 %o is a mistake, and opens nothing", (policy) => {
    expect(() => new SASLServer({ mechanisms: [plain], accounts, policy })).toThrow(RangeError);
    const server = new SASLServer({ mechanisms: [plain], accounts });
    expect(() => server.session({ secure: true, policy })).toThrow(RangeError);
  });

  test("R-GEN-26 a layer that a mechanism could have had, and did not, protects nothing", async () => {
    const claims = defineMechanism({ ...plain, name: "X-LAYER", maxSsf: 256 });
    const policy = { minSsf: 256 };
    const session = sessionFor(claims, { accounts, policy });
    expect(await codeAfter(session, "X-LAYER", [right])).toBe("mechanism-too-weak");
  });

  test("R-GEN-26 a channel of unknown strength has none", () => {
    const server = new SASLServer({ mechanisms: [plain], accounts, policy: { minSsf: 1 } });
    expect(server.mechanisms({ secure: true, externalSsf: Number.NaN })).toEqual([]);
  });
});

test("R-XMPP-18 the protocol has the last word, and the log hears it", async () => {
  const events: unknown[] = [];
  const accounts = memoryAccounts({ tim: "secret" });
  const server = new SASLServer({ mechanisms: [plain], accounts, onOutcome: (event) => events.push(event) });
  const admit = async ({ authzid }: { readonly authzid: string }) => {
    throw saslError("authorization-refused", `${authzid} is of another host`);
  };
  const session = server.session({ secure: true, admit });
  expect(await codeAfter(session, "PLAIN", [right])).toBe("authorization-refused");
  expect(session.result).toBeUndefined();
  expect(events).toEqual([expect.objectContaining({ ok: false, code: "authorization-refused" })]);
});

describe("accounts that are not the mechanism's", () => {
  const disabled = { lookup: () => ({ disabled: true }) };
  const says = (authcid: string, mayActAs?: unknown): Mechanism =>
    defineMechanism({
      name: "X-SAYS",
      flow: "client-first",
      security: ["noAnonymous"],
      source: "this test",
      async *server() {
        const authzid = new TextDecoder().decode(yield);
        return { authcid, authzid, ...(mayActAs !== undefined && { mayActAs: mayActAs as string[] }) };
      },
    });

  test("a name that was not identified is looked at, too", async () => {
    expect(await codeAfter(sessionFor(says("tim"), { accounts: disabled }), "X-SAYS", [""])).toBe("account-disabled");
    const anybody = sessionFor(anonymous, { accounts: disabled, anonymous: "guest" });
    expect(await codeAfter(anybody, "ANONYMOUS", ["x"])).toBe("account-disabled");
  });

  test("requireAccount turns down who has none, whatever the channel proved", async () => {
    const accounts = memoryAccounts({ tim: {} });
    const connection = { external: { names: ["anna", "tim"] } };
    const asAnna = () => sessionFor(external, { accounts }, connection);
    expect(await codeAfter(asAnna(), "EXTERNAL", ["anna"])).toBe("success");
    const strict = (name: string) =>
      codeAfter(sessionFor(external, { accounts, requireAccount: true }, connection), "EXTERNAL", [name]);
    expect(await strict("anna")).toBe("refused");
    expect(await strict("tim")).toBe("success");
    const guest = sessionFor(anonymous, { accounts, anonymous: "guest", requireAccount: true });
    expect(await codeAfter(guest, "ANONYMOUS", ["x"])).toBe("success");
  });

  test("names to act as are a list, and one that cannot be used does not block the next", async () => {
    const accounts = memoryAccounts();
    expect(await codeAfter(sessionFor(says("tim", "anna"), { accounts }), "X-SAYS", ["n"])).toBe("temporary");
    const canonicalizers = [usernameCaseMapped];
    const session = sessionFor(says("tim", ["two words", "anna"]), { accounts, canonicalizers });
    expect(await codeAfter(session, "X-SAYS", ["Anna"])).toBe("success");
  });

  test.each([
    ["a list of rows", [{ disabled: true }]],
    ["a map", new Map([["disabled", true]])],
  ])("R-STO-04 %s is no account", async (_, found) => {
    const accounts = { lookup: () => found } as unknown as AccountStore;
    const connection = { external: { names: ["tim"] } };
    expect(await codeAfter(sessionFor(external, { accounts }, connection), "EXTERNAL", [""])).toBe("temporary");
  });

  test("getters of a class are read", async () => {
    class Row {
      get userPassword() {
        return "secret";
      }
      get quota() {
        return 5;
      }
    }
    const session = sessionFor(plain, { accounts: { lookup: () => new Row() as never }, properties: ["quota"] });
    expect(await codeAfter(session, "PLAIN", [right])).toBe("success");
    expect({ ...session.result?.properties }).toEqual({ quota: 5 });
  });
});

describe("a store that judges passwords itself", () => {
  const rows: readonly [why: string, answer: () => unknown, code: SASLErrorCode | "success"][] = [
    ["yes", () => true, "success"],
    ["yes, later", async () => true, "success"],
    ["no", () => false, "refused"],
    ["nothing", () => undefined, "refused"],
    ["something else", () => "yes", "refused"],
    ["R-STO-04 an exception", () => Promise.reject(new Error("connection lost")), "temporary"],
  ];
  test.each(rows)("%s", async (_, answer, code) => {
    const accounts = { lookup: () => ({}), checkPassword: vi.fn(answer) } as unknown as AccountStore;
    expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", [right])).toBe(code);
    expect(accounts.checkPassword).toHaveBeenCalledWith("tim", "secret");
  });

  test("is asked about names nobody has, and not about accounts that have secrets", async () => {
    const accounts = { ...memoryAccounts({ tim: "secret" }), checkPassword: vi.fn(() => false) };
    await codeAfter(sessionFor(plain, { accounts }), "PLAIN", [right]);
    expect(accounts.checkPassword).not.toHaveBeenCalled();
    await codeAfter(sessionFor(plain, { accounts }), "PLAIN", ["\0nobody\0x"]);
    expect(accounts.checkPassword).toHaveBeenCalledTimes(1);
  });

  test("works with LOGIN, and sees the prepared password", async () => {
    const accounts = { lookup: () => ({}), checkPassword: vi.fn((_: string, password: string) => password === "IX") };
    const server = new SASLServer({ mechanisms: [login], accounts });
    await authenticate(server.session(secure), ["LOGIN"], [LOGIN({ username: "tim", password: "\u2168" })]);
  });
});

describe("what a mechanism is given", () => {
  const half = (body: (ctx: ServerContext) => Promise<{ authcid: string }>): Mechanism =>
    defineMechanism({
      name: "X-TEST",
      flow: "client-first",
      security: ["noAnonymous"],
      source: "this test",
      properties: ["counter"],
      async *server(ctx) {
        yield;
        return body(ctx);
      },
    });

  test("R-STO-06 a counter: of two exchanges at once one is refused", async () => {
    const accounts = memoryAccounts({ tim: { counter: 7 } });
    let waiting = 0;
    let release = () => {};
    const both = new Promise<void>((resolve) => {
      release = resolve;
    });
    const counting = half(async (ctx) => {
      const account = await ctx.identify("tim");
      const { counter } = account.properties as { counter: number };
      if (++waiting === 2) release();
      await both;
      if (!(await ctx.update(account, { counter: counter - 1 }, { counter }))) throw ctx.fail("refused", "used");
      return { authcid: account.name };
    });
    const server = new SASLServer({ mechanisms: [counting], accounts });
    const outcomes = await Promise.all([1, 2].map(() => codeAfter(server.session(secure), "X-TEST", ["x"])));
    expect(outcomes.sort()).toEqual(["refused", "success"]);
    expect(accounts.lookup("tim", [])).toEqual({ counter: 6 });
  });

  test.each<[why: string, store: AccountStore["store"], code: SASLErrorCode]>([
    ["that cannot write", undefined, "refused"],
    ["that is down", () => Promise.reject(new Error("down")), "temporary"],
    ["that answers with something else", (() => "yes") as unknown as AccountStore["store"], "refused"],
  ])("R-STO-04 a store %s", async (_, store, code) => {
    const accounts: AccountStore = { lookup: () => ({ counter: 7 }), ...(store && { store }) };
    const writing = half(async (ctx) => {
      const account = await ctx.identify("tim");
      if (!(await ctx.update(account, { counter: 6 }, {}))) throw ctx.fail("refused", "not written");
      return { authcid: account.name };
    });
    const server = new SASLServer({ mechanisms: [writing], accounts });
    expect(await codeAfter(server.session(secure), "X-TEST", ["x"])).toBe(code);
  });

  const ends: readonly [why: string, body: (ctx: ServerContext) => Promise<{ authcid: string }>, ok: boolean][] = [
    ["success", async (ctx) => ({ authcid: (await ctx.identify("tim")).name }), true],
    ["a refusal", (ctx) => Promise.reject(ctx.fail("refused", "no")), false],
    ["an exception", () => Promise.reject(new TypeError("a bug")), false],
  ];
  test.each(ends)("state of an exchange is let go of once, after %s", async (_, body, ok) => {
    const told = vi.fn();
    const mechanism = half((ctx) => {
      ctx.ended(() => {
        throw new Error("the first one fails");
      });
      ctx.ended(told);
      return body(ctx);
    });
    const session = new SASLServer({ mechanisms: [mechanism], accounts: memoryAccounts() }).session(secure);
    await codeAfter(session, "X-TEST", ["x"]);
    await session.abort();
    expect(told.mock.calls.map(([ended]) => ended)).toEqual([ok]);
  });

  test("R-LIM-05 R-LIM-07 one that never answers fails after the time limit, and harms nobody else", async () => {
    vi.useFakeTimers();
    try {
      const never = half(() => new Promise(() => {}));
      const options = { mechanisms: [never, plain], accounts: memoryAccounts({ tim: "secret" }) };
      const server = new SASLServer({ ...options, limits: { timeoutMs: 1000 } });
      const stuck = codeAfter(server.session(secure), "X-TEST", ["x"]);
      expect(await codeAfter(server.session(secure), "PLAIN", [right])).toBe("success");
      await vi.advanceTimersByTimeAsync(1001);
      expect(await stuck).toBe("temporary");
    } finally {
      vi.useRealTimers();
    }
  });

  test("R-LIM-07 a mechanism identifies one account, and can use no other", async () => {
    const accounts = memoryAccounts({ master: { userPassword: "m", disabled: true }, tim: { userPassword: "t" } });
    const twice = half(async (ctx) => {
      await ctx.identify("master");
      return { authcid: (await ctx.identify("tim")).name };
    });
    const foreign = half(async (ctx) => {
      const account = await ctx.identify("tim");
      await ctx.update({ name: "master", properties: {} }, { disabled: false }, {});
      return { authcid: account.name };
    });
    for (const mechanism of [twice, foreign]) {
      const server = new SASLServer({ mechanisms: [mechanism], accounts });
      expect(await codeAfter(server.session(secure), "X-TEST", ["x"])).toBe("temporary");
    }
    expect(accounts.lookup("master", [])).toMatchObject({ disabled: true });
  });

  test("after an abort a half that is still at work learns of it, and reaches nothing", async () => {
    const told = vi.fn();
    const store = vi.fn(() => true);
    const lookup = vi.fn(() => ({ counter: 7 }));
    let go = () => {};
    const errors: unknown[] = [];
    const late = half(async (ctx) => {
      const account = await ctx.identify("tim");
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      ctx.ended(told);
      await Promise.resolve(account)
        .then((a) => ctx.update(a, { counter: 6 }, {}))
        .catch((error) => errors.push(error));
      return { authcid: "tim" };
    });
    const session = new SASLServer({ mechanisms: [late], accounts: { lookup, store } }).session(secure);
    const step = codeAfter(session, "X-TEST", ["x"]);
    await expect.poll(() => lookup.mock.calls.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await session.abort();
    go();
    expect(await step).toBe("aborted");
    await expect.poll(() => errors).toEqual([expect.objectContaining({ code: "aborted" })]);
    expect(told.mock.calls.map(([ended]) => ended)).toEqual([false]);
    expect(store).not.toHaveBeenCalled();
  });

  test("R-LIM-05 callbacks that reject later end no process", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    try {
      const mechanism = half((ctx) => {
        ctx.ended((async () => Promise.reject(new Error("cleanup"))) as () => void);
        return Promise.reject(ctx.fail("refused", "no"));
      });
      const server = new SASLServer({ mechanisms: [mechanism], accounts: memoryAccounts() });
      expect(await codeAfter(server.session(secure), "X-TEST", ["x"])).toBe("refused");
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off("unhandledRejection", unhandled);
    }
  });

  test("R-CAN-03 an empty name stays empty, whatever a rule would make of it", async () => {
    const nobody = half(async (ctx) => ({ authcid: (await ctx.identify("")).name }));
    const canonicalizers = [appendRealm("example.com")];
    const server = new SASLServer({ mechanisms: [nobody], accounts: memoryAccounts(), canonicalizers });
    expect(await codeAfter(server.session(secure), "X-TEST", ["x"])).toBe("malformed-message");
  });

  test("and when the peer goes away in the middle", async () => {
    const told = vi.fn();
    const mechanism = half((ctx) => {
      ctx.ended(told);
      return new Promise(() => {});
    });
    const session = new SASLServer({ mechanisms: [mechanism], accounts: memoryAccounts() }).session(secure);
    const step = codeAfter(session, "X-TEST", ["x"]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await session.abort();
    expect(await step).toBe("aborted");
    await session.abort();
    expect(told.mock.calls.map(([ended]) => ended)).toEqual([false]);
  });
});

describe("chained stores", () => {
  const verifierOf = (password: string) => makeScramVerifier(hashSha256, password, { iterations: 4096 });
  const hashes = { tim: { userPassword: "secret", quota: 1 } };
  const more = { tim: { quota: 2, displayName: "Tim" }, anna: { userPassword: "annas" } };

  test("the first answer wins for each property", async () => {
    const chain = chainAccounts([memoryAccounts(hashes), memoryAccounts(more)]);
    const found = await chain.lookup("tim", ["userPassword", "quota", "displayName"]);
    expect(found).toMatchObject({ userPassword: "secret", quota: 1, displayName: "Tim" });
    expect(await chain.lookup("anna", ["userPassword"])).toMatchObject({ userPassword: "annas" });
    expect(await chain.lookup("nobody", ["userPassword"])).toBeUndefined();
  });

  test("or the first store that knows the name says all", async () => {
    const chain = chainAccounts([memoryAccounts(hashes), memoryAccounts(more)], { answer: "account" });
    expect(await chain.lookup("tim", ["quota", "displayName"])).toEqual({ quota: 1 });
  });

  test("an account that is locked in one of them is locked", async () => {
    const chain = chainAccounts([memoryAccounts(hashes), memoryAccounts({ tim: { disabled: true } })]);
    const code = await codeAfter(sessionFor(plain, { accounts: chain }), "PLAIN", [right]);
    expect(code).toBe("account-disabled");
  });

  test.each([
    ["first", 0],
    ["second", 1],
  ])("R-STO-04 when the %s is down the exchange fails as temporary, whatever the other says", async (_, which) => {
    const down: AccountStore = { lookup: () => Promise.reject(new Error("down")) };
    const stores = which === 0 ? [down, memoryAccounts(hashes)] : [memoryAccounts(hashes), down];
    const code = await codeAfter(sessionFor(plain, { accounts: chainAccounts(stores) }), "PLAIN", [right]);
    expect(code).toBe("temporary");
  });

  test("writing goes where the account is, or else to the first that can", async () => {
    const [first, second] = [memoryAccounts(hashes), memoryAccounts(more)];
    const chain = chainAccounts([callbackAccounts(() => undefined), first, second]);
    await chain.store?.("anna", { quota: 3 });
    await chain.store?.("new", { quota: 4 }, null);
    expect(second.lookup("anna", [])).toMatchObject({ quota: 3 });
    expect(first.lookup("new", [])).toEqual({ quota: 4 });
    const names: string[] = [];
    for await (const name of chain.list?.() ?? []) names.push(name);
    expect(names.sort()).toEqual(["anna", "new", "tim"]);
    expect(await chain.remove?.("new")).toBe(true);
    expect(await chain.remove?.("nobody")).toBe(false);
  });

  test("R-STO-05 a new password, or none, leaves no other one good in any of the stores", async () => {
    for (const password of ["new", undefined]) {
      const first = memoryAccounts({ tim: { quota: 1, authPassword: [await verifierOf("first")] } });
      const second = memoryAccounts({ tim: { userPassword: "second" } });
      const chain = chainAccounts([first, second]);
      await setPassword(chain, "tim", password, { mechanisms: [plain, scramSha256], iterations: 4096 });
      for (const old of ["first", "second"]) {
        expect(await codeAfter(sessionFor(plain, { accounts: chain }), "PLAIN", [`\0tim\0${old}`])).toBe("refused");
      }
      const now = await codeAfter(sessionFor(plain, { accounts: chain }), "PLAIN", ["\0tim\0new"]);
      expect(now).toBe(password === undefined ? "refused" : "success");
      expect(await chain.lookup("tim", ["quota"])).toEqual({ quota: 1 });
    }
  });

  test("which store the secrets are from does not hang on the mechanism", async () => {
    const first = memoryAccounts({ tim: { authPassword: [await verifierOf("first")] } });
    const chain = chainAccounts([first, memoryAccounts({ tim: "second" })]);
    expect(await chain.lookup("tim", ["userPassword"])).toEqual({});
  });

  test("a removed account is gone from all of them", async () => {
    const [first, second] = [memoryAccounts(hashes), memoryAccounts(more)];
    await chainAccounts([first, second]).remove?.("tim");
    expect([first.lookup("tim", []), second.lookup("tim", [])]).toEqual([undefined, undefined]);
    const fixed = callbackAccounts(() => ({}));
    await expect(chainAccounts([first, fixed]).remove?.("tim")).rejects.toThrow(TypeError);
  });

  test("who has the account judges the password, nobody else; a name nobody has is not let in", async () => {
    const yes = { lookup: (name: string) => (name === "tim" ? {} : undefined), checkPassword: vi.fn(() => true) };
    const local = memoryAccounts({ tim: {} });
    const own = chainAccounts([local, yes], { answer: "account" });
    expect(await codeAfter(sessionFor(plain, { accounts: own }), "PLAIN", [right])).toBe("refused");
    expect(yes.checkPassword).not.toHaveBeenCalled();
    const both = chainAccounts([local, yes]);
    expect(await codeAfter(sessionFor(plain, { accounts: both }), "PLAIN", [right])).toBe("success");
    expect(await codeAfter(sessionFor(plain, { accounts: both }), "PLAIN", ["\0ghost\0x"])).toBe("refused");
  });

  test("a store that says null knows nobody", async () => {
    const none = { lookup: () => null } as unknown as AccountStore;
    const first = memoryAccounts();
    await chainAccounts([none, first]).store?.("new", { quota: 4 });
    expect(first.lookup("new", [])).toEqual({ quota: 4 });
  });

  test("disabled: false in the first store opens nothing that the second has locked", async () => {
    const chain = chainAccounts([
      memoryAccounts({ tim: { userPassword: "secret", disabled: false } }),
      memoryAccounts({ tim: { disabled: true } }),
    ]);
    expect(await codeAfter(sessionFor(plain, { accounts: chain }), "PLAIN", [right])).toBe("account-disabled");
  });

  test("closing closes all, also after one could not", async () => {
    const close = vi.fn();
    const chain = chainAccounts([
      { lookup: () => undefined, close: () => Promise.reject(new Error("stuck")) },
      { lookup: () => undefined, close },
    ]);
    await expect(chain.close?.()).rejects.toThrow("stuck");
    expect(close).toHaveBeenCalledTimes(1);
    expect(() => chainAccounts([])).toThrow(RangeError);
  });
});

test("an application's own user table is one function", async () => {
  const users = new Map([["tim", { bcrypt: "$t$secret", name: "Tim" }]]);
  const accounts = callbackAccounts(async (name) => {
    const found = users.get(name);
    return found && { passwordHash: [found.bcrypt], displayName: found.name };
  });
  const scheme = { name: "test", recognizes: () => true, verify: (p: string, s: string) => s === `$t$${p}` };
  const server = new SASLServer({
    mechanisms: [plain],
    accounts,
    passwordSchemes: [scheme],
    properties: ["displayName"],
  });
  const session = server.session(secure);
  await authenticate(session, ["PLAIN"], [PLAIN({ username: "tim", password: "secret" })]);
  expect({ ...session.result?.properties }).toEqual({ displayName: "Tim" });
});

test.each(["begin", "ended"] as const)(
  "R-LIM-05 a throttle whose %s never answers holds nobody longer than an exchange may last",
  async (never) => {
    vi.useFakeTimers();
    try {
      const throttle = { begin: () => undefined, ended: () => undefined, [never]: () => new Promise<void>(() => {}) };
      const options = { mechanisms: [plain], accounts: memoryAccounts({ tim: "secret" }), throttle };
      const server = new SASLServer({ ...options, limits: { timeoutMs: 1000 } });
      const outcome = codeAfter(server.session(secure), "PLAIN", ["\0tim\0wrong"]);
      await vi.advanceTimersByTimeAsync(2001);
      expect(await outcome).toBe("refused");
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  },
);
