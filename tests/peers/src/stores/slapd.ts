/**
 * A private OpenLDAP server below a folder of the run, from the programs of Debian's package `slapd`.
 *
 * @module
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accounts } from "../accounts.js";
import type { Children, Finished } from "../children.js";
import { Daemon, freePort, listens } from "../daemon.js";

/** A directory of this run alone. */
export interface Slapd {
  /** Over TCP on the loopback address, without a base; StartTLS is there, with a certificate for `localhost` by `ca`. */
  readonly url: string;
  /** The same over its Unix socket: `ldapi://%2F…`. */
  readonly socketUrl: string;
  /** May read everything but `userPassword`, as servers have it. */
  readonly bindDn: string;
  readonly password: string;
  /** Every account, with `userPassword` for binds and with `authPassword` (RFC 5803) for SCRAM-SHA-1 and SCRAM-SHA-256. */
  readonly base: string;
  /** The same accounts with nothing but `userPassword`. */
  readonly bindOnlyBase: string;
  /** Empty at first. */
  readonly emptyBase: string;
  /** A file of the authority that signed the certificate, PEM. */
  readonly ca: string;
  /** As an operator does, in the middle of whatever is under way; the data stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Adds entries as `ldapadd` does, over the wire, as somebody who may. @param ldif of entries below {@link emptyBase}. */
  add(ldif: string): Promise<Finished>;
  /** Finds entries as `ldapsearch` does, LDIF, as somebody who may read all. */
  search(base: string, filter: string): Promise<Finished>;
}

const program = "/usr/sbin/slapd";
const suffix = "dc=example,dc=org";
const adminDn = `cn=admin,${suffix}`;
const certificates = fileURLToPath(new URL("../../../../packages/core/test/certificates/", import.meta.url));

/** Whether there is one on this machine. */
function hasSlapd(): boolean {
  return existsSync(program);
}

/**
 * Starts one.
 *
 * @param folder of this run; everything is below `slapd` in it.
 * @throws when it is not installed (`apt-get install slapd`) or does not start.
 */
export async function startSlapd(children: Children, folder: string): Promise<Slapd> {
  if (!hasSlapd()) throw new Error("slapd is not installed: apt-get install slapd");
  const home = join(folder, "slapd");
  const password = randomBytes(12).toString("hex");
  const adminPassword = randomBytes(12).toString("hex");
  const bindDn = `cn=service,${suffix}`;
  mkdirSync(join(home, "data"), { recursive: true, mode: 0o700 });
  const config = join(home, "slapd.conf");
  const data = join(home, "accounts.ldif");
  writeFileSync(config, configuration(home, bindDn, adminPassword), { mode: 0o600 });
  writeFileSync(data, ldif(bindDn, password), { mode: 0o600 });
  const added = await children.run("/usr/sbin/slapadd", ["-q", "-f", config, "-l", data], { timeoutMs: 60_000 });
  if (added.exit !== 0) throw new Error(`slapadd: ${added.stderr.trim().slice(-300)}`);
  const port = await freePort();
  const url = `ldap://127.0.0.1:${port}`;
  const socketUrl = `ldapi://${encodeURIComponent(join(home, "ldapi"))}`;
  const args = ["-d", "0", "-f", config, "-h", `${url} ${socketUrl}`];
  const daemon = new Daemon(children, { command: program, args, ready: () => listens(port) });
  await daemon.start();
  const login = ["-x", "-H", url, "-D", adminDn, "-w", adminPassword];
  return {
    url,
    socketUrl,
    bindDn,
    password,
    base: `ou=people,${suffix}`,
    bindOnlyBase: `ou=bind,${suffix}`,
    emptyBase: `ou=added,${suffix}`,
    ca: join(certificates, "ecdsa-sha256.cert.pem"),
    start: () => daemon.start(),
    stop: () => daemon.stop(),
    restart: () => daemon.restart(),
    add: (entries) => children.run("ldapadd", login, { input: entries }),
    search: (base, filter) => children.run("ldapsearch", [...login, "-LLL", "-b", base, filter]),
  };
}

/**
 * The URL of a store of accounts in it.
 *
 * @param folder where the file with the service's password goes
 */
export function ldapUrl(
  { url, bindDn, password, ca }: Slapd,
  base: string,
  folder: string,
  { starttls = false }: { readonly starttls?: boolean } = {},
): string {
  const passwordFile = join(folder, "ldap-password");
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  const extensions = [
    `bindname=${encodeURIComponent(bindDn)}`,
    `x-password-file=${encodeURIComponent(passwordFile)}`,
    ...(starttls ? ["x-starttls", `x-ca-file=${encodeURIComponent(ca)}`] : []),
  ];
  const server = starttls ? url.replace("127.0.0.1", "localhost") : url; // the name in its certificate
  return `${server}/${base}????${extensions.join(",")}`;
}

