import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { headingsOf, linksOf, pages, root } from "./markdown.js";

describe("links lead somewhere in", () => {
  for (const page of pages()) {
    test(page, () => {
      const broken = linksOf(page).filter(({ path, heading }) => {
        if (!existsSync(join(root, path))) return true;
        if (heading === undefined || statSync(join(root, path)).isDirectory()) return false;
        return !headingsOf(path).includes(heading);
      });
      expect(broken).toEqual([]);
    });
  }
});

describe("there is a README in", () => {
  const parents = ["packages", "examples"];
  for (const folder of parents.flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  )) {
    if (!existsSync(join(root, folder, "package.json"))) continue; // left behind by a build
    test(folder, () => expect(existsSync(join(root, folder, "README.md"))).toBe(true));
  }
});

describe("the first page leads to", () => {
  const linked = new Set(linksOf("README.md").map(({ path }) => path));
  const documents = readdirSync(join(root, "docs"), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => `docs/${name}`);
  const folders = ["packages", "examples"].flatMap((parent) =>
    readdirSync(join(root, parent))
      .map((name) => `${parent}/${name}`)
      .filter((folder) => existsSync(join(root, folder, "package.json"))),
  );
  for (const each of [...documents, ...folders]) test(each, () => expect(linked).toContain(each));
});
