/** `count URL TIMES`: adds one to `counter` as often, each time as a compare-and-set; and says who it was that made it. */
import { saslPlugin } from "../../src/index.js";

const [url = "", times = "0"] = process.argv.slice(2);
const accounts = await saslPlugin.stores?.[0]?.open(url);
const first = await accounts?.store?.("counter", { n: 0 }, null);
process.stdout.write(`${first === true ? "made" : "found"}\n`);
for (let done = 0; done < Number(times); ) {
  const n = (await accounts?.lookup("counter", ["n"]))?.n as number;
  if (await accounts?.store?.("counter", { n: n + 1 }, { n })) done++;
}
await accounts?.close?.();
