import { existsSync, statSync } from "node:fs";
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
