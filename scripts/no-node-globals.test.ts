import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { capture, root } from "./lib/run.mjs";

// Inside the project, so that the compiler could find @types/node if it were allowed to.
mkdirSync(join(root, "node_modules/.cache/sasl"), { recursive: true });
const folder = mkdtempSync(join(root, "node_modules/.cache/sasl/types-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tsc = join(root, "node_modules/typescript/bin/tsc");

/** Compiles one file under a root configuration and returns what the compiler said. */
async function compile(config: string, source: string): Promise<string> {
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(root, config), compilerOptions: { rootDir: "." } }),
  );
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(folder, "file.ts"), `${source}\n`);
  const { stdout } = await capture(process.execPath, [
    tsc,
    "-p",
    folder,
    "--noEmit",
    "--incremental",
    "false",
    "--composite",
    "false",
  ]);
  return stdout;
}

const nodeOnly: readonly [name: string, source: string][] = [
  ["process", "export const v: unknown = process.env;"],
  ["Buffer", `export const v: unknown = Buffer.from("");`],
  ["setImmediate", "export const v: unknown = setImmediate(() => {});"],
  ["global", "export const v: unknown = global;"],
  ["node:fs", `export { readFileSync } from "node:fs";`],
  ["crypto", `export { createHash } from "crypto";`],
];
for (const [name, source] of nodeOnly) {
  test(`the compiler refuses ${name} in code that browsers load`, async () => {
    expect(await compile("tsconfig.web.json", source)).toMatch(
      new RegExp(`error TS\\d+: Cannot find (name|module) '${name}'`),
    );
  });
}

test("the same is right in code for Node.js", async () => {
  expect(
    await compile("tsconfig.node.json", nodeOnly.map(([, source], i) => source.replace("v:", `v${i}:`)).join("\n")),
  ).toBe("");
});

test("what browsers and Node.js share is there", async () => {
  const source = "export const v: unknown = [crypto.subtle, new TextEncoder(), AbortSignal, setTimeout(() => {}, 1)];";
  expect(await compile("tsconfig.web.json", source)).toBe("");
});
