import { createHmac } from "node:crypto";
import { PassThrough } from "node:stream";
import { memoryAccounts } from "sasl-core";
import { jwtVerifier } from "sasl-core/jwt";
import { secretOf } from "sasl-core/plugin";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { knownMechanisms, mechanismNamed } from "../src/known-mechanisms.js";
import type { LoginEvent, ServiceName, TestServer } from "../src/server/index.js";
import { clientCertificates, Folder, password, sasl, serveAll, serverCertificate } from "./support.js";

const folder = new Folder();
const passwordFile = folder.file("password", `${password}\n`);
const wrongFile = folder.file("wrong", "not the password\n");
const bellFile = folder.file("bell", "bell\u0007\u00e4");
const jwtSecret = Buffer.alloc(32, 9);
const events: LoginEvent[] = [];
let server: TestServer;
let plain: TestServer;
/** Its certificate is for another name. */
let elsewhere: TestServer;
let cert: string[];

function token(claims: Record<string, unknown>): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", jwtSecret).update(signed).digest("base64url")}`;
}

beforeAll(async () => {
  const certificates = await clientCertificates({ alice: { commonName: "alice", emails: ["alice@localhost"] } });
  const { cert: pem, key } = certificates.clients.alice as { cert: string; key: string };
  cert = ["--cert", folder.file("alice.pem", pem), "--key", folder.file("alice.key", key)];
  const named = knownMechanisms.filter((each) => each.server);
  const algorithms = ["HS256"];
  const tokens = jwtVerifier({ keys: jwtSecret, algorithms, issuer: "https://issuer", allowAnyAudience: true });
  const onLogin = (event: LoginEvent): void => void events.push(event);
  server = await serveAll({ mechanisms: named, clientCa: certificates.ca, tokens, onLogin });
  plain = await serveAll({ mechanisms: named, allowPlaintext: true });
  elsewhere = await serveAll({ certificate: await serverCertificate("mail.example") });
});
afterAll(async () => {
  await Promise.all([server?.close(), plain?.close(), elsewhere?.close()]);
  folder.remove();
});

function url(service: ServiceName, user: string | undefined = "alice", of: TestServer = server): string {
  return `${service}://${user === undefined ? "" : `${encodeURIComponent(user)}@`}localhost:${of.ports[service]}`;
}

function login(service: ServiceName, ...more: string[]): ReturnType<typeof sasl> {
  return sasl(["login", url(service), "--ca", server.ca, "--json", "--password-file", passwordFile, ...more]);
}

const services: readonly ServiceName[] = ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps"];

