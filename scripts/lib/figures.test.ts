import { describe, expect, test } from "vitest";
import { fillIn, stalePages } from "./figures.mjs";

const figures = {
  command: "npm run size",
  on: "esbuild 0.28",
  date: "2026-01-02",
  head: ["program", "bytes"],
  rows: [
    ["small", "1"],
    ["a larger one", "1,000"],
  ],
  notes: ["Gzipped."],
};
const table = `
| program      | bytes |
| ------------ | ----- |
| small        | 1     |
| a larger one | 1,000 |

Gzipped.

From \`npm run size\`, 2026-01-02, esbuild 0.28.

`;

describe("figures in a page", () => {
  test("are put where they are called for, and nothing else is touched", () => {
    const page = (inside: string) => `# Title\n\n<!-- figures: size -->\n${inside}<!-- /figures -->\n\nMore.\n`;
    expect(fillIn(page(""), () => figures)).toBe(page(table));
    expect(fillIn(page("\nwhat was there\n\n"), () => figures)).toBe(page(table));
    expect(fillIn(page(table), () => figures)).toBe(page(table));
    expect(fillIn("# Title\n", () => figures)).toBe("# Title\n");
  });

  test("are asked for by name, each for itself", () => {
    const asked: string[] = [];
    const page = "<!-- figures: size -->\n<!-- /figures -->\n<!-- figures: speed -->\n<!-- /figures -->\n";
    fillIn(page, (name) => {
      asked.push(name);
      return figures;
    });
    expect(asked).toEqual(["size", "speed"]);
  });

  test("say in every page what was measured", () => {
    expect(stalePages().map(({ file }) => file)).toEqual([]);
  });
});
