import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { AccountProperties, ScramVerifier } from "sasl-core";
import { describe, expect, test } from "vitest";
import { keySizes } from "./parts.js";
import {
  formatPasswdAccount,
  isPasswdName,
  parsePasswdAccount,
  passwdFileFormat,
  passwdLineOf,
} from "./passwd-file.js";
import { formatPasswdSecret, parsePasswdSecret } from "./passwd-schemes.js";

const password = "open sésame";

/** Made by `doveadm pw` of Dovecot 2.3.19. */
const fromDovecot: readonly [scheme: string, text: string, value?: string][] = [
  ["PLAIN.b64", "{PLAIN.B64}b3BlbiBzw6lzYW1l", password],
  ["PLAIN.hex", "{PLAIN.HEX}6f70656e2073c3a973616d65", password],
  [
    "SHA512-CRYPT",
    "{SHA512-CRYPT}$6$pYX/NlHED8dQ0GGw$w1C0sJzad2r5DC64Z9xcG/Ko.Mq/KZgibm2GIBmeZesA1uqLDE83qrYYBtCFkxCvNmLphaODHQFn7Kamp/VWY0",
    "$6$pYX/NlHED8dQ0GGw$w1C0sJzad2r5DC64Z9xcG/Ko.Mq/KZgibm2GIBmeZesA1uqLDE83qrYYBtCFkxCvNmLphaODHQFn7Kamp/VWY0",
  ],
  [
    "SHA256-CRYPT",
    "{SHA256-CRYPT}$5$zx9bUad./4Hb6o.s$Ece7bwPj6V0zbPc.AbaM2aTK2xM6bqag.Tnn.3L6UYA",
    "$5$zx9bUad./4Hb6o.s$Ece7bwPj6V0zbPc.AbaM2aTK2xM6bqag.Tnn.3L6UYA",
  ],
  ["MD5-CRYPT", "{MD5-CRYPT}$1$cY0ciBPU$V78gGYqwaYnkjOziyoGKf/", "$1$cY0ciBPU$V78gGYqwaYnkjOziyoGKf/"],
  ["MD5", "{MD5}$1$RxiRu/5O$biVDkIia4g8eWKRX7.zfz1", "$1$RxiRu/5O$biVDkIia4g8eWKRX7.zfz1"],
  [
    "BLF-CRYPT",
    "{BLF-CRYPT}$2y$05$8gwnrVWAyCPoF3GGkZSfFeCutJ4VPxPMPS2NXA4fUHXYAsEYfiYgK",
    "$2y$05$8gwnrVWAyCPoF3GGkZSfFeCutJ4VPxPMPS2NXA4fUHXYAsEYfiYgK",
  ],
  [
    "CRYPT",
    "{CRYPT}$2y$05$dBmI1ft7Hu9t7rs7pHlfFO/x/JljrK158WusLptCIEr.xP1PUvwtS",
    "$2y$05$dBmI1ft7Hu9t7rs7pHlfFO/x/JljrK158WusLptCIEr.xP1PUvwtS",
  ],
  [
    "ARGON2ID",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$lVxQCpgXeH1EMSxEMj+jLg$gnRYPoMuNz5CyB9KkmSKLEh9jFh7Bc7IYArU30oDWXc",
    "$argon2id$v=19$m=65536,t=3,p=1$lVxQCpgXeH1EMSxEMj+jLg$gnRYPoMuNz5CyB9KkmSKLEh9jFh7Bc7IYArU30oDWXc",
  ],
  [
    "ARGON2I",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$xEXtPqclLBXkaMvPoLhR0Q$lJjQOiG6NidQ+NltUXn7kDb6DXNaMmEY7Ph8OOk+acM",
    "$argon2i$v=19$m=32768,t=4,p=1$xEXtPqclLBXkaMvPoLhR0Q$lJjQOiG6NidQ+NltUXn7kDb6DXNaMmEY7Ph8OOk+acM",
  ],
  ["DES-CRYPT", "{DES-CRYPT}nKIRuOoQR3mBg", "{CRYPT}nKIRuOoQR3mBg"],
  ["SSHA", "{SSHA}JYACvg+AtZX+tljAwlGaiG7cNIiDuURx", "{SSHA}JYACvg+AtZX+tljAwlGaiG7cNIiDuURx"],
  ["SSHA.hex", "{SSHA.HEX}9d5bbc64ad58a6f2ab6dec804a113862250b039bcf65818e", "{SSHA}nVu8ZK1YpvKrbeyAShE4YiULA5vPZYGO"],
  ["SHA", "{SHA}h3vEP7yIx/YrH/fJv0XdGX2QNMM=", "{SHA}h3vEP7yIx/YrH/fJv0XdGX2QNMM="],
  ["SHA in hex", "{SHA}877bc43fbc88c7f62b1ff7c9bf45dd197d9034c3", "{SHA}h3vEP7yIx/YrH/fJv0XdGX2QNMM="],
  ["SHA1", "{SHA1}h3vEP7yIx/YrH/fJv0XdGX2QNMM=", "{SHA}h3vEP7yIx/YrH/fJv0XdGX2QNMM="],
  ["SMD5", "{SMD5}V448veHfthySuk2SuIez2kUgfb4=", "{SMD5}V448veHfthySuk2SuIez2kUgfb4="],
  ["LDAP-MD5", "{LDAP-MD5}p/6Lh+bN5YKw8DyIUmtiPQ==", "{MD5}p/6Lh+bN5YKw8DyIUmtiPQ=="],
  ["PLAIN-MD5", "{PLAIN-MD5}a7fe8b87e6cde582b0f03c88526b623d", "{MD5}p/6Lh+bN5YKw8DyIUmtiPQ=="],
  ["no scheme", "$6$pYX$w1C0sJzad2r5", "$6$pYX$w1C0sJzad2r5"],
];
for (const [scheme, text, value] of fromDovecot) {
  test(`reads what Dovecot writes as ${scheme}`, () => {
    expect(parsePasswdSecret(text)?.value).toBe(value);
  });
}

