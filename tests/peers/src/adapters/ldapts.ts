/**
 * ldapts with `sasl-ldapts`, at a slapd of this run whose accounts have their passwords in the clear, for Cyrus SASL.
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "ldapts";
import { isSASLError, type SASLMechanism } from "sasl-core";
import { CRAM_MD5, DIGEST_MD5, EXTERNAL, PLAIN, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { type SASLBindOptions, saslBind } from "sasl-ldapts";
import { accounts, passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { Daemon, freePort, listens } from "../daemon.js";
import type { Run } from "../run.js";
import type { Outcome } from "../types.js";
import { readmeProgram } from "./readme.js";

const program = "/usr/sbin/slapd";
const suffix = "dc=example,dc=org";
const certificates = fileURLToPath(new URL("../../../../packages/core/test/certificates/", import.meta.url));
const ca = join(certificates, "ecdsa-sha256.cert.pem");

/** Where it listens. */
interface Directory {
  readonly port: number;
  readonly tlsPort: number;
  readonly socket: string;
}

type Channel = "clear" | "StartTLS" | "TLS" | "local socket";

/** What a bind has to come to: mechanism, and who one is then; or the code of an error. */
type Wanted = { readonly mechanism: string; readonly dn?: string } | { readonly code: string };

/** Run all of them, where slapd is installed. */
export async function ldapts(run: Run): Promise<void> {
  const { children, report, scratch } = run;
  const alice = { username: "alice", password: passwordOf("alice") };
  const bob = { username: "bob", password: passwordOf("bob") };
  const wrong = { username: "alice", password: wrongPassword };
  const refused = { code: "refused" };
  const rows: readonly (readonly [Channel, string, readonly SASLMechanism[], Wanted, SASLBindOptions?])[] = [
    ["clear", "the best", [SCRAM(alice), PLAIN(alice)], { mechanism: "SCRAM-SHA-512" }],
    ["clear", "SCRAM-SHA-256", [SCRAM(alice)], { mechanism: "SCRAM-SHA-256" }, { offered: ["SCRAM-SHA-256"] }],
    ["clear", "SCRAM, letters beyond ASCII", [SCRAM(bob)], refused], // stored as typed, and not as SASLprep has it
    ["clear", "SCRAM (wrong password)", [SCRAM(wrong)], refused],
    ["clear", "DIGEST-MD5", [DIGEST_MD5(alice)], { mechanism: "DIGEST-MD5" }, { host: "localhost" }],
    ["clear", "DIGEST-MD5 (wrong password)", [DIGEST_MD5(wrong)], refused, { host: "localhost" }],
    ["clear", "PLAIN", [PLAIN(alice)], { code: "no-common-mechanism" }],
    ["StartTLS", "PLAIN", [PLAIN(alice)], { mechanism: "PLAIN" }],
    ["StartTLS", "PLAIN (wrong password)", [PLAIN(wrong)], refused],
    ["TLS", "PLAIN", [PLAIN(alice)], { mechanism: "PLAIN" }],
    ["TLS", "CRAM-MD5", [CRAM_MD5(alice)], { mechanism: "CRAM-MD5" }],
    ["TLS", "the best", [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)], { mechanism: "SCRAM-SHA-512" }],
    ["local socket", "EXTERNAL", [EXTERNAL({})], { mechanism: "EXTERNAL", dn: "cn=peercred,cn=external,cn=auth" }],
  ];
  const name = (channel: Channel, what: string): string => `ldapts at slapd ${channel} ${what}`;
  const pastedName = name("clear", "the program of the README");
  const names = [...rows.map(([channel, what]) => name(channel, what)), pastedName];
  if (!run.options.list && !names.some((each) => run.wants(each))) return;
  if (!existsSync(program)) {
    report.missing("slapd", "it is not installed");
    return;
  }
  let daemon: Daemon | undefined;
  let directory: Directory | undefined;
  try {
    if (!run.options.list) [daemon, directory] = await start(children, join(scratch, "slapd-sasl"));
    const at = directory ?? { port: 0, tlsPort: 0, socket: "" };
    await run.attempts([
      ...rows.map(([channel, what, mechanisms, wanted, options]) => ({
        name: name(channel, what),
        run: () => bind(at, channel, mechanisms, wanted, options),
      })),
      { name: pastedName, run: () => pasted(at, children) },
    ]);
  } catch (error) {
    report.fail("slapd with SASL", error instanceof Error ? error.message : String(error));
  } finally {
    await daemon?.stop();
  }
}

