/**
 * From candidates to a section's result: what every interleaved section does the same way.
 *
 * @module
 */
import { interleave } from "./measure.mjs";
import { emptyResult, range, times, us } from "./report.mjs";

/**
 * @typedef {import("./measure.mjs").Candidate | string} MaybeCandidate a string says why a candidate is missing
 * @typedef {"cpu" | "wall" | "busy"} Metric
 */

/** @type {Record<Metric, string>} */
const metricHead = { cpu: "CPU", wall: "wall", busy: "event loop" };

/**
 * Runs the candidates there are, names those that are not, and makes a table.
 *
 * @param {MaybeCandidate[]} candidates
 * @param {import("../main.mjs").Options} options
 * @param {{ title?: string, metrics: Metric[], extra?: { head: string, cell: (row: import("./measure.mjs").Row) => string } }} shape
 *   the first metric is the one the ratio column is about
 */
export async function measureTable(candidates, options, { title, metrics, extra }) {
  const result = emptyResult();
  const present = candidates.filter((candidate) => typeof candidate !== "string");
  result.missing.push(...candidates.filter((candidate) => typeof candidate === "string"));
  const rows = present.length === 0 ? [] : await interleave(present, options);
  const [main] = metrics;
  const hasRatio = rows.some((row) => row.role === "reference");
  result.tables.push({
    ...(title === undefined ? {} : { title }),
    head: [
      "",
      ...metrics.map((metric) => `${metricHead[metric]} each`),
      ...(hasRatio ? [`ratio of ${metricHead[main]} (range)`] : []),
      ...(extra === undefined ? [] : [extra.head]),
    ],
    rows: rows.map((row) => [
      `${row.role === "ours" ? "> " : row.role === "reference" ? "= " : "  "}${row.name}`,
      ...metrics.map((metric) => (Number.isNaN(row.value[metric].median) ? "-" : us(row.value[metric].median))),
      ...(hasRatio ? [range(row.ratio[main], times)] : []),
      ...(extra === undefined ? [] : [extra.cell(row)]),
    ]),
  });
  return { result, rows, ours: rows.find((row) => row.role === "ours") };
}

/** Loads a peer's candidate; a package that is not installed becomes a reason. */
export async function peer(
  /** @type {string} */ name,
  /** @type {() => Promise<import("./measure.mjs").Candidate>} */ load,
) {
  try {
    return await load();
  } catch (error) {
    return `${name}: ${error instanceof Error ? error.message.split("\n")[0] : error}`;
  }
}

/** A scenario of a C program, or why it is missing. */
export async function programRow(
  /** @type {"gsasl" | "cyrus"} */ program,
  /** @type {string} */ scenario,
  /** @type {string} */ text,
  /** @type {Partial<import("./measure.mjs").Candidate>} */ more = {},
) {
  const { native } = await import("./native.mjs");
  const { inProgram } = await import("./measure.mjs");
  const running = await native(program);
  return typeof running === "string" ? running : inProgram(`${running.version} (C): ${text}`, running, scenario, more);
}