test("reads verifiers Dovecot made", () => {
  const text =
    "{SCRAM-SHA-256}4096,xBU3QFuJRC6Mmy1tChG3Tg==,DlqV2cjgIbXiAuZjgu9y8JZOpv8cWFdTq8fJPaXzCEs=,GyZe+7sV/pfA7ar8mOT4O1JVsSr7MjdNjkrS9Cu/WIg=";
  const secret = parsePasswdSecret(text);
  expect(secret).toMatchObject({ property: "authPassword", value: { hash: "SHA-256", iterations: 4096 } });
  expect(secret && formatPasswdSecret(secret)).toBe(text);
});

const unreadable: readonly [why: string, text: string][] = [
  ["a password without a scheme", "hunter22"],
  ["a scheme of Dovecot that nothing here can use", "{CRAM-MD5}f355c8ec9010ec1de33135bc5bea27aa"],
  ["a scheme nobody knows", "{NONSENSE}x"],
  ["a scheme without its end", "{PLAIN"],
  ["an empty password", "{PLAIN}"],
  ["an empty password in base64", "{PLAIN.b64}"],
  ["base64 that is none", "{PLAIN.b64}a"],
  ["base64 with more behind it", "{PLAIN.b64}YQ==YQ=="],
  ["hexadecimal that is none", "{PLAIN.hex}6x"],
  ["octets that are not UTF-8", "{PLAIN.hex}ff"],
  ["a verifier with three fields", "{SCRAM-SHA-256}4096,AAAA,AAAA"],
  ["a verifier with a count beyond sense", "{SCRAM-SHA-1}99999999,AAAA,AAAA,AAAA"],
  ["a verifier of an unknown hash", "{SCRAM-MD4}4096,AAAA,AAAA,AAAA"],
  ["a hash of another scheme", "{SHA512-CRYPT}$5$a$b"],
  ["a crypt text that is too short", "{CRYPT}abc"],
  ["a digest that is too short", "{SHA256}AAAA"],
  ["a salted digest without a salt", "{SSHA}h3vEP7yIx/YrH/fJv0XdGX2QNMM="],
];
for (const [why, text] of unreadable) {
  test(`R-STO-04 refuses ${why}, and does not quote it`, () => {
    const error = caught(() => parsePasswdAccount([`alice:${text}`]));
    expect(error).toMatchObject({ name: "FormatError" });
    const secret = text.slice(text.indexOf("}") + 1);
    if (secret.length >= 4) expect(error.message).not.toContain(secret.slice(0, 8));
  });
}