function configuration(home: string, bindDn: string, adminPassword: string): string {
  const schemas = ["core", "cosine", "inetorgperson"].map((name) => `include /etc/ldap/schema/${name}.schema`);
  return `${schemas.join("\n")}
# RFC 3112 §4, with a syntax that this server knows.
attributetype ( 1.3.6.1.4.1.4203.1.3.4 NAME 'authPassword'
  EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.4203.1.4.7 NAME 'authPasswordObject' AUXILIARY MAY authPassword )
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.32473.1 NAME 'lockable' AUXILIARY MAY nsAccountLock )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(home, "pid")}
TLSCertificateFile ${join(certificates, "ecdsa-sha256.cert.pem")}
TLSCertificateKeyFile ${join(certificates, "ec-p256.key.pem")}
database mdb
maxsize 67108864
suffix "${suffix}"
rootdn "${adminDn}"
rootpw ${adminPassword}
directory ${join(home, "data")}
index uid eq
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${bindDn}" read by * none
`;
}

function ldif(bindDn: string, password: string): string {
  const entry = (dn: string, ...lines: string[]): string => [`dn: ${dn}`, ...lines, ""].join("\n");
  const unit = (name: string): string => entry(`ou=${name},${suffix}`, "objectClass: organizationalUnit");
  const person = (name: string, unitName: string, ...more: string[]): string => {
    const lines = ["objectClass: inetOrgPerson", `cn: ${name}`, `sn: ${name}`, `mail: ${name}@example.org`, ...more];
    // Values of one attribute have to follow each other.
    return entry(
      `uid=${name},ou=${unitName},${suffix}`,
      ...lines.sort((x, y) => Number(isClass(y)) - Number(isClass(x))),
    );
  };
  const verifiers = (prepared: string): string[] => [
    "objectClass: authPasswordObject",
    ...[1, 256].map((bits) => `authPassword: ${verifier(bits, prepared)}`),
  ];
  const secret = (value: string): string => `userPassword: ${salted(value)}`;
  return [
    entry(suffix, "objectClass: dcObject", "objectClass: organization", "o: Example"),
    entry(bindDn, "objectClass: organizationalRole", "objectClass: simpleSecurityObject", secret(password)),
    unit("people"),
    unit("bind"),
    unit("more"),
    unit("added"),
    // Prepared, as a bind brings them (RFC 4513 §5.1.3); of what SASLprep does, NFKC is all that changes these passwords.
    ...accounts.flatMap(({ name, typed }) => {
      const prepared = typed.normalize("NFKC");
      return [person(name, "people", secret(prepared), ...verifiers(prepared)), person(name, "bind", secret(prepared))];
    }),
    // What a directory in use has besides: a record that cannot be read, one without a password, one that is off, two of a name.
    person("broken", "people", secret("x"), "objectClass: authPasswordObject", "authPassword: SCRAM-SHA-256$x$y"),
    person("empty", "people"),
    person("locked", "people", secret("x"), "objectClass: lockable", "nsAccountLock: TRUE"),
    person("double", "bind", secret("x")),
    entry(`cn=another,ou=bind,${suffix}`, "objectClass: inetOrgPerson", "uid: double", "sn: double", secret("x")),
    entry(
      `cn=elsewhere,ou=more,${suffix}`,
      "objectClass: referral",
      "objectClass: extensibleObject",
      "ref: ldap://127.0.0.1:1/dc=elsewhere",
    ),
  ].join("\n");
}

function isClass(line: string): boolean {
  return line.startsWith("objectClass:");
}

/** RFC 5803 §2. As few iterations as are allowed: all are made at each start. */
function verifier(bits: number, password: string): string {
  const hash = `sha${bits}`;
  const size = bits === 1 ? 20 : bits / 8;
  const salt = randomBytes(16);
  const iterations = 4096;
  const key = pbkdf2Sync(password, salt, iterations, size, hash);
  const hmac = (text: string): Buffer => createHmac(hash, key).update(text).digest();
  const storedKey = createHash(hash).update(hmac("Client Key")).digest("base64");
  const serverKey = hmac("Server Key").toString("base64");
  return `SCRAM-SHA-${bits}$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** OpenLDAP's `{SSHA}`. */
function salted(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash("sha1").update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString("base64")}`;
}
