/**
 * A directory: entries with `authPassword` (RFC 5803).
 *
 * @module
 */
import { passwordOf } from "../accounts.js";
import { atServe } from "../attempts/handover.js";
import { lastWords } from "../clients/verdict.js";
import { Serve } from "../serve.js";
import { ldapUrl } from "../stores/slapd.js";
import type { Handover, HandoverFacts } from "./handover.js";

const mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];

/** `ldapadd` adds what is exported, and `sasl serve` asks the directory; what `ldapsearch` finds is imported. */
export async function slapdHandover({
  run,
  command,
  databases,
  from,
  into,
  clients,
}: HandoverFacts): Promise<Handover> {
  const { slapd } = databases;
  if (slapd === undefined) return { attempts: [], imported: [] };
  for (const name of ["alice", "bob"]) {
    const added = await slapd.add(await from.export(name, "rfc5803", "--base", slapd.emptyBase));
    if (added.exit !== 0) throw new Error(`ldapadd: ${lastWords(added)}`);
  }
  const url = ldapUrl(slapd, slapd.emptyBase, run.scratch);
  const offer = [...mechanisms, "LOGIN"].join(",");
  const serve = await Serve.start(run.children, "serve+ldap", command, ["--store", url, "--mechanisms", offer]);
  const user = "user";
  const found = await slapd.search(slapd.base, `(uid=${user})`);
  if (found.exit !== 0) throw new Error(`ldapsearch: ${lastWords(found)}`);
  await into.import("rfc5803", found.stdout);
  const holder = { user: "alice", password: passwordOf("alice"), mechanisms, origin: "exported" };
  return {
    attempts: atServe(serve, holder, clients),
    imported: [{ user, password: passwordOf(user), mechanisms, origin: "imported from slapd" }],
  };
}
