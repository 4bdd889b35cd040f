/**
 * Text for a terminal of at most 100 columns.
 *
 * @module
 */

export type Style = "bold" | "dim" | "green" | "red" | "cyan";

const codes: Readonly<Record<Style, string>> = { bold: "1", dim: "2", green: "32", red: "31", cyan: "36" };

/** Paints text, or leaves it alone. */
export type Paint = (style: Style, text: string) => string;

/** @param colours false where nobody looks, or where NO_COLOR asks for none. */
export function painter(colours: boolean): Paint {
  return colours ? (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m` : (_, text) => text;
}

/** The widest line, in columns. */
export const MAX_COLUMNS = 100;

/**
 * Breaks a text into lines, behind a comma or a space where there is one.
 *
 * @param columns room for each line, at least 1.
 */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > columns) {
    const part = rest.slice(0, columns);
    const at = Math.max(part.lastIndexOf(",") + 1, part.lastIndexOf(" ") + 1) || columns;
    lines.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at);
  }
  return [...lines, rest];
}

/** A table as lines: titles, a rule, and the rows; columns as wide as what is in them. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [paint("bold", line(titles)), paint("dim", line(widths.map((width) => "─".repeat(width)))), ...rows.map(line)];
}
