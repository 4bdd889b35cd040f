import { describe, expect, test, vi } from "vitest";
import { codeAfter, codeOf, sessionFor } from "../test/support.js";
import { SASLFailure } from "./errors.js";
import { encodeUtf8 } from "./internal/text.js";
import { plain } from "./mechanisms/index.js";
import type { ServerEvent } from "./server.js";
import type { Throttle } from "./throttle.js";

const right = "\0tim\0tanstaaftanstaaf";
const wrong = "\0tim\0x";
const remote = "192.0.2.1:5";

/** Keeps what a session tells of each attempt. */
function recorder(begin: Throttle["begin"] = () => undefined) {
  const told: [what: string, attempt: object][] = [];
  const throttle: Throttle = {
    begin(from, attempt) {
      told.push([`begin ${from}`, attempt]);
      return begin(from, attempt);
    },
    ended({ ok, code, authcid }, attempt) {
      told.push([ok ? `right ${authcid}` : `${code}`, attempt]);
    },
  };
  return { throttle, told, whats: () => told.map(([what]) => what) };
}

const limit = new SASLFailure("limit-exceeded", "too many attempts", { detail: "100 failures" });
const refusals: readonly [how: string, begin: Throttle["begin"]][] = [
  [
    "throws",
    () => {
      throw limit;
    },
  ],
  ["rejects", () => Promise.reject(limit)],
];
test.each(refusals)(
  "R-LIM-08 a throttle that %s limit-exceeded refuses before the mechanism begins",
  async (_, begin) => {
    const { throttle, whats } = recorder(begin);
    const events: ServerEvent[] = [];
    const lookup = vi.fn(() => ({}));
    const options = { throttle, accounts: { lookup }, onOutcome: (event: ServerEvent) => events.push(event) };
    const session = sessionFor(plain, options, { remote });
    await expect(session.initiate("PLAIN", encodeUtf8(right))).rejects.toBe(limit);
    expect(lookup).not.toHaveBeenCalled();
    expect(events).toMatchObject([
      { mechanism: "PLAIN", ok: false, code: "limit-exceeded", detail: "100 failures", remote },
    ]);
    expect(whats()).toEqual([`begin ${remote}`]); // nothing began, so nothing ends
    expect(session.pending).toBe(false);
  },
);

const faults: readonly [what: string, error: unknown][] = [
  ["an error of its own", new Error("down")],
  ["another SASL error", new SASLFailure("temporary", "down")],
  ["nothing sensible", undefined],
];
describe.each(faults)("R-LIM-07 a throttle that throws %s", (_, error) => {
  const sudden = () => {
    throw error;
  };
  const late = () => Promise.reject(error);
  test.each([sudden, late])("lets everybody go", async (fault) => {
    const session = sessionFor(plain, { throttle: { begin: fault, ended: fault } }, { remote });
    expect(await codeAfter(session, "PLAIN", [wrong])).toBe("refused");
    expect(await codeAfter(session, "PLAIN", [right])).toBe("success");
  });
});

test("R-LIM-08 a limit that is told at the end of an attempt does not hide how it ended", async () => {
  const throttle: Throttle = { begin: () => undefined, ended: () => Promise.reject(limit) };
  expect(await codeAfter(sessionFor(plain, { throttle }), "PLAIN", [wrong])).toBe("refused");
});

test("R-LIM-08 each beginning has one end, whatever the end is", async () => {
  const { throttle, told, whats } = recorder();
  const from = () => sessionFor(plain, { throttle }, { remote });
  expect(await codeAfter(from(), "PLAIN", [right])).toBe("success");
  expect(await codeAfter(from(), "PLAIN", [wrong])).toBe("refused");
  const left = from();
  await left.initiate("PLAIN");
  await left.abort();
  await left.abort();
  expect(await codeAfter(from(), "LOGIN", [right])).toBe("mechanism-unsupported"); // never began
  const long = encodeUtf8("x".repeat(70_000));
  expect(await codeOf(from().initiate("PLAIN", long))).toBe("limit-exceeded"); // this one neither
  const b = `begin ${remote}`;
  expect(whats()).toEqual([b, "right tim", b, "refused", b, "aborted"]);
  for (const i of [0, 2, 4]) expect(told[i]?.[1]).toBe(told[i + 1]?.[1]);
  expect(new Set(told.map(([, attempt]) => attempt)).size).toBe(3);
});

test("R-GEN-16 R-LIM-08 an abort during the wait is an end and an outcome, and nothing is judged afterwards", async () => {
  let go = () => {};
  const { throttle, told, whats } = recorder(
    () =>
      new Promise((resolve) => {
        go = resolve;
      }),
  );
  const events: ServerEvent[] = [];
  const session = sessionFor(plain, { throttle, onOutcome: (event) => events.push(event) }, { remote });
  const first = codeOf(session.initiate("PLAIN", encodeUtf8(right)));
  await session.abort();
  expect(await first).toBe("aborted");
  const letFirstGo = go;
  const second = codeAfter(session, "PLAIN", [right]);
  letFirstGo();
  go();
  expect(await second).toBe("success");
  expect(whats()).toEqual([`begin ${remote}`, "aborted", `begin ${remote}`, "right tim"]);
  expect(told[0]?.[1]).toBe(told[1]?.[1]);
  expect(told[2]?.[1]).toBe(told[3]?.[1]);
  expect(told[0]?.[1]).not.toBe(told[2]?.[1]);
  expect(events.map(({ mechanism, code }) => [mechanism, code])).toEqual([
    ["PLAIN", "aborted"],
    ["PLAIN", undefined],
  ]);
});

test("R-LIM-08 success does not wait for the throttle", async () => {
  const throttle: Throttle = { begin: () => undefined, ended: () => new Promise(() => {}) };
  expect(await codeAfter(sessionFor(plain, { throttle }), "PLAIN", [right])).toBe("success");
});
