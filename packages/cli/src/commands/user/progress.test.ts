import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Collector } from "../../../test/support.js";
import { Progress } from "./progress.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function run(isTTY: boolean): string {
  const stderr = Object.assign(new Collector(), { isTTY });
  const progress = new Progress({ stdin: new PassThrough(), stdout: new Collector(), stderr }, "sasl user import");
  progress.show(1);
  vi.advanceTimersByTime(250);
  progress.show(2);
  progress.show(3);
  vi.advanceTimersByTime(250);
  progress.show(4);
  progress.end();
  return stderr.text;
}

test("on a terminal one line is written over now and then, and taken away", () => {
  const line = (count: number) => `\rsasl user import: ${count} accounts`;
  expect(run(true)).toBe(`${line(2)}${line(4)}\r\u001b[K`);
});

test("elsewhere nothing is written", () => {
  expect(run(false)).toBe("");
});
