/**
 * Every TypeScript block of the documentation is a program. It passes the compiler and runs on the built packages as it
 * would for somebody who installed them: to its end, without an error that nobody caught, and saying what the comments
 * behind `console.log` promise. A block marked `fragment` is part of a program; its syntax, its imports and its types are
 * checked as far as they go without the rest. One marked `served` is for somebody who runs `sasl serve` beside it, and has
 * what that serves; one marked `serves` goes on until it is stopped, and the mailer of the same page has to get in.
 */
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { transform } from "esbuild";
import { startServer } from "sasl-cli/server";
import { memoryAccounts } from "sasl-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allBlocks, type Block, root } from "./markdown.js";
import { type Ended, run } from "./run.js";

const TIME_LIMIT_MS = 15_000;
const cache = join(root, "node_modules", ".cache", `docs-${process.pid}`);

interface Program extends Block {
  readonly name: string;
  readonly fragment: boolean;
  /** Where the block is written to: beside the page, so that names resolve as they do there. */
  readonly source: string;
}

const packages = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));

/** Where names resolve: the page's own package, or one that has everything installed that the program imports. */
function homeOf({ file, text }: Block): string {
  const folder = join(root, dirname(file));
  if (folder !== root.slice(0, -1) && existsSync(join(folder, "package.json"))) return folder;
  const imports = Array.from(text.matchAll(/ from "((?:@[^/"]+\/)?[^/":]+)[^":]*";$/gm), ([, name = ""]) => name);
  const has = (home: string): boolean =>
    imports.every((name) => [home, root].some((each) => existsSync(join(each, "node_modules", name))));
  return [root, ...packages].find(has) ?? root;
}

const programs: readonly Program[] = allBlocks("ts").map((block) => {
  const home = homeOf(block);
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

/** What `sasl serve` is told to listen on in the pages. */
const shownPorts = { imap: 1143, smtp: 1587, xmpp: 1522 } as const;
type Ports = Readonly<Partial<Record<keyof typeof shownPorts, number>>>;

/** @param ca file with the certificate to trust. */
async function runProgram(
  { source, text }: Program,
  ports: Ports,
  ca: string,
  enough?: Promise<unknown>,
): Promise<Ended> {
  const { code } = await transform(withPorts(text, ports), {
    loader: "ts",
    format: "esm",
    target: "node20",
    tsconfigRaw: tsconfig,
  });
  const name = enough === undefined ? "" : "serves-";
  const file = join(dirname(source), `${name}${Object.values(ports).join("-")}-${basename(source, ".mts")}.mjs`);
  writeFileSync(file, code);
  const options = { cwd: dirname(file), env: { ...process.env, ...(ca !== "" && { NODE_EXTRA_CA_CERTS: ca }) } };
  return run(process.execPath, ["--unhandled-rejections=strict", file], options, TIME_LIMIT_MS, enough);
}

function withPorts(text: string, ports: Ports): string {
  return Object.entries(ports).reduce(
    (changed, [name, port]) => changed.replaceAll(String(shownPorts[name as keyof Ports]), String(port)),
    text,
  );
}

describe.concurrent("Node.js runs", () => {
  for (const program of programs) {
    const { name, text, fragment, flags } = program;
    if (fragment || flags.includes("serves")) continue;
    test(name, { timeout: TIME_LIMIT_MS + 5000 }, async ({ expect }) => {
      const server = flags.includes("served")
        ? await startServer({ ports: { imap: 0, smtp: 0, xmpp: 0 }, accounts: memoryAccounts({ user: "pencil" }) })
        : undefined;
      try {
        const ended = await runProgram(program, server?.ports ?? {}, server?.ca ?? "");
        expect({ ...ended, stderr: ended.exitCode === 0 ? "" : ended.stderr }).toMatchObject({
          exitCode: 0,
          stderr: "",
        });
        expect(ended.stderr).not.toMatch(/\(node:\d+\)/); // a warning of Node.js
        expect(inOrder(ended.stdout.split("\n"), promised(text))).toEqual(promised(text));
      } finally {
        await server?.close();
      }
    });
  }
});

describe.concurrent("until it is stopped, Node.js runs", () => {
  for (const program of programs.filter(({ flags }) => flags.includes("serves"))) {
    test(program.name, { timeout: TIME_LIMIT_MS + 5000 }, async ({ expect }) => {
      const mailer = programs.find(({ file, text }) => file === program.file && /"nodemailer"/.test(text));
      if (mailer === undefined) throw new Error(`${program.file} has no mailer`);
      const folder = dirname(program.source);
      const certificates = join(root, "packages/core/test/certificates");
      copyFileSync(join(certificates, "ecdsa-sha256.cert.pem"), join(folder, "cert.pem"));
      copyFileSync(join(certificates, "ec-p256.key.pem"), join(folder, "key.pem"));
      const smtp = await freePort();
      const logIn = async (): Promise<Ended> => {
        await listening(smtp);
        return runProgram(mailer, { smtp }, join(folder, "cert.pem"));
      };
      const sent = logIn();
      const served = await runProgram(program, { smtp }, "", sent);
      expect(await sent).toMatchObject({ exitCode: 0, stderr: "" });
      expect(served).toMatchObject({ exitCode: undefined, stderr: "" });
      expect(inOrder(served.stdout.split("\n"), promised(program.text))).toEqual(promised(program.text));
    });
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      await sleep(100);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`nobody listens on ${port}`);
}

const tsconfig = { compilerOptions: { verbatimModuleSyntax: true } } as const;

/** What the comments behind `console.log` say will be printed, one for each line. */
function promised(text: string): string[] {
  return Array.from(text.matchAll(/\bconsole\.log\(.*[;,][ \t]+\/\/[ \t]*(.+)$/gm), ([, words = ""]) => words.trim());
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
