import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadPlugins } from "./load-plugins.js";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "sasl-plugins-")));
const write = (file: string, text: string) => {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
};
const plugin = (name: string) =>
  `export const saslPlugin = { apiVersion: 1, canonicalizers: [{ name: "${name}", canonicalize: (x) => x }] };`;

beforeAll(() => {
  write("local.mjs", plugin("local"));
  write("sub/other.mjs", plugin("other"));
  write("sasl-plugin-folder/readme.txt", "a folder called as a package");
  const packages: Readonly<Record<string, object>> = {
    "sasl-plugin-folder": { exports: "./index.mjs" },
    "sasl-plugin-main": { main: "index.mjs" },
    "sasl-plugin-import": {
      exports: { ".": { types: "./x.d.ts", import: "./index.mjs" }, "./sub": { import: "./index.mjs" } },
    },
    "sasl-plugin-nested": { exports: { import: { browser: "./no.mjs", node: ["./index.mjs"] } } },
    "@scope/sasl-plugin": { exports: { import: "./index.mjs" } },
    "sasl-plugin-private": { exports: { "./other": { import: "./index.mjs" } } },
  };
  for (const [name, manifest] of Object.entries(packages)) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, type: "module", ...manifest }));
    write(`node_modules/${name}/index.mjs`, plugin(name));
  }
  write(
    "node_modules/sasl-plugin-commonjs/index.js",
    `exports.saslPlugin = { apiVersion: 1, canonicalizers: [{ name: "commonjs", canonicalize: (x) => x }] };`,
  );
  write("syntax.mjs", "export const = 1;");
  write("missing.mjs", `import "a-package-that-is-not-there";`);
  write("throws.mjs", "throw new Error('no way');");
  write("endless.mjs", "await new Promise(() => { setTimeout(() => {}, 500); });");
  write("empty.mjs", "export const other = 1;");
  vi.spyOn(process, "cwd").mockReturnValue(folder);
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

describe("loadPlugins finds", () => {
  const found: readonly (readonly [module: string, name: string])[] = [
    ["./local.mjs", "local"],
    ["local.mjs", "local"],
    ["sub/other.mjs", "other"],
    ["sasl-plugin-folder", "sasl-plugin-folder"],
    ["sasl-plugin-main", "sasl-plugin-main"],
    ["sasl-plugin-import", "sasl-plugin-import"],
    ["sasl-plugin-import/sub", "sasl-plugin-import"],
    ["sasl-plugin-nested", "sasl-plugin-nested"],
    ["@scope/sasl-plugin", "@scope/sasl-plugin"],
    ["sasl-plugin-commonjs", "commonjs"],
    [join(folder, "local.mjs"), "local"],
    [pathToFileURL(join(folder, "local.mjs")).href, "local"],
  ];
  test.each(found)("%s", async (module, name) => {
    const loaded = await loadPlugins([module]);
    expect(loaded.canonicalizers.map((each) => each.name)).toEqual([name]);
    expect(loaded.plugins[0]?.module).toBe(module);
    await loaded.close();
  });

  test("several at once", async () => {
    const { plugins } = await loadPlugins(["./local.mjs", "sasl-plugin-main"]);
    expect(plugins.map(({ module }) => module)).toEqual(["./local.mjs", "sasl-plugin-main"]);
  });
});

const refused: readonly (readonly [module: string, code: string, message: RegExp])[] = [
  ["./gone.mjs", "module-not-found", /^\.\/gone\.mjs: there is no such file or installed package$/],
  ["sasl-plugin-gone", "module-not-found", /^sasl-plugin-gone: there is no such file/],
  ["sasl-plugin-private", "module-not-found", /there is no such file/],
  ["sasl-plugin-main/../../local", "module-not-found", /there is no such file/],
  ["", "module-not-found", /there is no such file/],
  ["./sub", "module-not-found", /there is no such file/],
  ["./syntax.mjs", "import-failed", /^\.\/syntax\.mjs: it cannot be imported: /],
  ["./missing.mjs", "import-failed", /a-package-that-is-not-there/],
  ["./throws.mjs", "import-failed", /it cannot be imported: no way$/],
  ["./endless.mjs", "import-failed", /it cannot be imported: 50 ms are over$/],
  ["./empty.mjs", "no-plugin", /^\.\/empty\.mjs: it exports no saslPlugin$/],
  ["file:///a/file/that/is/not/there.mjs", "import-failed", /cannot be imported/],
];
test.each(refused)("loadPlugins refuses %s: %s", async (module, code, message) => {
  // The others have the time they need, however busy the machine is.
  const options = module === "./endless.mjs" ? { timeoutMs: 50 } : {};
  const error: unknown = await loadPlugins([module], options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "PluginError", code, module, message: expect.stringMatching(message) });
});
