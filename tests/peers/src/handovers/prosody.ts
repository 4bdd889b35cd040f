/**
 * Prosody: the files of its accounts.
 *
 * @module
 */
import { type OwnProsody, type ProsodyHash, startProsody } from "../account-servers/prosody.js";
import { passwordOf } from "../accounts.js";
import { atPeer, type Holder } from "../attempts/handover.js";
import type { Attempt } from "../types.js";
import { type Handover, type HandoverFacts, madePassword } from "./handover.js";

/** A host for each hash takes exported files; ours takes the files `prosodyctl register` makes. */
export async function prosodyHandover(facts: HandoverFacts): Promise<Handover> {
  const { run, into, tls } = facts;
  const prosody = await startProsody(run.children, run.scratch, tls);
  const attempts: Attempt[] = [];
  const imported: Holder[] = [];
  for (const hash of ["SHA-1", "SHA-256"] as const) {
    for (const user of ["alice", "bob"]) attempts.push(...(await give(facts, prosody, hash, user)));
    const user = `prosody-${hash.toLowerCase()}`;
    await into.importFiles("prosody", [await prosody.register(hash, user, madePassword)]);
    const mechanisms = [`SCRAM-${hash}`, "PLAIN"];
    imported.push({ user, password: madePassword, mechanisms, origin: "imported from Prosody" });
  }
  return { attempts, imported };
}

async function give(facts: HandoverFacts, prosody: OwnProsody, hash: ProsodyHash, user: string): Promise<Attempt[]> {
  const { from, clients } = facts;
  const { text, fileName } = JSON.parse(await from.export(user, "prosody", "--hash", hash, "--json"));
  await prosody.place(hash, String(fileName), String(text));
  const mechanisms = [`SCRAM-${hash}`, `SCRAM-${hash}-PLUS`, "PLAIN"];
  const holder = { user, password: passwordOf(user), mechanisms, origin: "exported" };
  // Prosody prepares passwords; go-sendxmpp does not.
  const able = user === "bob" ? clients.filter(({ name }) => name !== "go-sendxmpp") : clients;
  return atPeer(prosody.endpoint(hash), holder, able);
}
