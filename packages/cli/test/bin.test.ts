/**
 * The built command as a process: exit codes, signals, streams.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Folder } from "./support.js";

const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
const wrapper = fileURLToPath(new URL("../bin/sasl.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  argv: readonly string[],
  program = bin,
): { child: ChildProcess; ended: Promise<Ended>; stdout: () => string } {
  const child = spawn(process.execPath, [program, ...argv], { stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
  return { child, ended, stdout: () => stdout };
}

async function untilReady(stdout: () => string): Promise<{ imap: number; ca: string }> {
  while (!stdout().includes("\n")) await new Promise((resolve) => setTimeout(resolve, 20));
  return JSON.parse(stdout().split("\n")[0] as string);
}

describe("the built command", () => {
  test("runs through its wrapper", async () => {
    const { code, stdout } = await start(["mechanisms", "--json"], wrapper).ended;
    expect(JSON.parse(stdout).ok).toBe(true);
    expect(code).toBe(0);
  });

  test("exits 64 for wrong usage and 3 where nobody listens", async () => {
    expect(await start(["logn"]).ended).toMatchObject({ code: 64, stdout: "" });
    const argv = ["login", "imap://127.0.0.1:1", "--mechanism", "ANONYMOUS"];
    expect(await start(argv).ended).toMatchObject({ code: 3, stdout: "" });
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    test(`serves, lets a login in and refuses one, and exits 0 on ${signal}`, async () => {
      const server = start(["serve", "--imap", "0", "--json"]);
      const { imap, ca } = await untilReady(server.stdout);
      const argv = ["login", `imap://user@localhost:${imap}`, "--ca", ca, "--password-stdin"];
      const right = start(argv);
      right.child.stdin?.end("pencil\n");
      expect(await right.ended).toMatchObject({ code: 0, stderr: "" });
      const wrong = start(argv);
      wrong.child.stdin?.end("pen\n");
      expect(await wrong.ended).toMatchObject({ code: 1, stdout: "" });
      server.child.kill(signal);
      const { code, stdout } = await server.ended;
      expect(code).toBe(0);
      expect(stdout.trimEnd().split("\n")).toHaveLength(3);
      expect(existsSync(ca)).toBe(false);
    });
  }

  test("leaves no certificate behind when nobody reads what it says any more", async () => {
    const server = start(["serve", "--imap", "0", "--json"]);
    const { imap, ca } = await untilReady(server.stdout);
    server.child.stdout?.destroy();
    const client = start(["login", `imap://user@localhost:${imap}`, "--ca", ca, "--password-stdin"]);
    client.child.stdin?.end("pencil\n");
    expect(await client.ended).toMatchObject({ code: 0 });
    expect(await server.ended).toMatchObject({ code: 141 });
    expect(existsSync(ca)).toBe(false);
  });

  test("exits 141 when nobody reads what login says", async () => {
    const server = start(["serve", "--imap", "0", "--json"]);
    const { imap, ca } = await untilReady(server.stdout);
    const client = start(["login", `imap://user@localhost:${imap}`, "--ca", ca, "--password-stdin"]);
    client.child.stdout?.destroy();
    client.child.stdin?.end("pencil\n");
    expect(await client.ended).toMatchObject({ code: 141 });
    server.child.kill();
    await server.ended;
  });

  test("a plug-in that never answers: exit 2, one line and an object", async () => {
    const folder = new Folder();
    const store =
      "{ lookup: () => undefined, list: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }) }";
    const module = folder.file(
      "silent.mjs",
      `export const saslPlugin = { apiVersion: 1, stores: [{ name: "silent", schemes: ["silent"], open: () => (${store}) }] };`,
    );
    const argv = ["user", "list", "--json", "--plugin", module, "--store", "silent:"];
    const { code, stdout, stderr } = await start(argv).ended;
    folder.remove();
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { kind: "StoreError", code: "store-failed" } });
    expect(stderr).toBe("sasl user list: what the command waits for never comes: look at its plug-ins\n");
    expect(code).toBe(2);
  });

  describe.skipIf(!existsSync("/dev/full"))("on a disk that is full", () => {
    for (const argv of [["serve", "--imap", "0", "--json"], ["mechanisms"]]) {
      test(`${argv[0]} ends, leaves nothing behind and says why: exit 2`, async () => {
        const folder = new Folder();
        const full = openSync("/dev/full", "w");
        const env = { ...process.env, TMPDIR: folder.path };
        const child = spawn(process.execPath, [bin, ...argv], { stdio: ["ignore", full, "pipe"], env });
        closeSync(full);
        let stderr = "";
        child.stderr?.on("data", (chunk) => {
          stderr += chunk;
        });
        const code = await new Promise((resolve) => child.once("close", resolve));
        expect(stderr).toContain(`sasl ${argv[0]}: cannot write to standard output: no space is left\n`);
        expect([code, readdirSync(folder.path)]).toEqual([2, []]);
        folder.remove();
      });
    }
  });
});
