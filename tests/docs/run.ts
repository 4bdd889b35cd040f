/**
 * Running what the documentation shows.
 *
 * @module
 */
import { type SpawnOptions, spawn } from "node:child_process";

/** What a program left behind. */
export interface Ended {
  /** Exit code; `undefined` when it had to be stopped. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, or stops it with everything it has started.
 *
 * @param enough stops it as well, once that is settled.
 */
export function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
  timeoutMs: number,
  enough?: Promise<unknown>,
): Promise<Ended> {
  const child = spawn(command, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => stop(child.pid), timeoutMs);
    enough?.then(
      () => stop(child.pid),
      () => stop(child.pid),
    );
    child.once("error", reject);
    child.once("exit", () => stop(child.pid)); // what it left running
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ exitCode: code ?? undefined, ...said });
    });
  });
}

function stop(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing is left of the group.
  }
}
