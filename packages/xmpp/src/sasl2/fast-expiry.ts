/**
 * When a token expires, as XML writes it. Source: XEP-0082 §3.2, XEP-0484 §3.3.
 *
 * @module
 */

/** CCYY-MM-DDThh:mm:ss[.sss]TZD, where TZD is `Z` or (+|-)hh:mm. */
const dateTime = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,24}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Reads a DateTime of XEP-0082, and nothing that only looks like one: no other spelling, no 31st of April.
 *
 * @returns milliseconds since 1970 UTC, what is finer cut off; `undefined` when it is none.
 */
export function parseDateTime(text: string): number | undefined {
  const found = dateTime.exec(text);
  if (found === null) return undefined;
  const number = (group: number) => Number(found[group] ?? 0);
  const [year, month, day] = [number(1), number(2), number(3)];
  const [hour, minute, second, offsetHour, offsetMinute] = [number(4), number(5), number(6), number(9), number(10)];
  const milliseconds = Number((found[7] ?? "").padEnd(3, "0").slice(0, 3));
  // XML Schema knows neither leap seconds nor offsets beyond 14 hours; XEP-0082 takes its types from there.
  const offset = offsetHour * 60 + offsetMinute;
  if (hour > 23 || minute > 59 || second > 59 || offsetMinute > 59 || offset > 14 * 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC takes the year 20 for 1920
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const local = date.setUTCHours(hour, minute, second, milliseconds);
  return local - (found[8] === "-" ? -offset : offset) * 60_000;
}

/** The last moment that has four digits for its year. */
const latest = Date.UTC(9999, 11, 31, 23, 59, 59);

/**
 * Writes a DateTime, in UTC and to the second. Inverse of {@link parseDateTime} up to the fraction, which is cut off: what is
 * announced is never later than what is meant.
 *
 * @param time milliseconds since 1970 UTC, not before; what lies after the year 9999 becomes its end.
 */
export function formatDateTime(time: number): string {
  return new Date(Math.min(time, latest)).toISOString().replace(/\.\d{3}Z$/, "Z");
}
