/**
 * Markdown as far as the tests of the documentation need it.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top folder of the project. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** A fenced block. */
export interface Block {
  /** File from the top of the project, with slashes. */
  readonly file: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** First word behind the fence, such as `ts`; empty when there is none. */
  readonly language: string;
  /** The other words, such as `fragment`. */
  readonly flags: readonly string[];
  readonly text: string;
}

const skipped: ReadonlySet<string> = new Set(["node_modules", "dist", "lib", "coverage", "vectors"]);

/** Every page of the project, from its top. */
export function pages(folder = "."): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name.startsWith(".") || skipped.has(entry.name) ? [] : pages(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** The fenced blocks of a page. @throws {Error} for a fence that is not closed. */
function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let open: { line: number; info: string; lines: string[] } | undefined;
  for (const [index, line] of readPage(file).split("\n").entries()) {
    const fence = /^```(.*)$/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === undefined) open = { line: index + 1, info: fence[1] ?? "", lines: [] };
    else {
      const [language = "", ...flags] = open.info.trim().split(/\s+/);
      blocks.push({ file, line: open.line, language, flags, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    }
  }
  if (open) throw new Error(`${file}:${open.line}: the block is not closed`);
  return blocks;
}

/** Every fenced block of the project in one of these languages. */
export function allBlocks(...languages: string[]): Block[] {
  return pages()
    .flatMap(blocksOf)
    .filter(({ language }) => languages.includes(language));
}

/** Where links of a page lead that stay inside the project, from its top; and the heading they name, if they name one. */
export function linksOf(file: string): { path: string; heading: string | undefined }[] {
  const prose = readPage(file).replace(/^```[\s\S]*?^```$/gm, "");
  return Array.from(prose.matchAll(/\]\(([^()\s]+)\)/g), ([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", heading] = target.split("#");
      return { path: path === "" ? file : join(dirname(file), path), heading };
    });
}

/** Names of a page's headings as links write them. */
export function headingsOf(file: string): string[] {
  const prose = readPage(file).replace(/^```[\s\S]*?^```$/gm, "");
  return Array.from(prose.matchAll(/^#+ (.+)$/gm), ([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function readPage(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
