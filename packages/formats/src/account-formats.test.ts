import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { describe, expect, test } from "vitest";
import { accountFormats } from "./account-formats.js";
import { ejabberdFormat, formatEjabberdRecords } from "./ejabberd.js";
import { formatLdifLine } from "./ldif.js";
import { FormatError } from "./parts.js";
import { postgresqlFormat } from "./postgresql.js";
import { formatProsodyFileName, parseProsody, parseProsodyFileName, prosodyFormat } from "./prosody.js";
import { parseRfc5803 } from "./rfc5803.js";
import { rfc5803Format } from "./rfc5803-accounts.js";

const salt64 = "W22ZaJ0SNY7soEsUEjb6gQ==";
const stored64 = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
const server64 = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const text256 = `SCRAM-SHA-256$4096:${salt64}$${stored64}:${server64}`;
const sha256 = parseRfc5803(text256);
const keyOf = (octet: number, size: number) => new Uint8Array(size).fill(octet);
const sha1: ScramVerifier = { ...sha256, hash: "SHA-1", storedKey: keyOf(1, 20), serverKey: keyOf(2, 20) };
const sha512: ScramVerifier = { ...sha256, hash: "SHA-512", storedKey: keyOf(3, 64), serverKey: keyOf(4, 64) };
const sha384: ScramVerifier = { ...sha256, hash: "SHA-384", storedKey: keyOf(5, 48), serverKey: keyOf(6, 48) };

describe("RFC 3112 spaces", () => {
  test("stand at the ends and round $ alone", () => {
    const spaced = `  SCRAM-SHA-256  $ 4096:${salt64}  $   ${stored64}:${server64} `;
    expect(parseRfc5803(spaced)).toEqual(sha256);
    for (const wrong of [spaced.replaceAll(" ", "\t"), text256.replace(":", " :"), text256.replace("SHA-", "SHA- ")]) {
      expect(() => parseRfc5803(wrong)).toThrow(FormatError);
    }
  });
});

