/** A server that says the login succeeded, and cannot prove that it knows the account. */
import { memoryAccounts, SASLServer } from "sasl-core";
import { PLAIN, SCRAM, scramSha256 } from "sasl-core/mechanisms";
import { announce, authenticate, elementPair, NS_SASL, NS_STREAM } from "sasl-xmpp";
import { expect, test } from "vitest";
import { base64, ltxKit, rejection } from "./support.js";

const alice = { username: "alice", password: "open sesame" };
const server = new SASLServer({ mechanisms: [scramSha256], accounts: memoryAccounts({ alice: alice.password }) });
const { adapter } = ltxKit;

const wrong = `v=${Buffer.alloc(32, 7).toString("base64")}`;
const lies: readonly [what: string, ...says: (readonly [name: string, text: string])[]][] = [
  ["R-SCRAM-20 R-GEN-11 a wrong signature with success", ["success", base64(wrong)]],
  ["R-SCRAM-20 R-GEN-10 success and no signature", ["success", ""]],
  ["R-SCRAM-20 R-GEN-11 a wrong signature, and success whatever the client says to it", ["challenge", base64(wrong)]],
  ["R-SCRAM-20 R-GEN-10 a wrong signature and success at once", ["challenge", base64(wrong)], ["success", ""]],
];
const malformed = "R-SCRAM-20 R-GEN-10 success and a signature of no octets";
for (const [what, ...says] of [...lies, [malformed, ["success", "="]] as const]) {
  const code = what === malformed ? "malformed-message" : "peer-not-verified";
  test(`${what}: ${code}, and nothing else is tried`, async () => {
    const { client, server: far } = elementPair(adapter, { secure: true });
    const heard: string[] = [];
    const send = (name: string, text: string) => far.send(adapter.create(name, NS_SASL, {}, text ? [text] : []));
    const lying = (async () => {
      // Honest up to the client's proof.
      const auth = await far.receive();
      const session = server.session({ secure: true, successData: true });
      const hello = Buffer.from(auth.getText(), "base64");
      const first = await session.initiate("SCRAM-SHA-256", hello);
      send("challenge", Buffer.from(first.state === "challenge" ? first.payload : []).toString("base64"));
      await far.receive();
      for (const [name, text] of says) send(name, text);
      for (;;) {
        heard.push(String(await far.receive()));
        send("success", "");
      }
    })().catch(() => {});
    const features = adapter.create("features", NS_STREAM, {}, announce(["SCRAM-SHA-256", "PLAIN"], adapter));
    const error = await rejection(authenticate(client, features, [SCRAM(alice), PLAIN(alice)]));
    expect(error).toMatchObject({ kind: "SASLFailure", code });
    client.close();
    await lying;
    expect(heard.join()).not.toContain("PLAIN");
  });
}
