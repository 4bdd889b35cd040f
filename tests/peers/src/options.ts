/**
 * The command line of the harness.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** What the command line says. */
export interface Options {
  readonly servers: string | undefined;
  readonly peers: string | undefined;
  readonly sasl: string | undefined;
  readonly require: boolean;
  readonly install: boolean;
  readonly only: readonly string[];
  readonly jobs: number;
  readonly list: boolean;
  readonly help: boolean;
}

/** The text of `--help`. */
export const usage = `usage: npm run test:peers -- [options]
  --servers FILE   log in to the servers this file names (see tests/peers/README.md), start none
  --peers DIR      folder of scripts that start servers; default: ../shared/peers beside the checkout, if it is there
  --sasl FILE      the sasl command to test; default: the one of this checkout
  --require        a server or client program that is missing is a failure
  --no-install     install nothing
  --only TEXT      run only attempts whose name has this text; may be given several times, all must match
  --jobs N         attempts at a time, 1 to 16; default 4
  --list           print the names of the attempts, run none`;

/** @throws {Error} for wrong usage. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      servers: { type: "string" },
      peers: { type: "string" },
      sasl: { type: "string" },
      require: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      jobs: { type: "string", default: "4" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 16) throw new Error("--jobs must be a number from 1 to 16");
  const { servers, peers, sasl, require, only, list, help } = values;
  return { servers, peers, sasl, require, install: !values["no-install"], only, jobs, list, help };
}
