import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { failureDelay, networkOf } from "./failure-delay.js";
import { memoryAccounts, SASLServer, type ServerEvent } from "./index.js";
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

  const refused = (remote: string, authcid: string) =>
    ({ ok: false, code: "refused", remote, authcid, mechanism: "PLAIN" }) as ServerEvent;

  async function waited(promise: Promise<void> | undefined): Promise<number> {
    const start = Date.now();
    await Promise.all([promise, vi.runAllTimersAsync()]);
    return Date.now() - start;
  }

  test("R-LIM-08 doubles for a peer up to the longest, and for an account from anywhere", async () => {
    const slowDown = failureDelay({ firstMs: 100, maxMs: 500 });
    const waits = [];
    for (const name of ["a", "b", "c", "d"]) waits.push(await waited(slowDown(refused("192.0.2.1:5", name))));
    expect(waits).toEqual([100, 200, 400, 500]);
    expect(await waited(slowDown(refused("192.0.2.2", "a")))).toBe(200);
  });

  test("R-LIM-08 forgets, and remembers no more than it may", async () => {
    const slowDown = failureDelay({ firstMs: 100, forgetMs: 1000, maxEntries: 2 });
    await waited(slowDown(refused("192.0.2.1", "a")));
    vi.advanceTimersByTime(1000);
    expect(await waited(slowDown(refused("192.0.2.1", "a")))).toBe(100);
    await waited(slowDown(refused("192.0.2.9", "z")));
    expect(await waited(slowDown(refused("192.0.2.1", "a")))).toBe(100);
  });

  test("R-LIM-08 temporary faults and aborts do not count", () => {
    const slowDown = failureDelay();
    for (const code of ["temporary", "aborted"] as const) {
      expect(slowDown({ ...refused("192.0.2.1", "a"), code })).toBeUndefined();
    }
  });

  test("R-LIM-08 a wrong answer is late, a right one from elsewhere is not", async () => {
    const server = new SASLServer({
      mechanisms: [plain],
      accounts: memoryAccounts({ tim: "tanstaaf" }),
      slowDown: failureDelay({ firstMs: 100 }),
    });
    const say = (remote: string, password: string) =>
      server.session({ secure: true, remote }).initiate("PLAIN", new TextEncoder().encode(`\0tim\0${password}`));
    let settled = false;
    const wrong = say("192.0.2.1", "guess").catch((error) => {
      settled = true;
      return error.code;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(settled).toBe(false);
    await expect(say("192.0.2.2", "tanstaaf")).resolves.toMatchObject({ state: "success" });
    await vi.advanceTimersByTimeAsync(1);
    expect(await wrong).toBe("refused");
  });
});
