/**
 * Dovecot and gsasl: passwd-files.
 *
 * @module
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDovecot } from "../account-servers/dovecot.js";
import { passwordOf } from "../accounts.js";
import { atPeer, type Holder } from "../attempts/handover.js";
import type { Finished } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { type Handover, type HandoverFacts, madePassword } from "./handover.js";

/** What doveadm makes, and what such an account can log in with. */
const schemes: readonly [scheme: string, mechanisms: readonly string[]][] = [
  ["SCRAM-SHA-256", ["SCRAM-SHA-256", "PLAIN"]],
  ["SCRAM-SHA-1", ["SCRAM-SHA-1", "PLAIN"]],
  ["SHA512-CRYPT", ["PLAIN"]],
  ["BLF-CRYPT", ["PLAIN"]],
  ["ARGON2ID", ["PLAIN"]],
];

/** A Dovecot of its own takes exported accounts; ours takes what `doveadm pw` makes. */
export async function dovecotHandover({ run, from, into, clients, tls }: HandoverFacts): Promise<Handover> {
  const { children, scratch } = run;
  const passwdFile = join(scratch, "exported.passwd");
  writeFileSync(passwdFile, await from.exportAll("dovecot"));
  chmodSync(passwdFile, 0o600);
  const endpoint = await startDovecot(children, { folder: scratch, name: "dovecot+exported", tls, passwdFile });
  const origin = "exported";
  const attempts = [
    ...atPeer(endpoint, { ...alice, mechanisms: ["SCRAM-SHA-256", "PLAIN"], origin }, clients),
    // Dovecot does not prepare what PLAIN brings, so only who prepares gets in, and only by SCRAM.
    ...atPeer(endpoint, { ...bob, mechanisms: ["SCRAM-SHA-256"], origin }, clients.filter(prepares)),
    ...atPeer(endpoint, { user: "dora", password: madePassword, mechanisms: ["PLAIN"], origin }, clients),
  ];
  const imported: Holder[] = [];
  const made: string[] = [];
  for (const [scheme, mechanisms] of schemes) {
    const user = `doveadm-${scheme.toLowerCase()}`;
    const line = must(await children.run("doveadm", ["-O", "pw", "-s", scheme, "-p", madePassword]));
    made.push(`${user}:${line.trim()}::::::\n`);
    imported.push({ user, password: madePassword, mechanisms, origin: "imported from Dovecot" });
  }
  await into.import("dovecot", made.join(""));
  return { attempts, imported };
}

/** Ours takes what `gsasl --mkpasswd` makes. */
export async function gsaslHandover({ run, into }: HandoverFacts): Promise<Handover> {
  const scheme = "SCRAM-SHA-256";
  const args = [
    "--mkpasswd",
    "--quiet",
    `--mechanism=${scheme}`,
    "--iteration-count=4096",
    `--password=${madePassword}`,
  ];
  const line = must(await run.children.run("gsasl", args));
  const user = "gsasl-made";
  await into.import("dovecot", `${user}:${line.trim()}\n`);
  const origin = "imported from gsasl";
  return { attempts: [], imported: [{ user, password: madePassword, mechanisms: [scheme, "PLAIN"], origin }] };
}

const alice = { user: "alice", password: passwordOf("alice") };
const bob = { user: "bob", password: passwordOf("bob") };

function prepares({ name }: { readonly name: string }): boolean {
  return name === "sasl login" || name === "gsasl";
}

function must(finished: Finished): string {
  if (finished.exit !== 0) throw new Error(lastWords(finished));
  return finished.stdout;
}
