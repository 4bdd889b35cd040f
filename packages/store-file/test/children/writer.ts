/**
 * Writes accounts one after the other and prints the name of each as soon as it is committed: `writer PATH PREFIX COUNT`.
 */
import { writeSync } from "node:fs";
import { fileAccounts } from "../../src/file-accounts.js";

const [path = "", prefix = "", count = "0"] = process.argv.slice(2);
const store = await fileAccounts(path);
for (let i = 0; i < Number(count); i++) {
  const name = `${prefix}${i}`;
  await store.store(name, { userPassword: `of ${name}`, note: { of: name, filler: "x".repeat(200) } }, null);
  writeSync(1, `${name}\n`);
}
await store.close();
