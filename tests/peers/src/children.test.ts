import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Children, launcher } from "./children.js";

/** Starts what it is given, and stays. */
const parentProgram = `
const [program, ...args] = JSON.parse(process.argv[1]);
require("node:child_process").spawn(program, args, { stdio: "inherit" });
setInterval(() => {}, 1_000);
`;

/** Whether a process is there, and no zombie that nobody has asked about yet. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

const setpriv = launcher("SIGTERM");

test.skipIf(setpriv.length === 0)(
  "a program that stays ends with whoever started it, even if that is killed",
  async () => {
    const program = JSON.stringify([...setpriv, "sh", "-c", "echo $$; exec sleep 600"]);
    const parent = spawn(process.execPath, ["-e", parentProgram, program], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await until(() => !isAlive(pid));
  },
);

test("all that runs is asked to end by its own signal, and nothing starts after that", async () => {
  const children = new Children();
  const program = "process.on('SIGTERM', () => {}); process.on('SIGINT', () => process.exit(7)); console.log('up')";
  const args = ["-e", `${program}; setInterval(() => {}, 1_000)`];
  const child = children.start(process.execPath, args, { stopSignal: "SIGINT" });
  await once(child.stdout, "data");
  await children.stopAll();
  expect(child.exitCode).toBe(7);
  expect(await children.run(process.execPath, ["-e", ""])).toMatchObject({ exit: null, stderr: "stopped" });
});
