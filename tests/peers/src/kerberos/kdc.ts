/**
 * A KDC of the run's own (MIT Kerberos) with a user, the services of `localhost` and everything below one folder.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children } from "../children.js";
import { Daemon, freePort, listens } from "../daemon.js";

const realm = "EXAMPLE.TEST";
/** Who has a ticket. */
export const kerberosUser = "alice";
const services = ["imap", "smtp"];
const utility = "/usr/sbin/kdb5_util";
const administration = "/usr/sbin/kadmin.local";

/** Where the library finds it all. */
export type KerberosEnvironment = Readonly<
  Record<"KRB5_CONFIG" | "KRB5_KTNAME" | "KRB5CCNAME" | "KRB5_KDC_PROFILE", string>
>;

/** Start it and get a ticket. @throws {Error} when something of that does not come about. */
export async function startKdc(children: Children, folder: string): Promise<KerberosEnvironment> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const port = await freePort();
  const file = (name: string): string => join(folder, name);
  const env = {
    KRB5_CONFIG: file("krb5.conf"),
    KRB5_KDC_PROFILE: file("kdc.conf"),
    KRB5_KTNAME: file("keytab"),
    KRB5CCNAME: `FILE:${file("ccache")}`,
  };
  writeFileSync(env.KRB5_CONFIG, clientConfiguration(port));
  writeFileSync(env.KRB5_KDC_PROFILE, kdcConfiguration(folder, port));
  const must = async (command: string, args: readonly string[], input = ""): Promise<void> => {
    const { exit, stderr } = await children.run(command, args, { env, input, timeoutMs: 60_000 });
    if (exit !== 0) throw new Error(`${command} ended with ${exit}: ${stderr.trim()}`);
  };
  const administer = (query: string): Promise<void> => must(administration, ["-r", realm, "-q", query]);
  await must(utility, ["create", "-s", "-W", "-r", realm, "-P", "the master key of a test"]);
  await administer(`addprinc -pw pencil ${kerberosUser}`);
  for (const service of services) {
    await administer(`addprinc -randkey ${service}/localhost`);
    await administer(`ktadd -k ${env.KRB5_KTNAME} ${service}/localhost`);
  }
  const daemon = new Daemon(children, {
    command: "/usr/sbin/krb5kdc",
    args: ["-n", "-r", realm],
    env,
    ready: () => listens(port),
  });
  await daemon.start();
  await must("kinit", [kerberosUser], "pencil\n");
  return env;
}

function clientConfiguration(port: number): string {
  return `[libdefaults]
  default_realm = ${realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  ${realm} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${realm}
`;
}

function kdcConfiguration(folder: string, port: number): string {
  return `[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:${port}
[realms]
  ${realm} = {
    database_name = ${folder}/principal
    key_stash_file = ${folder}/stash
    acl_file = ${folder}/acl
  }
[logging]
  kdc = FILE:${folder}/kdc.log
`;
}
