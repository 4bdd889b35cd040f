/**
 * Kerberos, with a KDC on the loopback address: our halves of GSSAPI, GS2-KRB5 and GSS-SPNEGO with Cyrus SASL, Dovecot and gsasl
 * at the other end.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GSS_SPNEGO, GSSAPI, gssapiMechanism, gssSpnegoMechanism } from "sasl-core/mechanisms";
import { libraryProvider } from "sasl-gssapi";
import { cyrusFolder } from "./clients/cyrus.js";
import { Daemon, freePort, listens } from "./daemon.js";
import { kerberosUser, startKdc } from "./kerberos/kdc.js";
import { type SampleRow, sampleClient, sampleServer } from "./kerberos/sample.js";
import type { Run } from "./run.js";
import { Serve } from "./serve.js";
import { makeCertificates } from "./tls-files.js";
import type { Tool } from "./tools.js";
import type { Attempt, Outcome } from "./types.js";

const passed: Outcome = { passed: true };

/** Start a KDC and run all attempts that need a ticket. @param command file of the `sasl` command */
export async function kerberosSide(run: Run, command: string, tools: ReadonlySet<Tool>): Promise<void> {
  const names = namesOf(tools);
  if (!tools.has("kerberos") || !names.some((name) => run.wants(name))) {
    if (run.options.list) for (const name of names.filter((each) => run.wants(each))) run.report.note(name);
    return;
  }
  if (run.options.list) return run.attempts(names.map((name) => ({ name, run: async () => passed })));
  const kerberos = await startKdc(run.children, join(run.scratch, "kerberos"));
  const before = Object.keys(kerberos).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, kerberos); // the library in this process reads it, and every child
  try {
    const groups = [served(run, command, tools), imtests(run, command, tools), atDovecot(run, command, tools)];
    await run.attempts([...samples(run), ...(await Promise.all(groups)).flat()]);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

const rows: readonly SampleRow[] = ["GSSAPI", "GSS-SPNEGO"].flatMap((mechanism) =>
  [0, 1, 256].map((maxSsf) => ({ mechanism, maxSsf })),
);

/** Cyrus SASL's client of GSS-SPNEGO asks for integrity alone and takes the confidentiality that MIT Kerberos adds. */
const clientRows = rows.filter(({ mechanism, maxSsf }) => mechanism !== "GSS-SPNEGO" || maxSsf !== 1);

const layerName = (bits: number): string => (bits === 0 ? "no layer" : bits === 1 ? "integrity" : `${bits} bits`);
const clientName = (row: SampleRow): string =>
  `kerberos our ${row.mechanism} server, ${layerName(row.maxSsf)}, by sasl-sample-client ${idsOf(row)}`;
const serverName = (row: SampleRow): string =>
  `kerberos sasl-sample-server ${row.mechanism} ${layerName(row.maxSsf)} ${idsOf(row)}`;
const idsOf = ({ mechanism }: SampleRow): string =>
  mechanism === "GSSAPI" ? "[R-GSS-03 R-GSS-04 R-GSS-05 R-GEN-21]" : "[R-SPN-01 R-GEN-21]";

function namesOf(tools: ReadonlySet<Tool>): string[] {
  return [
    ...clientRows.map(clientName),
    ...rows.map(serverName),
    ...gsaslRows.filter(() => tools.has("gsasl")).map(gsaslName),
    ...imtestRows.filter(() => tools.has("cyrus")).map(imtestName),
    ...(tools.has("dovecot") ? [dovecotName] : []),
  ];
}

function samples({ children }: Run): Attempt[] {
  const provider = libraryProvider();
  const halves = {
    GSSAPI: [gssapiMechanism({ provider }), GSSAPI({ provider })],
    "GSS-SPNEGO": [gssSpnegoMechanism({ provider }), GSS_SPNEGO({ provider })],
  } as const;
  const halvesOf = (row: SampleRow) => halves[row.mechanism as keyof typeof halves];
  return [
    ...clientRows.map((row) => ({ name: clientName(row), run: () => sampleClient(children, halvesOf(row)[0], row) })),
    ...rows.map((row) => ({ name: serverName(row), run: () => sampleServer(children, halvesOf(row)[1], row) })),
  ];
}

interface GsaslRow {
  readonly mechanism: string;
  readonly protocol: "imap" | "smtp";
}

const gsaslRows: readonly GsaslRow[] = ["GSSAPI", "GS2-KRB5"].flatMap((mechanism) =>
  (["imap", "smtp"] as const).map((protocol) => ({ mechanism, protocol })),
);
const gsaslName = ({ mechanism, protocol }: GsaslRow): string =>
  `kerberos serve ${protocol} clear ${mechanism} ${kerberosUser}, by gsasl ${mechanism === "GSSAPI" ? "[R-GSS-08]" : "[R-GS2-02]"}`;

async function served({ children }: Run, command: string, tools: ReadonlySet<Tool>): Promise<Attempt[]> {
  if (!tools.has("gsasl")) return [];
  const offer = ["--mechanisms", "GSSAPI,GS2-KRB5", "--allow-plaintext", "--max-ssf", "0"];
  const serve = await Serve.start(children, "serve-kerberos", command, offer);
  return gsaslRows.map((row) => ({
    name: gsaslName(row),
    async run() {
      const { port } = serve.endpoint(row.protocol, "none");
      const args = [
        `--${row.protocol}`,
        `--connect=localhost:${port}`,
        `--mechanism=${row.mechanism}`,
        "--no-starttls",
        "--no-cb",
      ];
      const identity = [`--authentication-id=${kerberosUser}`, `--authorization-id=${kerberosUser}`];
      const finished = await children.run("gsasl", [
        ...args,
        ...identity,
        "--hostname=localhost",
        `--service=${row.protocol}`,
      ]);
      const login = await serve.claim(
        ({ mechanism, protocol }) => mechanism === row.mechanism && protocol === row.protocol,
      );
      if (finished.exit === 0 && login?.ok === true && login.authcid === kerberosUser) return passed;
      return { passed: false, why: `${JSON.stringify(login)}\n${finished.stdout}\n${finished.stderr}` };
    },
  }));
}

const imtestRows: readonly number[] = [0, 1, 256];
const imtestName = (maxSsf: number): string =>
  `kerberos serve imap clear GSSAPI ${kerberosUser} ${layerName(maxSsf)}, by imtest [R-IMAP-16 R-GEN-21]`;

async function imtests({ children }: Run, command: string, tools: ReadonlySet<Tool>): Promise<Attempt[]> {
  if (!tools.has("cyrus")) return [];
  const offer = ["--mechanisms", "GSSAPI", "--allow-plaintext"];
  const serve = await Serve.start(children, "serve-layers", command, offer);
  return imtestRows.map((maxSsf) => ({
    name: imtestName(maxSsf),
    async run() {
      const { port } = serve.endpoint("imap", "none");
      const args = [
        "-oL",
        `${cyrusFolder}/imtest`,
        "-m",
        "GSSAPI",
        "-l",
        String(maxSsf),
        "-p",
        String(port),
        "localhost",
      ];
      const { stdout, stderr } = await children.run("stdbuf", args, {
        answer: { after: /^Security strength factor:/m, send: ". LOGOUT\r\n" },
      });
      const login = await serve.claim(({ mechanism }) => mechanism === "GSSAPI");
      const ssf = /^Security strength factor: (\d+)$/m.exec(stdout)?.[1];
      if (Number(ssf) === maxSsf && login?.authcid === kerberosUser && /^\. OK /m.test(stdout)) return passed;
      return { passed: false, why: `${JSON.stringify(login)}\n${stdout}\n${stderr}` };
    },
  }));
}

const dovecotName = `kerberos dovecot imap STARTTLS GSSAPI ${kerberosUser} [R-GSS-01]`;

async function atDovecot({ children, scratch }: Run, command: string, tools: ReadonlySet<Tool>): Promise<Attempt[]> {
  if (!tools.has("dovecot")) return [];
  const home = join(scratch, "dovecot-kerberos");
  const tls = join(home, "tls");
  mkdirSync(join(home, "mail"), { recursive: true, mode: 0o777 });
  await children.run("chmod", ["777", join(home, "mail")]);
  await makeCertificates(children, tls);
  const port = await freePort();
  const config = join(home, "dovecot.conf");
  writeFileSync(config, configuration(home, port, tls));
  const daemon = new Daemon(children, {
    command: "/usr/sbin/dovecot",
    args: ["-F", "-c", config],
    ready: () => listens(port),
  });
  await daemon.start();
  return [
    {
      name: dovecotName,
      async run() {
        const url = `imap://localhost:${port}`;
        const args = [command, "login", url, "--mechanism", "GSSAPI", "--ca", join(tls, "ca.pem"), "--json"];
        const { exit, stdout, stderr } = await children.run(process.execPath, args);
        if (exit === 0 && /"mechanism":"GSSAPI"/.test(stdout) && /"serverVerified":true/.test(stdout)) return passed;
        return { passed: false, why: `exit ${exit}\n${stdout}\n${stderr}` };
      },
    },
  ];
}

function configuration(home: string, port: number, tls: string): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
auth_debug = yes
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <${tls}/server.pem
ssl_key = <${tls}/server.key
import_environment = KRB5_CONFIG KRB5_KTNAME
auth_mechanisms = gssapi
auth_gssapi_hostname = localhost
auth_krb5_keytab = ${process.env.KRB5_KTNAME}
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${home}/mail/%n
}
service auth {
  user = root
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`;
}
