import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { Readable } from "node:stream";
import { makeScramVerifier } from "sasl-core";
import { hashSha256 } from "sasl-core/mechanisms";
import { afterAll, describe, expect, test } from "vitest";
import { main } from "../src/main.js";
import { startServer } from "../src/server/index.js";
import { Collector, clientCertificates, Folder, password, sasl, serverCertificate } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());
const users = folder.file("users", `alice:{PLAIN}${password}\ndis:{PLAIN}${password}::::::nologin\n`);
const passwordFile = folder.file("password", password);

interface Served {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it and compare
  readonly ready: any;
  readonly stdout: Collector;
  readonly stderr: Collector;
  stop(): Promise<number>;
}

/** Runs `sasl serve` in this process until it is stopped. */
async function serve(...argv: string[]): Promise<Served> {
  const stdout = new Collector();
  const stderr = new Collector();
  const control = new AbortController();
  const done = main(["serve", "--json", ...argv], { stdin: Readable.from([]), stdout, stderr, stop: control.signal });
  const first = await Promise.race([
    stdout.until(/^(.*)\n/),
    done.then((code) => Promise.reject(new Error(`exit ${code}: ${stderr.text}`))),
  ]);
  return {
    ready: JSON.parse(first[1] as string),
    stdout,
    stderr,
    stop() {
      control.abort();
      return done;
    },
  };
}

const login = (url: string, ca: string, ...more: string[]): ReturnType<typeof sasl> =>
  sasl(["login", url, "--ca", ca, "--json", "--password-file", passwordFile, ...more]);

