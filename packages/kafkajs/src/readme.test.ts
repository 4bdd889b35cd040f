/** The program of the README, pasted, at a broker that speaks the protocol. */
import { readFileSync } from "node:fs";
import * as kafkajs from "kafkajs";
import { memoryAccounts, SASLServer } from "sasl-core";
import * as mechanisms from "sasl-core/mechanisms";
import { expect, test } from "vitest";
import { Broker } from "../test/broker.js";
import * as adapter from "./index.js";

const modules: Readonly<Record<string, object>> = {
  kafkajs,
  "sasl-core/mechanisms": mechanisms,
  "sasl-kafkajs": adapter,
};

test("the program of the README logs in, and asks for topics", async () => {
  const page = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, program = ""] = /^```ts[^\n]*\n(.*?)^```$/ms.exec(page) ?? [];
  const sasl = new SASLServer({
    mechanisms: [mechanisms.scramSha512],
    accounts: memoryAccounts({ alice: "open sesame" }),
  });
  const broker = new Broker({ sasl });
  const address = await broker.listen();
  const names: Record<string, unknown> = {};
  const body = program
    .replace(/^import \{ (.*) \} from "(.*)";$/gm, (_, list: string, from: string) => {
      const exported = modules[from] as Record<string, unknown>;
      for (const each of list.split(", ")) names[each] = exported[each];
      return "";
    })
    .replace("kafka.example.com:9093", address)
    .replace("ssl: true", "ssl: false"); // there is no certificate for the name
  const said: unknown[] = [];
  const Program = Object.getPrototypeOf(async () => {}).constructor as new (
    ...code: string[]
  ) => (...values: unknown[]) => Promise<void>;
  try {
    const all = { ...names, console: { log: (value: unknown) => void said.push(value) } };
    await new Program(...Object.keys(all), body)(...Object.values(all));
  } finally {
    broker.close();
  }
  expect(said).toEqual([[]]);
  expect(broker.heard.length % 2).toBe(0); // two for each connection
});
