/**
 * Databases that go away under a running `sasl serve` and come back, and a server that slows guessing down.
 *
 * @module
 */
import { join } from "node:path";
import { passwordOf, wrongPassword } from "./accounts.js";
import { at, attemptOf, type Row } from "./attempts/attempt.js";
import { servedAttempts } from "./attempts/serve.js";
import type { Databases } from "./databases.js";
import type { Run } from "./run.js";
import { Serve } from "./serve.js";
import { ldapUrl } from "./stores/slapd.js";
import type { Attempt, Client, Expectation, Login, Protocol } from "./types.js";

const protocols: readonly Protocol[] = ["imap", "smtp", "xmpp"];

/** How each protocol says that the server cannot tell: RFC 5530 §3, RFC 4954 §6, RFC 6120 §6.5.11. */
const temporaryWords: Readonly<Record<Protocol, RegExp>> = {
  imap: /^NO \[UNAVAILABLE\]/,
  smtp: /^454 4\.7\.0 /,
  xmpp: /^temporary-auth-failure/,
};

/** A store over a network, and the database behind it. */
interface RemoteStore {
  readonly name: string;
  readonly url: string;
  readonly mechanisms: readonly string[];
  readonly database: { stop(): Promise<void>; start(): Promise<void> };
}

/** What every login here is made with: the command, and clients with ours first. */
interface Facts {
  readonly run: Run;
  readonly command: string;
  readonly clients: readonly Client[];
}

/** Stop each database under its server, and start it again; at the same time guess at the server that slows it down. */
export async function faultsSide(
  run: Run,
  command: string,
  clients: readonly Client[],
  databases: Databases,
): Promise<void> {
  const facts = { run, command, clients };
  await Promise.all([throttled(facts), ...remoteStores(run, databases).map((store) => outage(facts, store))]);
}

function remoteStores({ scratch }: Run, { postgres, slapd }: Databases): RemoteStore[] {
  const stores: RemoteStore[] = [];
  const usual = ["SCRAM-SHA-256", "PLAIN"];
  if (postgres !== undefined) {
    stores.push({ name: "postgresql", url: postgres.url, mechanisms: usual, database: postgres });
  }
  if (slapd !== undefined) {
    stores.push({ name: "ldap", url: ldapUrl(slapd, slapd.base, scratch), mechanisms: usual, database: slapd });
  }
  return stores;
}

async function outage(
  { run, command, clients }: Facts,
  { name, url, mechanisms, database }: RemoteStore,
): Promise<void> {
  const [ours] = clients;
  if (ours === undefined) return;
  const begin = (label: string): Promise<Serve> => {
    const args = ["--store", url, "--mechanisms", [...mechanisms, "LOGIN"].join(",")];
    return Serve.start(run.children, label, command, args);
  };
  const serve = await begin(`serve+${name}`);
  const rows = (label: Serve, password: string, note: string, expected: Expectation): Row[] =>
    protocols.flatMap((protocol) =>
      mechanisms.flatMap((mechanism) => {
        const temporary = expected.outcome === "impossible" ? { peer: temporaryWords[protocol] } : {};
        const login: Login = { mechanism, user: "alice", password };
        const more = { note, ids: ["R-STO-04"] };
        return at(label.endpoint(protocol, "starttls"), login, { ...expected, ...temporary }, more);
      }),
    );
  const right = (label: Serve, note: string): Attempt[] =>
    servedAttempts(rows(label, passwordOf("alice"), note, { outcome: "accepted" }), ours, label);
  const wrong = (label: Serve, note: string): Attempt[] =>
    servedAttempts(rows(label, wrongPassword, `${note}, wrong password`, { outcome: "refused" }), ours, label);
  const cannotTell = (label: Serve, password: string, note: string): Attempt[] =>
    rows(label, password, note, { outcome: "impossible", code: "temporary" }).map((row) =>
      attemptOf(row, ours, () => reportedTemporary(row, label)),
    );
  await run.attempts(right(serve, "database there"), 2);
  if (!run.options.list) await database.stop();
  await run.attempts(cannotTell(serve, passwordOf("alice"), "database stopped"), 2);
  await run.attempts(cannotTell(serve, wrongPassword, "database stopped, wrong password"), 2);
  const late = await begin(`serve+${name}+late`);
  await run.attempts(cannotTell(late, passwordOf("alice"), "started before the database"), 2);
  if (!run.options.list) await database.start();
  await run.attempts([...right(serve, "database back"), ...wrong(serve, "database back")], 2);
  await run.attempts(right(late, "database back"), 2);
}

async function reportedTemporary({ endpoint }: Row, serve: Serve): Promise<string | undefined> {
  const report = await serve.claim(
    ({ ok, protocol, code }) => !ok && protocol === endpoint.protocol && code === "temporary",
  );
  return report === undefined ? "the server reported no login with code temporary" : undefined;
}

/** Right answers get in before and after wrong ones, which are told so, only later. */
async function throttled({ run, command, clients }: Facts): Promise<void> {
  const store = `sqlite:${join(run.scratch, "accounts.sqlite")}`;
  const args = ["--throttle", "--store", store, "--mechanisms", "SCRAM-SHA-256,PLAIN,LOGIN"];
  const serve = await Serve.start(run.children, "serve+throttle", command, args);
  const ids = ["R-LIM-08"];
  const attempts = clients.flatMap((client) => {
    const rows = protocols.flatMap((protocol) => {
      const endpoint = { ...serve.endpoint(protocol, "starttls"), plus: "none" } as const;
      const mechanism = client.name === "go-sendxmpp" ? "SCRAM-SHA-256" : "PLAIN";
      const right = { mechanism, user: "alice", password: passwordOf("alice") };
      const wrong = { mechanism, user: "alice", password: wrongPassword };
      return [
        ...at(endpoint, wrong, { outcome: "refused" }, { note: "wrong password", ids }),
        ...at(endpoint, right, { outcome: "accepted" }, { note: "after a wrong password", ids }),
      ];
    });
    return servedAttempts(rows, client, serve).slice(0, 2);
  });
  await run.attempts(attempts, 1);
}
