import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bareJid, formatJid, parseJid } from "./jid.js";

/** RFC 7622 §3.5, tables 1 and 2, and what authentication has to hold apart. */
const good: readonly [text: string, local: string | undefined, domain: string, resource?: string][] = [
  ["juliet@example.com", "juliet", "example.com"],
  ["juliet@example.com/foo", "juliet", "example.com", "foo"],
  ["juliet@example.com/foo bar", "juliet", "example.com", "foo bar"],
  ["juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"],
  ["foo\\20bar@example.com", "foo\\20bar", "example.com"],
  ["fussball@example.com", "fussball", "example.com"],
  ["fußball@example.com", "fußball", "example.com"],
  ["π@example.com", "π", "example.com"],
  ["Σ@example.com/foo", "σ", "example.com", "foo"],
  ["king@example.com/♚", "king", "example.com", "♚"],
  ["example.com", undefined, "example.com"],
  ["example.com/foobar", undefined, "example.com", "foobar"],
  ["a.example.com/b@example.net", undefined, "a.example.com", "b@example.net"],
  ["Juliet@EXAMPLE.com", "juliet", "example.com"],
  ["a@example.com.", "a", "example.com"],
  ["a@bücher.example", "a", "xn--bcher-kva.example"],
  ["a@BÜCHER.example", "a", "xn--bcher-kva.example"],
  ["a@[::1]", "a", "[::1]"],
  ["a@127.0.0.1", "a", "127.0.0.1"],
  ["e\u0301@example.com", "\u00e9", "example.com"],
  ["__proto__@example.com", "__proto__", "example.com"],
];

const bad: readonly [why: string, text: string][] = [
  ["nothing", ""],
  ["an empty local part", "@example.com"],
  ["an empty domain", "juliet@"],
  ["an empty resource", "juliet@example.com/"],
  ["a quote", '"juliet"@example.com'],
  ["a space", "foo bar@example.com"],
  ["a space at the end", "juliet @example.com"],
  ["an ampersand", "a&b@example.com"],
  ["an apostrophe", "a'b@example.com"],
  ["a colon", "a:b@example.com"],
  ["an angle bracket", "a<b@example.com"],
  ["two @", "a@b@example.com"],
  ["NUL", "a\0b@example.com"],
  ["a line break", "a\nb@example.com"],
  ["a lone surrogate", "a\ud800@example.com"],
  ["an invisible character", "a\u200bb@example.com"],
  ["a local part of 1024 octets", `${"a".repeat(1024)}@example.com`],
  ["a local part of 1024 octets in fewer characters", `${"ü".repeat(512)}@example.com`],
  ["a resource of 1024 octets", `a@example.com/${"b".repeat(1024)}`],
  ["a control character in the resource", "a@example.com/b\x07"],
  ["a port", "a@example.com:5222"],
  ["a bare colon", "a@example.com:"],
  ["a query", "a@example.com?b"],
  ["a fragment", "a@example.com#b"],
  ["a backslash", "a@example.com\\b"],
  ["an escape", "a@exam%70le.com"],
  ["a space in the domain", "a@exam ple.com"],
  ["an address that is none", "a@[::g]"],
];

describe("parseJid", () => {
  for (const [text, local, domain, resource] of good) {
    test(`R-XMPP-18 reads ${JSON.stringify(text)}`, () => {
      expect(parseJid(text)).toEqual({ local, domain, resource });
    });
  }
  for (const [why, text] of bad) {
    test(`R-XMPP-18 refuses ${why}`, () => expect(parseJid(text)).toBeUndefined());
  }

  test("takes parts of 1023 octets", () => {
    expect(parseJid(`${"a".repeat(1023)}@example.com/${"b".repeat(1023)}`)).toBeDefined();
  });

  test("R-LIM-05 any text is a JID that stays the same, or none", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.constantFrom("a", "@", "/", ".", "ü", "example.com", "%", "[", "]"),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const jid = parseJid(parts.join(""));
        if (jid) expect(parseJid(formatJid(jid))).toEqual(jid);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("bareJid", () => {
  const rule = bareJid(["Localhost", "bücher.example"]);
  const canonicalize = (name: string, role: "authcid" | "authzid", at: { readonly host?: string | undefined } = {}) =>
    rule.canonicalize(name, { role, side: "server", mechanism: "PLAIN", service: "xmpp", host: at.host });

  const names: readonly [name: string, role: "authcid" | "authzid", canonical: string][] = [
    ["alice", "authcid", "alice"],
    ["Alice", "authcid", "alice"],
    ["alice@localhost", "authcid", "alice"],
    ["alice@localhost", "authzid", "alice"],
    ["ALICE@LOCALHOST", "authzid", "alice"],
    ["alice@localhost.", "authzid", "alice"],
    ["alice@xn--bcher-kva.example", "authzid", "alice"],
  ];
  for (const [name, role, canonical] of names) {
    test(`R-XMPP-18 ${role} ${name} is ${canonical}`, () => expect(canonicalize(name, role)).toBe(canonical));
  }

  for (const authzid of [
    "alice",
    "alice@elsewhere",
    "alice@localhost/phone",
    "localhost",
    "@localhost",
    "alice@localhost@x",
    "",
  ]) {
    test(`R-XMPP-18 refuses authzid "${authzid}"`, () => {
      expect(() => canonicalize(authzid, "authzid")).toThrow(
        expect.objectContaining({ code: "authorization-refused" }),
      );
    });
  }
  const elsewhere: readonly [name: string, host: string | undefined][] = [
    ["alice@elsewhere", undefined],
    ["alice@elsewhere", "localhost"],
    ["alice@elsewhere", "elsewhere"],
    ["alice@bücher.example", "localhost"],
    ["alice@localhost", "bücher.example"],
  ];
  for (const role of ["authcid", "authzid"] as const) {
    for (const [name, host] of elsewhere) {
      test(`R-XMPP-18 refuses ${role} ${name} on a stream to ${host ?? "any host"}`, () => {
        expect(() => canonicalize(name, role, { host })).toThrow(
          expect.objectContaining({ code: "authorization-refused" }),
        );
      });
    }
    test(`R-XMPP-18 takes ${role} of the host of the stream, however it is written`, () => {
      expect(canonicalize("alice@xn--bcher-kva.example", role, { host: "BÜCHER.example" })).toBe("alice");
      expect(canonicalize("alice@LOCALHOST.", role, { host: "localhost" })).toBe("alice");
    });
  }
  test("R-XMPP-18 a user name without a domain is one of the host of the stream", () => {
    expect(canonicalize("Alice", "authcid", { host: "bücher.example" })).toBe("alice");
  });
  for (const authcid of ["", "a b", "a/b", "a\0b", "alice@localhost/phone"]) {
    test(`refuses user name ${JSON.stringify(authcid)}`, () => {
      expect(() => canonicalize(authcid, "authcid")).toThrow(expect.objectContaining({ code: "malformed-message" }));
    });
  }
});
