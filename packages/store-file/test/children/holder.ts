/** Takes the lock, says so and keeps it, doing as little as a stopped process: `holder PATH`. */
import { writeSync } from "node:fs";
import { acquire } from "../../src/replace-lock.js";

await acquire(process.argv[2] ?? "", 10_000);
writeSync(1, "held\n");
setInterval(() => undefined, 60_000);
