/**
 * Programs that use the store in a process of their own, so that they can be killed. They run from the sources: bundled,
 * and handed to Node.js on its standard input, where imports resolve from this package.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** Compiles a program. @returns a function that starts it. */
export async function compileChild(program: URL): Promise<(...args: string[]) => ChildProcess> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(program)],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    conditions: ["sasl-source", "module", "node"],
    external: ["libsql", "pg"],
    logLevel: "silent",
  });
  const code = outputFiles[0]?.text ?? "";
  return (...args) => {
    const child = spawn(process.execPath, ["--input-type=module", "-", ...args], {
      cwd: folder,
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin?.on("error", () => {}); // killed before it has read its program
    child.stdin?.end(code);
    return child;
  };
}

/** Whole lines a child has written until it ended, however it ended. */
export async function linesOf(child: ChildProcess, onLine: () => void = () => {}): Promise<string[]> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (chunk.includes("\n")) onLine();
  });
  await new Promise((resolve) => child.once("close", resolve));
  return text.split("\n").slice(0, -1);
}
