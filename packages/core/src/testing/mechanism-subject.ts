/**
 * What checks of a mechanism are made on.
 *
 * @module
 */
import { isSASLError } from "../errors.js";
import type { Mechanism } from "../mechanism.js";
import type { Bench, BenchOptions, Play } from "./bench.js";
import { expect, messageOf } from "./checks.js";
import type { Corruption } from "./corruption.js";

/** What the suite has to know about a mechanism. */
export interface MechanismCheckOptions extends BenchOptions {
  /** Credentials the server has to refuse. Left out only where none can be wrong. */
  readonly wrong?: Play["credentials"];
  /** Credentials of a name nobody has, which must look like `wrong`. Default: `wrong` with another name of the same length. */
  readonly unknown?: Play["credentials"];
  /** Texts that nothing may show. Default: passwords and tokens among the credentials. */
  readonly secrets?: readonly string[] | undefined;
  /**
   * Whether an exchange may go well although one message was spoilt, because the mechanism does not look at that part of it:
   * the prompts of LOGIN, the trace of ANONYMOUS. It is for the right identity even then. Left out: never.
   */
  readonly harmless?: ((corruption: Corruption) => boolean) | undefined;
  /**
   * True where a user can have one exchange at a time: those beside it may fail as temporary. Default false.
   */
  readonly exclusive?: boolean | undefined;
  /** How often each corruption is tried at each step. Default 3. */
  readonly rounds?: number | undefined;
  /** What the random part begins with. Default: another one each time. */
  readonly seed?: number | undefined;
}

/** What each check gets. */
export interface Subject {
  readonly bench: Bench;
  readonly mechanism: Mechanism;
  readonly options: MechanismCheckOptions;
  readonly seed: number;
}

export const both = [false, true] as const;

/** The code something fails with, or `success`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "success";
  } catch (error) {
    expect(isSASLError(error), `what is thrown is no SASL error: ${messageOf(error)}`);
    return error.code;
  }
}
