/**
 * What a section found, and how it is printed.
 *
 * @module
 */

/**
 * @typedef {object} Bar one promise and whether it was kept.
 * @property {string} what
 * @property {string} bar as printed, with its unit
 * @property {string} measured
 * @property {"met" | "not met" | "not measured"} verdict
 * @property {number} [value]
 * @property {number} [limit]
 *
 * @typedef {object} Table
 * @property {string} [title]
 * @property {string[]} head
 * @property {string[][]} rows
 *
 * @typedef {object} SectionResult
 * @property {Table[]} tables
 * @property {Bar[]} bars
 * @property {string[]} missing what could not be measured, and why
 * @property {string[]} notes
 */

/** @returns {SectionResult} */
export function emptyResult() {
  return { tables: [], bars: [], missing: [], notes: [] };
}

/**
 * @param {string} what
 * @param {number | undefined} value `undefined` when nothing could be measured
 * @param {"at most" | "at least"} direction
 * @param {number} limit
 * @param {(value: number) => string} format
 * @returns {Bar}
 */
export function bar(what, value, direction, limit, format) {
  const printed = `${direction} ${format(limit)}`;
  if (value === undefined || Number.isNaN(value)) {
    return { what, bar: printed, measured: "-", verdict: "not measured", limit };
  }
  const met = direction === "at most" ? value <= limit : value >= limit;
  return { what, bar: printed, measured: format(value), verdict: met ? "met" : "not met", value, limit };
}

/** @param {number} value */
export const us = (value) => `${digits(value)} µs`;
/** @param {number} value */
export const ms = (value) => `${digits(value)} ms`;
/** @param {number} value */
export const times = (value) => `${value.toFixed(value < 10 ? 2 : 1)}x`;
/** @param {number} value */
export const perSecond = (value) => `${Math.round(value).toLocaleString("en")}/s`;
/** @param {number} value */
export const bytes = (value) => `${Math.round(value).toLocaleString("en")} B`;
/** @param {number} value */
export const kib = (value) => `${value.toFixed(1)} KiB`;

/** @param {import("./measure.mjs").Spread} spread @param {(value: number) => string} format */
export function range({ median, min, max }, format) {
  return Number.isNaN(median) ? "-" : `${format(median)} (${format(min)}..${format(max)})`;
}

/** Three significant digits, no exponent. */
function digits(/** @type {number} */ value) {
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(value >= 1 ? 2 : 3);
}

/** @param {Table} table */
function printTable({ title, head, rows }) {
  if (title !== undefined) console.log(`\n  ${title}`);
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)));
  const line = (/** @type {string[]} */ cells) =>
    `  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}`.trimEnd();
  console.log(line(head));
  console.log(line(widths.map((width) => "-".repeat(width))));
  for (const row of rows) console.log(line(row));
}

/** @param {SectionResult} result */
export function printResult({ tables, bars, missing, notes }) {
  for (const table of tables) printTable(table);
  if (bars.length > 0) console.log();
  for (const { what, bar: limit, measured, verdict } of bars) {
    console.log(`  ${verdict.toUpperCase().padEnd(12)}  ${what}: ${measured}, bar ${limit}`);
  }
  for (const note of notes) console.log(`  note: ${note}`);
  for (const text of missing) console.log(`  !! NOT MEASURED: ${text}`);
}
