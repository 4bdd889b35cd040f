import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { codeOf, serverWith } from "../test/support.js";
import { Cutoff } from "./cutoff.js";
import { defaultLimits, type Limits, limitsFrom } from "./limits.js";
import { plain } from "./mechanisms/index.js";
import { SASLStateMachine } from "./state-machine.js";

test("R-LIM-01 the defaults", () => {
  expect(limitsFrom(undefined)).toEqual({
    maxMessageBytes: 65536,
    maxIdentityBytes: 1024,
    maxSteps: 20,
    maxLayerBytes: 65_536,
    timeoutMs: 60_000,
  });
  expect(limitsFrom({})).toEqual(defaultLimits);
  expect(limitsFrom({ maxSteps: 3, timeoutMs: 0 })).toEqual({ ...defaultLimits, maxSteps: 3, timeoutMs: 0 });
});

test("R-LIM-01 a limit that is there and undefined switches nothing off", () => {
  const given = { maxMessageBytes: undefined, maxSteps: undefined } as unknown as Partial<Limits>;
  expect(limitsFrom(given)).toEqual(defaultLimits);
  expect(serverWith([plain], { limits: given }).limits).toEqual(defaultLimits);
});

const misuse = [Number.NaN, -1, "9", null, {}, true] as unknown as readonly number[];
test.each(misuse)("R-LIM-01 %o is no limit", (value) => {
  const wire = { initiate: vi.fn(), respond: vi.fn(), abort: vi.fn() };
  for (const name of Object.keys(defaultLimits)) {
    expect(() => limitsFrom({ [name]: value })).toThrow(RangeError);
    expect(() => new SASLStateMachine(wire, { limits: { [name]: value } })).toThrow(RangeError);
    expect(() => serverWith([plain], { limits: { [name]: value } })).toThrow(RangeError);
  }
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([Number.POSITIVE_INFINITY, 2 ** 31, Number.MAX_SAFE_INTEGER])(
  "a time limit of %s ms is a long one",
  async (timeoutMs) => {
    const cutoff = new Cutoff(undefined, timeoutMs);
    await vi.advanceTimersByTimeAsync(86_400_000); // a longer one than a timer can be would be over after 1 ms
    expect(cutoff.reason).toBeUndefined();
    cutoff.dispose();
    expect(vi.getTimerCount()).toBe(0);
  },
);

test("the first reason counts, and what is raced afterwards ends at once", async () => {
  const cutoff = new Cutoff(undefined, 1000);
  cutoff.cut("aborted", "first");
  cutoff.cut("timed-out", "second");
  expect(await codeOf(cutoff.race(new Promise<never>(() => {})))).toBe("aborted");
  expect(cutoff.reason?.message).toBe("first");
  cutoff.dispose();
});
