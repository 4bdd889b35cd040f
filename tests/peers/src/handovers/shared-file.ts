/**
 * One file of accounts for Dovecot and `sasl serve`, both of which run while it changes.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startDovecot } from "../account-servers/dovecot.js";
import { passwordOf } from "../accounts.js";
import { at, attemptOf } from "../attempts/attempt.js";
import { servedAttempts } from "../attempts/serve.js";
import { lastWords } from "../clients/verdict.js";
import { SaslUser } from "../sasl-user.js";
import { Serve } from "../serve.js";
import type { Attempt, Endpoint, Expectation } from "../types.js";
import { type HandoverFacts, madePassword } from "./handover.js";

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused" };

/** Dovecot reads the file again when its time in seconds, or its size, has changed. */
const dovecotSecondMs = 1_100;

/** Log in to both before and after `sasl user passwd`, and after a line was added by hand. */
export async function sharedFile({ run, command, clients, tls }: HandoverFacts): Promise<void> {
  const { children, scratch } = run;
  const passwdFile = join(scratch, "shared.passwd");
  const user = new SaslUser(children, command, `file:${passwdFile}`);
  const old = passwordOf("alice");
  const changed = "a new password of alice";
  await user.add("alice", old);
  await user.add("bob", passwordOf("bob"));
  const dovecot = await startDovecot(children, { folder: scratch, name: "dovecot+file", tls, passwdFile });
  const offer = "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,LOGIN";
  const serve = await Serve.start(children, "serve+same-file", command, ["--store", user.store, "--mechanisms", offer]);
  const ours = serve.endpoint("imap", "starttls");
  const logins = (
    name: string,
    password: string,
    mechanisms: string[],
    expected: Expectation,
    note: string,
  ): Attempt[] =>
    clients.flatMap((client) => {
      const rows = (endpoint: Endpoint) =>
        mechanisms
          .flatMap((mechanism) =>
            at(endpoint, { mechanism, user: name, password }, expected, { note, ids: ["R-STO-05"] }),
          )
          .filter((row) => client.cannot(row.endpoint, row.login) === undefined);
      return [...rows(dovecot).map((row) => attemptOf(row, client)), ...servedAttempts(rows(ours), client, serve)];
    });
  const both = ["SCRAM-SHA-256", "PLAIN"];
  await run.attempts(logins("alice", old, both, accepted, "same file"));
  if (!run.options.list) {
    await sleep(dovecotSecondMs);
    await user.passwd("alice", changed);
  }
  await run.attempts([
    ...logins("alice", changed, both, accepted, "same file, after passwd"),
    ...logins("alice", old, both, refused, "same file, after passwd, old password"),
  ]);
  if (!run.options.list) {
    const made = await children.run("doveadm", ["-O", "pw", "-s", "SHA512-CRYPT", "-p", madePassword]);
    if (made.exit !== 0) run.report.fail("doveadm pw", lastWords(made));
    await sleep(dovecotSecondMs);
    appendFileSync(passwdFile, `carol:${made.stdout.trim()}\n`);
  }
  await run.attempts([
    ...logins("carol", madePassword, ["PLAIN"], accepted, "same file, line by hand"),
    ...logins("alice", changed, both, accepted, "same file, another's line by hand"),
  ]);
}