describe("lines", () => {
  const lines: readonly [why: string, line: string, name: string | undefined, main?: boolean][] = [
    ["a user", "alice:{PLAIN}a", "alice", true],
    ["a user without a colon", "alice", "alice", true],
    ["a user with blanks inside", "alice b :x", "alice b ", true],
    ["a user called like a mark", "sasl:x", "sasl", true],
    ["a further secret", "#:sasl alice:TAG:{PLAIN}a", "alice", false],
    ["a property", "#:sasl-property alice:a:1", "alice", false],
    ["a comment", "# alice:{PLAIN}a", undefined],
    ["a comment that looks like a user", "#alice:{PLAIN}a", undefined],
    ["a user called like a mark, in a comment", "#sasl alice:{PLAIN}a", undefined],
    ["a comment behind blanks", "  # alice", undefined],
    ["nobody", ":{PLAIN}a", undefined],
    ["nobody in a comment", "#:sasl :TAG:{PLAIN}a", undefined],
    ["nothing", "", undefined],
    ["blanks", " \t", undefined],
    ["a control character", "al\tice:x", undefined],
    ["octets that were not UTF-8", "al\ufffdice:x", undefined],
  ];
  for (const [why, line, name, main] of lines) {
    test(why, () => expect(passwdLineOf(line)).toEqual(name === undefined ? undefined : { name, main }));
  }
});

describe("accounts read", () => {
  const accounts: readonly [why: string, lines: string[], properties: AccountProperties | undefined][] = [
    ["no secret", ["a:"], {}],
    ["locked", ["a:*:::::"], {}],
    ["comments alone", ["#:sasl-property a:b:1"], undefined],
    [
      "all fields",
      ["a:{PLAIN}x:1000:vmail:A B:/home/a:/bin/sh:userdb_quota_rule=*:storage=1G userdb_flag proxy=y"],
      {
        userPassword: "x",
        uid: "1000",
        gid: "vmail",
        gecos: "A B",
        home: "/home/a",
        shell: "/bin/sh",
        userdb_quota_rule: "*:storage=1G",
        userdb_flag: true,
        proxy: "y",
      },
    ],
    [
      "the mail location of old",
      ["a:{PLAIN}x::::::" + ":maildir:~/m"],
      { userPassword: "x", userdb_mail: "maildir:~/m" },
    ],
    ["nologin", ["a:{PLAIN}x::::::nologin"], { userPassword: "x", disabled: true }],
    ["nologin with any value, as in Dovecot", ["a:{PLAIN}x::::::nologin=no"], { userPassword: "x", disabled: true }],
    [
      "nologin in the second line",
      ["a:{PLAIN}x", "a:$6$a$b::::::nologin"],
      { userPassword: "x", passwordHash: ["$6$a$b"], disabled: true },
    ],
    ["nologin against a comment", ["a:*::::::nologin", "#:sasl-property a:disabled:false"], { disabled: true }],
    ["a field against a comment", ["a:*:5:::::", "#:sasl-property a:uid:7"], { uid: "5" }],
    ["an extra field called like a secret", ["a:*::::::userPassword=x passwordHash=y uid=0"], {}],
    [
      "a further secret of an earlier password",
      ["a:{PLAIN}new", "#:sasl a:AAAAAAAAAAAAAAAA:$6$old$x"],
      { userPassword: "new" },
    ],
  ];
  for (const [why, lines, properties] of accounts) {
    test(why, () => {
      const found = parsePasswdAccount(lines);
      expect(found && { ...found }).toEqual(properties);
    });
  }

  test("R-LIM-04 no name of a property has an effect", () => {
    const found = parsePasswdAccount([
      "a:*::::::__proto__=x constructor=y",
      '#:sasl-property a:toString:{"__proto__":{"disabled":false}}',
    ]);
    expect(Object.getPrototypeOf(found)).toBe(null);
    expect(Object.entries(found ?? {}).map(([name]) => name)).toEqual(["__proto__", "constructor", "toString"]);
  });

  const malformed: readonly [why: string, lines: string[]][] = [
    ["two passwords", ["a:{PLAIN}x", "a:{PLAIN}y"]],
    ["two verifiers of a hash", Array(2).fill(`a:${scram("SHA-1")}`)],
    ["the same hash twice", ["a:$6$a$b", "a:$6$a$b"]],
    ["a line without a colon", ["a"]],
    ["a control character", ["a:{PLAIN}x\u0085y"]],
    ["octets that were not UTF-8", ["a:{PLAIN}\ufffd"]],
    ["a line that is too long", [`a:{PLAIN}${"x".repeat(65_536)}`]],
    ["an extra field without a name", ["a:*::::::=x"]],
    ["a property that is not JSON", ["a:*", "#:sasl-property a:b:{"]],
    ["a property name that does not decode", ["a:*", "#:sasl-property a:%f:1"]],
    ["a secret among the properties", ["a:*", '#:sasl-property a:userPassword:"x"']],
  ];
  for (const [why, lines] of malformed) {
    test(`R-STO-04 refuses ${why}`, () => {
      expect(caught(() => parsePasswdAccount(lines))).toMatchObject({ name: "FormatError" });
    });
  }
});

