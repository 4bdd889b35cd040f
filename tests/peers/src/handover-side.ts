/**
 * Verifiers in the notations of other programs, proven by those programs: they let in whom `sasl user export` gave them,
 * and `sasl serve` lets in whom `sasl user import` took from them.
 *
 * @module
 */
import { join } from "node:path";
import { passwordOf } from "./accounts.js";
import { at } from "./attempts/attempt.js";
import { atServe } from "./attempts/handover.js";
import { servedAttempts } from "./attempts/serve.js";
import type { Databases } from "./databases.js";
import { dovecotHandover, gsaslHandover } from "./handovers/dovecot.js";
import { ejabberdHandover } from "./handovers/ejabberd.js";
import { type Handover, type HandoverFacts, madePassword } from "./handovers/handover.js";
import { postgresHandover } from "./handovers/postgresql.js";
import { prosodyHandover } from "./handovers/prosody.js";
import { sharedFile } from "./handovers/shared-file.js";
import { slapdHandover } from "./handovers/slapd.js";
import type { Run } from "./run.js";
import { SaslUser } from "./sasl-user.js";
import { Serve } from "./serve.js";
import { ending } from "./server-side.js";
import type { Tool } from "./tools.js";
import type { Attempt, Client } from "./types.js";

const ways: readonly [tool: Tool, way: (facts: HandoverFacts) => Promise<Handover>][] = [
  ["dovecot", dovecotHandover],
  ["gsasl", gsaslHandover],
  ["postgresql", postgresHandover],
  ["prosody", prosodyHandover],
  ["ejabberd", ejabberdHandover],
  ["slapd", slapdHandover],
];

const mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"];

/** Hand accounts over to every program that is here and back, and log in. @param tls folder of certificates */
export async function handoverSide(
  run: Run,
  command: string,
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
  databases: Databases,
  tls: string,
): Promise<void> {
  const { children, scratch } = run;
  const from = new SaslUser(children, command, `sqlite:${join(scratch, "exported.sqlite")}`);
  const into = new SaslUser(children, command, `sqlite:${join(scratch, "imported.sqlite")}`);
  const keys = ["--mechanisms", "SCRAM-SHA-1,SCRAM-SHA-256"];
  for (const name of ["alice", "bob"]) await from.add(name, passwordOf(name), ...keys);
  await from.add("dora", madePassword, "--mechanisms", "PLAIN");
  const facts = { run, command, clients, tools, databases, tls, from, into };
  const handovers: Handover[] = [];
  for (const [tool, way] of ways) {
    if (!tools.has(tool) || run.isOver) continue;
    try {
      handovers.push(await way(facts));
    } catch (error) {
      run.report.fail(`accounts to and from ${tool}`, String(error));
    }
  }
  const store = ["--store", into.store, "--mechanisms", mechanisms.join(",")];
  const serve = await Serve.start(children, "serve+imported", command, store);
  await run.attempts(
    handovers.flatMap(({ attempts, imported }) => [
      ...attempts,
      ...imported.flatMap((holder) => atServe(serve, holder, clients)),
    ]),
  );
  await run.attempts([ending("SIGTERM", serve)]);
  if (!tools.has("dovecot")) return;
  await transition(facts);
  await sharedFile(facts);
}

/** Somebody imported with a hash alone logs in once with the password, and from then on with SCRAM. */
async function transition({ run, command, clients, into }: HandoverFacts): Promise<void> {
  const store = ["--store", into.store, "--mechanisms", mechanisms.join(","), "--auto-transition"];
  const serve = await Serve.start(run.children, "serve+transition", command, store);
  const endpoint = { ...serve.endpoint("imap", "starttls"), plus: "none" } as const;
  const attempts = (mechanism: string, outcome: "accepted" | "refused", note: string): Attempt[] => {
    const login = { mechanism, user: "doveadm-sha512-crypt", password: madePassword };
    const able = clients.filter((client) => client.cannot(endpoint, login) === undefined);
    return able.flatMap((client) => servedAttempts(at(endpoint, login, { outcome }, { note }), client, serve));
  };
  await run.attempts(attempts("SCRAM-SHA-256", "refused", "a hash alone"));
  await run.attempts(attempts("PLAIN", "accepted", "a hash alone"), 1);
  await run.attempts(attempts("SCRAM-SHA-256", "accepted", "after a login with PLAIN"));
}
