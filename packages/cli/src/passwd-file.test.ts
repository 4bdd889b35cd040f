import fc from "fast-check";
import type { ScramVerifier } from "sasl-core";
import { makeScramVerifier } from "sasl-core";
import { hashSha1, hashSha256, hashSha512 } from "sasl-core/mechanisms";
import { afterAll, describe, expect, test } from "vitest";
import { Folder } from "../test/support.js";
import { openPasswdFile, parsePasswdFile, passwdFileStore } from "./passwd-file.js";

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString("base64");

function secret({ hash, iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  return `{SCRAM-${hash}}${iterations},${base64(salt)},${base64(storedKey)},${base64(serverKey)}`;
}

const salt = new Uint8Array(16).fill(7);
const sha1 = await makeScramVerifier(hashSha1, "pencil", { iterations: 4096, salt });
const sha256 = await makeScramVerifier(hashSha256, "pencil", { iterations: 4096, salt });
const sha512 = await makeScramVerifier(hashSha512, "pencil", { iterations: 4096, salt });

/** Made by `doveadm pw -s SCRAM-SHA-256 -p pencil`: Dovecot's own field order. */
const byDovecot =
  "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

const good: readonly [what: string, text: string, name: string, properties: Record<string, unknown>][] = [
  ["a password", "alice:{PLAIN}pencil\n", "alice", { userPassword: "pencil" }],
  ["a password without a line end", "alice:{PLAIN}pencil", "alice", { userPassword: "pencil" }],
  ["CRLF", "alice:{PLAIN}pencil\r\n", "alice", { userPassword: "pencil" }],
  ["a password with spaces", "alice:{PLAIN}correct horse\n", "alice", { userPassword: "correct horse" }],
  ["a password with an @ and braces", "alice:{PLAIN}p@{x}\n", "alice", { userPassword: "p@{x}" }],
  ["other words for it", "alice:{cleartext}pencil\nbob:{CLEAR}pen\n", "bob", { userPassword: "pen" }],
  ["base64 for what has colons", "alice:{PLAIN.b64}cGVuOmNpbA==\n", "alice", { userPassword: "pen:cil" }],
  ["hexadecimal", "alice:{CLEAR.HEX}70656E\n", "alice", { userPassword: "pen" }],
  [
    "further fields",
    "alice:{PLAIN}pencil:1000:1000::/home/alice:/bin/sh:userdb_quota=1\n",
    "alice",
    { userPassword: "pencil" },
  ],
  ["an account that is disabled", "alice:{PLAIN}pencil::::::nologin\n", "alice", { disabled: true }],
  ["comments and empty lines", "# users\n\n  # more\nalice:{PLAIN}pencil\n\n", "alice", { userPassword: "pencil" }],
  ["a verifier", `alice:${secret(sha256)}\n`, "alice", { authPassword: [sha256] }],
  ["Dovecot's own verifier", `user:${byDovecot}\n`, "user", { authPassword: [{ hash: "SHA-256", iterations: 4096 }] }],
  [
    "a lower-case scheme",
    `alice:${secret(sha1).replace("SCRAM-SHA-1", "scram-sha-1")}\n`,
    "alice",
    { authPassword: [sha1] },
  ],
  [
    "several lines of one user",
    `alice:${secret(sha1)}\nbob:{PLAIN}x\nalice:${secret(sha256)}\nalice:{PLAIN}pencil\nalice:${secret(sha512)}\n`,
    "alice",
    { userPassword: "pencil", authPassword: [sha1, sha256, sha512] },
  ],
  ["a user named __proto__", "__proto__:{PLAIN}pencil\n", "__proto__", { userPassword: "pencil" }],
  ["a user named constructor", "constructor:{PLAIN}pencil\n", "constructor", { userPassword: "pencil" }],
  ["a name outside ASCII", "p\u00e9ter:{PLAIN}p\u00e4ss\n", "p\u00e9ter", { userPassword: "p\u00e4ss" }],
];

const [count, ...keys] = secret(sha256).slice("{SCRAM-SHA-256}".length).split(",") as [string, string, string, string];
const [salted, stored, server] = keys as unknown as [string, string, string];
const scram = (fields: readonly string[]): string => `alice:{SCRAM-SHA-256}${fields.join(",")}`;

const bad: readonly [why: string, text: string, line: number, message: RegExp][] = [
  ["a line without a colon", "alice\n", 1, /no \{SCHEME\}secret/],
  ["no secret", "alice:\n", 1, /no \{SCHEME\}secret/],
  ["no name", ":{PLAIN}pencil\n", 1, /no user name/],
  ["no scheme", "# x\n\nalice:pencil\n", 3, /no \{SCHEME\}/],
  ["an empty scheme", "alice:{}pencil\n", 1, /no \{SCHEME\}/],
  [
    "a hash nobody can check here",
    "alice:{SSHA}abc\n",
    1,
    /\{SSHA\} is not known; known: \{PLAIN\}.*\{SCRAM-SHA-256\}/,
  ],
  ["a scheme of Object.prototype", "alice:{SCRAM-constructor}1\n", 1, /is not known/],
  ["an empty password", "alice:{PLAIN}\n", 1, /empty password/],
  ["an empty password in base64", "alice:{PLAIN.B64}\n", 1, /empty password/],
  ["a second password", "alice:{PLAIN}a\nalice:{CLEAR}b\n", 2, /on a line before/],
  ["a second verifier of one hash", `alice:${secret(sha1)}\nalice:${secret(sha1)}\n`, 2, /on a line before/],
  ["base64 that is none", "alice:{PLAIN.B64}cGVu!\n", 1, /not base64/],
  ["hexadecimal that is none", "alice:{PLAIN.HEX}7\n", 1, /not hexadecimal/],
  ["octets that are no UTF-8", "alice:{PLAIN.HEX}ff\n", 1, /not UTF-8/],
  ["a control character", "alice:{PLAIN}pen\tcil\n", 1, /control character/],
  ["a NUL", "ali\0ce:{PLAIN}pencil\n", 1, /control character/],
  ["what stands for ill-formed UTF-8", "alice:{PLAIN}p\ufffd\n", 1, /not UTF-8/],
  ["three fields", scram([count, salted, stored]), 1, /iterations,salt,StoredKey,ServerKey/],
  ["five fields", scram([count, salted, stored, server, ""]), 1, /iterations,salt,StoredKey,ServerKey/],
  ["too few iterations", scram(["4095", salted, stored, server]), 1, /not 4096 to 10000000/],
  ["too many iterations", scram(["10000001", salted, stored, server]), 1, /not 4096 to 10000000/],
  ["an endless count", scram(["9".repeat(400), salted, stored, server]), 1, /not 4096 to 10000000/],
  ["a count with a sign", scram(["+4096", salted, stored, server]), 1, /not 4096/],
  ["a count with an exponent", scram(["1e5", salted, stored, server]), 1, /not 4096/],
  ["a salt that is not base64", scram([count, "***", stored, server]), 1, /salt that is not base64/],
  ["base64 without its padding", scram([count, salted.replace("=", ""), stored, server]), 1, /salt that is not base64/],
  ["an empty salt", scram([count, "", stored, server]), 1, /salt that is not 1 to/],
  ["an endless salt", scram([count, "AAAA".repeat(500), stored, server]), 1, /salt that is not 1 to/],
  ["keys of another hash", `alice:${secret(sha1).replace("SHA-1", "SHA-256")}\n`, 1, /have 32 octets/],
  ["one key of another hash", scram([count, salted, stored, "AAAA"]), 1, /have 32 octets/],
  ["a line that is far too long", `\nalice:{PLAIN}${"x".repeat(70_000)}\n`, 2, /longer than 65536/],
  ["a name that is far too long", `${"x".repeat(1025)}:{PLAIN}x\n`, 1, /longer than 1024/],
];

describe("passwd-file", () => {
  const folder = new Folder();
  afterAll(() => folder.remove());

  for (const [what, text, name, properties] of good) {
    test(`reads ${what}`, () => {
      const store = passwdFileStore(parsePasswdFile(text, "users"));
      expect(store.lookup(name)).toMatchObject(properties);
      expect([...store.list()]).toContain(name);
    });
  }

  for (const [why, text, line, message] of bad) {
    test(`refuses ${why}, and names file and line`, () => {
      expect(() => parsePasswdFile(text, "/etc/users")).toThrow(expect.objectContaining({ code: "malformed-file" }));
      expect(() => parsePasswdFile(text, "/etc/users")).toThrow(message);
      expect(() => parsePasswdFile(text, "/etc/users")).toThrow(new RegExp(`^/etc/users:${line}: `));
    });
  }

  test("R-LIM-04 names of Object.prototype are nobody unless they have a line", () => {
    const store = passwdFileStore(parsePasswdFile("alice:{PLAIN}pencil\n", "users"));
    for (const name of ["__proto__", "constructor", "toString", ""]) expect(store.lookup(name)).toBeUndefined();
    expect(({} as { userPassword?: string }).userPassword).toBeUndefined();
  });

  test("R-GEN-30 an error holds no secret", () => {
    for (const text of ["alice:pencil-secret\n", "alice:{SSHA}pencil-secret\n", "alice:{PLAIN.HEX}pencil-secret\n"]) {
      expect(() => parsePasswdFile(text, "users")).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining("pencil-secret") }),
      );
    }
  });

  test("every text is a set of accounts or an error with file and line", () => {
    const pieces = fc.constantFrom(
      "alice",
      ":",
      "{PLAIN}",
      "{SCRAM-SHA-256}",
      "4096,",
      "AAAA",
      ",",
      "\n",
      "#",
      "{",
      "}",
      "=",
      "\0",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (content) => {
        try {
          for (const account of parsePasswdFile(content, "f").values()) {
            expect(account.userPassword ?? account.authPassword).toBeDefined();
          }
        } catch (error) {
          expect(error).toMatchObject({ code: "malformed-file", message: expect.stringMatching(/^f:[0-9]+: /) });
        }
      }),
    );
  });

  test("R-LIM-02 a large file takes time in proportion", () => {
    const text = Array.from({ length: 50_000 }, (_, i) => `user${i}:{PLAIN}pencil`).join("\n");
    const began = performance.now();
    expect(parsePasswdFile(text, "f").size).toBe(50_000);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test("opens a file", async () => {
    const path = folder.file("users", "alice:{PLAIN}pencil\n");
    expect((await openPasswdFile(path)).lookup("alice")).toEqual({ userPassword: "pencil" });
  });

  test("says why a file cannot be opened", async () => {
    const missing = `${folder.path}/nobody`;
    await expect(openPasswdFile(missing)).rejects.toMatchObject({
      code: "unreadable-file",
      message: `cannot read ${missing}: there is no such file`,
    });
    await expect(openPasswdFile(folder.path)).rejects.toMatchObject({ code: "unreadable-file" });
  });
});