describe("accounts written", () => {
  const crypt = "$6$salt$hash";
  const argon = "$argon2id$v=19$m=65536,t=3,p=1$lVxQCpgXeH1EMSxEMj+jLg$gnRYPoMuNz5C";
  const first: readonly [why: string, properties: AccountProperties, secret: string][] = [
    ["nothing", {}, ""],
    [
      "the password before all",
      { passwordHash: [argon], userPassword: "x", authPassword: [verifier("SHA-256")] },
      "{PLAIN}x",
    ],
    ["a password with a colon", { userPassword: "a:b" }, "{PLAIN.b64}YTpi"],
    ["a password with a line end", { userPassword: "a\nb:{PLAIN}" }, "{PLAIN.b64}YQpiOntQTEFJTn0="],
    ["a password with a blank at its end", { userPassword: "a " }, "{PLAIN.b64}YSA="],
    ["a password beyond ASCII", { userPassword: "ä" }, "{PLAIN.b64}w6Q="],
    ["a password that looks like a scheme", { userPassword: "{SHA}x" }, "{PLAIN}{SHA}x"],
    [
      "SCRAM-SHA-256 before the others",
      { authPassword: ["SHA-512", "SHA-1", "SHA-256"].map(verifier) },
      scram("SHA-256"),
    ],
    [
      "SCRAM-SHA-1 before what Dovecot does not know",
      { authPassword: ["SHA-512", "SHA-1"].map(verifier) },
      scram("SHA-1"),
    ],
    ["argon2id before crypt", { passwordHash: [crypt, argon] }, `{ARGON2ID}${argon}`],
    [
      "a known hash before a verifier Dovecot does not know",
      { authPassword: [verifier("SHA-512")], passwordHash: [crypt] },
      `{SHA512-CRYPT}${crypt}`,
    ],
    ["yescrypt", { passwordHash: ["$y$j9T$a$b"] }, "{CRYPT}$y$j9T$a$b"],
    [
      "a digest",
      { passwordHash: ["{SSHA}JYACvg+AtZX+tljAwlGaiG7cNIiDuURx"] },
      "{SSHA}JYACvg+AtZX+tljAwlGaiG7cNIiDuURx",
    ],
    ["a bare MD5", { passwordHash: ["{MD5}p/6Lh+bN5YKw8DyIUmtiPQ=="] }, "{LDAP-MD5}p/6Lh+bN5YKw8DyIUmtiPQ=="],
    ["a hash in a notation of its own", { passwordHash: ["{x}:\n"] }, "{SASL-HASH.b64}e3h9Ogo="],
  ];
  for (const [why, properties, secret] of first) {
    test(why, () => {
      const lines = formatPasswdAccount("alice", properties);
      expect(lines[0]).toBe(`alice:${secret}::::::`);
      expect({ ...parsePasswdAccount(lines) }).toEqual(properties);
    });
  }

  test("properties", () => {
    expect(
      formatPasswdAccount("alice", {
        uid: "1000",
        gid: "1000",
        home: "/home/a b",
        shell: 7,
        gecos: "a:b",
        userdb_quota_rule: "*:storage=1G",
        userdb_note: "two words",
        nopassword: "y",
        disabled: true,
        "odd:name\n": "a\nb",
      }),
    ).toEqual([
      "alice::1000:1000::/home/a b::nologin userdb_quota_rule=*:storage=1G",
      "#:sasl-property alice:shell:7",
      '#:sasl-property alice:gecos:"a:b"',
      '#:sasl-property alice:userdb_note:"two words"',
      '#:sasl-property alice:nopassword:"y"',
      '#:sasl-property alice:odd%3Aname%0A:"a\\nb"',
    ]);
  });

  test("what is unchanged stays as it is, what is removed goes", () => {
    const before = ["alice:{PLAIN}x:vmail:0:::/bin/sh:proxy=y allow_nets=10.0.0.0/8 nologin=y userPassword=z a a=1"];
    const { disabled, allow_nets, ...others } = parsePasswdAccount(before) ?? {};
    expect([disabled, allow_nets]).toEqual([true, "10.0.0.0/8"]);
    expect(formatPasswdAccount("alice", { ...others, proxy: "maybe", userPassword: "y" }, before)).toEqual([
      "alice:{PLAIN}y:vmail:0:::/bin/sh:userPassword=z a a=1 proxy=maybe",
    ]);
  });

  test("an owner Dovecot could not resolve does not reach it", () => {
    expect(formatPasswdAccount("alice", { uid: "alice" })[0]).toBe("alice:::::::");
  });

  test("R-STO-05 further secrets count for the password they were written with alone", () => {
    const written = formatPasswdAccount("alice", { userPassword: "old", authPassword: [verifier("SHA-256")] });
    const edited = written.map((line) => line.replace("{PLAIN}old", "{PLAIN}new"));
    expect({ ...parsePasswdAccount(written) }).toEqual({ userPassword: "old", authPassword: [verifier("SHA-256")] });
    expect({ ...parsePasswdAccount(edited) }).toEqual({ userPassword: "new" });
  });

  const badNames = ["", "a:b", "#a", " a", "a\nb", "a\rb", "a\0", "\u0085", "a\ufffd", "a\ud800", "x".repeat(1025)];
  for (const name of badNames) {
    test(`R-STO-01 refuses the name ${JSON.stringify(name.slice(0, 8))}`, () => {
      expect(isPasswdName(name)).toBe(false);
      expect(caught(() => formatPasswdAccount(name, { userPassword: "x" }))).toMatchObject({ name: "FormatError" });
    });
  }

  const refused: readonly [why: string, properties: AccountProperties][] = [
    ["an empty password", { userPassword: "" }],
    ["half a character in a password", { userPassword: "\ud800" }],
    ["half a character in a property name", { "\ud800": 1 }],
    ["an empty hash", { passwordHash: [""] }],
    ["two verifiers of a hash", { authPassword: [verifier("SHA-1"), verifier("SHA-1")] }],
    ["a verifier nobody could read", { authPassword: [{ ...verifier("SHA-1"), iterations: 0 }] }],
    ["more than a line can hold", { note: "x".repeat(65_536) }],
  ];
  for (const [why, properties] of refused) {
    test(`refuses ${why}`, () => {
      expect(caught(() => formatPasswdAccount("alice", properties))).toMatchObject({ name: "FormatError" });
    });
  }
});

