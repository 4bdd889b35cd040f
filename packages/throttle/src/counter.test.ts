import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeRedis } from "../test/fake-redis.js";
import { guess, login, Peer, took } from "../test/support.js";
import { Counter, type CounterOptions } from "./counter.js";
import { throttle } from "./throttle.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const basics: CounterOptions = {
  windowMs: 60_000,
  maxEntries: 3,
  redis: undefined,
  redisPrefix: "p:",
  redisTimeoutMs: 500,
};

describe("in memory", () => {
  test("R-LIM-03 of more keys than it may hold, the one counted longest ago is forgotten first", async () => {
    const counter = new Counter("test", basics);
    for (const key of ["a", "b", "c", "a", "d"]) await counter.add(key);
    expect(await Promise.all(["a", "b", "c", "d"].map((key) => counter.count(key)))).toEqual([2, 0, 1, 1]);
    expect(vi.getTimerCount()).toBe(3); // one for each record there is
    for (let i = 0; i < 1000; i++) await counter.add(`${i}`);
    expect(vi.getTimerCount()).toBe(3);
  });

  test("R-LIM-03 what was taken away or ran out makes room", async () => {
    const counter = new Counter("test", basics);
    for (const key of ["a", "b", "c"]) await counter.add(key);
    expect(await counter.take("b")).toEqual({ shared: 0, own: 1 });
    expect(await counter.take("b")).toEqual({ shared: 0, own: 0 });
    await counter.add("d");
    expect(await counter.count("a")).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(await counter.count("d")).toBe(0);
  });

  test("asking about a key does not make one", async () => {
    const counter = new Counter("test", basics);
    await counter.count("a");
    await counter.take("a");
    await counter.forgive({ shared: 5, own: 5 }, "a");
    expect(vi.getTimerCount()).toBe(0);
    expect(await counter.add("a")).toBe(1);
  });

  test("takes back no more than there is", async () => {
    const counter = new Counter("test", basics);
    await counter.add("a");
    await counter.add("a");
    await counter.forgive({ shared: 0, own: 1 }, "a");
    expect(await counter.count("a")).toBe(1);
    await counter.forgive({ shared: 0, own: 5 }, "a");
    expect(await counter.count("a")).toBe(0);
    expect(await counter.add("a")).toBe(1);
  });
});

const pairs: readonly [one: string[], other: string[]][] = [
  [
    ["a", "b"],
    ["a:b", ""],
  ],
  [
    ["a", "b"],
    ["ab", ""],
  ],
  [["a", "b"], ["a,b"]],
  [["a", "b"], ['a","b']],
  [["a\0b"], ["a", "b"]],
  [["\ud800"], ["\udfff"]],
  [["\ud800"], ["\\ud800"]],
  [["a"], ["a\n"]],
  [["a"], ["A"]],
];
test.each(pairs)("R-STO-01 %j and %j are different keys", async (one, other) => {
  const redis = new FakeRedis();
  const counter = new Counter("test", { ...basics, redis });
  await counter.add(...one);
  expect(await counter.count(...other)).toBe(0);
  expect(await counter.count(...one)).toBe(1);
});

test("R-STO-01 whatever a name is made of, a key is a prefix and 43 letters of base64url", async () => {
  vi.useRealTimers();
  const redis = new FakeRedis();
  const counter = new Counter("test", { ...basics, redis });
  const hostile = fc.constantFrom("", "a:b", "*", "\r\nFLUSHALL\r\n", "{tag}", "p:test:x", "\0", "x".repeat(100_000));
  const name = fc.oneof(hostile, fc.string({ unit: "binary" }));
  await fc.assert(
    fc.asyncProperty(name, name, async (one, other) => {
      await counter.add(one, other);
      await counter.take(one, other);
    }),
  );
  expect(redis.asked.length).toBeGreaterThan(100);
  for (const asked of redis.asked) expect(asked).toMatch(/^(?:get|incr|del) p:test:[\w-]{43}$/);
  expect(redis.values.size).toBe(0);
});

