import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Slices } from "./slices.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** Says its name and takes a millisecond, some times over. */
function* work(name: string, times: number, said: string[]): Generator<undefined, string> {
  for (let i = 0; i < times; i++) {
    said.push(name);
    vi.advanceTimersByTime(1);
    yield;
  }
  return name;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("R-LIM-02 a turn of the event loop has one slice, whoever it is for", async () => {
  const slices = new Slices(4);
  const said: string[] = [];
  const all = Promise.all([
    slices.run(work("a", 6, said)),
    slices.run(work("b", 1, said)),
    slices.run(work("c", 9, said)),
  ]);
  expect(said).toEqual([]);
  const turns: string[] = [];
  for (let before = 0; before < 16; before = said.length) {
    await turn();
    turns.push(said.slice(before).join(""));
  }
  expect(turns).toEqual(["aaaa", "bccc", "aacc", "cccc"]);
  expect(await all).toEqual(["a", "b", "c"]);
});

test("what is thrown fails one and not the others, and there is room for more afterwards", async () => {
  const slices = new Slices(4);
  const said: string[] = [];
  const failing = slices.run({
    next: () => {
      throw new Error("no");
    },
  });
  const other = slices.run(work("a", 2, said));
  await expect(failing).rejects.toThrow("no");
  expect(await other).toBe("a");
  expect(await slices.run(work("b", 1, said))).toBe("b");
});
