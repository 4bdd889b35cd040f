/** A server that says the login succeeded, and cannot prove that it knows the account. */
import { memoryAccounts, SASLServer } from "sasl-core";
import { scramSha256 } from "sasl-core/mechanisms";
import { linePair, type ServerTransport } from "sasl-lines";
import { expect, test } from "vitest";
import { authenticate } from "../src/index.js";
import { PLAIN, SCRAM } from "../src/mechanisms.js";
import { b64, settled } from "./script.js";

const alice = { username: "alice", password: "correct horse" };
const server = new SASLServer({ mechanisms: [scramSha256], accounts: memoryAccounts({ alice: alice.password }) });

/** Is honest up to the client's proof, then says these lines, and that all is well to everything else. */
async function lie(wire: ServerTransport, lines: readonly string[], heard: string[]): Promise<void> {
  const session = server.session({ secure: true });
  const [, mechanism = "", initial = ""] = (await wire.readLine(1000)).split(" ");
  const first = await session.initiate(mechanism, Buffer.from(initial, "base64"));
  wire.write(`334 ${Buffer.from(first.state === "challenge" ? first.payload : []).toString("base64")}\r\n`);
  await wire.readLine(1000);
  for (const line of lines) wire.write(line);
  for (;;) {
    const line = await wire.readLine(1000);
    heard.push(line);
    wire.write("235 2.7.0 Welcome\r\n");
  }
}

const wrong = `v=${Buffer.alloc(32, 7).toString("base64")}`;
const lies: readonly [what: string, ...lines: string[]][] = [
  ["R-SCRAM-20 R-GEN-11 a wrong signature, and 235 whatever the client says to it", `334 ${b64(wrong)}\r\n`],
  ["R-SCRAM-20 R-GEN-10 a wrong signature and 235 at once", `334 ${b64(wrong)}\r\n`, "235 2.7.0 Welcome\r\n"],
  ["R-SCRAM-20 R-GEN-10 235 and no signature", "235 2.7.0 Welcome\r\n"],
  ["R-SCRAM-20 R-GEN-10 235 and a signature as text", `235 2.7.0 ${wrong}\r\n`],
  ["R-SCRAM-20 R-GEN-10 235 in two lines", "235-2.7.0 AUTH PLAIN\r\n235 2.7.0 Welcome\r\n"],
];
for (const [what, ...lines] of lies) {
  test(`${what}: peer-not-verified, and nothing else is tried`, async () => {
    const { client, server: far } = linePair({ secure: true });
    const heard: string[] = [];
    const lying = lie(far, lines, heard).catch(() => {});
    const offer = "250 AUTH SCRAM-SHA-256 PLAIN";
    expect(await settled(authenticate(client, offer, [SCRAM(alice), PLAIN(alice)]))).toBe("peer-not-verified");
    client.close();
    await lying;
    expect(heard.join()).not.toContain("PLAIN");
  });
}