describe("sasl login: success", () => {
  for (const service of services) {
    test(`${service}: every field of the JSON object`, async () => {
      const { code, json, stdout, stderr } = await login(service);
      expect(json).toEqual({
        ok: true,
        protocol: service.slice(0, 4),
        mechanism: "SCRAM-SHA3-512-PLUS",
        authcid: "alice",
        authzid: null,
        serverVerified: true,
        channelBinding: "tls-exporter",
        tls: { version: "TLSv1.3", cipher: expect.stringMatching(/^TLS_/), verified: true },
        ssf: 0,
        offered: expect.arrayContaining(["SCRAM-SHA-256-PLUS", "PLAIN"]),
        skipped: expect.arrayContaining([{ mechanism: "SCRAM-SHA-256", reason: expect.any(String) }]),
        ...(service.startsWith("xmpp") && {
          profile: "sasl2",
          fast: null,
          bind: { jid: expect.stringMatching(/^alice@localhost\/sasl\/./) },
          tasks: [],
        }),
        elapsedMs: expect.any(Number),
      });
      expect(code).toBe(0);
      expect(stderr).toBe("");
      expect(stdout.split("\n")).toHaveLength(2);
    });
  }

  const withPassword = knownMechanisms.filter(
    (each) => secretOf(each) === "password" && each.available?.({ userPassword: "?" }, false),
  );
  test("there are mechanisms that a stored password is enough for", () => {
    expect(withPassword.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["SCRAM-SHA-256-PLUS", "PLAIN", "DIGEST-MD5", "NTLM"]),
    );
  });
  for (const { name, security, channelBinding } of withPassword) {
    test(`${name} when named, in each protocol`, async () => {
      for (const service of ["imap", "smtps", "xmpp"] as const) {
        const { code, json } = await login(service, "--mechanism", name);
        expect(json).toMatchObject({
          ok: true,
          mechanism: name,
          serverVerified: security.includes("mutualAuth"),
          channelBinding: channelBinding ? "tls-exporter" : null,
        });
        expect(code).toBe(0);
      }
    });
  }

  test("the order of --mechanism counts", async () => {
    const { json } = await login("imap", "--mechanism", "plain,SCRAM-SHA-256-PLUS");
    expect(json.mechanism).toBe("PLAIN");
  });

  test("a sentence for people without --json", async () => {
    const { code, stdout } = await sasl(["login", url("imap"), "--ca", server.ca, "--password-file", passwordFile]);
    expect(stdout).toMatch(
      /^logged in to imap:.* as alice with SCRAM-SHA3-512-PLUS; bound to the channel by tls-exporter;/,
    );
    expect(code).toBe(0);
  });

  test("the password from standard input, one line end taken off", async () => {
    const argv = ["login", url("imap"), "--ca", server.ca, "--json", "--password-stdin"];
    expect((await sasl(argv, { input: `${password}\r\n` })).code).toBe(0);
    expect((await sasl(argv, { input: password })).code).toBe(0);
    expect((await sasl(argv, { input: `${password}\n\n` })).json.ok).toBe(false);
  });

  test("--password-stdin on a terminal asks without echo", async () => {
    const argv = ["login", url("imap"), "--ca", server.ca, "--json", "--password-stdin"];
    const { code, stderr } = await sasl(argv, { input: `${password}\r`, terminal: true });
    expect(code).toBe(0);
    expect(stderr).toBe("Password of alice at localhost: \n");
  });

  test("--timeout counts while standard input is read, and the end of a terminal's input is wrong usage", async () => {
    const argv = ["login", url("imap"), "--ca", server.ca, "--json", "--password-stdin", "--timeout", "0.3"];
    const late = await sasl(argv, { input: new PassThrough() });
    expect(late.json).toMatchObject({
      ok: false,
      error: { code: "timed-out", text: expect.stringContaining("standard input") },
    });
    expect(late.code).toBe(3);
    for (const input of ["\u0004", "\u0003", ""]) {
      const none = await sasl(argv.slice(0, 5), { input, terminal: true });
      expect(none.json).toMatchObject({ ok: false, error: { kind: "UsageError", text: "no password was given" } });
      expect(none.code).toBe(64);
      expect(none.stderr).toMatch(/\nsasl login: no password was given\n$/);
    }
  });

  test("EXTERNAL with a client certificate, in each protocol, without a password", async () => {
    for (const service of services) {
      const { code, json } = await sasl(["login", url(service), "--ca", server.ca, "--json", ...cert]);
      expect(json).toMatchObject({ ok: true, mechanism: "EXTERNAL", serverVerified: false });
      expect(code).toBe(0);
    }
  });

  test("bearer tokens with --token-file", async () => {
    const claims = { iss: "https://issuer", sub: "alice", exp: Math.floor(Date.now() / 1000) + 60 };
    const file = folder.file("token", `${token(claims)}\n`);
    for (const mechanism of ["OAUTHBEARER", "XOAUTH2"]) {
      for (const service of ["imap", "smtp", "xmpp"] as const) {
        const argv = [
          "login",
          url(service),
          "--ca",
          server.ca,
          "--json",
          "--token-file",
          file,
          "--mechanism",
          mechanism,
        ];
        const authcid = service === "xmpp" ? "alice@localhost" : "alice";
        expect((await sasl(argv)).json).toMatchObject({ ok: true, mechanism, authcid });
      }
    }
    const { json } = await sasl(["login", url("imap"), "--ca", server.ca, "--json", "--token-file", file]);
    expect(json.mechanism).toBe("OAUTHBEARER");
  });

  test("ANONYMOUS for nobody in particular", async () => {
    for (const service of ["imap", "smtps", "xmpp"] as const) {
      const argv = ["login", url(service, ""), "--ca", server.ca, "--json"];
      const { code, json } = await sasl([
        argv[0] as string,
        `${service}://localhost:${server.ports[service]}`,
        ...argv.slice(2),
      ]);
      expect(json).toMatchObject({ ok: true, mechanism: "ANONYMOUS", authcid: null });
      expect(code).toBe(0);
    }
  });

  test("without TLS when told so", async () => {
    for (const service of ["imap", "smtp", "xmpp"] as const) {
      const argv = ["login", url(service, "alice", plain), "--tls", "none", "--json", "--password-file", passwordFile];
      const { code, json } = await sasl(argv);
      expect(json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA3-512", tls: null, channelBinding: null });
      expect(code).toBe(0);
      const named = await sasl([...argv, "--mechanism", "PLAIN", "--allow-plaintext"]);
      expect(named.json).toMatchObject({ ok: true, mechanism: "PLAIN" });
    }
  });

  test("--tls implicit and starttls overrule the scheme", async () => {
    const port = server.ports.imaps;
    const implicit = ["login", `imap://alice@localhost:${port}`, "--tls", "implicit"];
    const starttls = ["login", `imaps://alice@localhost:${server.ports.imap}`, "--tls", "starttls"];
    for (const argv of [implicit, starttls]) {
      const { json } = await sasl([...argv, "--ca", server.ca, "--json", "--password-file", passwordFile]);
      expect(json).toMatchObject({ ok: true, tls: { verified: true } });
    }
  });

  test("--tls-max 1.2 and --tls-min 1.3 choose the version, and with it the binding", async () => {
    expect((await login("imap", "--tls-max", "1.2")).json).toMatchObject({
      tls: { version: "TLSv1.2" },
      channelBinding: "tls-unique",
    });
    expect((await login("xmpps", "--tls-min", "1.3")).json.tls.version).toBe("TLSv1.3");
  });

  test("--insecure-tls takes any certificate, and says so", async () => {
    for (const service of services) {
      const argv = ["login", url(service), "--insecure-tls", "--json", "--password-file", passwordFile];
      expect((await sasl(argv)).json).toMatchObject({ ok: true, tls: { verified: false } });
      expect((await sasl([...argv, "--mechanism", "PLAIN"])).json).toMatchObject({ ok: true });
    }
  });

  test("--channel-binding disable binds nothing, require nothing else", async () => {
    const unbound = await login("imap", "--channel-binding", "disable");
    expect(unbound.json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA3-512", channelBinding: null });
    expect((await login("imap", "--channel-binding", "require")).json.channelBinding).toBe("tls-exporter");
  });

  test("--prep none sends the password as it is", async () => {
    const prepared = memoryAccounts({ bob: "p\u00e4ssw\u00f6rd\u2011\u2603" });
    const raw = await serveAll({ accounts: prepared, prepare: "none" });
    const argv = ["login", url("imap", "bob", raw), "--ca", raw.ca, "--json", "--password-stdin"];
    const input = "p\u00e4ssw\u00f6rd\u2011\u2603\n";
    expect((await sasl(argv, { input })).code).toBe(1);
    expect((await sasl([...argv, "--prep", "none"], { input })).code).toBe(0);
    await raw.close();
  });

  test("--domain names the XMPP domain where the host is another name for it", async () => {
    const argv = ["login", `xmpp://alice@127.0.0.1:${server.ports.xmpp}`, "--domain", "localhost", "--ca", server.ca];
    expect((await sasl([...argv, "--json", "--password-file", passwordFile])).json).toMatchObject({ ok: true });
  });

  test("--trace shows each message with its direction, and no secret (R-GEN-30)", async () => {
    const { stderr } = await login("imap", "--trace", "--mechanism", "SCRAM-SHA-256-PLUS");
    const lines = stderr.trimEnd().split("\n");
    expect(lines.map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "C: SCRAM-SHA-256-PLUS initiate",
      "S: SCRAM-SHA-256-PLUS challenge",
      "C: SCRAM-SHA-256-PLUS response",
      "S: SCRAM-SHA-256-PLUS challenge",
      "C: SCRAM-SHA-256-PLUS response",
      "S: SCRAM-SHA-256-PLUS success",
    ]);
    expect(lines[0]).toMatch(/p=tls-exporter,,n=alice,r=.* \([0-9]+ octets\)$/);
    const clear = await login("imap", "--trace", "--mechanism", "PLAIN");
    for (const form of [password, Buffer.from(password).toString("base64")]) expect(clear.stderr).not.toContain(form);
  });
});

