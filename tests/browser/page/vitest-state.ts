/**
 * What vitest looks for around itself and a page has not: the state of its worker, and a little of `process`. Imported before
 * anything of vitest.
 *
 * @module
 */
import type { startTests } from "vitest/internal/browser";

type Config = Parameters<typeof startTests>[1]["config"];

/** As in `vitest.config.ts`; time is what a busy machine needs. */
export const config: Config & Record<"expect" | "fakeTimers", object> = {
  root: "/",
  name: "browser",
  setupFiles: [],
  passWithNoTests: false,
  testNamePattern: undefined,
  allowOnly: false,
  sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
  chaiConfig: undefined,
  maxConcurrency: 5,
  testTimeout: 120_000,
  hookTimeout: 30_000,
  retry: 0,
  includeTaskLocation: false,
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
  expect: {},
  fakeTimers: {},
};

/** The file that runs is told to it. */
export const workerState = { config, filepath: "", providedContext: {} };

Object.assign(globalThis, {
  __vitest_worker__: workerState,
  process: { env: {}, nextTick: queueMicrotask, listeners: () => [], on() {}, off() {} },
});
