/**
 * Every TypeScript block of the documentation is a program. It passes the compiler and runs on the built packages as it
 * would for somebody who installed them: to its end, without an error that nobody caught, and saying what the comments
 * behind `console.log` promise. A block marked `fragment` is part of a program; its syntax, its imports and its types are
 * checked as far as they go without the rest.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allBlocks, type Block, root } from "./markdown.js";
import { run } from "./run.js";

const TIME_LIMIT_MS = 15_000;
const cache = join(root, "node_modules", ".cache", `docs-${process.pid}`);

interface Program extends Block {
  readonly name: string;
  readonly fragment: boolean;
  /** Where the block is written to: beside the page, so that names resolve as they do there. */
  readonly source: string;
}

const programs: readonly Program[] = allBlocks("ts").map((block) => {
  const folder = join(root, dirname(block.file));
  const home = existsSync(join(folder, "package.json")) ? folder : root;
  const source = join(
    home,
    "node_modules",
    ".cache",
    `docs-${process.pid}`,
    `${block.file.replaceAll("/", "-")}-${block.line}.mts`,
  );
  return { ...block, name: `${block.file}:${block.line}`, fragment: block.flags.includes("fragment"), source };
});

/** What the compiler says, by file. */
const complaints = new Map<string, string[]>();

beforeAll(async () => {
  if (!existsSync(join(root, "packages/core/dist/index.js")))
    throw new Error("the packages are not built: npm run build");
  for (const { source, text } of programs) {
    mkdirSync(dirname(source), { recursive: true });
    writeFileSync(source, text);
  }
  mkdirSync(cache, { recursive: true });
  const options = {
    composite: false,
    incremental: false,
    noEmit: true,
    isolatedDeclarations: false,
    declaration: false,
    declarationMap: false,
    rootDir: root,
  };
  const config = {
    extends: join(root, "tsconfig.base.json"),
    compilerOptions: { ...options, lib: ["ES2023", "DOM"], types: ["node"] },
    files: programs.map(({ source }) => source),
  };
  writeFileSync(join(cache, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout, stderr } = await run(
    process.execPath,
    [tsc, "-p", cache, "--pretty", "false"],
    { cwd: root },
    60_000,
  );
  for (const line of `${stdout}${stderr}`.split("\n")) {
    const [, file, what] = /^(\S+)\(\d+,\d+\): (.*)$/.exec(line) ?? [];
    if (file === undefined || what === undefined) continue;
    const path = join(root, file);
    complaints.set(path, [...(complaints.get(path) ?? []), what]);
  }
}, 60_000);

afterAll(() => {
  for (const folder of new Set([cache, ...programs.map(({ source }) => dirname(source))])) {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the documentation has programs", () => expect(programs.length).toBeGreaterThan(5));

describe("the compiler takes", () => {
  /** Names that the rest of the program declares, or uses; a `return` outside a function; parameters nothing gives a type. */
  const missing = /^error TS(?:2304|2552|18004|6133|6192|6196|6198|1108|7006|7031):/;

  for (const { name, source, fragment } of programs) {
    test(name, () => {
      const said = (complaints.get(source) ?? []).filter((what) => !(fragment && missing.test(what)));
      expect(said).toEqual([]);
    });
  }
});

describe.concurrent("Node.js runs", () => {
  for (const { name, source, text, fragment } of programs) {
    if (fragment) continue;
    test(name, { timeout: TIME_LIMIT_MS + 5000 }, async ({ expect }) => {
      const { code } = await transform(text, { loader: "ts", format: "esm", target: "node20", tsconfigRaw: tsconfig });
      const file = source.replace(/\.mts$/, ".mjs");
      writeFileSync(file, code);
      const ended = await run(
        process.execPath,
        ["--unhandled-rejections=strict", file],
        { cwd: dirname(file) },
        TIME_LIMIT_MS,
      );
      expect({ ...ended, stderr: ended.exitCode === 0 ? "" : ended.stderr }).toMatchObject({ exitCode: 0, stderr: "" });
      expect(ended.stderr).not.toMatch(/\(node:\d+\)/); // a warning of Node.js
      expect(inOrder(ended.stdout.split("\n"), promised(text))).toEqual(promised(text));
    });
  }
});

const tsconfig = { compilerOptions: { verbatimModuleSyntax: true } } as const;

/** What the comments behind `console.log` say will be printed, one for each line. */
function promised(text: string): string[] {
  return Array.from(text.matchAll(/\bconsole\.log\(.*;[ \t]+\/\/[ \t]*(.+)$/gm), ([, words = ""]) => words.trim());
}

/**
 * Those of the promises that were kept, as long as they come in order. A promise is the printed line or its last words;
 * behind a colon it may explain itself.
 */
function inOrder(lines: readonly string[], promises: readonly string[]): string[] {
  const kept: string[] = [];
  for (const line of lines) {
    const next = promises[kept.length];
    const met = next === line || line.endsWith(` ${next}`) || next?.startsWith(`${line}: `);
    if (next !== undefined && line !== "" && met) kept.push(next);
  }
  return kept;
}
