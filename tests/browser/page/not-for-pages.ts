/**
 * Tests that are about what only Node.js has. All others have to pass.
 *
 * @module
 */

/** Ends of the names of files and tests. */
const list: readonly (readonly [name: string, what: string])[] = [
  ["src/text/stringprep.test.ts", "reads the tables of another implementation from a file"],
  ["test/two-copies.test.ts", "loads modules a second time, by vitest's server"],
  ["R-LIM-05 rules that do not load are a temporary failure, and ASCII needs none", "puts a module away, likewise"],
  ["R-GEN-22 nothing is reserved for a length that is not allowed", "process.memoryUsage"],
  ["R-B64-04 agrees with a second encoder around the size of its chunks", "the second encoder is Buffer"],
  ["R-B64-04 round trip, and the same as a second encoder", "the same"],
  ["R-GEN-30 shows no password", "util.inspect"],
  ["R-GEN-30 shows its size and nothing else", "util.inspect"],
  ["R-GEN-30 keys show nothing of themselves", "util.inspect"],
];

/** @param name a file, or a test with its file before it. */
export function isNotForPages(name: string): boolean {
  return list.some(([end]) => name.endsWith(end) || name.includes(`${end} > `));
}
