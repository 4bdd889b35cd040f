import { memoryAccounts, SASLServer, type SASLServerSession, type Throttle } from "sasl-core";
import { plain } from "sasl-core/mechanisms";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { guess, login, Peer, timed, took } from "../test/support.js";
import { type ThrottleOptions, throttle } from "./throttle.js";

const home = "192.0.2.1";
const elsewhere = "198.51.100.1";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const wrongOptions: readonly [options: ThrottleOptions, names: string][] = [
  [{ firstMs: -1 }, "firstMs"],
  [{ firstMs: 20_000 }, "firstMs"],
  [{ maxMs: 2 ** 31 }, "maxMs"],
  [{ maxMs: Number.NaN }, "maxMs"],
  [{ windowMs: 999 }, "windowMs"],
  [{ windowMs: Number.POSITIVE_INFINITY }, "windowMs"],
  [{ maxFailures: -1 }, "maxFailures"],
  [{ maxFailures: 0.5 }, "maxFailures"],
  [{ firstParallel: 0 }, "firstParallel"],
  [{ firstParallel: 101 }, "firstParallel"],
  [{ maxParallel: 0 }, "maxParallel"],
  [{ maxWaitMs: 0 }, "maxWaitMs"],
  [{ maxEntries: 0 }, "maxEntries"],
  [{ redisTimeoutMs: 0 }, "redisTimeoutMs"],
];
test.each(wrongOptions)("%j is out of range", (options, name) => {
  expect(() => throttle(options)).toThrow(RangeError);
  expect(() => throttle(options)).toThrow(name);
});

test("one option does not push another out of its range", () => {
  expect(() => throttle({ maxMs: 100 })).not.toThrow();
  expect(() => throttle({ maxParallel: 1 })).not.toThrow();
});

describe("the network", () => {
  test("R-LIM-08 waits of 2, 4, 8 and 15 seconds, from any address of it and for any account", async () => {
    const rule = throttle();
    const waits = [];
    for (const i of [1, 2, 3, 4, 5, 6]) {
      const peer = new Peer(rule, `[2001:db8:7:${i}::${i}]:5000`);
      waits.push(await took(peer.begin()));
      await took(peer.end("refused", `user${i}`));
    }
    expect(waits).toEqual(["0", "2000", "4000", "8000", "15000", "15000"]);
    expect(await took(new Peer(rule, "2001:db8:8::1").begin())).toBe("0");
    expect(await took(new Peer(rule, undefined).begin())).toBe("0");
  });

  test("R-LIM-08 attempts of a network that failed begin one after the other", async () => {
    const rule = throttle({ firstMs: 100, maxMs: 1000, firstParallel: 1 });
    await took(guess(rule, home));
    const peers = [1, 2, 3].map(() => new Peer(rule, home));
    const begun = peers.map((peer) => timed(peer.begin()));
    const done = peers.map(async (peer, i) => {
      while (begun[i]?.at() === "never") await new Promise((resolve) => setTimeout(resolve, 1));
      await peer.end("refused");
    });
    await took(Promise.all(done).then(() => {}));
    const [first, second, third] = begun.map((each) => Number.parseInt(each.at(), 10)) as [number, number, number];
    expect(first).toBe(100);
    expect(second).toBeGreaterThanOrEqual(first + 200);
    expect(third).toBeGreaterThanOrEqual(second + 400);
  });

  test("R-LIM-08 hanging up during the wait gains nothing", async () => {
    const rule = throttle({ firstMs: 1000, firstParallel: 1 });
    await took(guess(rule, home));
    const [first, second, third] = [1, 2, 3].map(() => new Peer(rule, home)) as [Peer, Peer, Peer];
    void first.begin();
    const waits = [timed(second.begin()), timed(third.begin())];
    await second.end("aborted"); // of those that still wait
    await vi.advanceTimersByTimeAsync(999);
    await first.end("aborted"); // and of the one that is to begin
    await vi.advanceTimersByTimeAsync(5000);
    expect(waits[1]?.at()).toBe("1999");
  });

  test("R-LIM-08 failures are forgotten a window after the first", async () => {
    const rule = throttle({ firstMs: 100, windowMs: 60_000 });
    await took(guess(rule, home));
    expect(await took(new Peer(rule, home).begin())).toBe("100");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await took(new Peer(rule, home).begin())).toBe("0");
  });

  test.each(["temporary", "aborted", "timed-out", "malformed-message", "limit-exceeded"] as const)(
    "R-LIM-08 %s is no failure",
    async (code) => {
      const rule = throttle();
      const peer = new Peer(rule, home);
      await peer.begin();
      expect(await took(peer.end(code, "tim"))).toBe("0");
      expect(await took(new Peer(rule, home).begin())).toBe("0");
      expect(await took(guess(rule, elsewhere, "tim"))).toBe("2000"); // the account's first
    },
  );
});

