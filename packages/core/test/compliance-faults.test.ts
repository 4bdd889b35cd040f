/** Plug-ins that throw, never answer, answer twice or return nonsense: each harms its own exchange, and no other. */
import { describe, expect, test } from "vitest";
import type { AccountStore } from "../src/accounts.js";
import { authenticate } from "../src/authenticate.js";
import type { Canonicalizer } from "../src/canonicalize.js";
import { clientMechanism } from "../src/client.js";
import type { SASLErrorCode } from "../src/errors.js";
import type { Mechanism } from "../src/mechanism.js";
import { PLAIN, plain } from "../src/mechanisms/index.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import { SASLServer } from "../src/server.js";
import { codeOf, user } from "./support.js";

const never = () => new Promise<never>(() => {});
const boom = (): never => {
  throw new RangeError("a bug in the plug-in");
};
/** Settles once with a good answer, and then tries again in every way. */
const twice = <T>(first: T, second: unknown) => ({
  // biome-ignore lint/suspicious/noThenProperty: that is the fault
  then(resolve: (value: T) => void, reject: (error: unknown) => void) {
    resolve(first);
    resolve(second as T);
    reject(new Error("a third answer"));
  },
});

type Faulty = { readonly accounts?: AccountStore["lookup"]; readonly rule?: Canonicalizer["canonicalize"] };
const faults: readonly (readonly [fault: string, faulty: Faulty, code: SASLErrorCode])[] = [
  ["a store that throws", { accounts: boom }, "temporary"],
  ["a store that rejects", { accounts: () => Promise.reject(new Error("down")) }, "temporary"],
  ["a store that never answers", { accounts: never }, "temporary"],
  ["a store that gives a number", { accounts: () => 7 as never }, "temporary"],
  ["a store that gives a password that is none", { accounts: () => ({ userPassword: 7 as never }) }, "temporary"],
  [
    "a store that gives verifiers that are none",
    { accounts: () => ({ authPassword: [{ hash: "SHA-256" } as never] }) },
    "temporary",
  ],
  [
    "a store whose account throws",
    { accounts: () => Object.defineProperty({}, "userPassword", { get: boom }) },
    "temporary",
  ],
  [
    "a store that answers twice",
    { accounts: () => twice({ userPassword: "other" }, { userPassword: "x" }) as never },
    "refused",
  ],
  ["a canonicaliser that throws", { rule: boom }, "temporary"],
  ["a canonicaliser that never answers", { rule: never }, "temporary"],
  ["a canonicaliser that gives nothing", { rule: () => undefined as never }, "temporary"],
  ["a canonicaliser that gives an empty name", { rule: () => "" }, "malformed-message"],
  ["a canonicaliser that answers twice: the first counts", { rule: () => twice("nobody", "tim") as never }, "refused"],
];

describe.each(faults)("R-LIM-05 R-LIM-07 R-STO-04 %s", (_, { accounts, rule }, code) => {
  test("fails its own exchange, and no other", async () => {
    const sound = memoryAccounts({ [user.username]: user.password });
    const server = new SASLServer({
      mechanisms: [plain],
      accounts: {
        lookup: (name, requests) =>
          (name === "bad" && accounts ? accounts(name, requests) : sound.lookup(name, requests)) as never,
      },
      canonicalizers: [
        { name: "x", canonicalize: (name, request) => (name === "bad" && rule ? rule(name, request) : name) },
      ],
      limits: { timeoutMs: 40 },
    });
    const logIn = (username: string, session = server.session({ secure: true })) =>
      authenticate(session, ["PLAIN"], [PLAIN({ username, password: user.password })], { limits: { timeoutMs: 5000 } });
    const session = server.session({ secure: true });
    const bad = codeOf(logIn("bad", session));
    for (let i = 0; i < 5; i++) await expect(logIn("tim")).resolves.toMatchObject({ mechanism: "PLAIN" });
    expect(await bad).toBe(code);
    expect(session.result).toBeUndefined();
    await expect(logIn("tim", session)).resolves.toMatchObject({ mechanism: "PLAIN" });
  });
});

const broken: readonly (readonly [fault: string, server: NonNullable<Mechanism["server"]>, code: SASLErrorCode])[] = [
  // biome-ignore lint/correctness/useYield: that is the fault
  ["throws at once", async function* () { return boom(); }, "temporary"],
  ["throws before it is one", boom as never, "temporary"],
  ["throws at a message", async function* () { yield; return boom(); }, "temporary"],
  ["listens twice", async function* () { yield; yield; return boom(); }, "temporary"],
  // biome-ignore lint/correctness/useYield: that is the fault
  ["returns nonsense", async function* () { return 7 as never; }, "temporary"],
  ["returns nobody", async function* () { yield; return { authcid: undefined as never }; }, "temporary"],
  ["says text", async function* () { yield; yield "text" as never; return boom(); }, "temporary"],
  ["is no generator", (() => 7) as never, "temporary"],
]; // biome-ignore format: a table

describe.each(broken)("R-LIM-05 R-LIM-07 a server half that %s", (_, half, code) => {
  test("fails its own exchange, and no other", async () => {
    const faulty: Mechanism = { name: "X-FAULTY", flow: "client-first", security: ["noAnonymous"], source: "this file", needs: "password", server: half,
      async *client(ctx) { yield ctx.final(ctx.bytes("hello")); },
    }; // biome-ignore format: short
    const server = new SASLServer({
      mechanisms: [plain, faulty],
      accounts: memoryAccounts({ [user.username]: user.password }),
    });
    const session = server.session({ secure: true });
    const bad = codeOf(authenticate(session, ["X-FAULTY"], [clientMechanism([faulty], user)]));
    const good = server.session({ secure: true });
    await expect(authenticate(good, ["PLAIN"], [PLAIN(user)])).resolves.toMatchObject({ mechanism: "PLAIN" });
    expect(await bad).toBe(code);
    expect(session.result).toBeUndefined();
    await expect(authenticate(session, ["PLAIN"], [PLAIN(user)])).resolves.toMatchObject({ mechanism: "PLAIN" });
  });
});
