/**
 * What a server costs, children included, as Linux counts it. Elsewhere there is no /proc and every figure is NaN.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks per second of the times in /proc. */
const ticks = (() => {
  try {
    return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  } catch {
    return 100;
  }
})();

/** @param {number} pid @returns {{ parent: number, cpu: number } | undefined} */
function status(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // utime, stime and, of children that ended and were waited for, cutime and cstime.
    const cpu = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / ticks;
    return { parent: Number(fields[1]), cpu };
  } catch {
    return undefined;
  }
}

/** @param {number} root @returns {{ pid: number, cpu: number }[]} the process and its descendants */
function tree(root) {
  /** @type {Map<number, { pid: number, parent: number, cpu: number }>} */
  const all = new Map();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const found = Number.isInteger(pid) ? status(pid) : undefined;
    if (found !== undefined) all.set(pid, { pid, ...found });
  }
  const belongs = (/** @type {number} */ pid) => {
    for (let at = all.get(pid); at !== undefined; at = all.get(at.parent)) if (at.pid === root) return true;
    return false;
  };
  return [...all.values()].filter(({ pid }) => belongs(pid));
}

/** CPU seconds used so far by a process and all it ever started. */
export function cpuSeconds(/** @type {number} */ pid) {
  try {
    return tree(pid).reduce((sum, { cpu }) => sum + cpu, 0);
  } catch {
    return Number.NaN;
  }
}

/** Proportional set size of a process and its descendants, in KiB. */
export function memoryKiB(/** @type {number} */ pid) {
  try {
    return tree(pid).reduce((sum, member) => {
      const rollup = readFileSync(`/proc/${member.pid}/smaps_rollup`, "utf8");
      return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? Number.NaN);
    }, 0);
  } catch {
    return Number.NaN;
  }
}
