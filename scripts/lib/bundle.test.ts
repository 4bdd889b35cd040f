import { basename } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { initialFiles, packageOf, sizeBySource } from "./bundle.mjs";

/** Bundles sources given by name; `main` is the entry. */
async function bundle(sources: Readonly<Record<string, string>>) {
  const { metafile, outputFiles } = await build({
    entryPoints: ["main"],
    bundle: true,
    splitting: true,
    format: "esm",
    metafile: true,
    write: false,
    outdir: "/out",
    sourcemap: "external",
    minify: true,
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
  /** Sizes in one output file, by source. */
  function sizes(output: string): Record<string, number> {
    const text = (ending: string): string =>
      outputFiles.find(({ path }) => path.endsWith(`/${basename(output)}${ending}`))?.text ?? "";
    const all = sizeBySource(text(""), JSON.parse(text(".map")));
    return Object.fromEntries(all.map(({ source, size }) => [basename(source).replace("memory:", ""), size]));
  }
  return { metafile, sizes };
}

test("what is imported with import() does not count, what it shares with the entry does", async () => {
  const { metafile, sizes } = await bundle({
    main: `import { shared } from "shared"; console.log(shared, import("lazy"));`,
    lazy: `import { shared } from "shared"; import { table } from "table"; console.log(shared, table);`,
    shared: `export const shared = { at: Math.random() };`,
    table: `export const table = [1, 2, 3]; export const unused = "a long string that nobody asks for";`,
  });
  const initial = initialFiles(metafile);
  expect(initial).toHaveLength(2);
  expect(initial.flatMap((name) => Object.keys(sizes(name))).sort()).toEqual(["main", "shared"]);

  const lazy = Object.keys(metafile.outputs).filter((name) => name.endsWith(".js") && !initial.includes(name));
  expect(lazy).toHaveLength(1);
  expect(sizes(lazy[0] ?? "")).toMatchObject({ lazy: expect.any(Number), table: expect.any(Number) });
  expect(sizes(lazy[0] ?? "").table).toBeLessThan(20);
});

test("sizeBySource counts to the next segment, to the end of the line and not what has no source", () => {
  const map = { sources: ["a.js", "b.js"], mappings: "AAAA,ECAA,C;ADAA" };
  // 2 columns of a.js, 1 of b.js, the rest of the line of nobody; the second line is of a.js.
  expect(sizeBySource("aabxxxx\naaaa", map)).toEqual([
    { source: "a.js", size: 6 },
    { source: "b.js", size: 1 },
  ]);
});

test("packageOf leaves the path inside the package's folder", () => {
  expect(packageOf("/node_modules/.pnpm/a@1/node_modules/a/index.js")).toBe("a/index.js");
  expect(packageOf("/packages/core/dist/index.js")).toBe("core/dist/index.js");
});
