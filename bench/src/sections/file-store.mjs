/**
 * Section h: accounts in a file, 100,000 of them.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { spread } from "../lib/measure.mjs";
import { bar, bytes, emptyResult, ms, range, us } from "../lib/report.mjs";

const users = 100_000;
const local = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** @param {import("../main.mjs").Options} options */
export async function run({ quick }) {
  const result = emptyResult();
  if (!existsSync(local("../../../packages/store-file/dist/index.js"))) {
    result.missing.push("sasl-store-file is not built");
    return result;
  }
  const child = local("../children/file-store.mjs");
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    child,
    String(users),
    quick ? "3" : "9",
  ]);
  const found = JSON.parse(stdout);
  const lookup = spread(found.lookupUs);
  const load = spread(found.loadMs);
  result.tables.push({
    title: `a file of ${users.toLocaleString("en")} accounts, each with a verifier of SCRAM-SHA-256`,
    head: ["", "median (range)"],
    rows: [
      ["look-up", range(lookup, us)],
      ["look-up of nobody", range(spread(found.missUs), us)],
      ["load", range(load, ms)],
      ["  longest time the event loop did not turn", range(spread(found.loadBlockMs), ms)],
      ["memory per user, the file's own content included", range(spread(found.bytesPerUser), bytes)],
      ["file, per user", bytes(found.fileBytes)],
      ["change of one account: the file written anew, and synced", range(spread(found.changeMs), ms)],
      ["import of all, asked for at once", ms(found.importMs)],
      ["  longest time the event loop did not turn", ms(found.importBlockMs)],
    ],
  });
  result.bars.push(
    bar("look-up in a file of 100,000", lookup.median, "at most", 20, us),
    bar("load of 100,000", load.median, "at most", 1000, ms),
  );
  return result;
}