describe("in Redis", () => {
  const rules = (redis: FakeRedis) => [0, 1].map(() => throttle({ firstMs: 100, maxFailures: 4, redis }));

  test("R-LIM-08 machines share counts, and a right answer at one takes back at all", async () => {
    const [one, other] = rules(new FakeRedis()) as [ReturnType<typeof throttle>, ReturnType<typeof throttle>];
    await took(guess(one, "192.0.2.1", "tim"));
    expect(await took(new Peer(other, "192.0.2.1").begin())).toBe("100");
    expect(await took(guess(other, undefined, "tim"))).toBe("200");
    await took(login(other, "192.0.2.1", "tim"));
    expect(await took(new Peer(one, "192.0.2.1").begin())).toBe("0");
  });

  test("R-LIM-08 the limit is one for all", async () => {
    const [one, other] = rules(new FakeRedis()) as [ReturnType<typeof throttle>, ReturnType<typeof throttle>];
    for (const rule of [one, other, one, other]) await took(guess(rule, "192.0.2.1"));
    for (const rule of [one, other]) {
      expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe("0 limit-exceeded");
    }
  });

  const troubles: readonly [what: string, begin: (redis: FakeRedis) => void, waits: string[]][] = [
    ["not connected", (redis) => Object.assign(redis, { status: "reconnecting" }), ["100", "100", "200"]],
    ["read-only", (redis) => Object.assign(redis, { state: "readonly" }), ["100", "100", "200"]],
    ["down", (redis) => Object.assign(redis, { state: "down" }), ["100", "100", "200"]],
    // The answer is given up on after 500 ms, each time it is asked.
    ["hung", (redis) => Object.assign(redis, { state: "hung" }), ["1100", "600", "700"]],
  ];
  test.each(troubles)(
    "R-LIM-08 while it is %s each counts in its memory, and afterwards there, with the larger count of both",
    async (_, begin, waits) => {
      const redis = new FakeRedis();
      const rule = throttle({ firstMs: 100, redis });
      begin(redis);
      expect(await took(guess(rule, "192.0.2.1", "tim"))).toBe(waits[0]);
      expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe(waits[1]);
      expect(await took(guess(rule, undefined, "tim"))).toBe(waits[2]);
      expect(redis.values.size).toBe(0);
      Object.assign(redis, { status: "ready", state: "up" });
      expect(await took(guess(rule, "192.0.2.1", "tim"))).toBe("300"); // 100 for the network, 200 for the account
      expect([...redis.values.values()]).toEqual([1, 1, 1]);
    },
  );

  test("R-LIM-08 a Redis that answers and takes nothing in leaves nobody without a limit", async () => {
    const redis = new FakeRedis();
    const rule = throttle({ firstMs: 0, maxMs: 0, maxFailures: 4, redis });
    await took(guess(rule, "192.0.2.1", "tim"));
    redis.state = "readonly";
    for (let i = 0; i < 4; i++) expect(await took(guess(rule, "192.0.2.1", "tim"))).toBe("0");
    expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe("0 limit-exceeded");
    await took(login(rule, "192.0.2.2", "tim"));
    redis.state = "up";
    expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe("0 limit-exceeded");
  });

  test("R-LIM-08 a right answer takes back what was counted in both places, each where it was counted", async () => {
    const redis = new FakeRedis();
    const rule = throttle({ firstMs: 0, maxMs: 0, maxFailures: 5, redis });
    const failTwice = async (authcid: string) => {
      await took(guess(rule, "192.0.2.1", authcid));
      redis.state = "readonly";
      await took(guess(rule, "192.0.2.1", authcid));
      await took(guess(rule, "192.0.2.1", authcid));
      redis.state = "up";
    };
    await failTwice("tim");
    await failTwice("anna");
    await took(login(rule, "192.0.2.1", "tim"));
    expect([...redis.values.values()].sort()).toEqual([0, 1, 1, 1]); // tim; the network, anna, and their pair
    for (let i = 0; i < 2; i++) await took(guess(rule, "192.0.2.1", `user${i}`));
    redis.state = "readonly"; // anna's two are still there, and three more are five
    for (let i = 0; i < 3; i++) expect(await took(guess(rule, "192.0.2.1"))).toBe("0");
    expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe("0 limit-exceeded");
  });

  test("what is there under our keys and is no number counts nothing, and memory does", async () => {
    const redis = new FakeRedis();
    const rule = throttle({ firstMs: 100, redis });
    redis.state = "nonsense";
    expect(await took(guess(rule, "192.0.2.1", "tim"))).toBe("100");
    expect(await took(new Peer(rule, "192.0.2.1").begin())).toBe("100");
  });
});