/** Names every format can hold, and names with everything in them. */
const localparts = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((name) => !/["&'/:<>@\s\p{Cc}\ufffd]/u.test(name) && name.isWellFormed());
const names = fc
  .string({
    unit: fc.oneof(fc.constantFrom(..."'\"\\;,+=<>#$\n\r\t %:@/."), fc.string({ unit: "grapheme", maxLength: 1 })),
  })
  .filter((name) => name !== "" && !name.includes("\0") && name.isWellFormed() && Buffer.byteLength(name) <= 60);
const verifiers = (hash: string, size: number): fc.Arbitrary<ScramVerifier> =>
  fc.record({
    hash: fc.constant(hash),
    salt: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    iterations: fc.integer({ min: 1, max: 10_000_000 }),
    storedKey: fc.uint8Array({ minLength: size, maxLength: size }),
    serverKey: fc.uint8Array({ minLength: size, maxLength: size }),
  });
const passwords = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((password) => password.isWellFormed() && !/[{\0]/.test(password));

describe("what is written is read again", () => {
  test("by LDIF, whatever the name", () => {
    fc.assert(
      fc.property(names, verifiers("SHA-256", 32), verifiers("SHA-512", 64), (name, one, two) => {
        const properties = { authPassword: [one, two] };
        const text = rfc5803Format.format(name, properties, { base: "ou=people,dc=example,dc=org" });
        expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(76);
        expect([...rfc5803Format.parse(text)]).toEqual([{ line: 1, name, properties }]);
        const withoutUid = text.replace(/^uid:.*\n(?: .*\n)*/m, ""); // the name alone is left
        expect([...rfc5803Format.parse(withoutUid)]).toEqual([{ line: 1, name, properties }]);
      }),
    );
  });

  test("by PostgreSQL, whatever the name", () => {
    fc.assert(
      fc.property(names, verifiers("SHA-256", 32), fc.boolean(), (name, verifier, disabled) => {
        const properties = { authPassword: [verifier], ...(disabled ? { disabled } : {}) };
        const text = postgresqlFormat.format(name, properties);
        expect([...postgresqlFormat.parse(text + text)].slice(0, 1)).toEqual([{ line: 1, name, properties }]);
      }),
    );
  });

  test("by Prosody, verifier or password", () => {
    fc.assert(
      fc.property(localparts, fc.oneof(verifiers("SHA-1", 20), verifiers("SHA-256", 32), passwords), (name, secret) => {
        const properties = typeof secret === "string" ? { userPassword: secret } : { authPassword: [secret] };
        const fileName = `/var/lib/prosody/example%2eorg/accounts/${prosodyFormat.fileName?.(name)}`;
        const text = prosodyFormat.format(name, properties);
        expect(text).toMatch(/^[\x20-\x7e\n\t]*$/);
        expect([...prosodyFormat.parse(text, { fileName })]).toEqual([{ line: 1, name, properties }]);
      }),
    );
  });

  test("by ejabberd, as SQL and as records, several verifiers or a password", () => {
    const secrets = fc.oneof(
      fc.tuple(verifiers("SHA-256", 32), verifiers("SHA-1", 20), verifiers("SHA-512", 64)),
      passwords,
    );
    fc.assert(
      fc.property(
        localparts,
        secrets,
        fc.constantFrom("standard" as const, "mysql" as const),
        (name, secret, dialect) => {
          const properties: AccountProperties =
            typeof secret === "string" ? { userPassword: secret } : { authPassword: secret };

          const sql = ejabberdFormat.format(name, properties, { host: "example.org", dialect });
          expect([...ejabberdFormat.parse(sql, { dialect })]).toMatchObject([{ name, properties }]);
          const records = formatEjabberdRecords(name, "example.org", properties);
          expect([...ejabberdFormat.parse(records)]).toEqual([{ line: 1, name, properties }]);
        },
      ),
    );
  });
});

describe("what other programs print is read", () => {
  const readings: readonly (readonly [
    why: string,
    format: string,
    text: string,
    accounts: readonly unknown[],
    options?: object,
  ])[] = [
    [
      "pg_dumpall --roles-only",
      "postgresql",
      `--
-- PostgreSQL database cluster dump
--
\\restrict x
SET default_transaction_read_only = off;
SET standard_conforming_strings = on;
/* roles */
CREATE ROLE alice;
ALTER ROLE alice WITH NOSUPERUSER INHERIT NOCREATEROLE LOGIN NOREPLICATION NOBYPASSRLS PASSWORD '${text256}' VALID UNTIL 'infinity';
CREATE ROLE nobody;
ALTER ROLE nobody WITH NOSUPERUSER NOLOGIN;
CREATE ROLE "O'Brien; ""x""";
ALTER ROLE "O'Brien; ""x""" WITH NOLOGIN PASSWORD '${text256}';
CREATE ROLE old;
ALTER ROLE old WITH LOGIN PASSWORD 'md53175bce1d3201d16594cebf9d7eb3f9d';
`,
      [
        { line: 9, name: "alice", properties: { authPassword: [sha256] } },
        { line: 13, name: `O'Brien; "x"`, properties: { authPassword: [sha256], disabled: true } },
        { line: 15, fault: expect.stringContaining("MD5") },
      ],
    ],
    [
      "ALTER USER in capitals",
      "postgresql",
      `alter user Alice encrypted password '${text256}'`,
      [{ line: 1, name: "alice", properties: { authPassword: [sha256] } }],
    ],
    [
      "psql",
      "postgresql",
      ` rolname |  rolpassword  \n---------+------------\n alice   | ${text256}\n postgres | \n(2 rows)\n`,
      [{ line: 3, name: "alice", properties: { authPassword: [sha256] } }],
    ],
    [
      "psql --csv",
      "postgresql",
      `usename,passwd\r\n"a,""b""",${text256}\r\n`,
      [{ line: 2, name: 'a,"b"', properties: { authPassword: [sha256] } }],
    ],
    [
      "rows",
      "postgresql",
      `alice\t${text256}\nbob\tsecret\nx\n`,
      [
        { line: 1, name: "alice", properties: { authPassword: [sha256] } },
        { line: 2, fault: expect.any(String) },
        { line: 3, fault: expect.any(String) },
      ],
    ],
    [
      "slapcat",
      "rfc5803",
      `version: 1
# a comment
 that goes on
dn: uid=alice,ou=people,
 dc=example
objectClass: account
uid: alice
authPassword: SCRAM-SHA-256 $ 4096:${salt64}
  $ ${stored64}:${server64}
userPassword:: ${Buffer.from("{SSHA}sAeTyXpL//n90isLo42tyiRv+HP2hjYX").toString("base64")}
userPassword: {CRYPT}$6$saltstring$abc

dn: cn=group
cn: group

dn: UID=b\\2cob+cn=x,dc=example
userPassword;x-opt: secret

dn: uid=carol
uid: carol
authPassword: MD5 $ x $ y

dn: uid=dave
uid: dave
userPassword:< file:///etc/passwd

dn: uid=erin
uid: erin
userPassword: {SCRAM-SHA-256}4096,${salt64},${stored64},${server64}
`,
      [
        {
          line: 1,
          name: "alice",
          properties: {
            authPassword: [sha256],
            passwordHash: ["{SSHA}sAeTyXpL//n90isLo42tyiRv+HP2hjYX", "$6$saltstring$abc"],
          },
        },
        { line: 16, name: "b,ob", properties: { userPassword: "secret" } },
        { line: 19, fault: expect.stringContaining("SCRAM") },
        { line: 23, fault: expect.stringContaining("file") },
        { line: 27, name: "erin", properties: { authPassword: [sha256] } },
      ],
    ],
    [
      "ejabberdctl export2sql",
      "ejabberd",
      `-- \n-- Mnesia table: passwd\n--\ndelete from users where username='alice' and type=3 and true;\nINSERT INTO users(username, type, password, serverkey, salt, iterationcount) VALUES ('a\\\\lice', 3, '${stored64}', '${server64}', '${salt64}', 4096);\nINSERT INTO last(username, seconds) VALUES ('x', '1');\nINSERT INTO users(username, type, password) VALUES ('b\\'b', 1, 'pa\\'ss;');\n`,
      [
        { line: 5, name: "a\\lice", properties: { authPassword: [sha256] } },
        { line: 7, name: "b'b", properties: { userPassword: "pa'ss;" } },
      ],
    ],
    [
      "sqlite3 .dump, columns without names",
      "ejabberd",
      `PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE users (username text, host text);\nINSERT INTO users VALUES('al\\ice','h',3,'${stored64}','${server64}','${salt64}',4096,'2026-01-01 00:00:00');\nINSERT INTO users VALUES('bob',0,'sha256:${stored64}','${server64}','${salt64}',4096,'2026');\nCOMMIT;\n`,
      [
        { line: 4, name: "al\\ice", properties: { authPassword: [sha256] } },
        { line: 5, name: "bob", properties: { authPassword: [sha256] } },
      ],
    ],
    [
      "mysqldump",
      "ejabberd",
      `/*!40101 SET NAMES utf8 */;\nINSERT INTO \`users\` (\`username\`, \`type\`, \`password\`, \`serverkey\`, \`salt\`, \`iterationcount\`) VALUES ('a',1,'x','','',0),('b',1,'y','','',0);\n`,
      [
        { line: 2, name: "a", properties: { userPassword: "x" } },
        { line: 2, name: "b", properties: { userPassword: "y" } },
      ],
    ],
    [
      "pg_dump",
      "ejabberd",
      `SET standard_conforming_strings = on;\nCOPY public.users (username, server_host, type, password, serverkey, salt, iterationcount, created_at) FROM stdin;\nalice\th\t3\t${stored64}\t${server64}\t${salt64}\t4096\tnow\nb\\\\b\th\t1\tp\\tq\t\t\t0\tnow\nx\n\\.\n\nSELECT 1;\n`,
      [
        { line: 5, fault: expect.any(String) },
        { line: 3, name: "alice", properties: { authPassword: [sha256] } },
        { line: 4, name: "b\\b", properties: { userPassword: "p\tq" } },
      ],
    ],
    [
      "mysql --table",
      "ejabberd",
      `+----------+------+----------+\n| username | type | password |\n+----------+------+----------+\n| alice    |    1 | secret   |\n+----------+------+----------+\n`,
      [{ line: 4, name: "alice", properties: { userPassword: "secret" } }],
    ],
    [
      "ejabberdctl dump",
      "ejabberd",
      `{tables,[{passwd,[{record_name,passwd},{attributes,[us,password]}]}]}.\n{last_activity,{<<"alice">>,<<"h">>},#{a => 1},#Fun<x>}.\n{passwd,{<<"alice">>,<<"h">>,sha256},\n        {scram,<<"${stored64}">>,\n               <<"${server64}">>,\n               <<"${salt64}">>,sha256,4096}}.\n{passwd,{<<208,184>>,<<"h">>,plain},<<"a\\"b">>}.\n{passwd,{"bob","h"},"old"}.\n{passwd,{<<"eve">>,<<"other">>,plain},<<"x">>}.\n{passwd,{<<"mallory">>}}.\n`,
      [
        { line: 10, fault: expect.any(String) },
        { line: 3, name: "alice", properties: { authPassword: [sha256] } },
        { line: 7, name: "и", properties: { userPassword: 'a"b' } },
        { line: 8, name: "bob", properties: { userPassword: "old" } },
      ],
      { host: "h" },
    ],
    [
      "several hosts, none asked for",
      "ejabberd",
      `{passwd,{<<"a">>,<<"h">>,plain},<<"x">>}.\n{passwd,{<<"a">>,<<"other">>,plain},<<"y">>}.\n`,
      [
        { line: 2, fault: expect.stringContaining("host") },
        { line: 1, name: "a", properties: { userPassword: "x" } },
      ],
    ],
    [
      "two rows of one type",
      "ejabberd",
      "username,type,password\na,1,x\na,1,y\n",
      [
        { line: 3, fault: expect.stringContaining("second") },
        { line: 2, name: "a", properties: { userPassword: "x" } },
      ],
    ],
    [
      "Prosody 0.9, %q and commas",
      "prosody",
      `return {\n ["password"] = "a\\\nb\\"é",\n [1] = { "x", y = -1.5e3, },\n}\n`,
      [{ line: 1, name: "alice", properties: { userPassword: 'a\nb"é' } }],
      { fileName: "alice.dat" },
    ],
    [
      "a disabled account of Prosody",
      "prosody",
      `return {disabled=true;password=""};`,
      [{ line: 1, name: "alice", properties: { disabled: true } }],
      { fileName: "alice.dat" },
    ],
  ];
  for (const [why, name, text, accounts, options] of readings) {
    test(`${name}: ${why}`, () => {
      const format = accountFormats.find((each) => each.name === name);
      expect([...(format?.parse(text, options) ?? [])]).toEqual(accounts);
    });
  }
});

describe("what a text is, its users have no say in", () => {
  const forged = `{passwd,{<<"admin">>,<<"example.org">>,plain},<<"chosen by mallory">>}.\n{`;
  const forgedSql = "INSERT INTO users (username, type, password) VALUES ('admin', 1, 'chosen');";
  const forgedRole = `ALTER ROLE postgres PASSWORD '${text256}';`;
  const admin = { name: "admin", properties: { userPassword: "right" } };
  const row = "INSERT INTO public.users (username, type, password) VALUES ('admin', 1, 'right');\n";
  const texts: readonly (readonly [why: string, format: string, text: string, accounts: readonly unknown[]])[] = [
    [
      "records of Mnesia in a text of pg_dump --inserts",
      "ejabberd",
      `--\n-- PostgreSQL database dump\n--\nSET standard_conforming_strings = on;\nINSERT INTO public.private_storage VALUES ('mallory', 'x', '<a>\n${forged}</a>');\n${row}`,
      [{ line: 8, ...admin }],
    ],
    [
      "a bracket at the start of a line of one",
      "ejabberd",
      `PRAGMA foreign_keys=OFF;\nINSERT INTO vcard VALUES ('mallory', '\n{');\n${row}`,
      [{ line: 4, ...admin }],
    ],
    [
      "a name with a bracket in a table",
      "ejabberd",
      "username,type,password\n{x,1,y\nadmin,1,right\n",
      [
        { line: 2, name: "{x", properties: { userPassword: "y" } },
        { line: 3, ...admin },
      ],
    ],
    [
      "SQL in a table",
      "ejabberd",
      `username\ttype\tpassword\n${forgedSql}\nadmin\t1\tright\n`,
      [
        { line: 2, fault: expect.stringContaining("columns") },
        { line: 3, ...admin },
      ],
    ],
    [
      "SQL behind records",
      "ejabberd",
      `%% a dump\n{passwd,{<<"admin">>,<<"h">>,plain},<<"right">>}.\n{x,"\nINSERT INTO users (username, type, password) VALUES ('eve', 1, 'x');"}.\n`,
      [{ line: 2, ...admin }],
    ],
    [
      "records behind SQL",
      "ejabberd",
      `${row}{passwd,{<<"eve">>,<<"h">>,plain},<<"x">>}.\n`,
      [
        { line: 2, fault: expect.stringContaining("Mnesia") },
        { line: 1, ...admin },
      ],
    ],
    [
      "SQL in a table of roles",
      "postgresql",
      `rolname,rolpassword\n"x\n${forgedRole}",\nalice,${text256}\n`,
      [
        { line: 2, fault: expect.any(String) },
        { line: 4, name: "alice", properties: { authPassword: [sha256] } },
      ],
    ],
    [
      "SQL in rows of roles",
      "postgresql",
      `alice\t${text256}\n${forgedRole}\n`,
      [
        { line: 1, name: "alice", properties: { authPassword: [sha256] } },
        { line: 2, fault: expect.any(String) },
      ],
    ],
  ];
  for (const [why, name, text, accounts] of texts) {
    test(`${name}: ${why}`, () => {
      expect([...(accountFormats.find((each) => each.name === name)?.parse(text) ?? [])]).toEqual(accounts);
    });
  }

  for (const text of ["", "hello\n", "INSERT INTO last VALUES ('x');\n", '{tables,[]}.\n{last,{<<"x">>}}.\n']) {
    test(`a text without accounts is no empty import: ${JSON.stringify(text)}`, () => {
      expect(() => [...ejabberdFormat.parse(text)]).toThrow(FormatError);
    });
  }
});

describe("a backslash in SQL", () => {
  const properties = { userPassword: "\\', '', '', 0); -- " };

  test("is read as whoever wrote it meant it, with nothing said but by the dump", () => {
    const rows = (text: string) => `INSERT INTO ${text} (username, type, password) VALUES ('a\\\\b', 1, 'x');\n`;
    const origins: readonly (readonly [start: string, table: string, name: string])[] = [
      ["-- MySQL dump 10.13  Distrib 8.0\n", "users", "a\\b"],
      ["/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", "users", "a\\b"],
      ["/*!40101 SET NAMES utf8 */;\n", "users", "a\\b"],
      ["", "`users`", "a\\b"],
      ["-- \n-- Mnesia table: passwd\n--\n", "users", "a\\b"],
      ["SET standard_conforming_strings = off;\n", "users", "a\\b"],
      ["SET standard_conforming_strings = on;\n", "users", "a\\\\b"],
      ["PRAGMA foreign_keys=OFF;\n", "users", "a\\\\b"],
    ];
    for (const [start, table, name] of origins) {
      expect([...ejabberdFormat.parse(start + rows(table))]).toMatchObject([{ name }]);
    }
  });

  test("is written for one database and taken for what it is there", () => {
    const standard = ejabberdFormat.format("alice", properties, { dialect: "standard" });
    expect(standard).toContain(`1, '\\'', '''', '''', 0); -- ', '', '', 0);`);
    const mysql = ejabberdFormat.format("alice", properties, { dialect: "mysql" });
    expect(mysql).toContain(`1, '\\\\'', '''', '''', 0); -- ', '', '', 0);`);
    for (const [text, dialect] of [
      [standard, "standard"],
      [mysql, "mysql"],
    ] as const) {
      expect([...ejabberdFormat.parse(text, { dialect })]).toMatchObject([{ name: "alice", properties }]);
      expect(() => [...ejabberdFormat.parse(text)]).toThrow("dialect");
    }
  });

  test("is one character to PostgreSQL, whatever a dump leaves out", () => {
    const text = `CREATE ROLE a;\nCOMMENT ON ROLE a IS 'C:\\dir\\';\nALTER ROLE a PASSWORD '${text256}';\n`;
    expect([...postgresqlFormat.parse(text)]).toMatchObject([{ line: 3, name: "a" }]);
  });
});

describe("hostile text is a fault or a FormatError", () => {
  const lua = (text: string) => () => parseProsody(text);
  const sql = (text: string) => () => [...ejabberdFormat.parse(text)];
  const keys = `stored_key="${"ab".repeat(20)}";server_key="${"ab".repeat(20)}"`;
  const refused: readonly (readonly [why: string, run: () => unknown])[] = [
    ["no Lua", lua("")],
    ["a call", lua('return os.execute("x")')],
    ["a call behind the table", lua("return {};os.exit()")],
    ["a call in the table", lua('return { password = ("x"):rep(1e9) }')],
    ["an operator", lua('return { password = "a" .. "b" }')],
    ["a long string", lua("return { password = [[x]] }")],
    ["a string without end", lua('return { password = "x')],
    ["a line end in a string", lua('return { password = "x\n" }')],
    ["an escape above 255", lua('return { password = "\\256" }')],
    ["an unknown escape", lua('return { password = "\\q" }')],
    ["a table without end", lua("return {")],
    ["deep tables", lua(`return ${"{".repeat(100_000)}`)],
    ["bytes that are not UTF-8", lua('return { password = "\\255" }')],
    ["a number for a password", lua("return { password = 5 }")],
    ["very long", lua(`return "${"x".repeat(1_000_001)}"`)],
    ["keys without salt", lua(`return { ${keys};iteration_count=4096 }`)],
    ["a salt that is a number", lua(`return { ${keys};salt=1;iteration_count=4096 }`)],
    ["a count in text", lua(`return { ${keys};salt="x";iteration_count="4096" }`)],
    ["a count of 1e9", lua(`return { ${keys};salt="x";iteration_count=1e9 }`)],
    [
      "keys of different hashes",
      lua(`return { ${keys.replace(/"(ab){20}"$/, `"${"ab".repeat(32)}"`)};salt="x";iteration_count=1 }`),
    ],
    ["keys that are no hexadecimal", lua(`return { stored_key="zz";server_key="zz";salt="x";iteration_count=1 }`)],
    ["SQL text without end", sql("INSERT INTO users VALUES ('x")],
    ["an SQL comment without end", sql("INSERT INTO users VALUES /* ")],
    ["a COPY without end", sql("COPY users (username) FROM stdin;\nx\n")],
    ["a table without header", sql("hello\n")],
    ["SQL of no known origin with a backslash", sql("INSERT INTO users (username, password) VALUES ('a\\', 'x');")],
    [
      "SQL that only a row says the origin of",
      sql("INSERT INTO users (username, password) VALUES ('a', '\n-- Mnesia table: x\nPRAGMA x');\nSELECT '\\';"),
    ],
    ["a Prosody file without a name", () => [...prosodyFormat.parse("return {}")]],
  ];
  for (const [why, run] of refused) test(why, () => expect(run).toThrow(FormatError));

  const faults: readonly (readonly [format: string, text: string])[] = [
    ["ejabberd", "username,type,password,serverkey,salt,iterationcount\na,9,x,y,z,1\n"],
    ["ejabberd", "username,type,password\n,1,x\n"],
    ["ejabberd", 'username,type,password\n"a,1,x\n'],
    ["ejabberd", '"username",type,password\n"'],
    ["ejabberd", "username,type,password\na,3,x\n"],
    ["ejabberd", `{passwd,{<<"a">>,<<"h">>,sha},{scram,<<"x">>,<<"y">>,<<"z">>,sha,1}}.\n`],
    ["ejabberd", `{passwd,{<<"a">>,<<"h">>,sha},${"{".repeat(1000)}`],
    ["ejabberd", `{passwd,{<<"a">>,<<"h">>,plain},<<256>>}.\n`],
    ["ejabberd", `{passwd,{<<"a">>,<<"h">>,plain},<<"a\\x{41}">>}.\n`],
    ["ejabberd", `INSERT INTO users (username, type) VALUES ('a'`],
    ["ejabberd", `INSERT INTO users (username, type, password) VALUES ('a', 1, concat('b', 'c'));`],
    ["postgresql", `ALTER ROLE "" PASSWORD '${text256}';`],
    ["postgresql", `ALTER ROLE a PASSWORD '${text256.replace("256", "1")}';`],
    ["postgresql", `\t${text256}\n`],
    ["postgresql", `${"x".repeat(1025)}\t${text256}\n`],
    ["rfc5803", "dn: uid=a\nuid: a\nuserPassword:: !!!\n"],
    ["rfc5803", "dn: uid=a\nuid: a\nuserPassword: x\nuserPassword: y\n"],
    ["rfc5803", `dn: uid=a\nuid: a\nauthPassword: ${text256}\nauthPassword: ${text256}\n`],
    ["rfc5803", "dn: uid=a\nuid:\nuserPassword: x\n"],
    ["rfc5803", "no attribute\n"],
  ];
  for (const [name, text] of faults) {
    test(`${name}: ${JSON.stringify(text.slice(0, 60))}`, () => {
      const read = [...(accountFormats.find((each) => each.name === name)?.parse(text) ?? [])];
      expect(read).toEqual([{ line: expect.any(Number), fault: expect.any(String) }]);
      expect(JSON.stringify(read)).not.toContain(stored64);
    });
  }

  test("R-LIM-04 __proto__ is a name like any other", () => {
    const [account] = ejabberdFormat.parse("username,type,password,__proto__\n__proto__,1,x,y\n");
    expect(account).toEqual({ line: 2, name: "__proto__", properties: { userPassword: "x" } });
    expect(parseProsody('return { ["__proto__"] = { password = "x" } }')).toEqual({});
    const [entry] = rfc5803Format.parse("dn: uid=x\nuid: __proto__\n__proto__: x\nuserPassword: x\n\n");
    expect(entry?.fault).toBeDefined(); // no attribute of LDAP has such a name
  });

  test("any text at all is read, is a fault, or is a FormatError", () => {
    const pieces = fc.constantFrom(
      "return {",
      "}",
      '"',
      "'",
      "\\",
      "{passwd,{",
      "<<",
      ">>",
      "INSERT INTO users",
      "COPY users FROM stdin;",
      "\n",
      "\t",
      ",",
      "(",
      ")",
      "VALUES",
      ";",
      "|",
      "username,password",
      "ALTER ROLE a PASSWORD ",
      "dn: uid=a",
      ": ",
      "/*",
      "--",
      "$",
      "[",
      "]",
      "=",
    );
    const texts = fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 }))).map((parts) => parts.join(""));
    fc.assert(
      fc.property(texts, (text) => {
        for (const format of accountFormats) {
          try {
            for (const read of format.parse(text, { fileName: "a.dat" })) expect(read.line).toBeGreaterThan(0);
          } catch (error) {
            if (!(error instanceof FormatError)) throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what a format cannot hold is refused with what to do", () => {
  const account = { authPassword: [sha256] };
  const refused: readonly (readonly [string, string, AccountProperties, object?])[] = [
    ["postgresql", "alice", { authPassword: [sha1, sha512] }],
    ["postgresql", "alice", { userPassword: "secret" }],
    ["postgresql", "x".repeat(64), account],
    ["postgresql", "a\0b", account],
    ["postgresql", "", account],
    ["postgresql", "\ud800", account],
    ["prosody", "alice", { authPassword: [sha1, sha256] }],
    ["prosody", "alice", { authPassword: [sha512] }],
    ["prosody", "alice", { authPassword: [sha512], userPassword: "secret" }],
    ["prosody", "alice", { passwordHash: ["$argon2id$x"] }],
    ["prosody", "alice", { authPassword: [sha256] }, { hash: "SHA-1" }],
    ["prosody", "alice", account, { hash: "SHA-512" }],
    ["prosody", "../../etc/passwd", account],
    ["prosody", "alice@example.org", account],
    ["ejabberd", "alice", { authPassword: [sha384] }],
    ["ejabberd", "alice", { ...account, disabled: true }],
    ["ejabberd", "al'ice", account],
    ["ejabberd", "al\nice", account],
    ["ejabberd", "alice", { passwordHash: ["$2b$x"] }],
    ["ejabberd", "alice", { userPassword: "a\\" }],
    ["ejabberd", "al\\ice", account],
    ["ejabberd", "alice", { authPassword: [sha256] }, { hash: "SHA-1" }],
    ["ejabberd", "alice", account, { hash: "SHA-384" }],
    ["rfc5803", "alice", { ...account, disabled: true }],
    ["rfc5803", "alice", {}],
    ["rfc5803", "alice", { userPassword: "{x}" }],
    ["rfc5803", "alice", { passwordHash: ["pbkdf2_sha256$1$x$y"] }],
  ];
  for (const [name, user, properties, options] of refused) {
    test(`${name}: ${JSON.stringify(user.slice(0, 20))} with ${Object.keys(properties).join(", ") || "nothing"}`, () => {
      const format = accountFormats.find((each) => each.name === name);
      expect(() => format?.format(user, properties, options)).toThrow(FormatError);
    });
  }

  test("verifiers come before the password, which is written for accounts with nothing else", () => {
    const both = { authPassword: [sha256], userPassword: "open sesame" };
    for (const format of accountFormats.filter((each) => each.name !== "dovecot")) {
      expect(format.format("alice", both)).not.toContain("sesame");
    }
    expect(ejabberdFormat.format("alice", { userPassword: "it's" })).toContain("1, 'it''s', '', '', 0");
  });

  test("a choice of hash makes Prosody take an account with two", () => {
    const text = prosodyFormat.format("alice", { authPassword: [sha1, sha256] }, { hash: "SHA-256" });
    expect(parseProsody(text)).toEqual(account);
  });

  test("a choice of hash makes a row for ejabberd without types, one for each account", () => {
    for (const [hash, prefix] of [
      ["SHA-1", ""],
      ["SHA-256", "sha256:"],
      ["SHA-512", "sha512:"],
    ] as const) {
      const text = ejabberdFormat.format("alice", { authPassword: [sha1, sha256, sha512] }, { hash });
      const wanted = [sha1, sha256, sha512].find((each) => each.hash === hash);
      expect(text.split("\n")[1]).toMatch(/^INSERT INTO users \(username, password, serverkey, salt, iterationcount\)/);
      expect(text).toContain(`'${prefix}${Buffer.from(wanted?.storedKey ?? []).toString("base64")}'`);
      expect([...ejabberdFormat.parse(text)]).toMatchObject([
        { name: "alice", properties: { authPassword: [wanted] } },
      ]);
    }
    const text = ejabberdFormat.format("alice", { userPassword: "it's" }, { hash: "SHA-1" });
    expect(text).toContain(
      "(username, password, serverkey, salt, iterationcount) VALUES ('alice', 'it''s', '', '', 0)",
    );
  });

  test("hashes of passwords go into LDIF under their schemes", () => {
    const passwordHash = ["$argon2id$x", "$2b$x", "{SSHA}x"];
    const text = rfc5803Format.format("alice", { passwordHash });
    expect(text).toContain("userPassword: {ARGON2}$argon2id$x\nuserPassword: {CRYPT}$2b$x\nuserPassword: {SSHA}x\n");
    expect([...rfc5803Format.parse(text)]).toEqual([{ line: 1, name: "alice", properties: { passwordHash } }]);
  });
});

describe("files of Prosody", () => {
  test("are named as Prosody names them", () => {
    expect(formatProsodyFileName("o_brien.é")).toBe("o%5fbrien%2e%c3%a9.dat");
    expect(parseProsodyFileName("accounts/o%5fbrien%2E%c3%a9.dat")).toBe("o_brien.é");
  });
  for (const name of [
    "",
    ".dat",
    "a",
    "a.list",
    "../.dat",
    "a%.dat",
    "a%zz.dat",
    "%00.dat",
    "%ff.dat",
    "a b.dat",
    "a.b.dat",
  ]) {
    test(`are not called ${name}`, () => expect(() => parseProsodyFileName(name)).toThrow(FormatError));
  }
});

describe("LDIF lines", () => {
  test("are base64 where RFC 2849 asks for it", () => {
    expect(formatLdifLine("a", "x y")).toBe("a: x y\n");
    for (const value of [" x", "x ", ":x", "<x", "é", "a\nb", "a\rb"]) {
      expect(formatLdifLine("a", value)).toBe(`a:: ${Buffer.from(value).toString("base64")}\n`);
    }
  });
});

test("each format has one row and a line about it", () => {
  expect(accountFormats.map(({ name }) => name)).toEqual(["dovecot", "rfc5803", "postgresql", "prosody", "ejabberd"]);
  for (const { description } of accountFormats) expect(description).toMatch(/^[^\n]{10,90}$/);
});

describe("R-LIM-02 the time taken grows with the length alone", () => {
  const many = 200_000;
  const long: readonly (readonly [why: string, text: string])[] = [
    ["line ends", "\n".repeat(many)],
    ["spaces", " ".repeat(many)],
    ["quotes", `INSERT INTO users VALUES (${"'".repeat(many)}`],
    ["backslashes", `INSERT INTO users VALUES ('${"\\".repeat(many)}`],
    ["commented SQL", `INSERT INTO users ${"/**/".repeat(many / 4)}`],
    ["cells", `username,password\n${'"",'.repeat(many / 3)}`],
    ["bars", `username|password\n${"|".repeat(many)}`],
    ["names of columns", "rolname ".repeat(many / 8)],
    ["half words", "ALTER ".repeat(many / 6)],
    ["folded lines", `dn: x\n${" \n".repeat(many / 2)}`],
    ["attributes", `dn: x\n${"a:b\n".repeat(many / 4)}`],
    ["Lua tables", `return {${"{},".repeat(many / 3)}}`],
    ["Lua escapes", `return {"${"\\1".repeat(many / 2)}"}`],
    ["Erlang records", "{passwd,{\n".repeat(many / 10)],
    ["Erlang octets", `{passwd,{<<${"1,".repeat(many / 2)}`],
  ];
  // What grows with the square takes minutes here, and the runner stops it.
  for (const [why, text] of long) {
    test(why, { timeout: 20_000 }, () => {
      for (const format of accountFormats) {
        try {
          for (const read of format.parse(text, { fileName: "a.dat" })) expect(read.line).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    });
  }
});