describe("the limit", () => {
  test("R-LIM-08 refuses a network until its window ends, and nobody else", async () => {
    const rule = throttle({ firstMs: 0, maxMs: 0, maxFailures: 3, windowMs: 60_000 });
    for (let i = 0; i < 3; i++) await guess(rule, home, `user${i}`);
    for (let i = 0; i < 3; i++) {
      await expect(new Peer(rule, home).begin()).rejects.toMatchObject({ kind: "SASLFailure", code: "limit-exceeded" });
    }
    expect(await took(login(rule, elsewhere, "user0"))).toBe("0");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await took(new Peer(rule, home).begin())).toBe("0");
  });

  test("R-LIM-08 0 is none", async () => {
    const rule = throttle({ firstMs: 0, maxMs: 0, maxFailures: 0 });
    for (let i = 0; i < 300; i++) await guess(rule, home);
    expect(await took(new Peer(rule, home).begin())).toBe("0");
  });

  test("R-LIM-08 at a server: no account is looked at, and the log is told", async () => {
    const rule = throttle({ firstMs: 0, maxMs: 0, maxFailures: 1 });
    const accounts = { lookup: vi.fn(memoryAccounts({ tim: "tanstaaf" }).lookup) };
    const onOutcome = vi.fn();
    const server = new SASLServer({ mechanisms: [plain], accounts, throttle: rule, onOutcome });
    const session = server.session({ secure: true, remote: home });
    await expect(say(session, "guess")).rejects.toMatchObject({ code: "refused" });
    accounts.lookup.mockClear();
    onOutcome.mockClear();
    await expect(say(session, "tanstaaf")).rejects.toMatchObject({ code: "limit-exceeded" });
    expect(accounts.lookup).not.toHaveBeenCalled();
    expect(onOutcome.mock.calls).toMatchObject([[{ ok: false, code: "limit-exceeded", remote: home }]]);
  });
});

describe("the account", () => {
  test("R-LIM-08 refusals are later and later, from wherever they are asked for", async () => {
    const rule = throttle({ firstMs: 100, maxMs: 300 });
    const waits = [];
    for (const remote of ["192.0.2.1", "192.0.2.2", undefined, "192.0.2.3"]) {
      const peer = new Peer(rule, remote);
      await peer.begin();
      waits.push(await took(peer.end("refused", "tim")));
    }
    expect(waits).toEqual(["100", "200", "300", "300"]);
  });

  test("R-LIM-08 a right answer from elsewhere waits for nothing, however many guesses there were", async () => {
    const rule = throttle({ maxFailures: 5 });
    for (let i = 0; i < 5; i++) await took(guess(rule, home, "tim"));
    const right = say(sessionAt(rule, elsewhere), "tanstaaf");
    await vi.advanceTimersByTimeAsync(0);
    await expect(right).resolves.toMatchObject({ state: "success" });
    await expect(say(sessionAt(rule, home), "tanstaaf")).rejects.toMatchObject({ code: "limit-exceeded" });
  });

  test.each(["__proto__", "constructor", "", "a\0b", "\ud800"])("R-LIM-04 %j is a name like others", async (name) => {
    const rule = throttle({ firstMs: 100 });
    expect(await took(guess(rule, undefined, name))).toBe("100");
    expect(await took(guess(rule, undefined, name))).toBe("200");
  });
});

