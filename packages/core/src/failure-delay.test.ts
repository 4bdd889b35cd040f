import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type FailureDelayOptions, failureDelay, networkOf } from "./failure-delay.js";
import { memoryAccounts, SASLServer, type SASLServerSession, type ServerEvent, type Throttle } from "./index.js";
import { plain } from "./mechanisms/plain.js";

const networks: readonly [remote: string, network: string][] = [
  ["192.0.2.7", "192.0.2.7"],
  ["192.0.2.7:1234", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["[2001:db8:5::1]:993", "2001:db8:5"],
  ["2001:db8:0005:7::1", "2001:db8:5"],
  ["2001:db8::1", "2001:db8:0"],
  ["::1", "0:0:0"],
  ["unix", "unix"],
];
for (const [remote, network] of networks) {
  test(`R-LIM-08 ${remote} counts as ${network}`, () => expect(networkOf(remote)).toBe(network));
}

describe("a delay after failures", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const refused = (remote: string, authcid: string | undefined) =>
    ({ ok: false, code: "refused", remote, authcid, mechanism: "PLAIN" }) as ServerEvent;

  const attempt = {};
  const ruleOf = (options?: FailureDelayOptions) => {
    const rule = failureDelay(options);
    return {
      begin: (from: string | undefined) => rule.begin(from, attempt),
      ended: (event: ServerEvent) => rule.ended(event, attempt),
    };
  };

  async function waited(wait: unknown): Promise<number> {
    const start = Date.now();
    await Promise.all([wait, vi.runAllTimersAsync()]);
    return Date.now() - start;
  }

  test("R-LIM-08 attempts of a network that failed begin one after the other, with a growing wait", async () => {
    const rule = ruleOf({ firstMs: 100, maxMs: 1000 });
    expect(rule.begin("192.0.2.1")).toBeUndefined();
    rule.ended(refused("192.0.2.1:5", undefined));
    const [first, second] = [rule.begin("192.0.2.1:6"), rule.begin("192.0.2.1:7")];
    expect(await waited(first)).toBe(200); // both run out here
    expect(await waited(second)).toBe(0);
    rule.ended(refused("192.0.2.1", undefined));
    rule.ended(refused("192.0.2.1", undefined));
    expect(await waited(rule.begin("192.0.2.1"))).toBe(400);
    expect(rule.begin("192.0.2.2")).toBeUndefined();
    expect(rule.begin(undefined)).toBeUndefined();
  });

  test("R-LIM-08 no wait is longer than the longest, however many there are", async () => {
    const rule = ruleOf({ firstMs: 100, maxMs: 500 });
    for (let i = 0; i < 40; i++) rule.ended(refused("192.0.2.1", undefined));
    const waits = Array.from({ length: 10 }, () => rule.begin("192.0.2.1"));
    expect(await waited(Promise.all(waits))).toBe(500);
  });

  test("R-LIM-08 refusals of an account are later and later, from wherever they are asked for", async () => {
    const rule = ruleOf({ firstMs: 100, maxMs: 300 });
    const waits = [];
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
      waits.push(await waited(rule.ended(refused(address, "a"))));
    expect(waits).toEqual([100, 200, 300]);
  });

  test("R-LIM-08 forgets, and remembers no more than it may", async () => {
    const rule = ruleOf({ firstMs: 100, forgetMs: 1000, maxEntries: 2 });
    rule.ended(refused("192.0.2.1", undefined));
    await vi.advanceTimersByTimeAsync(1000);
    expect(rule.begin("192.0.2.1")).toBeUndefined();
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) rule.ended(refused(address, undefined));
    expect(rule.begin("192.0.2.1")).toBeUndefined();
    expect(await waited(rule.begin("192.0.2.3"))).toBe(100);
  });

  test("R-LIM-08 temporary faults and aborts do not count", () => {
    const rule = ruleOf();
    for (const code of ["temporary", "aborted"] as const) {
      expect(rule.ended({ ...refused("192.0.2.1", "a"), code })).toBeUndefined();
    }
    expect(rule.begin("192.0.2.1")).toBeUndefined();
  });

  const plainFrom = (throttle: Throttle, remote: string) =>
    new SASLServer({ mechanisms: [plain], accounts: memoryAccounts({ tim: "tanstaaf" }), throttle }).session({
      secure: true,
      remote,
    });
  const say = (session: SASLServerSession, password: string) =>
    session.initiate("PLAIN", new TextEncoder().encode(`\0tim\0${password}`));

  test("R-LIM-08 a right answer from elsewhere is not late; a right answer after a wrong one is", async () => {
    const rule = ruleOf({ firstMs: 100 });
    const wrong = expect(say(plainFrom(rule, "192.0.2.1"), "guess")).rejects.toMatchObject({ code: "refused" });
    await vi.advanceTimersByTimeAsync(0);
    await expect(say(plainFrom(rule, "192.0.2.2"), "tanstaaf")).resolves.toMatchObject({ state: "success" });
    let settled = false;
    const right = say(plainFrom(rule, "192.0.2.1"), "tanstaaf").then(() => {
      settled = true;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await Promise.all([wrong, right]);
  });

  test("R-GEN-16 an abort ends the wait, and nothing is judged afterwards", async () => {
    const rule = ruleOf({ firstMs: 100 });
    rule.ended(refused("192.0.2.1", undefined));
    const session = plainFrom(rule, "192.0.2.1");
    const aborted = expect(say(session, "tanstaaf")).rejects.toMatchObject({ code: "aborted" });
    await session.abort();
    await aborted;
    await vi.runAllTimersAsync();
    expect(session.result).toBeUndefined();
  });

  test("R-LIM-07 a rule that fails lets everybody go", async () => {
    const fault = () => Promise.reject(new Error("down"));
    await expect(say(plainFrom({ begin: fault, ended: fault }, "192.0.2.1"), "tanstaaf")).resolves.toMatchObject({
      state: "success",
    });
    await expect(say(plainFrom({ begin: fault, ended: fault }, "192.0.2.1"), "no")).rejects.toMatchObject({
      code: "refused",
    });
  });
});
