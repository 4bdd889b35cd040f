/**
 * A vitest reporter that writes `{ passed, failed }` to the file named by SASL_TEST_COUNTS.
 *
 * @module
 */
import { writeFileSync } from "node:fs";

/** @typedef {import("vitest/node").TestModule} TestModule */

// A reporter given by file name is loaded as the default export.
export default class CountReporter {
  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const file = process.env.SASL_TEST_COUNTS;
    if (file !== undefined) writeFileSync(file, JSON.stringify(countTests(modules, unhandledErrors)));
  }
}

/**
 * Errors outside a test count as well: one for each file that could not be loaded and for each unhandled error.
 * A skipped test counts as failed: the project has none.
 *
 * @param {readonly TestModule[]} modules
 * @param {readonly unknown[]} unhandledErrors
 */
export function countTests(modules, unhandledErrors) {
  let passed = 0;
  let failed = unhandledErrors.length;
  for (const module of modules) {
    let failedInside = 0;
    for (const test of module.children.allTests()) {
      if (test.result().state === "passed") passed++;
      else failedInside++;
    }
    failed += module.ok() ? failedInside : Math.max(1, failedInside);
  }
  return { passed, failed };
}
