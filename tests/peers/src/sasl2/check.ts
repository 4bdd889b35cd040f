/**
 * Attempts that look at several things.
 *
 * @module
 */
import { isSASLError } from "sasl-core";
import type { Attempt, Outcome } from "../types.js";

/** Thrown by {@link check}. */
class Otherwise extends Error {}

/** @throws {Error} unless both are the same as JSON. */
export function check(what: string, was: unknown, wanted: unknown): void {
  const [found, right] = [JSON.stringify(was), JSON.stringify(wanted)];
  if (found !== right) throw new Otherwise(`${what} must be ${right}, was ${found}`);
}

/** The code of what a login is refused with. @throws {Error} when it is not. */
export async function refusalOf(login: Promise<unknown>): Promise<string> {
  let error: unknown;
  try {
    await login;
  } catch (reason) {
    error = reason;
  }
  if (error === undefined) throw new Otherwise("the login was not refused");
  if (!isSASLError(error)) throw error;
  return error.code;
}

/** An attempt that passes unless `run` throws. */
export function attempt(name: string, run: () => Promise<void>): Attempt {
  return {
    name,
    async run(): Promise<Outcome> {
      try {
        await run();
        return { passed: true };
      } catch (error) {
        return { passed: false, why: error instanceof Otherwise ? error.message : String(error) };
      }
    },
  };
}
