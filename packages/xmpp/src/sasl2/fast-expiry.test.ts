import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDateTime, parseDateTime } from "./fast-expiry.js";

describe("R-FAST-04 XEP-0082 date-time", () => {
  const good: readonly [text: string, same: string][] = [
    ["2020-03-12T14:36:15Z", "2020-03-12T14:36:15.000Z"],
    ["1969-07-21T02:56:15Z", "1969-07-21T02:56:15.000Z"],
    ["1969-07-20T21:56:15-05:00", "1969-07-21T02:56:15.000Z"],
    ["2026-01-01T05:30:00+05:30", "2026-01-01T00:00:00.000Z"],
    ["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.500Z"],
    ["2026-01-01T00:00:00.123999999Z", "2026-01-01T00:00:00.123Z"],
    ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"],
    ["0020-01-01T00:00:00Z", "0020-01-01T00:00:00.000Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"],
  ];
  test.each(good)("reads %s", (text, same) => {
    expect(new Date(parseDateTime(text) as number).toISOString()).toBe(same);
  });

  const bad: readonly string[] = [
    "",
    "never",
    "2026-01-01",
    "20260101T00:00:00",
    "2026-01-01T00:00:00",
    "2026-01-01 00:00:00Z",
    "2026-01-01T00:00Z",
    "2026-01-01t00:00:00Z",
    "2026-01-01T00:00:00z",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00,5Z",
    "2026-01-01T00:00:00+0100",
    "2026-01-01T00:00:00+01",
    "2026-01-01T00:00:00+14:01",
    "2026-01-01T00:00:00+01:60",
    "2026-1-1T00:00:00Z",
    "12026-01-01T00:00:00Z",
    "-2026-01-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-12-31T23:59:60Z",
    " 2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n",
    "٢٠٢٦-01-01T00:00:00Z",
    `2026-01-01T00:00:00.${"0".repeat(1000)}Z`,
  ];
  test.each(bad)("refuses %j", (text) => {
    expect(parseDateTime(text)).toBeUndefined();
  });

  test("any moment is written so that it is read, and never later than it is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 53 - 1 }), (time) => {
        const read = parseDateTime(formatDateTime(time)) as number;
        expect(read).toBe(Math.min(Math.floor(time / 1000) * 1000, Date.UTC(9999, 11, 31, 23, 59, 59)));
      }),
      { examples: [[0], [8.64e15], [8.64e15 + 1]] },
    );
  });

  test("any text is read or refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = parseDateTime(text);
        expect(read === undefined || Number.isFinite(read)).toBe(true);
      }),
    );
  });
});
