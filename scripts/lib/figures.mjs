/**
 * Tables in the documentation that nobody types: what was measured lies in `docs/figures/NAME.json`, and stands in a page
 * between `<!-- figures: NAME -->` and `<!-- /figures -->`.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";
import { workspacePackages } from "./workspace.mjs";

/**
 * @typedef {object} Figures
 * @property {string} command that measured them
 * @property {string} on what machine, or with what
 * @property {string} date as in ISO 8601, the day alone
 * @property {string[]} head of the table
 * @property {string[][]} rows
 * @property {string[]} [notes] below the table
 */

const folder = join(root, "docs", "figures");
const place = /(<!-- figures: ([a-z-]+) -->\n)[\s\S]*?(<!-- \/figures -->)/g;

/**
 * Keeps what was measured and writes it into every page that shows it.
 *
 * @param {string} name
 * @param {Omit<Figures, "date">} figures
 * @returns {string[]} the pages that changed
 */
export function keepFigures(name, figures) {
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ date, ...figures }, null, 2)}\n`);
  const pages = stalePages();
  for (const { file, text } of pages) writeFileSync(join(root, file), text);
  return pages.map(({ file }) => file);
}

/**
 * @returns {{ file: string, text: string }[]} pages that show something else than was measured, with what they should say
 * @throws {Error} for a page that shows what nobody measured.
 */
export function stalePages() {
  return pages().flatMap((file) => {
    const old = readFileSync(join(root, file), "utf8");
    const text = fillIn(old, (name) => read(name, file));
    return text === old ? [] : [{ file, text }];
  });
}

/**
 * @param {string} page
 * @param {(name: string) => Figures} figuresOf
 */
export function fillIn(page, figuresOf) {
  return page.replace(place, (_, before, name, after) => `${before}${format(figuresOf(name))}${after}`);
}

/** @param {Figures} figures */
function format({ head, rows, notes = [], command, on, date }) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  /** @param {readonly string[]} cells @param {string} filler */
  const line = (cells, filler) => `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width, filler)).join(" | ")} |`;
  const table = [
    line(head, " "),
    line(
      head.map(() => ""),
      "-",
    ),
    ...rows.map((row) => line(row, " ")),
  ];
  const below = [...notes, `From \`${command}\`, ${date}, ${on}.`];
  return `\n${table.join("\n")}\n\n${below.join("\n\n")}\n\n`;
}

/**
 * @param {string} name
 * @returns {Figures | undefined} what was measured last
 */
export function heldFigures(name) {
  const file = join(folder, `${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/**
 * @param {string} name
 * @param {string} page
 * @returns {Figures}
 */
function read(name, page) {
  const figures = heldFigures(name);
  if (figures === undefined) throw new Error(`${page} shows ${name}, and docs/figures/${name}.json does not exist`);
  return figures;
}

/** Every page there can be a table in, from the root. */
function pages() {
  const packages = workspacePackages().map(({ folder: each }) => `${each}/README.md`);
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", ...docs.map((name) => `docs/${name}`), ...packages].filter((file) =>
    existsSync(join(root, file)),
  );
}
