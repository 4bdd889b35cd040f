import { chmodSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { Folder, sasl } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());
const password = folder.file("password", "pencil\n");
const garbage = folder.file("garbage", "this is no PEM\n");
const binary = folder.file("binary", Uint8Array.of(0xff, 0xfe));
const empty = folder.file("empty", "\n");
const large = folder.file("large", "x".repeat(70_000));
const users = `file:${folder.file("users", "bob:{PLAIN}pencil\n")}`;
chmodSync(users.slice(5), 0o600);
const add = ["user", "add", "alice", "--store", users];
const into = ["--store", users];
const short = folder.file("short", "0123456789");
const gone = `${folder.path}/gone`;
const url = "imap://alice@127.0.0.1:1";

const rows: readonly [why: string, argv: readonly string[], text: RegExp][] = [
  ["no command", [], /which command\? sasl --help/],
  ["an unknown command", ["logn"], /unknown command 'logn' \(Did you mean login\?\)/],
  ["an option without a command", ["--jsn"], /unknown option '--jsn'/],
  [
    "a URL without a command",
    ["imap://alice:s3cret@localhost"],
    /imap:\/\/alice:<6 characters>@localhost'; .*sasl login URL/,
  ],
  [
    "a URL in place of a command for accounts",
    ["user", "postgres://u:s3cret@h/d"],
    /<6 characters>@h\/d'; .*--store URL/,
  ],
  ["a URL as a plug-in", ["user", "list", "--store", users, "--plugin", "postgres://u:s3cret@h/d"], /u:<6 characters>/],
  [
    "a URL as a format",
    ["user", "import", password, "--store", users, "--format", "postgres://u:s3cret-of-more-than-40-characters-here@h"],
    /no format "postgres:\/\/u:<27 characters>"/,
  ],
  [
    "a URL as a file",
    ["user", "import", "postgres://u:s3cret@h/d", ...into, "--format", "dovecot"],
    /<6 characters>@h/,
  ],
  ["a URL as an option's value", ["probe", url, "--tls", "x://u:s3cret@h"], /<6 characters>@h' is invalid.*implicit;/],
  ["no number", ["login", url, "--timeout", "2x"], /It is a number of seconds above 0; see sasl login --help\n?$/],
  ["no URL", ["login"], /missing required argument 'url'/],
  ["two URLs", ["login", url, url], /too many arguments.* but got 2; see sasl login --help/],
  [
    "a typing error",
    ["login", url, "--mechansm", "PLAIN"],
    /unknown option '--mechansm' \(Did you mean --mechanism\?\)/,
  ],
  ["an option without its value", ["login", url, "--mechanism"], /--mechanism <names>' argument missing/],
  ["a password as an option", ["login", url, "--password", "hunter2"], /secrets are no arguments.*--password-file/],
  ["a password behind an equals sign", ["login", url, "--password=hunter2"], /secrets are no arguments/],
  ["a token as an option", ["login", url, "--token=hunter2"], /secrets are no arguments/],
  ["a password in the URL", ["login", "imap://alice:hunter2@mail.example"], /holds a password/],
  ["a malformed URL", ["login", "imap://alice@mail.example:0"], /port that is not a number/],
  ["an unknown scheme", ["probe", "http://mail.example"], /scheme http, which is not known/],
  ["an unknown mechanism", ["login", url, "--mechanism", "FOO"], /no mechanism "FOO" is known; sasl mechanisms/],
  ["a mechanism with a typing error", ["login", url, "--mechanism", "SCRAM-SHA-265"], /did you mean SCRAM-SHA-256\?/],
  ["an empty mechanism", ["login", url, "--mechanism", "PLAIN,,LOGIN"], /commas between/],
  [
    "an unknown channel binding",
    ["login", url, "--channel-binding", "always"],
    /Allowed choices are disable, prefer, require/,
  ],
  ["an unknown TLS version", ["login", url, "--tls-min", "1.1"], /Allowed choices are 1\.2, 1\.3/],
  [
    "TLS versions in the wrong order",
    ["probe", url, "--tls-min", "1.3", "--tls-max", "1.2"],
    /--tls-min 1\.3 is above/,
  ],
  ["an unknown TLS mode", ["probe", url, "--tls", "maybe"], /Allowed choices are none, starttls, implicit/],
  ["an unknown preparation", ["login", url, "--prep", "precis"], /Allowed choices are saslprep, none/],
  ["iterations without a colon", ["login", url, "--iterations", "4096"], /It is MIN:MAX/],
  ["iterations in the wrong order", ["login", url, "--iterations", "5000:4096"], /It is MIN:MAX/],
  ["a time-out in words", ["login", url, "--timeout", "soon"], /number of seconds above 0/],
  ["no time at all", ["login", url, "--timeout", "0"], /number of seconds above 0/],
  ["a certificate without its key", ["login", url, "--cert", password], /--cert and --key go together/],
  ["two passwords", ["login", url, "--password-file", password, "--password-stdin"], /exclude each other/],
  ["a password and no user", ["login", "imap://127.0.0.1:1", "--password-file", password], /names no user/],
  ["a mechanism that needs a user", ["login", "imap://127.0.0.1:1", "--mechanism", "PLAIN"], /PLAIN needs a user/],
  ["a mechanism that needs a token", ["login", url, "--mechanism", "XOAUTH2"], /XOAUTH2 needs a token: --token-file/],
  ["no password and no terminal", ["login", url], /no password: give --password-file FILE or --password-stdin/],
  [
    "a password file that is not there",
    ["login", url, "--password-file", gone],
    /cannot read .*gone: there is no such file/,
  ],
  ["a password file that is a folder", ["login", url, "--password-file", folder.path], /it is a folder/],
  ["a password that is not UTF-8", ["login", url, "--password-file", binary], /not UTF-8/],
  ["an empty password", ["login", url, "--password-file", empty], /secret is empty/],
  ["a password that is far too long", ["login", url, "--password-file", large], /more than 65536 octets/],
  ["a token file that is not there", ["login", url, "--token-file", gone], /no such file/],
  ["a CA file that is not there", ["probe", url, "--ca", gone], /no such file/],
  ["a CA file that is none", ["probe", url, "--ca", garbage], /no certificate in PEM form/],
  [
    "a client certificate that is none",
    ["probe", url, "--cert", garbage, "--key", garbage],
    /no certificate in PEM form/,
  ],
  ["nothing to serve", ["serve"], /nothing to serve: name a port/],
  ["a port above 65535", ["serve", "--imap", "65536"], /number from 0 to 65535/],
  ["a port in words", ["serve", "--imap", "imap"], /number from 0 to 65535/],
  [
    "a store nobody knows",
    ["serve", "--imap", "0", "--store", "mongodb:x"],
    /no store is known for mongodb: here; known: file:, sqlite:, postgres:, postgresql:, ldap:, ldaps:, ldapi:/,
  ],
  ["a store with a typing error", ["user", "list", "--store", "postgre://x"], /did you mean postgres:\?/],
  ["a store without a scheme", ["user", "list", "--store", "users"], /named by a URL, such as file:PATH/],
  ["a store that is not there", ["serve", "--imap", "0", "--store", `file:${gone}`], /no such file/],
  ["a URL of a store that cannot be", ["user", "list", "--store", "sqlite://host/x"], /has no host/],
  ["a store that lets passwords be seen", ["user", "list", "--store", "ldap://example.org/o=x"], /unencrypted/],
  ["a folder of accounts", ["user", "list", "--store", `file:${folder.path}`], /it is a folder/],
  ["no command for accounts", ["user"], /which command\? sasl user --help lists them/],
  ["an unknown command for accounts", ["user", "ad"], /unknown command 'ad' \(Did you mean add\?\)/],
  ["no store", ["user", "list"], /required option '--store <url>' not specified/],
  [
    "an option with a typing error",
    ["user", "list", "--store", users, "--pre", "none"],
    /unknown option '--pre' \(Did you mean --prep\?\)/,
  ],
  ["no name", ["user", "add", "--store", users], /missing required argument 'name'/],
  ["a new password as an option", ["user", "add", "alice", "--store", users, "--password", "hunter2"], /no arguments/],
  ["two new passwords", [...add, "--password-file", password, "--password-stdin"], /exclude each other/],
  ["no new password", add, /no password: give --password-file FILE or --password-stdin/],
  ["an empty name", ["user", "add", "", "--store", users], /the name of an account is empty/],
  ["a name that is too long", ["user", "add", "x".repeat(1025), "--store", users], /longer than 1024 octets/],
  ["a name that cannot be prepared", ["user", "add", "a\u0007", "--store", users], /SASLprep.*--prep none takes names/],
  ["an unknown mechanism for an account", [...add, "--mechanisms", "PLAN"], /did you mean PLAIN\?/],
  ["a mechanism without a password", [...add, "--mechanisms", "EXTERNAL"], /EXTERNAL uses no password/],
  [
    "a mechanism that needs the password itself",
    [...add, "--mechanisms", "SCRAM-SHA-256,CRAM-MD5", "--password-file", password],
    /CRAM-MD5: needs the password itself, which --plaintext stores; nothing was written/,
  ],
  ["too few iterations", [...add, "--iterations", "4095"], /number from 4096 to 10000000/],
  ["no format", ["user", "import", password, "--store", users], /required option '--format <format>' not specified/],
  [
    "an unknown format",
    ["user", "export", "bob", "--store", users, "--format", "postgres"],
    /no format "postgres" is known; did you mean postgresql\? known: dovecot, rfc5803, postgresql, prosody, ejabberd/,
  ],
  ["nobody to export", ["user", "export", ...into, "--format", "dovecot"], /Name an account, or give --all/],
  [
    "one and all to export",
    ["user", "export", "bob", "--all", ...into, "--format", "dovecot"],
    /Name an account, or give --all/,
  ],
  [
    "a format with a typing error",
    ["user", "import", password, "--store", users, "--format", "prosodi"],
    /mean prosody\?/,
  ],
  ["a file to import that is not there", ["user", "import", gone, ...into, "--format", "prosody"], /no such file/],
  [
    "a file to import of another format",
    ["user", "import", garbage, ...into, "--format", "ejabberd"],
    /cannot be read as/,
  ],
  ["a domain that is none", ["serve", "--imap", "0", "--domain", "a b"], /no domain name/],
  [
    "a certificate for serve without its key",
    ["serve", "--imap", "0", "--cert", garbage],
    /--cert and --key go together/,
  ],
  ["a secret that is too short", ["serve", "--imap", "0", "--secret", short], /fewer than 16 octets/],
  ["a mechanism to serve that nobody knows", ["serve", "--imap", "0", "--mechanisms", "PLAN"], /did you mean PLAIN\?/],
  ["token keys without an issuer", ["serve", "--imap", "0", "--jwt-key", garbage], /tokens need --jwt-issuer/],
  ["an issuer without keys", ["serve", "--imap", "0", "--jwt-issuer", "x"], /need --jwt-key or --jwks/],
  ["two kinds of keys", ["serve", "--imap", "0", "--jwt-key", garbage, "--jwks", garbage], /exclude each other/],
  [
    "a token key that is too short",
    ["serve", "--imap", "0", "--jwt-key", short, "--jwt-issuer", "x"],
    /not a public key in PEM/,
  ],
  ["a JWK Set that is none", ["serve", "--imap", "0", "--jwks", garbage, "--jwt-issuer", "x"], /not a JWK Set/],
  [
    "a plug-in that is not there",
    ["mechanisms", "--plugin", gone],
    /plug-in .*gone: there is no such file or installed package/,
  ],
];

/** No command that could have the option. */
const unknown = /^(?:|--jsn|logn|user|user ad|imap:.*|user postgres:.*)$/;

describe("wrong usage", () => {
  for (const [why, argv, text] of rows) {
    test(`${why}: exit 64, one line, an object`, async () => {
      const { code, stdout, stderr } = await sasl(argv);
      expect(stderr).toMatch(text);
      expect(stderr).toMatch(/^sasl[^\n]*\n$/);
      expect(code).toBe(64);
      expect(stdout).toBe("");
      expect(stderr).not.toMatch(/hunter2|pencil|s3c/);
      const words = argv[0] === "user" ? 2 : 1;
      const again = await sasl([...argv.slice(0, words), "--json", ...argv.slice(words)]);
      if (!unknown.test(argv.join(" "))) {
        expect(again.json).toMatchObject({
          ok: false,
          error: { kind: "UsageError", text: expect.stringMatching(text) },
        });
        expect(again.code).toBe(64);
      }
    });
  }
});

describe("help and version", () => {
  for (const command of [[], ["login"], ["probe"], ["mechanisms"], ["serve"], ["user"], ["user", "add"]]) {
    const name = ["sasl", ...command].join(" ");
    test(`${name} --help and -h`, async () => {
      for (const option of ["--help", "-h"]) {
        const { code, stdout, stderr } = await sasl([...command, option]);
        expect(stdout).toMatch(new RegExp(`^Usage: ${name} `));
        expect(stdout).toContain("Exit codes: 0 done");
        expect([code, stderr]).toEqual([0, ""]);
      }
    });

    test(`${name} --version`, async () => {
      const { code, stdout } = await sasl([...command, "--version"]);
      expect(stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
      expect(code).toBe(0);
    });
  }

  test("help names every option of the contract", async () => {
    const login = (await sasl(["login", "--help"])).stdout;
    for (const option of [
      ...["--mechanism", "--authzid", "--password-file", "--password-stdin", "--token-file", "--domain", "--ca"],
      ...["--insecure-tls", "--cert", "--key", "--channel-binding", "--allow-plaintext", "--tls-min", "--tls-max"],
      ...["--prep", "--iterations", "--trace", "--timeout", "--json", "--tls "],
    ]) {
      expect(login).toContain(option);
    }
    const serve = (await sasl(["serve", "--help"])).stdout;
    for (const option of [
      ...["--imap", "--imaps", "--smtp", "--smtps", "--xmpp", "--xmpps", "--host", "--domain", "--store", "--cert"],
      ...["--ws", "--wss", "--key", "--mechanisms", "--allow-plaintext", "--json"],
    ]) {
      expect(serve).toContain(`${option} `);
    }
  });
});
