/** R-LIM-05: whatever goes wrong, no promise rejects unheard and none stays open. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { isSASLError } from "../src/errors.js";
import type { SASLInterface, SASLReply } from "../src/interface.js";
import { encodeUtf8 } from "../src/internal/text.js";
import { binding, logIn, pairings, recorded, sessionFor, storeOf } from "./support.js";

const unheard: unknown[] = [];
const listen = (reason: unknown) => unheard.push(reason);
beforeAll(() => {
  process.on("unhandledRejection", listen);
  process.on("uncaughtException", listen);
});
afterAll(() => {
  process.off("unhandledRejection", listen);
  process.off("uncaughtException", listen);
});

/** Rejections are called unheard when the microtasks are done; two turns of the loop are plenty. */
async function expectSilence(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(unheard.splice(0)).toEqual([]);
}

/** Settles, or says that it did not. */
async function settled(promise: Promise<unknown>): Promise<"settled"> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it never settled")), 4000);
  });
  try {
    await Promise.race([
      promise.catch((error: unknown) => {
        if (!isSASLError(error)) throw error;
      }),
      tooLong,
    ]);
  } finally {
    clearTimeout(timer);
  }
  return "settled";
}

const never = () => new Promise<never>(() => {});

test("the listener hears what it should", async () => {
  void Promise.reject(new Error("unheard"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(unheard.splice(0)).toHaveLength(1);
});

test.each(pairings)("R-LIM-05 $name: aborted at any moment", async (pairing) => {
  for (let moment = 0; moment < 60; moment += 3) {
    const controller = new AbortController();
    const exchange = logIn(pairing, recorded(sessionFor(pairing.mechanism)), { signal: controller.signal });
    for (let tick = 0; tick < moment; tick++) await Promise.resolve();
    controller.abort();
    expect(await settled(exchange)).toBe("settled");
  }
  await expectSilence();
});

test.each(pairings)("R-LIM-05 $name: the server's session aborted at any moment", async (pairing) => {
  for (let moment = 0; moment < 60; moment += 3) {
    const session = sessionFor(pairing.mechanism);
    const exchange = logIn(pairing, session);
    for (let tick = 0; tick < moment; tick++) await Promise.resolve();
    await session.abort();
    expect(await settled(exchange)).toBe("settled");
  }
  await expectSilence();
});

test.each(pairings)("R-LIM-05 $name: a wire that never answers, and one whose abort fails", async (pairing) => {
  const abort = () => Promise.reject(new Error("the socket is gone"));
  const wires: readonly SASLInterface[] = [
    { secure: true, initiate: never, respond: never, abort },
    { secure: true, initiate: () => Promise.reject(new Error("gone")), respond: never, abort },
    { secure: true, initiate: async () => ({ state: "challenge", payload: encodeUtf8("r=x") }), respond: never, abort },
    { secure: true, initiate: async () => ({}) as SASLReply, respond: async () => undefined as never, abort },
    { secure: true, initiate: async () => undefined as never, respond: never, abort },
  ];
  for (const wire of wires) {
    expect(await settled(logIn(pairing, wire, { limits: { timeoutMs: 30 } }))).toBe("settled");
  }
  await expectSilence();
});

test.each(pairings)("R-LIM-05 $name: stores and verifiers that fail late", async (pairing) => {
  const late = () =>
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("too late")), 20);
    });
  const session = sessionFor(pairing.mechanism, { accounts: storeOf(late), tokens: late, limits: { timeoutMs: 10 } });
  expect(await settled(logIn(pairing, session))).toBe("settled");
  await new Promise((resolve) => setTimeout(resolve, 30)); // the store's own failure comes when nobody waits any more
  await expectSilence();
});

test.each(pairings)("R-LIM-05 $name: providers that fail late, or in other ways", async (pairing) => {
  const late = () =>
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("too late")), 20);
    });
  const thrown = () => {
    throw new Error("at once");
  };
  for (const provider of [late, thrown, () => Promise.reject(new Error("soon"))]) {
    const session = sessionFor(pairing.mechanism);
    expect(await settled(logIn(pairing, session, { limits: { timeoutMs: 10 } }, provider))).toBe("settled");
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  await expectSilence();
});

test("R-LIM-05 binding data that fails", async () => {
  const broken = { types: binding.types, data: () => Promise.reject(new Error("no TLS here")) };
  const pairing = pairings.find(({ name }) => name.endsWith("-PLUS")) as (typeof pairings)[number];
  expect(await settled(logIn(pairing, sessionFor(pairing.mechanism), { channelBinding: broken }))).toBe("settled");
  expect(await settled(logIn(pairing, sessionFor(pairing.mechanism, {}, { channelBinding: broken })))).toBe("settled");
  await expectSilence();
});
