import { describe, expect, test } from "vitest";
import { countTests } from "./count-reporter.mjs";
import { closingLine, verdict } from "./tests.mjs";

describe("verdict", () => {
  const rows: readonly [
    why: string,
    code: number,
    counts: Parameters<typeof verdict>[1],
    line: string,
    exitCode: number,
  ][] = [
    ["all passed", 0, { passed: 3, failed: 0 }, "3 passed, 0 failed", 0],
    ["one failed", 1, { passed: 2, failed: 1 }, "2 passed, 1 failed", 1],
    ["one failed and vitest says 0", 0, { passed: 2, failed: 1 }, "2 passed, 1 failed", 1],
    ["vitest failed and no test did", 1, { passed: 3, failed: 0 }, "3 passed, 1 failed", 1],
    ["no test was run", 0, { passed: 0, failed: 0 }, "0 passed, 1 failed", 1],
    ["the run broke off", 0, undefined, "0 passed, 1 failed", 1],
    ["the run was ended by a signal", 130, undefined, "0 passed, 1 failed", 130],
  ];
  for (const [why, code, counts, line, exitCode] of rows) {
    test(why, () => {
      const result = verdict(code, counts);
      expect(closingLine(result.counts)).toBe(line);
      expect(result.exitCode).toBe(exitCode);
    });
  }
});

describe("countTests", () => {
  function fakeModule(states: readonly string[], ok: boolean): Parameters<typeof countTests>[0][number] {
    const tests = states.map((state) => ({ result: () => ({ state }) }));
    return { ok: () => ok, children: { allTests: () => tests } } as unknown as Parameters<typeof countTests>[0][number];
  }

  test("counts tests, files that could not be loaded and errors outside tests", () => {
    const modules = [
      fakeModule(["passed", "passed"], true),
      fakeModule(["passed", "failed"], false),
      fakeModule([], false),
    ];
    expect(countTests(modules, [])).toEqual({ passed: 3, failed: 2 });
    expect(countTests(modules, [new Error("outside")])).toEqual({ passed: 3, failed: 3 });
  });

  test("a skipped test is a failure", () => {
    expect(countTests([fakeModule(["passed", "skipped"], true)], [])).toEqual({ passed: 1, failed: 1 });
  });
});
