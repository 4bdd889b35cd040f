import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Perishable, Sweep } from "./sweep.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function item(deadline: number): Perishable & { ended: number } {
  const made = { ended: 0, expired: (now: number) => now > deadline, expire: () => void made.ended++ };
  return made;
}

test("R-LIM-05 ends what has run out of time, once, and nothing else", () => {
  const sweep = new Sweep(1000);
  const [short, long] = [item(Date.now() + 1500), item(Date.now() + 10_000)];
  sweep.add(short);
  sweep.add(long);
  vi.advanceTimersByTime(1000);
  expect(short.ended).toBe(0);
  vi.advanceTimersByTime(5000);
  expect([short.ended, long.ended]).toEqual([1, 0]);
});

test("holds a timer only while it holds something", () => {
  const sweep = new Sweep(1000);
  expect(vi.getTimerCount()).toBe(0);
  const one = item(Date.now() + 10_000);
  sweep.add(one);
  expect(vi.getTimerCount()).toBe(1);
  sweep.delete(one);
  expect(vi.getTimerCount()).toBe(0);
  sweep.add(item(Date.now() + 10));
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("tells what it holds", () => {
  const sweep = new Sweep(1000);
  const [one, two] = [item(Date.now() + 10), item(Date.now() + 10_000)];
  sweep.add(one);
  sweep.add(two);
  expect([...sweep.held]).toEqual([one, two]);
  vi.advanceTimersByTime(1000);
  expect([...sweep.held]).toEqual([two]);
  expect(sweep.held.size).toBe(1);
  sweep.delete(two);
});
