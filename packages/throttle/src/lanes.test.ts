import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { timed } from "../test/support.js";
import { Lanes } from "./lanes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const options = {
  firstParallel: 1,
  maxParallel: 4,
  maxWaitMs: 1000,
  leaseMs: 120_000,
  windowMs: 600_000,
  maxEntries: 2,
};

/** An attempt that enters, and when it may run. */
function enter(lanes: Lanes, network: string) {
  const attempt = {};
  return { attempt, ...timed(Promise.resolve(lanes.enter(network, attempt))) };
}

describe("of more networks than may be remembered, with attempts whose end nobody tells", () => {
  test("R-LIM-03 the one not heard of for longest is forgotten", async () => {
    const lanes = new Lanes(options);
    for (const network of ["a", "b", "a", "c"]) enter(lanes, network); // the second of a waits
    const again = ["a", "b"].map((network) => enter(lanes, network));
    await vi.advanceTimersByTimeAsync(1000);
    expect(again.map(({ at }) => at())).toEqual(["1000 limit-exceeded", "0"]);
  });

  test("R-LIM-03 who waits for others of a forgotten one still gets in after them", async () => {
    const lanes = new Lanes(options);
    const [first, second] = [enter(lanes, "a"), enter(lanes, "a")];
    for (const network of ["b", "c"]) enter(lanes, network);
    const newcomer = enter(lanes, "a");
    await vi.advanceTimersByTimeAsync(500);
    lanes.leave(first.attempt, "neither");
    await vi.advanceTimersByTimeAsync(0);
    expect([first, second, newcomer].map(({ at }) => at())).toEqual(["0", "500", "0"]);
    lanes.leave(second.attempt, "neither"); // the last one of the forgotten lane
    const later = enter(lanes, "a"); // behind the newcomer
    await vi.advanceTimersByTimeAsync(1000);
    expect(later.at()).toBe("1000 limit-exceeded");
  });
});

test("R-LIM-08 a clock that is set ends no attempt", async () => {
  const lanes = new Lanes(options);
  enter(lanes, "a");
  vi.setSystemTime(Date.now() + 3_600_000);
  const next = enter(lanes, "a");
  await vi.advanceTimersByTimeAsync(1000);
  expect(next.at()).toContain("limit-exceeded");
});

test("R-LIM-08 a clock that is set makes nobody new", async () => {
  const lanes = new Lanes(options);
  const first = enter(lanes, "a");
  lanes.leave(first.attempt, "right"); // two at once from now on
  vi.setSystemTime(Date.now() + 3_600_000);
  const next = [enter(lanes, "a"), enter(lanes, "a")];
  await vi.advanceTimersByTimeAsync(0);
  expect(next.map(({ at }) => at())).toEqual(["0", "0"]);
});