describe("sasl serve", () => {
  test("first line says where, one line for each login, exit 0 when stopped", async () => {
    const ports = ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps"].flatMap((name) => [`--${name}`, "0"]);
    const { ready, stdout, stderr, stop } = await serve(...ports, "--store", `file:${users}`);
    expect(ready).toEqual({
      ready: true,
      imap: expect.any(Number),
      imaps: expect.any(Number),
      smtp: expect.any(Number),
      smtps: expect.any(Number),
      xmpp: expect.any(Number),
      xmpps: expect.any(Number),
      host: "127.0.0.1",
      domain: "localhost",
      ca: expect.any(String),
    });
    expect(existsSync(ready.ca)).toBe(true);
    expect((await login(`imap://alice@localhost:${ready.imap}`, ready.ca)).code).toBe(0);
    await stdout.until(/"ok":true/);
    expect((await login(`smtps://mallory@localhost:${ready.smtps}`, ready.ca)).code).toBe(1);
    await stdout.until(/"ok":false/);
    expect((await login(`xmpp://dis@localhost:${ready.xmpp}`, ready.ca)).json.error.code).toBe("account-disabled");
    await stdout.until(/account-disabled/);
    const lines = stdout.text.trimEnd().split("\n").slice(1);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        protocol: "imap",
        mechanism: "SCRAM-SHA3-512-PLUS",
        ok: true,
        authcid: "alice",
        authzid: "alice",
        channelBinding: "tls-exporter",
        ssf: 0,
        remote: "127.0.0.1",
      },
      expect.objectContaining({ protocol: "smtp", ok: false, authcid: "mallory", code: "refused" }),
      expect.objectContaining({ protocol: "xmpp", ok: false, authcid: "dis", code: "account-disabled" }),
    ]);
    expect(await stop()).toBe(0);
    expect(stderr.text).toBe("");
    expect(existsSync(ready.ca)).toBe(false);
  });

  test("without a store: one account, and it says so", async () => {
    const { ready, stderr, stop } = await serve("--imap", "0");
    expect(stderr.text).toMatch(/^sasl serve: .*"user" with the password "pencil"; --store [^\n]*\n$/);
    const argv = ["login", `imap://user@localhost:${ready.imap}`, "--ca", ready.ca, "--password-stdin"];
    expect((await sasl(argv, { input: "pencil\n" })).code).toBe(0);
    expect(await stop()).toBe(0);
  });

  test("an empty store, and mechanisms that will not be offered: it says so", async () => {
    const empty = folder.file("empty", "# nobody\n");
    const mechanisms = ["--mechanisms", "PLAIN,EXTERNAL,OAUTHBEARER"];
    const { stderr, stop } = await serve("--imap", "0", "--store", `file:${empty}`, ...mechanisms);
    expect(stderr.text).toMatch(
      /^sasl serve: there are 0 accounts, so that nobody can log in; sasl user add makes one$/m,
    );
    expect(stderr.text).toMatch(/^sasl serve: EXTERNAL is not offered without --client-ca/m);
    expect(stderr.text).toMatch(/^sasl serve: OAUTHBEARER: not offered without --jwt-key/m);
    expect(await stop()).toBe(0);
  });

  test("R-SCRAM-25 names nobody has are shown the counts of the store from the first login on", async () => {
    const iterations = 12_345;
    const { hash, salt, storedKey, serverKey } = await makeScramVerifier(hashSha256, password, { iterations });
    const encode = (octets: Uint8Array): string => Buffer.from(octets).toString("base64");
    const fields = [iterations, encode(salt), encode(storedKey), encode(serverKey)].join(",");
    const store = folder.file("verifiers", `alice:{SCRAM-${hash}}${fields}\n`);
    const { ready, stop } = await serve("--imap", "0", "--store", `file:${store}`);
    const { stderr } = await login(`imap://mallory@localhost:${ready.imap}`, ready.ca, "--trace");
    expect(stderr).toMatch(/S: SCRAM-SHA-256-PLUS challenge .*,i=12345 /);
    expect(await stop()).toBe(0);
  });

  test("--throttle answers a wrong guess late", async () => {
    const { ready, stop } = await serve("--imap", "0", "--store", `file:${users}`, "--throttle");
    const began = performance.now();
    expect((await login(`imap://mallory@localhost:${ready.imap}`, ready.ca)).code).toBe(1);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(await stop()).toBe(0);
  });

  test("a line about a login does nothing to a terminal", async () => {
    const { ready, stdout, stop } = await serve("--smtps", "0", "--store", `file:${users}`, "--prep", "none");
    const name = encodeURIComponent("a\u009b\u202e\u{e0001}");
    const argv = ["--mechanism", "PLAIN", "--prep", "none"];
    expect((await login(`smtps://${name}@localhost:${ready.smtps}`, ready.ca, ...argv)).code).toBe(1);
    const [line] = await stdout.until(/.*"ok":false.*\n/);
    expect(line).toContain('"a\\u009b\\u202e\\udb40\\udc01"');
    expect(JSON.parse(line).authcid).toBe("a\u009b\u202e\u{e0001}");
    expect(await stop()).toBe(0);
  });

  test("text for people without --json", async () => {
    const stdout = new Collector();
    const control = new AbortController();
    const argv = ["serve", "--imap", "0", "--store", `file:${users}`];
    const done = main(argv, { stdin: Readable.from([]), stdout, stderr: new Collector(), stop: control.signal });
    const [, port, ca] = await stdout.until(/imap:\/\/127\.0\.0\.1:([0-9]+)\n.*certificate to trust: (\S+)\n/s);
    await login(`imap://alice@localhost:${port}`, ca as string);
    await stdout.until(/imap 127\.0\.0\.1 SCRAM-SHA3-512-PLUS alice logged in, bound by tls-exporter\n/);
    control.abort();
    expect(await done).toBe(0);
  });

  test("--mechanisms, --host, --domain, --allow-plaintext", async () => {
    const { ready, stop } = await serve(
      ...["--imap", "0", "--host", "127.0.0.1", "--domain", "mail.localhost", "--store", `file:${users}`],
      ...["--mechanisms", "CRAM-MD5,PLAIN,ANONYMOUS", "--allow-plaintext"],
    );
    const probe = await sasl(["probe", `imap://127.0.0.1:${ready.imap}`, "--tls", "none", "--json"]);
    expect(probe.json.offered).toEqual(["CRAM-MD5", "PLAIN", "ANONYMOUS"]);
    expect(ready.domain).toBe("mail.localhost");
    expect((await login(`imap://alice%40mail.localhost@127.0.0.1:${ready.imap}`, ready.ca)).json.mechanism).toBe(
      "PLAIN",
    );
    await stop();
  });

  test("a passwd-file with verifiers alone: offers what works for everybody", async () => {
    const keys = `${Buffer.alloc(32).toString("base64")},${Buffer.alloc(32).toString("base64")}`;
    const verifiers = folder.file("verifiers", `alice:{PLAIN}x\nuser:{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,${keys}\n`);
    const { ready, stop } = await serve("--smtps", "0", "--store", `file:${verifiers}`);
    const probe = await sasl(["probe", `smtps://localhost:${ready.smtps}`, "--ca", ready.ca, "--json"]);
    expect(probe.json.offered).toEqual(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    await stop();
  });

  test("--cert, --key and --client-ca", async () => {
    const { cert, key } = await serverCertificate("mail.example");
    const { ca, clients } = await clientCertificates({
      alice: { commonName: "somebody", emails: ["alice@localhost", "other@example.com"] },
      mallory: { commonName: "mallory", emails: [] },
    });
    const certFile = folder.file("server.pem", cert);
    const argv = ["--imap", "0", "--cert", certFile, "--key", folder.file("server.key", key)];
    const { ready, stop } = await serve(...argv, "--client-ca", folder.file("ca.pem", ca), "--store", `file:${users}`);
    expect(ready.ca).toBe(certFile);
    const external = (name: string): ReturnType<typeof sasl> => {
      const pair = clients[name] as { cert: string; key: string };
      const files = ["--cert", folder.file(`${name}.pem`, pair.cert), "--key", folder.file(`${name}.key`, pair.key)];
      const argv = ["login", `imap://localhost:${ready.imap}`, "--insecure-tls", "--json", ...files];
      return sasl([...argv, "--mechanism", "EXTERNAL"]);
    };
    expect((await external("alice")).json).toMatchObject({ ok: true, mechanism: "EXTERNAL" });
    // Nobody here has that name, so nothing is offered.
    expect((await external("mallory")).json).toMatchObject({ ok: false, error: { code: "no-common-mechanism" } });
    await stop();
  });

  test("--jwt-key and --jwks offer bearer tokens, in each form a key has", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = publicKey.export({ format: "jwk" });
    const files: readonly [option: string, file: string][] = [
      ["--jwt-key", folder.file("key.pem", publicKey.export({ format: "pem", type: "spki" }))],
      ["--jwt-key", folder.file("key.jwk", JSON.stringify(jwk))],
      ["--jwt-key", folder.file("key.bin", Buffer.alloc(32, 200))],
      ["--jwks", folder.file("keys.json", JSON.stringify({ keys: [{ ...jwk, kid: "1" }] }))],
    ];
    for (const [option, file] of files) {
      const { ready, stop } = await serve("--smtps", "0", option, file, "--jwt-issuer", "https://issuer");
      const probe = await sasl(["probe", `smtps://localhost:${ready.smtps}`, "--ca", ready.ca, "--json"]);
      expect(probe.json.offered).toEqual(expect.arrayContaining(["OAUTHBEARER", "XOAUTH2"]));
      await stop();
    }
  });

  test("R-SCRAM-25 --secret keeps the salts of unknown users over restarts", async () => {
    const secret = folder.file("secret", Buffer.alloc(32, 1));
    const salts: string[] = [];
    for (const more of [["--secret", secret], ["--secret", secret], []]) {
      const { ready, stop } = await serve("--imap", "0", "--store", `file:${users}`, ...more);
      const url = `imap://nobody@localhost:${ready.imap}`;
      const { stderr } = await login(url, ready.ca, "--trace", "--mechanism", "SCRAM-SHA-256");
      salts.push(/,s=([^,]+),/.exec(stderr)?.[1] ?? "");
      await stop();
    }
    expect(salts[0]).not.toBe("");
    expect(salts[1]).toBe(salts[0]);
    expect(salts[2]).not.toBe(salts[0]);
  });

  test("a port that is in use: exit 3, and nothing is left behind", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as { port: number };
    const { code, stderr, json } = await sasl(["serve", "--json", "--imaps", "0", "--imap", String(port)]);
    expect(stderr).toContain(`port ${port} of 127.0.0.1 is in use`);
    expect(json).toMatchObject({ ok: false, error: { kind: "ConnectionError", code: "address-in-use" } });
    expect(code).toBe(3);
    other.close();
  });

  test("an address that is not ours: exit 3", async () => {
    const { code, stderr } = await sasl(["serve", "--imap", "0", "--host", "192.0.2.1"]);
    expect(stderr).toContain("192.0.2.1 is no address of this machine");
    expect(code).toBe(3);
  });

  test("open connections do not keep it from stopping", async () => {
    const { ready, stop } = await serve("--imap", "0", "--xmpp", "0");
    const { connect } = await import("node:net");
    const sockets = [connect(ready.imap, "127.0.0.1"), connect(ready.xmpp, "127.0.0.1")].map((socket) =>
      socket.resume(),
    );
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    const closed = sockets.map(
      (socket) => new Promise((resolve) => socket.on("error", () => {}).once("close", resolve)),
    );
    expect(await stop()).toBe(0);
    await Promise.all(closed);
  });
});