describe("R-STO-01 whatever is written is read again, and nothing else", () => {
  const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }).filter(isWellFormed), hostile());
  const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const verifiers = fc.uniqueArray(
    fc.constantFrom(...keySizes).chain(([hash, size]) =>
      fc.record({
        hash: fc.constant(hash),
        salt: fc.uint8Array({ minLength: 1, maxLength: 24 }),
        iterations: fc.integer({ min: 1, max: 10_000_000 }),
        storedKey: octets(size),
        serverKey: octets(size),
      }),
    ),
    { selector: ({ hash }) => hash, minLength: 1 },
  );
  const hashes = fc.uniqueArray(
    fc.oneof(
      text.filter((each) => each !== ""),
      fc.constantFrom("$6$a$b", "$argon2id$v=19$x", "{SSHA}JYACvg+AtZX+tljAwlGaiG7cNIiDuURx", "$2y$05$x", "*", "!"),
    ),
    { minLength: 1 },
  );
  const value = fc.oneof(
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 8 }),
    fc.array(text),
  );
  const key = fc.oneof(
    text.filter((name) => !["userPassword", "authPassword", "passwordHash", "disabled"].includes(name)),
    fc.constantFrom("uid", "gid", "gecos", "home", "shell", "nologin", "userdb_a", "userdb_b", "__proto__", "userdb_="),
  );
  const properties = fc
    .tuple(
      fc.record(
        {
          userPassword: text.filter((each) => each !== ""),
          authPassword: verifiers,
          passwordHash: hashes,
          disabled: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      fc.array(fc.tuple(key, value), { maxLength: 6 }),
    )
    .map(([known, own]) => Object.assign(Object.create(null), Object.fromEntries(own), known) as AccountProperties);
  const name = text.filter(isPasswdName);

  test("one account", () => {
    fc.assert(
      fc.property(name, properties, (who, account) => {
        const lines = formatPasswdAccount(who, account);
        for (const [i, line] of lines.entries()) expect(passwdLineOf(line)).toEqual({ name: who, main: i === 0 });
        expect(lines.join("")).not.toMatch(/\p{Cc}/u);
        // Dovecot's view: the first field is the name, the second one secret, and everything else a comment.
        expect(lines[0]?.split(":")[0]).toBe(who);
        for (const line of lines.slice(1)) expect(line.startsWith("#")).toBe(true);
        expect(plain(parsePasswdAccount(lines))).toEqual(plain(account));
      }),
      { numRuns: 500 },
    );
  });

  test("over another one", () => {
    fc.assert(
      fc.property(name, properties, properties, (who, before, after) => {
        const lines = formatPasswdAccount(who, after, formatPasswdAccount(who, before));
        expect(plain(parsePasswdAccount(lines))).toEqual(plain(after));
      }),
      { numRuns: 500 },
    );
  });

  const line = fc.constantFrom(
    "",
    "a:{PLAIN}",
    "a:$6$",
    "a:*:",
    "b:*:::::::",
    "#:sasl-property a:b:",
    "a:x",
    "b:*::::::x=",
  );
  test("any text, read or refused", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(line, hostile()), { maxLength: 8 }), (parts) => {
        for (const found of passwdFileFormat.parse(parts.map((part) => part.join("")).join("\n"))) {
          if (found.fault !== undefined) continue;
          const lines = formatPasswdAccount(found.name, found.properties);
          expect(plain(parsePasswdAccount(lines))).toEqual(plain(found.properties));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test("a whole file", () => {
  const text = [
    "# users",
    "alice:{PLAIN}a\r",
    "bob:{NONSENSE}x",
    ":{PLAIN}nobody",
    "alice:$6$a$b",
    "#:sasl-property ghost:a:1",
    "carol:{PLAIN}c",
    "",
  ].join("\n");
  expect(ordinary([...passwdFileFormat.parse(text)])).toEqual([
    { line: 4, fault: "no user name before the first colon" },
    { line: 2, name: "alice", properties: { userPassword: "a", passwordHash: ["$6$a$b"] } },
    { line: 3, fault: "a scheme that is not known here" },
    { line: 7, name: "carol", properties: { userPassword: "c" } },
  ]);
  expect(passwdFileFormat.format("carol", { userPassword: "c", note: 1 })).toBe(
    "carol:{PLAIN}c::::::\n#:sasl-property carol:note:1\n",
  );
});

/** Pieces such files are made of, in orders nobody writes. */
function hostile(): fc.Arbitrary<string> {
  const pieces = [
    ":",
    "#",
    "#:sasl ",
    "#:sasl-property ",
    "a",
    "{PLAIN}",
    "{PLAIN.b64}",
    "$6$",
    "*",
    "\n",
    "\r\n",
    " ",
    "=",
  ];
  const more = [
    "nologin",
    "userdb_x=",
    "%",
    "{",
    "}",
    '"',
    "\\",
    "\u2028",
    "\u0085",
    "\u007f",
    "\ufffd",
    "__proto__",
    "\0",
  ];
  return fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 12 }).map((parts) => parts.join(""));
}

function isWellFormed(value: string): boolean {
  return Buffer.from(value).toString() === value;
}

function verifier(hash: string): ScramVerifier {
  const size = keySizes.get(hash) ?? 0;
  const key = new Uint8Array(size).fill(7);
  return { hash, salt: new Uint8Array(16).fill(1), iterations: 4096, storedKey: key, serverKey: key };
}

function scram(hash: string): string {
  return formatPasswdSecret({ property: "authPassword", value: verifier(hash) });
}

/** The same with ordinary objects, for comparing. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plain);
  return new Map(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

function ordinary(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function caught(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
