/** `write URL PREFIX`: makes and changes accounts without end; a line with a name says that both are committed. */
import { writeSync } from "node:fs";
import { saslPlugin } from "../../src/index.js";

const [url = "", prefix = ""] = process.argv.slice(2);
const accounts = await saslPlugin.stores?.[0]?.open(url);
for (let n = 0; ; n++) {
  const name = `${prefix}-${n}`;
  if (!(await accounts?.store?.(name, { n, text: "x".repeat(n % 5000), disabled: false }, null))) process.exit(1);
  if (!(await accounts?.store?.(name, { n: -n, text: undefined }, { n }))) process.exit(2);
  writeSync(1, `${name}\n`);
}
