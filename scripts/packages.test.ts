import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { publishedPackages, workspacePackages } from "./lib/workspace.mjs";

/** Every file name in an `exports` or `imports` object, with the conditions that lead to it. */
function targets(
  value: unknown,
  conditions: readonly string[] = [],
): { conditions: readonly string[]; file: string }[] {
  if (typeof value === "string") return [{ conditions, file: value }];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => targets(inner, [...conditions, key]));
}

/** The source that a compiled or bundled file comes from. */
function sourceOf(file: string): string {
  return file.replace(/^\.\/(dist|lib(\/on-node)?)\//, "./src/").replace(/(\.d\.ts|\.js)$/, ".ts");
}

for (const { path, manifest } of publishedPackages()) {
  describe(manifest.name, () => {
    const all = [...targets(manifest.exports), ...targets(manifest.imports)];

    test("every entry names a source that exists", () => {
      expect(all.length).toBeGreaterThan(0);
      const gone = all.filter(({ file }) => !existsSync(join(path, sourceOf(file))));
      expect(gone).toEqual([]);
    });

    test("each entry has the conditions in the order that resolvers need", () => {
      for (const [entry, value] of Object.entries({ ...manifest.exports, ...manifest.imports })) {
        if (typeof value === "string") continue;
        const conditions = Object.keys(value as object);
        expect(conditions.slice(0, 2), entry).toEqual(["sasl-source", "types"]);
        expect(conditions.at(-1), entry).toBe("default");
      }
    });

    test("the commands exist before a build, so that an install can link them", () => {
      for (const file of Object.values(manifest.bin ?? {})) expect(existsSync(join(path, file)), file).toBe(true);
    });
  });
}

test("all published packages are in the same state of licence, engine and module kind", () => {
  for (const { manifest } of publishedPackages()) {
    expect(manifest, manifest.name).toMatchObject({ license: "MIT", type: "module", engines: { node: ">=20.19" } });
  }
});

test("every package is built by the root project", () => {
  const { references } = JSON.parse(readFileSync(new URL("../tsconfig.json", import.meta.url), "utf8"));
  const built = references.map(({ path }: { path: string }) => path.replace("./", ""));
  const typeScript = workspacePackages().filter(({ path }) => existsSync(join(path, "tsconfig.json")));
  expect(built).toEqual(expect.arrayContaining(typeScript.map(({ folder }) => folder)));
});
