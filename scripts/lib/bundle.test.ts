import { build } from "esbuild";
import { expect, test } from "vitest";
import { initialFiles, inputsOf, packageOf } from "./bundle.mjs";

/** Bundles sources given by name; `main` is the entry. */
async function bundle(sources: Readonly<Record<string, string>>): Promise<Parameters<typeof initialFiles>[0]> {
  const { metafile } = await build({
    entryPoints: ["main"],
    bundle: true,
    splitting: true,
    format: "esm",
    metafile: true,
    write: false,
    outdir: "out",
    plugins: [
      {
        name: "memory",
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /.*/ }, ({ path }) => ({ path, namespace: "memory" }));
          onLoad({ filter: /.*/, namespace: "memory" }, ({ path }) => ({ contents: sources[path] ?? "" }));
        },
      },
    ],
  });
  return metafile;
}

test("what is imported with import() does not count, what it shares with the entry does", async () => {
  const metafile = await bundle({
    main: `import { shared } from "shared"; console.log(shared, import("lazy"));`,
    lazy: `import { shared } from "shared"; import { table } from "table"; console.log(shared, table);`,
    shared: `export const shared = { at: Math.random() };`,
    table: `export const table = [1, 2, 3]; export const unused = 1;`,
  });
  const initial = initialFiles(metafile);
  const names = inputsOf(metafile, initial).map(({ name }) => name);
  expect(names.sort()).toEqual(["/memory:main", "/memory:shared"]);
  expect(inputsOf(metafile, Object.keys(metafile.outputs)).map(({ name }) => name)).toContain("/memory:table");
});

test("packageOf leaves the path inside the package's folder", () => {
  expect(packageOf("/node_modules/.pnpm/a@1/node_modules/a/index.js")).toBe("a/index.js");
  expect(packageOf("/packages/core/dist/index.js")).toBe("core/dist/index.js");
});
