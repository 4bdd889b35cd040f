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
  const [tag, , mechanism = "", initial = ""] = (await wire.readLine(1000)).split(" ");
  const first = await session.initiate(mechanism, Buffer.from(initial, "base64"));
  wire.write(`+ ${Buffer.from(first.state === "challenge" ? first.payload : []).toString("base64")}\r\n`);
  await wire.readLine(1000);
  for (const line of lines) wire.write(line.replace("TAG", tag as string));
  for (;;) {
    const line = await wire.readLine(1000);
    heard.push(line);
    wire.write(`${line.includes(" ") ? line.split(" ")[0] : tag} OK Welcome\r\n`);
  }
}

const wrong = `v=${Buffer.alloc(32, 7).toString("base64")}`;
const lies: readonly [what: string, ...lines: string[]][] = [
  ["R-SCRAM-20 R-GEN-11 a wrong signature, and OK whatever the client says to it", `+ ${b64(wrong)}\r\n`],
  ["R-SCRAM-20 R-GEN-10 a wrong signature and OK at once", `+ ${b64(wrong)}\r\n`, "TAG OK Welcome\r\n"],
  ["R-SCRAM-20 R-GEN-10 OK and no signature", "TAG OK Welcome\r\n"],
  ["R-SCRAM-20 R-GEN-10 OK and a signature as text", `TAG OK ${wrong}\r\n`],
  ["R-SCRAM-20 R-GEN-10 OK and new capabilities", "TAG OK [CAPABILITY IMAP4rev1] Welcome\r\n"],
];
for (const [what, ...lines] of lies) {
  test(`${what}: peer-not-verified, and nothing else is tried`, async () => {
    const { client, server: far } = linePair({ secure: true });
    const heard: string[] = [];
    const lying = lie(far, lines, heard).catch(() => {});
    const offer = "* CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN";
    expect(await settled(authenticate(client, offer, [SCRAM(alice), PLAIN(alice)]))).toBe("peer-not-verified");
    client.close();
    await lying;
    expect(heard.join()).not.toContain("PLAIN");
  });
}
