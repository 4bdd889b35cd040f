/**
 * Counts, and says what failed.
 *
 * @module
 */
let passed = 0;
const failures: string[] = [];

/** Something that passed, or several. */
export function pass(count = 1): void {
  passed += count;
}

export function fail(name: string, why: unknown): void {
  failures.push(name);
  const text = why instanceof Error ? (why.stack ?? why.message) : String(why);
  console.log(`FAIL  ${name}\n${text.replace(/^/gm, "      ")}`);
}

/** Something that cannot run here; where all has to run, that is a failure. */
export function skip(why: string): void {
  if (process.env.CI) fail(why, "CI is set, and so nothing may be left out");
  else console.log(`SKIP  ${why}`);
}

/** Runs something that has a name. */
export async function attempt(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    pass();
    console.log(`ok    ${name}`);
  } catch (error) {
    fail(name, error);
  }
}

/** The last line. @returns the exit code. */
export function finish(): 0 | 1 {
  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((each) => `  ${each}`).join("\n")}`);
  console.log(`\n${passed} passed, ${failures.length} failed`);
  return failures.length === 0 && passed > 0 ? 0 : 1;
}