describe("a right answer", () => {
  test("R-LIM-08 takes back what its network failed with the same account", async () => {
    const rule = throttle({ firstMs: 100 });
    await took(guess(rule, home, "tim"));
    await took(guess(rule, home, "tim"));
    await took(login(rule, home, "tim"));
    expect(await took(new Peer(rule, home).begin())).toBe("0");
    expect(await took(guess(rule, elsewhere, "tim"))).toBe("100");
  });

  test("R-LIM-08 for an account of the attacker's own takes back no guess at another", async () => {
    const rule = throttle({ firstMs: 100, maxFailures: 4 });
    for (let i = 0; i < 4; i++) {
      await took(guess(rule, home, "tim"));
      if (i < 3) await took(login(rule, home, "mallory"));
    }
    expect(await took(new Peer(rule, home).begin())).toBe("0 limit-exceeded");
  });

  test("R-LIM-08 at one place takes back no guess made at another", async () => {
    const rule = throttle({ firstMs: 100 });
    await took(guess(rule, elsewhere, "tim"));
    await took(login(rule, home, "tim"));
    expect(await took(new Peer(rule, elsewhere).begin())).toBe("100");
    const again = new Peer(rule, undefined);
    expect(await took(again.end("refused", "tim"))).toBe("200");
  });

  test("R-LIM-08 two at once take back what there was once", async () => {
    const rule = throttle({ firstMs: 100 });
    await took(guess(rule, home, "tim"));
    await took(guess(rule, home, "anna"));
    await Promise.all([1, 2, 3].map(() => new Peer(rule, home).end(undefined, "tim")));
    expect(await took(new Peer(rule, home).begin())).toBe("100"); // anna's
  });

  test("R-LIM-08 leaves nobody with a balance to spend", async () => {
    const rule = throttle({ firstMs: 100, windowMs: 60_000 });
    await took(guess(rule, home, "anna"));
    await vi.advanceTimersByTimeAsync(50_000);
    await took(guess(rule, home, "tim")); // a pair that is remembered for longer than its network
    await vi.advanceTimersByTimeAsync(10_000);
    await took(login(rule, home, "tim"));
    await took(guess(rule, home, "anna"));
    expect(await took(new Peer(rule, home).begin())).toBe("100");
  });
});

describe("attempts at the same time", () => {
  test("R-LIM-08 of a burst of guesses a network that has not failed yet gets the first few", async () => {
    const rule = throttle({ firstMs: 100, firstParallel: 10 });
    const begun: Peer[] = [];
    for (let i = 0; i < 200; i++) {
      const peer = new Peer(rule, home);
      peer.begin().then(
        () => begun.push(peer),
        () => {},
      );
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(begun).toHaveLength(10);
    await Promise.all([...begun.map((peer) => peer.end("refused")), vi.advanceTimersByTimeAsync(0)]);
    await vi.advanceTimersByTimeAsync(14_999);
    expect(begun).toHaveLength(10);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(11); // and from there one by one
  });

  test("R-LIM-08 who tries as much as he can gets the limit and what is under way when it is reached", async () => {
    const rule = throttle({ firstMs: 10, maxMs: 100, maxFailures: 20, firstParallel: 10 });
    let judged = 0;
    const tryOn = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        try {
          const peer = new Peer(rule, home);
          await peer.begin();
          judged++;
          await peer.end("refused", `user${judged}`);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 1000)); // refused: again later
        }
      }
    };
    await took(Promise.all(Array.from({ length: 100 }, tryOn)).then(() => {}));
    expect(judged).toBeGreaterThanOrEqual(20);
    expect(judged).toBeLessThan(30);
  });

  test("R-LIM-08 a thousand right answers from one address get in, twice as many each round", async () => {
    const rule = throttle();
    const rounds: number[] = [];
    let begun: Peer[] = [];
    const all = Array.from({ length: 1000 }, async () => {
      const peer = new Peer(rule, home);
      await peer.begin();
      begun.push(peer);
    });
    for (let left = 1000; left > 0; left -= rounds.at(-1) as number) {
      await vi.advanceTimersByTimeAsync(200); // an exchange takes this long
      const done = begun;
      begun = [];
      rounds.push(done.length);
      await Promise.all(done.map((peer) => peer.end(undefined, "somebody")));
    }
    await Promise.all(all);
    expect(rounds).toEqual([10, 20, 40, 80, 100, 100, 100, 100, 100, 100, 100, 100, 50]);
  });

  test("R-LIM-08 who waits too long behind others is refused", async () => {
    const rule = throttle({ firstParallel: 1, maxWaitMs: 5000 });
    const slow = new Peer(rule, home);
    await slow.begin();
    expect(await took(new Peer(rule, home).begin())).toBe("5000 limit-exceeded");
    expect(await took(new Peer(rule, elsewhere).begin())).toBe("0");
    await slow.end(undefined, "tim");
    expect(await took(new Peer(rule, home).begin())).toBe("0");
  });

  test("R-LIM-05 an attempt whose end is never told holds its place for two minutes and its own wait", async () => {
    const rule = throttle({ firstParallel: 1, maxMs: 10_000, maxWaitMs: 1000 });
    await new Peer(rule, home).begin();
    await vi.advanceTimersByTimeAsync(129_000 - 1000);
    expect(await took(new Peer(rule, home).begin())).toBe("1000 limit-exceeded");
    await vi.advanceTimersByTimeAsync(1000);
    expect(await took(new Peer(rule, home).begin())).toBe("0");
  });

  test("R-LIM-08 an end that is told twice counts for one place", async () => {
    const rule = throttle({ firstParallel: 1, maxParallel: 1, maxWaitMs: 1000 });
    const [first, second] = [new Peer(rule, home), new Peer(rule, home)];
    await first.begin();
    await first.end("aborted");
    await second.begin();
    await first.end("aborted");
    expect(await took(new Peer(rule, home).begin())).toBe("1000 limit-exceeded");
  });

  test("R-LIM-08 a network that had failed does not start anew by pausing", async () => {
    const rule = throttle({ firstMs: 0, maxMs: 0, firstParallel: 8, maxWaitMs: 1000, windowMs: 60_000 });
    for (let i = 0; i < 3; i++) await guess(rule, home);
    const waits = [timed(new Peer(rule, home).begin()), timed(new Peer(rule, home).begin())];
    await vi.advanceTimersByTimeAsync(1000);
    expect(waits.map(({ at }) => at())).toEqual(["0", "1000 limit-exceeded"]);
  });
});

