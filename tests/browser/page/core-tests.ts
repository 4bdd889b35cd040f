/**
 * The test files of `sasl-core`, as they are, run by vitest's own runner in the page. The harness puts two modules in the
 * place of what a page has not: `vector-files.ts` reads vectors, `realms.ts` stands for `node:vm`.
 *
 * @module
 */

import { startTests } from "vitest/internal/browser";
import { isNotForPages } from "./not-for-pages.js";
import { filesRead } from "./vector-files.js";
import { config, workerState } from "./vitest-state.js";

const files = import.meta.glob<unknown>([
  "/packages/core/src/**/*.test.ts",
  "/packages/core/test/**/*.test.ts",
  "!**/*.node.test.ts",
  "!/packages/core/src/node/**",
]);

/** What came of one test. */
export interface TestOutcome {
  /** File, suites and test, as `vitest list` has them. */
  readonly name: string;
  readonly state: "pass" | "fail" | "not for pages";
  readonly why?: string;
}

/** What came of all of them. */
export interface CoreReport {
  readonly tests: readonly TestOutcome[];
  /** Files of vectors that they have read. */
  readonly vectors: readonly string[];
}

type Runner = Parameters<typeof startTests>[1];
type Task = Awaited<ReturnType<typeof startTests>>[number]["tasks"][number];

/** Every `share`th file from the `first` on. */
async function runCoreTests(first: number, share: number): Promise<CoreReport> {
  const tests: TestOutcome[] = [];
  const names = Object.keys(files).filter((path, index) => index % share === first && !isNotForPages(path));
  const runner: Runner = {
    config,
    pool: "browser",
    importFile(path) {
      workerState.filepath = path;
      return files[path]?.();
    },
    onBeforeRunTask(test) {
      if (isNotForPages(`${test.file.filepath} > ${test.name}`)) test.mode = "skip";
    },
  };
  for (const file of await startTests(names, runner)) {
    if (file.result?.state === "fail" && file.result.errors?.length) tests.push(failed(file.filepath, file));
    for (const task of file.tasks) collect(task, file.filepath, tests);
  }
  return { tests, vectors: filesRead() };
}

function collect(task: Task, above: string, into: TestOutcome[]): void {
  const name = `${above} > ${task.name}`;
  if (task.type === "suite") {
    if (task.result?.errors?.length) into.push(failed(name, task));
    for (const each of task.tasks) collect(each, name, into);
  } else if (task.result?.state === "pass") into.push({ name, state: "pass" });
  else if (task.mode === "skip" && isNotForPages(`${task.file.filepath} > ${task.name}`))
    into.push({ name, state: "not for pages" });
  else into.push(failed(name, task));
}

function failed(name: string, { result }: Pick<Task, "result">): TestOutcome {
  const [error] = result?.errors ?? [];
  return { name, state: "fail", why: error?.stack ?? error?.message ?? "it did not run" };
}

Object.assign(globalThis, { runCoreTests });
