/**
 * Mechanisms that want more than a password, or that nobody should meet by accident: who gets to use them, and what is said.
 */

import { memoryAccounts, setPassword } from "sasl-core";
import { afterAll, describe, expect, test } from "vitest";
import { chooseMechanisms } from "../src/client/mechanism-list.js";
import { knownMechanisms, mechanismNamed, onlyNamed } from "../src/known-mechanisms.js";
import { startServer, type TestServer } from "../src/server/index.js";
import { Collector, Folder, password, sasl } from "./support.js";

const folder = new Folder();
const passwordFile = folder.file("password", password);
afterAll(() => folder.remove());

const names = (mechanisms: readonly { name: string }[]): string[] => mechanisms.map(({ name }) => name);

describe("what sasl login takes by itself", () => {
  const password = { user: "alice", hasToken: false, hasCertificate: false };
  const chosen = names(chooseMechanisms(undefined, password));

  test("what a password is for", () => {
    expect(chosen).toEqual(expect.arrayContaining(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"]));
  });

  const unnamed =
    "DIGEST-MD5 CRAM-MD5 NTLM OTP SRP OPAQUE SECURID GSSAPI GS2-KRB5 GS2-KRB5-PLUS GSS-SPNEGO SAML20 OPENID20";
  for (const name of [...unnamed.split(" "), "HT-SHA-256-NONE", "HT-SHA-512-EXPR", "ECDSA-NIST256P-CHALLENGE"]) {
    test(`not ${name}, whatever there is to log in with`, () => {
      const everything = { user: "alice", hasToken: true, hasCertificate: true };
      expect(names(chooseMechanisms(undefined, everything))).not.toContain(name);
    });
  }

  test("nothing obsolete, nothing experimental", () => {
    expect(knownMechanisms.filter((each) => onlyNamed(each) && chosen.includes(each.name))).toEqual([]);
  });
});

describe("sasl login --mechanism with what a command line cannot give: exit 64, one line", () => {
  const rows: readonly [name: string, needs: string][] = [
    ["SAML20", "identityProvider, redirect"],
    ["OPENID20", "identifier, redirect"],
    ["ECDSA-NIST256P-CHALLENGE", "privateKey or sign"],
  ];
  for (const [name, needs] of rows) {
    test(name, async () => {
      const argv = [
        "login",
        "imap://alice@localhost:1",
        "--password-file",
        passwordFile,
        "--mechanism",
        name,
        "--json",
      ];
      const { code, json, stderr } = await sasl(argv);
      expect(stderr).toMatch(
        new RegExp(`^sasl login: ${name} needs ${needs}, which a command line cannot give[^\\n]*\\n$`),
      );
      expect([code, json.error.kind]).toEqual([64, "UsageError"]);
    });
  }

  test("a hashed token comes from --token-file", async () => {
    const argv = ["login", "imap://alice@localhost:1", "--mechanism", "HT-SHA-256-NONE"];
    const { code, stderr } = await sasl([...argv, "--password-file", passwordFile]);
    expect([code, stderr]).toEqual([64, "sasl login: HT-SHA-256-NONE needs a token: --token-file FILE\n"]);
  });
});

describe("mechanisms with secrets of their own", () => {
  const store = `file:${folder.path}/accounts`;

  async function add(name: string, ...more: string[]): ReturnType<typeof sasl> {
    return sasl(["user", "add", name, "--store", store, "--password-file", passwordFile, ...more]);
  }

  async function serving(
    options: readonly string[],
    use: (port: number, ca: string, said: Collector) => Promise<void>,
  ): Promise<string> {
    const stop = new AbortController();
    const { main } = await import("../src/main.js");
    const [stdout, stderr] = [new Collector(), new Collector()];
    const io = { stdin: process.stdin, stdout, stderr, stop: stop.signal };
    const ended = main(["serve", "--imap", "0", "--store", store, "--json", ...options], io);
    const [ready = ""] = await stdout.until(/^\{"ready".*\n/);
    const { imap, ca } = JSON.parse(ready);
    try {
      await use(imap, ca, stdout);
    } finally {
      stop.abort();
    }
    expect(await ended).toBe(0);
    return stderr.text;
  }

  const own: readonly [name: string, property: string][] = [
    ["SRP", "srpVerifier"],
    ["OTP", "otpSequence"],
  ];
  for (const [name, property] of own) {
    test(`${name}: sasl user add stores what it needs, and a login with it succeeds`, async () => {
      expect((await add(`al-${name}`, "--mechanisms", name)).stdout).toBe(`added al-${name}: ${property}\n`);
      await serving(["--mechanisms", name], async (port, ca) => {
        const url = `imap://al-${name}@localhost:${port}`;
        const { json } = await sasl([
          "login",
          url,
          "--ca",
          ca,
          "--json",
          "--mechanism",
          name,
          "--password-file",
          passwordFile,
        ]);
        expect(json).toMatchObject({ ok: true, mechanism: name, authcid: `al-${name}` });
      });
    });

    test(`${name}: sasl user check says that it cannot check the password`, async () => {
      const { code, stderr } = await sasl([
        "user",
        "check",
        `al-${name}`,
        "--store",
        store,
        "--password-file",
        passwordFile,
      ]);
      expect(stderr).toMatch(
        new RegExp(`^sasl user check: what the account has is for ${name} alone, and [^\\n]*\\n$`),
      );
      expect(code).toBe(1);
    });
  }

  test("SRP brings a security layer of 128 bits without TLS", async () => {
    await serving(["--mechanisms", "SRP", "--allow-plaintext"], async (port, _, said) => {
      const argv = ["login", `imap://al-SRP@localhost:${port}`, "--tls", "none", "--json", "--mechanism", "SRP"];
      expect((await sasl([...argv, "--password-file", passwordFile])).json).toMatchObject({ ok: true, ssf: 128 });
      await said.until(/"ssf":128/);
    });
  });

  test("what cannot be stored without a key of the server's: exit 64", async () => {
    const { code, stderr } = await add("al-OPAQUE", "--mechanisms", "OPAQUE");
    expect(stderr).toMatch(
      /^sasl user add: OPAQUE: what an account needs is made with a key of the server's, [^\n]*\n$/,
    );
    expect(code).toBe(64);
    const token = await add("al-HT", "--mechanisms", "HT-SHA-256-EXPR");
    expect([token.code, token.stderr]).toEqual([
      64,
      expect.stringMatching(/^sasl user add: HT-SHA-256-EXPR uses no password;/),
    ]);
  });

  test("sasl serve warns of what it cannot offer, once", async () => {
    const stderr = await serving(["--mechanisms", "SAML20,SECURID,SRP,OPAQUE"], async (port, ca) => {
      const { json } = await sasl(["probe", `imap://localhost:${port}`, "--ca", ca, "--json"]);
      expect(json.offered).toEqual(["SRP"]);
    });
    expect(stderr).toMatch(/^sasl serve: SAML20, SECURID, OPAQUE: not offered: [^\n]*\n$/);
  });
});

describe("what a server offers by itself", () => {
  let server: TestServer | undefined;

  async function offer(accounts: ReturnType<typeof memoryAccounts>): Promise<string[]> {
    server = await startServer({ ports: { imap: 0 }, accounts });
    try {
      return (await sasl(["probe", `imap://localhost:${server.ports.imap}`, "--ca", server.ca, "--json"])).json.offered;
    } finally {
      await server.close();
    }
  }

  const unnamed = knownMechanisms.filter((each) => each.server && onlyNamed(each));

  test("nothing that has to be named, whatever accounts have", async () => {
    const accounts = memoryAccounts({ alice: password });
    await setPassword(accounts, "alice", password, {
      mechanisms: ["SRP", "SCRAM-SHA-256"].map((each) => mechanismNamed(each) as never),
    });
    const names = await offer(accounts);
    for (const { name } of unnamed) expect(names).not.toContain(name);
    expect(names).toContain("SCRAM-SHA-256-PLUS");
  });

  test("what has secrets of its own where all accounts have them", async () => {
    const name = "HT-SHA-256-EXPR";
    const token = { id: "1", mechanism: name, expires: Date.now() + 1e6, client: "c", token: "t" };
    const all = memoryAccounts({ alice: { userPassword: "x", hashedTokens: [token] } });
    const some = memoryAccounts({ alice: { userPassword: "x", hashedTokens: [token] }, bob: "y" });
    expect(await offer(some)).not.toContain(name);
    expect(await offer(all)).toContain(name);
  });
});
