/**
 * The programs this harness runs itself: which are here, and their installation by apt where that is possible.
 *
 * @module
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { Children } from "./children.js";
import { cyrusFolder } from "./clients/cyrus.js";
import { debianPython } from "./clients/slixmpp.js";
import type { Report } from "./report.js";

/** A client program of the harness. */
type ClientTool =
  | "gsasl"
  | "curl"
  | "swaks"
  | "cyrus"
  | "cyrus-otp"
  | "slixmpp"
  | "openssl"
  | "samba"
  | "cyrus-library"
  | "perl-sasl";

/** A server that the harness starts with a configuration of its own. */
type ServerTool = "postgresql" | "slapd" | "redis" | "dovecot" | "prosody" | "ejabberd" | "kerberos";

/** A program of the harness. */
export type Tool = ClientTool | ServerTool;

interface Source {
  readonly packages: readonly string[];
  /** A command that succeeds when the program is there. */
  readonly probe: readonly [command: string, ...args: string[]];
  /** What its installation would ask, as `debconf-set-selections` reads it. */
  readonly answers?: string;
}

const sources: Readonly<Record<Tool, Source>> = {
  gsasl: { packages: ["gsasl"], probe: ["gsasl", "--version"] },
  curl: { packages: ["curl"], probe: ["curl", "--version"] },
  swaks: { packages: ["swaks", "libnet-ssleay-perl"], probe: ["swaks", "--version"] },
  cyrus: {
    packages: ["cyrus-clients", "libsasl2-modules", "coreutils"],
    probe: ["test", "-x", `${cyrusFolder}/smtptest`],
  },
  "cyrus-otp": {
    packages: ["sasl2-bin", "libsasl2-modules-db", "libsasl2-modules-otp", "coreutils"],
    probe: ["sh", "-c", "command -v sasl-sample-server && command -v saslpasswd2 && ls /usr/lib/*/sasl2/libotp.so*"],
  },
  slixmpp: { packages: ["python3-slixmpp"], probe: [debianPython, "-c", "import slixmpp"] },
  openssl: { packages: ["openssl"], probe: ["openssl", "version"] },
  samba: { packages: ["winbind"], probe: ["ntlm_auth", "--version"] },
  "cyrus-library": {
    packages: ["gcc", "libc6-dev", "libsasl2-dev", "libsasl2-modules"],
    probe: ["sh", "-c", "command -v gcc && test -e /usr/include/sasl/sasl.h"],
  },
  "perl-sasl": {
    packages: ["libauthen-sasl-perl", "libcrypt-des-perl", "libdigest-hmac-perl"],
    probe: ["perl", "-MAuthen::SASL", "-MCrypt::DES", "-MDigest::HMAC_MD5", "-e", "1"],
  },
  postgresql: { packages: ["postgresql"], probe: ["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb"] },
  slapd: {
    packages: ["slapd", "ldap-utils"],
    probe: ["sh", "-c", "test -x /usr/sbin/slapd && command -v ldapadd"],
    answers: "slapd slapd/no_configuration boolean true",
  },
  redis: { packages: ["redis-server"], probe: ["redis-server", "--version"] },
  dovecot: { packages: ["dovecot-core", "dovecot-imapd"], probe: ["test", "-x", "/usr/lib/dovecot/imap-login"] },
  prosody: { packages: ["prosody"], probe: ["sh", "-c", "command -v prosody && command -v prosodyctl"] },
  kerberos: {
    packages: [
      ...["krb5-kdc", "krb5-admin-server", "krb5-user", "libgssapi-krb5-2"],
      ...["sasl2-bin", "libsasl2-modules-gssapi-mit", "dovecot-gssapi", "coreutils"],
    ],
    probe: [
      "sh",
      "-c",
      "test -x /usr/sbin/krb5kdc && test -x /usr/sbin/kadmin.local && command -v kinit && test -x /usr/sbin/sasl-sample-server && ls /usr/lib/*/sasl2/libgssapiv2.so /usr/lib/dovecot/modules/auth/libmech_gssapi.so",
    ],
    answers: "krb5-config krb5-config/default_realm string EXAMPLE.TEST",
  },
  ejabberd: {
    packages: ["ejabberd", "erlang-p1-pgsql"],
    probe: ["sh", "-c", "command -v ejabberdctl && ls -d /usr/lib/erlang/lib/p1_pgsql-*"],
  },
};

/** Find every tool, install what is missing, report what stays missing. @returns the tools there are. */
export async function findTools(children: Children, install: boolean, report: Report): Promise<Set<Tool>> {
  const wanted = Object.keys(sources) as Tool[];
  const here = async (tool: Tool): Promise<boolean> => {
    const [command, ...args] = sources[tool].probe;
    return (await children.run(command, args)).exit === 0;
  };
  const found = new Set<Tool>();
  for (const tool of wanted) if (await here(tool)) found.add(tool);
  const absent = wanted.filter((tool) => !found.has(tool));
  if (absent.length === 0) return found;
  const why = install ? await aptInstall(children, absent, report) : "not installed here";
  for (const tool of absent) {
    if (await here(tool)) found.add(tool);
    else report.missing(tool, why ?? `not there after the installation of ${sources[tool].packages.join(" ")}`);
  }
  return found;
}

/** Where Debian asks whether a service may start; 101 is no. */
const policyFile = "/usr/sbin/policy-rc.d";

/** @returns why nothing was installed, or nothing. */
async function aptInstall(children: Children, tools: readonly Tool[], report: Report): Promise<string | undefined> {
  const packages = tools.flatMap((tool) => sources[tool].packages);
  if (!existsSync("/usr/bin/apt-get")) return "not installed, and there is no apt here";
  if (process.getuid?.() !== 0) return `not installed; as root: apt-get install ${packages.join(" ")}`;
  report.note(`installing ${packages.join(" ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]): ReturnType<Children["run"]> =>
    children.run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], { env, timeoutMs: 600_000 });
  const install = (): ReturnType<Children["run"]> => apt("install", "-y", "--no-install-recommends", ...packages);
  const answers = tools.map((tool) => sources[tool].answers ?? "").join("\n");
  await children.run("debconf-set-selections", [], { input: `${answers.trim()}\n`, env });
  const guarded = !existsSync(policyFile);
  if (guarded) writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    let result = await install();
    if (result.exit !== 0) {
      await apt("update");
      result = await install();
    }
    if (result.exit === 0) return undefined;
    return `apt-get failed: ${result.stderr.trim().split("\n").at(-1)}`;
  } finally {
    if (guarded) rmSync(policyFile, { force: true });
  }
}