async function bind(
  { port, tlsPort, socket }: Directory,
  channel: Channel,
  mechanisms: readonly SASLMechanism[],
  wanted: Wanted,
  options: SASLBindOptions = {},
): Promise<Outcome> {
  const tlsOptions = { ca: readFileSync(ca) };
  const client =
    channel === "TLS"
      ? new Client({ url: `ldaps://localhost:${tlsPort}`, tlsOptions })
      : new Client({
          url: `ldap://localhost:${port}`,
          ...(channel === "local socket" && { createConnection: () => connect(socket) }),
        });
  try {
    if (channel === "StartTLS") await client.startTLS({ ...tlsOptions, host: "localhost", servername: "localhost" });
    const { mechanism, serverVerified } = await saslBind(client, mechanisms, options);
    const { value = "" } = await client.exop("1.3.6.1.4.1.4203.1.11.3");
    const seen = JSON.stringify({ mechanism, serverVerified, is: value });
    if ("code" in wanted || mechanism !== wanted.mechanism) return { passed: false, why: seen };
    const dn = wanted.dn ?? `uid=alice,ou=people,${suffix}`;
    const proved = serverVerified === /SCRAM|DIGEST/.test(mechanism);
    return String(value).endsWith(dn) && proved && client.isBound ? { passed: true } : { passed: false, why: seen };
  } catch (error) {
    const code = isSASLError(error) ? error.code : String(error);
    return "code" in wanted && wanted.code === code
      ? { passed: true }
      : { passed: false, why: `${code}: ${isSASLError(error) ? (error.text ?? error.message) : ""}` };
  } finally {
    await client.unbind();
  }
}

/** The first program of the README, with this server in it. */
async function pasted({ port }: Directory, children: Children): Promise<Outcome> {
  const { file, folder } = readmeProgram("ldapts", 0, {
    "ldap.example.com:389": `localhost:${port}`,
    "open sesame": passwordOf("alice"),
  });
  const finished = await children.run(process.execPath, [file]);
  rmSync(folder, { recursive: true });
  if (finished.exit === 0 && finished.stdout === "SCRAM-SHA-512 true\ntrue\n") return { passed: true };
  return { passed: false, why: lastWords(finished) };
}

async function start(children: Children, home: string): Promise<[Daemon, Directory]> {
  mkdirSync(join(home, "data"), { recursive: true, mode: 0o700 });
  const [config, data] = [join(home, "slapd.conf"), join(home, "accounts.ldif")];
  writeFileSync(config, configuration(home), { mode: 0o600 });
  writeFileSync(data, ldif(), { mode: 0o600 });
  const added = await children.run("/usr/sbin/slapadd", ["-q", "-f", config, "-l", data], { timeoutMs: 60_000 });
  if (added.exit !== 0) throw new Error(`slapadd: ${added.stderr.trim().slice(-300)}`);
  const directory = { port: await freePort(), tlsPort: await freePort(), socket: join(home, "ldapi") };
  const urls = `ldap://127.0.0.1:${directory.port} ldaps://127.0.0.1:${directory.tlsPort} ldapi://${encodeURIComponent(directory.socket)}`;
  const args = ["-d", "0", "-f", config, "-h", urls];
  const daemon = new Daemon(children, { command: program, args, ready: () => listens(directory.port) });
  await daemon.start();
  return [daemon, directory];
}

function configuration(home: string): string {
  const schemas = ["core", "cosine", "inetorgperson"].map((name) => `include /etc/ldap/schema/${name}.schema`);
  return `${schemas.join("\n")}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(home, "pid")}
TLSCertificateFile ${ca}
TLSCertificateKeyFile ${join(certificates, "ec-p256.key.pem")}
sasl-host localhost
sasl-secprops none
authz-regexp "^uid=([^,]+),(cn=[^,]+,)?cn=[^,]+,cn=auth$" "uid=$1,ou=people,${suffix}"
database mdb
maxsize 67108864
suffix "${suffix}"
directory ${join(home, "data")}
index uid eq
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`;
}

/** Passwords are in the clear: Cyrus SASL computes with them. */
function ldif(): string {
  const entry = (dn: string, ...lines: string[]): string => [`dn: ${dn}`, ...lines, ""].join("\n");
  return [
    entry(suffix, "objectClass: dcObject", "objectClass: organization", "o: Example"),
    entry(`ou=people,${suffix}`, "objectClass: organizationalUnit"),
    ...accounts.map(({ name, stored }) =>
      entry(
        `uid=${name},ou=people,${suffix}`,
        "objectClass: inetOrgPerson",
        `cn: ${name}`,
        `sn: ${name}`,
        `userPassword:: ${Buffer.from(stored).toString("base64")}`,
      ),
    ),
  ].join("\n");
}