type Row = readonly [why: string, argv: () => readonly string[], code: number, error: Record<string, unknown>];

const failures: readonly Row[] = [
  [
    "a wrong password",
    () => [url("imap"), "--password-file", wrongFile],
    1,
    { kind: "AuthenticationFailure", code: "refused", peer: expect.stringMatching(/^NO \[AUTHENTICATIONFAILED\]/) },
  ],
  [
    "a wrong password in SMTP",
    () => [url("smtp"), "--password-file", wrongFile],
    1,
    { kind: "AuthenticationFailure", code: "refused", peer: expect.stringMatching(/^535 5\.7\.8 /) },
  ],
  [
    "a wrong password in XMPP",
    () => [url("xmpp"), "--password-file", wrongFile],
    1,
    { kind: "AuthenticationFailure", code: "refused", peer: "not-authorized" },
  ],
  ["a user nobody knows", () => [url("imap", "mallory"), "--password-file", passwordFile], 1, { code: "refused" }],
  [
    "somebody else's identity",
    () => [url("imap"), "--password-file", passwordFile, "--authzid", "carol"],
    1,
    { code: "authorization-refused" },
  ],
  [
    "nothing in common",
    () => [
      url("imap"),
      "--password-file",
      passwordFile,
      "--mechanism",
      "SCRAM-SHA-1-PLUS",
      "--channel-binding",
      "disable",
    ],
    2,
    { kind: "SASLFailure", code: "no-common-mechanism" },
  ],
  [
    "PLAIN without TLS",
    () => [url("imap", "alice", plain), "--tls", "none", "--password-file", passwordFile, "--mechanism", "PLAIN"],
    2,
    { code: "no-common-mechanism", text: expect.stringContaining("--allow-plaintext") },
  ],
  [
    "binding required where it is not to be had",
    () => [
      url("imap", "alice", plain),
      "--tls",
      "none",
      "--password-file",
      passwordFile,
      "--channel-binding",
      "require",
    ],
    2,
    { code: "no-common-mechanism" },
  ],
  [
    "too few iterations for our taste",
    () => [
      url("imap"),
      "--password-file",
      passwordFile,
      "--iterations",
      "50000:600000",
      "--mechanism",
      "SCRAM-SHA-256",
    ],
    2,
    { kind: "SASLFailure", text: expect.stringContaining("--iterations MIN:MAX") },
  ],
  [
    "a password that SASLprep refuses",
    () => [url("imap"), "--password-file", bellFile, "--mechanism", "SCRAM-SHA-256"],
    2,
    { kind: "SASLFailure", text: expect.stringContaining("--prep none") },
  ],
  [
    "EXTERNAL without a certificate",
    () => [url("imap"), "--mechanism", "EXTERNAL"],
    2,
    {
      code: "no-common-mechanism",
      text: expect.stringMatching(/^EXTERNAL is not offered; offered: .*--cert FILE --key FILE$/),
    },
  ],
  [
    "nobody in the URL",
    () => [`imap://localhost:${elsewhere.ports.imap}`, "--insecure-tls"],
    2,
    {
      text: "the URL names no user: write imap://USER@HOST; without one there is ANONYMOUS alone, which is not offered",
    },
  ],
  [
    "a certificate nobody vouches for",
    () => [url("imaps"), "--password-file", passwordFile],
    3,
    {
      kind: "ConnectionError",
      code: "certificate-not-trusted",
      text: expect.stringMatching(/--ca FILE.*--insecure-tls/),
    },
  ],
  [
    "the same after STARTTLS in IMAP",
    () => [url("imap"), "--password-file", passwordFile],
    3,
    { code: "certificate-not-trusted" },
  ],
  [
    "the same after STARTTLS in SMTP",
    () => [url("smtp"), "--password-file", passwordFile],
    3,
    { code: "certificate-not-trusted" },
  ],
  [
    "the same after STARTTLS in XMPP",
    () => [url("xmpp"), "--password-file", passwordFile],
    3,
    { code: "certificate-not-trusted" },
  ],
  [
    "a certificate for another name",
    () => [url("imaps", "alice", elsewhere), "--password-file", passwordFile, "--ca", elsewhere.ca],
    3,
    {
      code: "certificate-not-trusted",
      text: expect.stringMatching(/is not for localhost, but for mail\.example; use a name it is for/),
    },
  ],
  [
    "a domain that is not served",
    () => [url("xmpp"), "--password-file", passwordFile, "--ca", server.ca, "--domain", "chat.example"],
    3,
    { kind: "SASLFailure", code: "connection-lost" },
  ],
  [
    "TLS where there is none",
    () => [`imaps://alice@localhost:${server.ports.imap}`, "--password-file", passwordFile],
    3,
    { code: "tls-failed", text: expect.stringContaining("does not speak TLS here") },
  ],
  [
    "nobody at home",
    () => ["imap://alice@127.0.0.1:1", "--password-file", passwordFile],
    3,
    { code: "connection-refused", text: expect.stringContaining("nothing listens on 127.0.0.1:1") },
  ],
  [
    "no such host",
    () => ["imap://alice@no-such-host.invalid", "--password-file", passwordFile],
    3,
    { code: "host-not-found", text: expect.stringContaining("no-such-host.invalid") },
  ],
];