test("R-LIM-08 nothing is counted for an address that stands for many, but its refusals are late", async () => {
  const rule = throttle({ maxFailures: 2, firstParallel: 1, exempt: (remote) => remote.startsWith("192.0.2.") });
  expect(await took(guess(rule, home, "tim"))).toBe("2000");
  expect(await took(guess(rule, home, "tim"))).toBe("4000");
  const waits = [1, 2, 3].map(() => timed(new Peer(rule, home).begin()));
  await vi.advanceTimersByTimeAsync(0);
  expect(waits.map(({ at }) => at())).toEqual(["0", "0", "0"]);
});

describe("at a server", () => {
  test("R-LIM-08 a right answer after a wrong one from the same place is late", async () => {
    const rule = throttle({ firstMs: 100 });
    const wrong = expect(say(sessionAt(rule, home), "guess")).rejects.toMatchObject({ code: "refused" });
    await vi.advanceTimersByTimeAsync(0);
    const right = timed(say(sessionAt(rule, home), "tanstaaf").then(() => {}));
    await vi.advanceTimersByTimeAsync(99);
    expect(right.at()).toBe("never");
    await vi.advanceTimersByTimeAsync(1);
    expect(right.at()).toBe("100");
    await wrong;
  });

  test("R-GEN-16 an abort ends the wait, and nothing is judged afterwards", async () => {
    const rule = throttle({ firstMs: 100 });
    await took(guess(rule, home));
    const session = sessionAt(rule, home);
    const aborted = expect(say(session, "tanstaaf")).rejects.toMatchObject({ code: "aborted" });
    await session.abort();
    await aborted;
    await vi.runAllTimersAsync();
    expect(session.result).toBeUndefined();
  });
});

function sessionAt(rule: Throttle, remote: string): SASLServerSession {
  const accounts = memoryAccounts({ tim: "tanstaaf" });
  return new SASLServer({ mechanisms: [plain], accounts, throttle: rule }).session({ secure: true, remote });
}

function say(session: SASLServerSession, password: string): Promise<unknown> {
  return session.initiate("PLAIN", new TextEncoder().encode(`\0tim\0${password}`));
}

test("R-LIM-08 nothing it waits for or remembers keeps a process alive", async () => {
  vi.useRealTimers();
  const timers = () => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
  const before = timers();
  const rule = throttle({ firstParallel: 1, firstMs: 15_000 });
  const first = new Peer(rule, home);
  await first.begin();
  void first.end("refused", "tim"); // late
  void new Peer(rule, home).begin(); // behind it
  void new Peer(rule, home).begin(); // behind that one
  await new Promise((resolve) => setImmediate(resolve));
  expect(timers()).toBe(before);
  const held = setTimeout(() => {}, 1000);
  expect(timers()).toBe(before + 1); // so they would have been seen
  clearTimeout(held);
});
