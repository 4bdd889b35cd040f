/** A second factor: `sasl user totp`, and logins at the test server with it. */

import { execFileSync } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { HOTP, Secret, TOTP, URI } from "otpauth";
import { type AccountStore, memoryAccounts } from "sasl-core";
import { fileAccounts } from "sasl-store-file";
import { newTotp, totpProperty } from "sasl-xmpp/totp";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LoginEvent, startServer, type TestServer } from "../src/server/index.js";
import { Folder, password, type Run, sasl } from "./support.js";

const folder = new Folder();
const passwordFile = folder.file("password", password);
let count = 0;
let path: string;
let users: string[];
const servers: TestServer[] = [];
beforeEach(() => {
  path = `${folder.path}/users${++count}`;
  users = ["--store", `file:${path}`];
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => folder.remove());

const user = (...argv: string[]): Promise<Run> => sasl(["user", ...argv, ...users]);
const add = (name = "alice"): Promise<Run> =>
  user("add", name, "--password-file", passwordFile, "--iterations", "4096", "--mechanisms", "SCRAM-SHA-256");
const file = (content: string): string => folder.file(`file${++count}`, content);
const oneLineOf = ({ stderr }: Run): string => {
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  return stderr;
};

describe("sasl user totp", () => {
  test("prints the URI that apps read, this once, and keeps the file's mode", async () => {
    await add();
    chmodSync(path, 0o640);
    const { code, stdout, stderr } = await user("totp", "alice");
    expect(code).toBe(0);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    const otp = URI.parse(stdout.trim()) as TOTP;
    expect(otp).toMatchObject({
      issuer: "localhost",
      label: "alice@localhost",
      algorithm: "SHA1",
      digits: 6,
      period: 30,
    });
    const { base32 } = otp.secret;
    expect(base32).toHaveLength(32);
    expect(stderr).toBe(
      "sasl user totp: alice needs a code from now on; the app reads this secret, which is not shown again\n",
    );
    expect(statSync(path).mode & 0o777).toBe(0o640);
    const more = [
      await user("totp", "alice"),
      await user("list", "--json"),
      await user("check", "alice", "--json", "--password-file", passwordFile),
    ];
    for (const { stdout, stderr } of more) expect(stdout + stderr).not.toContain(base32);
  });

  test("with --json, for another domain; a second one only with --replace; --disable takes it away", async () => {
    await add();
    const { json } = await user("totp", "alice", "--json", "--domain", "Example.ORG");
    expect(json).toEqual({
      ok: true,
      name: "alice",
      totp: true,
      uri: expect.stringMatching(/^otpauth:\/\/totp\/example\.org:alice%40example\.org\?/),
      algorithm: "SHA1",
      digits: 6,
      period: 30,
    });
    const again = await user("totp", "alice");
    expect(again).toMatchObject({ code: 2, stdout: "" });
    expect(oneLineOf(again)).toMatch(/^sasl user totp: "alice" has a second factor already; --replace .* --disable /);
    expect((await user("totp", "alice", "--json")).json.error).toMatchObject({
      kind: "StoreError",
      code: "factor-exists",
    });
    const other = await user("totp", "alice", "--replace", "--json");
    expect(other.json.uri).not.toBe(json.uri);
    const check = () => user("check", "alice", "--password-file", passwordFile);
    expect((await check()).stdout).toMatch(/; a second factor is asked for\n$/);
    const off = await user("totp", "alice", "--disable");
    expect(off).toMatchObject({ code: 0, stdout: "alice needs no code any more\n", stderr: "" });
    expect((await check()).stdout).not.toContain("factor");
    const twice = await user("totp", "alice", "--disable", "--json");
    expect(twice.code).toBe(2);
    expect(twice.json.error.code).toBe("no-such-factor");
    await user("totp", "alice");
    expect((await user("totp", "alice", "--disable", "--json")).json).toEqual({ ok: true, name: "alice", totp: false });
  });

  test("gives no account to a name that nobody has", async () => {
    await add();
    for (const more of [[], ["--replace"], ["--disable"]]) {
      const run = await user("totp", "bob", ...more);
      expect(run).toMatchObject({ code: 2, stdout: "" });
      expect(oneLineOf(run)).toMatch(/there is no account "bob"; sasl user list shows all/);
    }
    expect((await user("list")).stdout).toBe("alice\n");
  });

  const wrong: readonly [why: string, argv: string[], text: RegExp][] = [
    ["--disable and --replace", ["alice", "--disable", "--replace"], /--disable and --replace exclude each other/],
    [
      "--disable and --domain",
      ["alice", "--disable", "--domain", "x.org"],
      /--disable and --domain exclude each other/,
    ],
    ["no domain name", ["alice", "--domain", "a b"], /--domain: no domain name/],
    ["a typing error", ["alice", "--disabel"], /Did you mean --disable/],
    ["no name", [], /missing required argument 'name'/],
    ["no file of accounts", ["alice"], /there is no such file/],
  ];
  for (const [why, argv, text] of wrong) {
    test(`refuses in one line: ${why}`, async () => {
      const run = await user("totp", ...argv);
      expect(run).toMatchObject({ code: 64, stdout: "" });
      expect(oneLineOf(run)).toMatch(text);
    });
  }

  test("goes along to another passwd-file, and is told of where it cannot go", async () => {
    await add();
    await user("totp", "alice");
    const kept = await user("export", "alice", "--format", "dovecot");
    expect(kept.stderr).toBe("");
    const copy = `${path}-copy`;
    await sasl(["user", "import", file(kept.stdout), "--format", "dovecot", "--store", `file:${copy}`]);
    const secret = async (from: string) => (await (await fileAccounts(from)).lookup("alice"))?.[totpProperty];
    expect(await secret(copy)).toEqual(await secret(path));
    for (const all of ["alice", "--all"]) {
      const { code, stderr } = await user("export", all, "--format", "postgresql");
      expect(code).toBe(0);
      expect(stderr).toContain("alice: the second factor stays behind, as postgresql has no place for it\n");
    }
  });
});

/** A server on a store, and what its logins came to. */
async function serve(accounts: AccountStore): Promise<{ server: TestServer; events: LoginEvent[] }> {
  const events: LoginEvent[] = [];
  const server = await startServer({
    ports: { xmpp: 0, xmpps: 0, imaps: 0, smtps: 0 },
    accounts,
    onLogin: (event) => void events.push(event),
  });
  servers.push(server);
  return { server, events };
}

const login = (server: TestServer, ...more: string[]): Promise<Run> =>
  sasl([
    "login",
    `xmpp://alice@localhost:${server.ports.xmpp}`,
    "--ca",
    server.ca,
    ...(more.includes("--password-file") ? [] : ["--password-file", passwordFile]),
    ...more,
  ]);

/** Exit code of a login by somebody who has no second factor. */
const codeOfBob = async ({ ports, ca }: TestServer): Promise<number> => {
  const { code } = await sasl([
    "login",
    `xmpp://bob@localhost:${ports.xmpp}`,
    "--ca",
    ca,
    "--password-file",
    passwordFile,
  ]);
  return code;
};

/** An account as the commands make it, its server, and the app with its codes. */
async function enrolled() {
  await add();
  await add("bob");
  const { json } = await user("totp", "alice", "--json");
  return {
    ...(await serve(await fileAccounts(path, { checkIntervalMs: 0 }))),
    uri: json.uri as string,
    app: URI.parse(json.uri) as TOTP,
  };
}

describe("sasl serve and sasl login with a second factor", () => {
  test("the code logs in once; a wrong one, the same again and none do not", async () => {
    const { server, events, app } = await enrolled();
    const none = await login(server);
    expect(none.code).toBe(2);
    expect(oneLineOf(none)).toMatch(/the server wants a second factor; --totp-file FILE gives its code/);
    const now = app.generate();
    const wrongFile = file(now.replace(/./g, (digit) => String(9 - Number(digit))));
    const wrong = await login(server, "--totp-file", wrongFile);
    expect(wrong.code).toBe(1);
    expect(oneLineOf(wrong)).toMatch(/; the code of --totp-file is wrong, or was used before: wait for the next\n$/);
    const stranger = await login(server, "--totp-file", wrongFile, "--password-file", file("no such words"));
    expect(stranger.code).toBe(1);
    expect(oneLineOf(stranger)).not.toContain("--totp-file"); // it never came to that
    const code = file(`${now.slice(0, 3)} ${now.slice(3)}\n`);
    const { json } = await login(server, "--json", "--totp-file", code);
    expect(json).toMatchObject({ ok: true, profile: "sasl2", tasks: ["TOTP", "UPGR-SCRAM-SHA-512"] });
    const again = await login(server, "--json", "--totp-file", code);
    expect(again.code).toBe(1);
    expect(again.json.error).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
    expect(events.map(({ ok, code, detail }) => [ok, code, detail])).toEqual([
      [false, "aborted", expect.anything()],
      [false, "refused", "a wrong code"],
      [false, "refused", "wrong proof"],
      [true, undefined, undefined],
      [false, "refused", "a wrong code"],
    ]);
    expect(await codeOfBob(server)).toBe(0);
  });

  test("the URI itself makes the code", async () => {
    const { server, uri } = await enrolled();
    const { json, code } = await login(server, "--json", "--totp-file", file(`${uri}\n`));
    expect(code).toBe(0);
    expect(json.tasks).toContain("TOTP");
  });

  test("protocols that cannot ask for it let nobody in who has one", async () => {
    const { server, events } = await enrolled();
    const classic = await login(server, "--sasl1");
    expect(classic.code).toBe(2);
    expect(oneLineOf(classic)).toMatch(/; leave --sasl1 out: only SASL2 can ask for more, such as a second factor\n$/);
    for (const scheme of ["imaps", "smtps"] as const) {
      const at = (name: string) =>
        sasl([
          "login",
          `${scheme}://${name}@localhost:${server.ports[scheme]}`,
          "--ca",
          server.ca,
          "--password-file",
          passwordFile,
        ]);
      const run = await at("alice");
      expect(run.code).toBe(2);
      oneLineOf(run);
      expect((await at("bob")).code).toBe(0);
    }
    const failed = events.filter(({ ok }) => !ok).map(({ protocol, code }) => [protocol, code]);
    expect(new Set(failed.map(String))).toEqual(
      new Set(["xmpp,mechanism-too-weak", "imap,mechanism-too-weak", "smtp,mechanism-too-weak"]),
    );
  });

  test("a token from before it is worth nothing any more, one from after needs no code", async () => {
    await add();
    const { server } = await serve(await fileAccounts(path, { checkIntervalMs: 0 }));
    const tokens = `${path}-tokens`;
    const first = await login(server, "--json", "--fast-token-file", tokens);
    expect(first.json.fast).toMatchObject({ issued: true });
    const { json } = await user("totp", "alice", "--json");
    const old = await login(server, "--json", "--fast-token-file", tokens);
    expect(old.code).toBe(2);
    expect(old.json.error.code).toBe("no-credentials");
    const code = file((URI.parse(json.uri) as TOTP).generate());
    expect((await login(server, "--json", "--fast-token-file", tokens, "--totp-file", code)).json.fast).toMatchObject({
      used: false,
      issued: true,
    });
    const { json: second } = await login(server, "--json", "--fast-token-file", tokens);
    expect(second).toMatchObject({ ok: true, fast: { used: true }, tasks: [] });
  });

  test("a store that cannot write lets nobody in who has one", async () => {
    const { record } = newTotp({ issuer: "test", account: "alice" });
    const held = memoryAccounts({ alice: { userPassword: password, [totpProperty]: record }, bob: password });
    const { server } = await serve({ lookup: (name, requests) => held.lookup(name, requests) });
    const app = new TOTP({ secret: new Secret({ buffer: Uint8Array.from(record.secret).buffer }) });
    const { json, code } = await login(server, "--json", "--totp-file", file(app.generate()));
    expect(code).toBe(2);
    expect(json.error.code).toBe("temporary");
    expect(await codeOfBob(server)).toBe(0);
  });

  const hotp = new HOTP({ issuer: "x", label: "y", counter: 1 }).toString();
  const unusable: readonly [why: string, content: string][] = [
    ["words", "open sesame"],
    ["five digits", "12345"],
    ["eleven digits", "12345678901"],
    ["a URI that is none", "otpauth://totp/?secret=1"],
    ["a URI that counts logins", hotp],
  ];
  for (const [why, content] of unusable) {
    test(`a --totp-file with ${why} is wrong usage, and shown to nobody`, async () => {
      const { server } = await enrolled();
      const run = await login(server, "--totp-file", file(content));
      expect(run.code).toBe(64);
      expect(oneLineOf(run)).toMatch(/neither a code of 6 to 10 digits nor an otpauth:\/\/totp\/ URI\n$/);
      expect(run.stderr).not.toContain(content);
    });
  }

  test("a pipe that nobody writes to is waited for as long as --timeout says", async () => {
    const { server } = await enrolled();
    const pipe = `${path}-pipe`;
    execFileSync("mkfifo", [pipe]);
    for (const option of ["--totp-file", "--password-file"]) {
      const run = await login(server, option, pipe, "--timeout", "0.5");
      expect(run.code).toBe(3);
      expect(oneLineOf(run)).toMatch(/^sasl login: not done within 0\.5 s, /);
    }
  });

  test("a pipe that somebody writes to gives the code", async () => {
    const { server, app } = await enrolled();
    const pipe = `${path}-pipe`;
    execFileSync("mkfifo", [pipe]);
    const run = login(server, "--totp-file", pipe);
    await writeFile(pipe, `${app.generate()}\n`);
    expect((await run).code).toBe(0);
  });

  test("a --totp-file that is not there is wrong usage", async () => {
    const { server } = await enrolled();
    const run = await login(server, "--totp-file", `${folder.path}/none`);
    expect(run.code).toBe(64);
    expect(oneLineOf(run)).toMatch(/cannot read .*\/none: there is no such file/);
  });
});