describe("sasl login: failure", () => {
  for (const [why, argv, exitCode, error] of failures) {
    test(`${why}: exit ${exitCode}, one line, an object`, async () => {
      const given = argv();
      const trusted = exitCode === 3 || given.includes("none") ? [] : ["--ca", server.ca];
      const { code, json, stdout, stderr } = await sasl(["login", ...given, ...trusted, "--json"]);
      expect(json).toMatchObject({ ok: false, error });
      expect(Object.keys(json)).toEqual(
        expect.arrayContaining(["ok", "error", "protocol", "mechanism", "tls", "offered", "skipped", "elapsedMs"]),
      );
      expect(code).toBe(exitCode);
      expect(stderr).toMatch(/^sasl login: [^\n]+\n$/);
      expect(stdout.split("\n")).toHaveLength(2);
      expect(stderr + stdout).not.toMatch(/\n\s+at |battery staple|not the password/);
    });
  }

  test("what is known is told: mechanism, TLS, what was offered and passed over", async () => {
    const { json } = await sasl(["login", url("imap"), "--ca", server.ca, "--json", "--password-file", wrongFile]);
    expect(json).toMatchObject({
      protocol: "imap",
      mechanism: "SCRAM-SHA3-512-PLUS",
      tls: { verified: true },
      offered: expect.arrayContaining(["PLAIN"]),
    });
    const none = await sasl([
      ...["login", url("imap"), "--ca", server.ca, "--json", "--password-file", passwordFile],
      ...["--mechanism", "SCRAM-SHA-1-PLUS", "--channel-binding", "disable"],
    ]);
    expect(none.json.mechanism).toBeNull();
    expect(none.json.skipped).toContainEqual({ mechanism: "SCRAM-SHA-1-PLUS", reason: "channel binding is disabled" });
  });

  test("the server saw the same", async () => {
    events.length = 0;
    await sasl(["login", url("smtp"), "--ca", server.ca, "--password-file", wrongFile, "--mechanism", "SCRAM-SHA-256"]);
    expect(events).toEqual([
      {
        protocol: "smtp",
        mechanism: "SCRAM-SHA-256",
        ok: false,
        authcid: "alice",
        authzid: null,
        channelBinding: null,
        ssf: 0,
        remote: "127.0.0.1",
        code: "refused",
        detail: expect.any(String),
      },
    ]);
  });

  test("mechanisms of the tests are those of the command", () => {
    expect(mechanismNamed("scram-sha-256")?.name).toBe("SCRAM-SHA-256");
  });
});
