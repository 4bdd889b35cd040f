/**
 * `leave FILE`: what a program does to a database that takes itself for the last one to leave it. It tries to end the log,
 * which only the one user of a file can, says how that went, and then the names it finds.
 */
import { writeSync } from "node:fs";
import Database from "libsql";

const database = new Database(process.argv[2] ?? "");
let outcome = "refused";
try {
  const [row] = database.prepare("pragma journal_mode = delete").all([]) as { journal_mode: string }[];
  outcome = row?.journal_mode ?? "none";
} catch {
  // Others have the file open.
}
const rows = database.prepare("select name from sasl_accounts order by name").all([]) as { name: string }[];
writeSync(1, [outcome, ...rows.map(({ name }) => name), ""].join("\n"));
database.close();
