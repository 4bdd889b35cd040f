/** Raises a number by compare-and-set and prints each value it set: `counter PATH NAME TIMES`. */
import { writeSync } from "node:fs";
import { fileAccounts } from "../../src/file-accounts.js";

const [path = "", name = "", times = "0"] = process.argv.slice(2);
const store = await fileAccounts(path);
for (let done = 0; done < Number(times); ) {
  const found = await store.lookup(name);
  const count = Number(found?.count ?? 0);
  if (!(await store.store(name, { count: count + 1 }, { count: found?.count as number }))) continue;
  writeSync(1, `${count + 1}\n`);
  done++;
}
await store.close();
