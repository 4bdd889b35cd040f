/**
 * `--format` and what goes with it.
 *
 * @module
 */
import { type AccountFormat, type AccountFormatOptions, accountFormats } from "sasl-formats";
import { usageError } from "../../errors.js";
import { nearest } from "../../nearest.js";

/** As the argument parser gives them. */
export interface FormatOptions {
  readonly format: string;
  readonly host?: string;
  readonly base?: string;
  readonly hash?: string;
  readonly dialect?: "standard" | "mysql";
}

/** The format of this name. @throws {CommandError} */
export function formatNamed(name: string): AccountFormat {
  const found = accountFormats.find((each) => each.name === name.toLowerCase());
  if (found !== undefined) return found;
  const known = accountFormats.map((each) => each.name);
  const near = nearest(name.toLowerCase(), known);
  const advice = near === undefined ? "" : `did you mean ${near}? `;
  throw usageError(`no format ${JSON.stringify(name.slice(0, 40))} is known; ${advice}known: ${known.join(", ")}`);
}

/** What a format is told. */
export function formatSettings({ host, base, hash, dialect }: FormatOptions, fileName?: string): AccountFormatOptions {
  return { fileName, host, base, hash: hash?.toUpperCase(), dialect };
}
