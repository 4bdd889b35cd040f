import { describe, expect, test } from "vitest";
import { Report, runAttempts } from "./report.js";
import type { Attempt } from "./types.js";

function collect(require: boolean): { report: Report; lines: string[] } {
  const lines: string[] = [];
  return { report: new Report(require, (line) => lines.push(line)), lines };
}

const passing: Attempt = { name: "good", run: async () => ({ passed: true }) };
const failing: Attempt = { name: "bad", run: async () => ({ passed: false, why: "because" }) };

describe("the report", () => {
  test("ends with the totals and fails when an attempt did", async () => {
    const { report, lines } = collect(false);
    await runAttempts([passing, failing], 1, report, () => false);
    expect(lines).toEqual(["ok    good", "FAIL  bad\n      because"]);
    expect(report.finish()).toBe(1);
    expect(lines.at(-1)?.trim()).toBe("1 passed, 1 failed");
  });

  test("counts an attempt that throws as failed", async () => {
    const { report } = collect(false);
    await runAttempts([{ name: "thrown", run: () => Promise.reject(new Error("no")) }], 2, report, () => false);
    expect(report.finish()).toBe(1);
  });

  test("names what is missing twice, and passes", async () => {
    const { report, lines } = collect(false);
    report.missing("dovecot", "no apt");
    await runAttempts([passing], 1, report, () => false);
    expect(report.finish()).toBe(0);
    expect(lines.filter((line) => line.includes("dovecot: no apt"))).toHaveLength(2);
  });

  test("takes what is missing as a failure where peers are required", async () => {
    const { report } = collect(true);
    report.missing("dovecot", "no apt");
    await runAttempts([passing], 1, report, () => false);
    expect(report.finish()).toBe(1);
  });

  test("does not pass when nothing was tried", () => {
    expect(collect(false).report.finish()).toBe(1);
  });

  test("begins nothing once stopped", async () => {
    const { report, lines } = collect(false);
    await runAttempts([passing], 1, report, () => true);
    expect(lines).toEqual([]);
  });
});
