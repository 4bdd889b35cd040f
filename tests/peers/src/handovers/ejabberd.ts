/**
 * ejabberd: the rows of its table of users.
 *
 * @module
 */
import { startEjabberd } from "../account-servers/ejabberd.js";
import { passwordOf } from "../accounts.js";
import { atPeer } from "../attempts/handover.js";
import { lastWords } from "../clients/verdict.js";
import { type Handover, type HandoverFacts, madePassword } from "./handover.js";

/** The rows exported go into its PostgreSQL with psql; ours takes pg_dump's dump of an account `ejabberdctl` made. */
export async function ejabberdHandover({ run, databases, from, into, tls, clients }: HandoverFacts): Promise<Handover> {
  const { postgres } = databases;
  if (postgres === undefined) return { attempts: [], imported: [] };
  const ejabberd = await startEjabberd(run.children, run.scratch, tls, postgres);
  const user = "ejabberd-made";
  await ejabberd.register(user, madePassword);
  const dump = await postgres.dump("users");
  if (dump.exit !== 0) throw new Error(`pg_dump: ${lastWords(dump)}`);
  await into.import("ejabberd", dump.stdout);
  const attempts = [];
  for (const name of ["alice", "bob"]) {
    const applied = await postgres.psql(await from.export(name, "ejabberd", "--hash", "SHA-256"));
    if (applied.exit !== 0) throw new Error(`psql: ${lastWords(applied)}`);
    const mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"];
    const holder = { user: name, password: passwordOf(name), mechanisms, origin: "exported" };
    const able = name === "bob" ? clients.filter((client) => client.name !== "go-sendxmpp") : clients;
    attempts.push(...atPeer(ejabberd.endpoint, holder, able));
  }
  const mechanisms = ["SCRAM-SHA-256", "PLAIN"];
  return { attempts, imported: [{ user, password: madePassword, mechanisms, origin: "imported from ejabberd" }] };
}
