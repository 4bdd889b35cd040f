/**
 * Accounts in real databases, and accounts that real servers share with ours.
 *
 * @module
 */
import { join } from "node:path";
import { passwordOf } from "./accounts.js";
import { sessionAttempts } from "./attempts/sessions.js";
import { type StoredServe, storeAttempts } from "./attempts/stores.js";
import { type Databases, startDatabases } from "./databases.js";
import { faultsSide } from "./faults-side.js";
import { handoverSide } from "./handover-side.js";
import type { Run } from "./run.js";
import { SaslUser } from "./sasl-user.js";
import { Serve } from "./serve.js";
import { ending } from "./server-side.js";
import { runStoreSuites } from "./store-suites.js";
import { ldapUrl } from "./stores/slapd.js";
import { makeCertificates } from "./tls-files.js";
import type { Tool } from "./tools.js";
import type { Client } from "./types.js";

/** Start the databases and run all attempts that need them. @param command file of the `sasl` command */
export async function accountsSide(
  run: Run,
  command: string,
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
): Promise<void> {
  const databases = await startDatabases(run, tools);
  await runStoreSuites(run, databases);
  await storesSide(run, command, clients, tools, databases);
  if (tools.has("openssl")) {
    const tls = join(run.scratch, "accounts-tls");
    await makeCertificates(run.children, tls);
    await handoverSide(run, command, clients, tools, databases, tls);
  }
  await faultsSide(run, command, clients, databases);
}

/** Every client at servers with their accounts in each store. */
async function storesSide(
  run: Run,
  command: string,
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
  databases: Databases,
): Promise<void> {
  const { children } = run;
  const servers = await Promise.all(
    storesOf(run, databases).map(async ({ name, url, filled, mechanisms }): Promise<StoredServe> => {
      if (!filled) await fill(new SaslUser(children, command, url));
      const offer = [...mechanisms, "LOGIN"].join(",");
      const serve = await Serve.start(children, `serve+${name}`, command, ["--store", url, "--mechanisms", offer]);
      return { serve, mechanisms };
    }),
  );
  await run.attempts(
    servers.flatMap((each) => [
      ...storeAttempts(each, clients),
      ...sessionAttempts(each.serve, children, tools, ["PLAIN"]),
    ]),
  );
  await run.attempts(servers.map(({ serve }) => ending("SIGTERM", serve)));
}

/** A place where accounts are. */
interface StorePlace {
  readonly name: string;
  readonly url: string;
  /** Whether the accounts are in it already. */
  readonly filled: boolean;
  /** What the accounts in it have what it takes for. */
  readonly mechanisms: readonly string[];
}

const usual = ["SCRAM-SHA-256", "PLAIN"];

function storesOf({ scratch }: Run, { postgres, slapd }: Databases): StorePlace[] {
  const empty = (name: string, url: string): StorePlace => ({ name, url, filled: false, mechanisms: usual });
  const places = [
    empty("file", `file:${join(scratch, "accounts.passwd")}`),
    empty("sqlite", `sqlite:${join(scratch, "accounts.sqlite")}`),
  ];
  if (postgres !== undefined) places.push(empty("postgresql", postgres.url));
  if (slapd !== undefined) {
    const verifiers = ldapUrl(slapd, slapd.base, scratch);
    const binds = ldapUrl(slapd, slapd.bindOnlyBase, scratch, { starttls: true });
    places.push({ name: "ldap", url: verifiers, filled: true, mechanisms: usual });
    places.push({ name: "ldap-bind", url: binds, filled: true, mechanisms: ["PLAIN"] });
  }
  return places;
}

async function fill(user: SaslUser): Promise<void> {
  for (const name of ["alice", "bob", "user"]) await user.add(name, passwordOf(name));
}