describe("a server whose store fails when a client shows its certificate", () => {
  for (const service of ["imaps", "imap", "smtp", "xmpp"] as const) {
    test(`${service}: the connection ends, the fault is told, the server goes on`, async () => {
      const { ca, clients } = await clientCertificates({ alice: { commonName: "alice", emails: [] } });
      const { cert, key } = clients.alice as { cert: string; key: string };
      const files = ["--cert", folder.file("store.pem", cert), "--key", folder.file("store.key", key)];
      const errors: string[] = [];
      let down = true;
      const lookup = (): { userPassword: string } => {
        if (down) throw new Error("store down");
        return { userPassword: password };
      };
      const onError = (error: unknown): void => void errors.push(String(error));
      const server = await startServer({ ports: { [service]: 0 }, clientCa: ca, accounts: { lookup }, onError });
      const url = `${service}://alice@localhost:${server.ports[service]}`;
      const failed = await login(url, server.ca, ...files, "--timeout", "3");
      expect(failed.json).toMatchObject({ ok: false, error: { code: expect.not.stringContaining("timed-out") } });
      expect(failed.code).toBe(3);
      expect(errors).toEqual(["Error: store down"]);
      down = false;
      expect((await login(url, server.ca, ...files)).json).toMatchObject({ ok: true });
      await server.close();
    });
  }
});
