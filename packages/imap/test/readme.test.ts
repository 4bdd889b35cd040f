import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const programs = Array.from(
  readme.matchAll(/^## (.+)\n(?:(?!^## )[\s\S])*?^```ts\n([\s\S]*?)^```$/gm),
  ([, title, code]) => ({
    title: title as string,
    code: code as string,
  }),
);
const expected = [/^(?=.*alice is here$)(?=.*SCRAM-SHA-256 true\ntrue$)/ms, /^(?=.*alice)(?=.*SCRAM-SHA-256$)/s];

const folder = fileURLToPath(new URL("../node_modules/.readme/", import.meta.url));
mkdirSync(folder, { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("README", () => {
  test("has a program for each expectation", () => expect(programs).toHaveLength(expected.length));

  for (const [index, { title, code }] of programs.entries()) {
    test(`"${title}" runs as it stands`, async () => {
      const said: string[] = [];
      const log = vi.spyOn(console, "log").mockImplementation((...words) => void said.push(words.join(" ")));
      try {
        const file = `${folder}program-${index}.ts`;
        writeFileSync(file, code);
        await import(/* @vite-ignore */ file);
        await vi.waitFor(() => expect(said.join("\n")).toMatch(expected[index] as RegExp));
      } finally {
        log.mockRestore();
      }
    });
  }
});
