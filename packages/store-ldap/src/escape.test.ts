import fc from "fast-check";
import { EqualityFilter, FilterParser } from "ldapts";
import { describe, expect, test } from "vitest";
import { checkFilter, escapeDnValue, fillDn, fillFilter } from "./escape.js";

const hostile: readonly [why: string, name: string, inFilter: string, inDn: string][] = [
  ["plain", "alice", "alice", "alice"],
  ["a star", "*", "\\2a", "*"],
  ["parentheses", "()", "\\28\\29", "()"],
  ["a backslash", "\\", "\\5c", "\\\\"],
  ["an escape of its own", "\\2a", "\\5c2a", "\\\\2a"],
  ["NUL", "a\0b", "a\\00b", "a\\00b"],
  ["the end of the filter", ")(uid=*", "\\29\\28uid=\\2a", ")(uid\\=*"],
  ["a further part of the name", "a,ou=admins", "a,ou=admins", "a\\,ou\\=admins"],
  ["a multi-valued RDN", "a+cn=b", "a+cn=b", "a\\+cn\\=b"],
  ["a quotation mark", '"', '"', '\\"'],
  ["angle brackets", "<a>", "<a>", "\\<a\\>"],
  ["a semicolon", "a;b", "a;b", "a\\;b"],
  ["a number sign first", "#04", "#04", "\\#04"],
  ["a number sign elsewhere", "a#b", "a#b", "a#b"],
  ["spaces at the ends", "  a  ", "  a  ", "\\  a \\ "],
  ["one space", " ", " ", "\\ "],
  ["a backslash and a space", "\\ ", "\\5c ", "\\\\\\ "],
  ["UTF-8", "jürgen😀", "jürgen😀", "jürgen😀"],
  ["the placeholder", "{user}", "{user}", "{user}"],
  ["signs of a replacement", "$&$1", "$&$1", "$&$1"],
  ["very long", ")".repeat(1024), "\\29".repeat(1024), ")".repeat(1024)],
];

describe("R-STO-01 a name in a filter and in the name of an entry:", () => {
  for (const [why, name, inFilter, inDn] of hostile) {
    test(why, () => {
      expect(fillFilter("(&(uid={user})(a=b))", name)).toBe(`(&(uid=${inFilter})(a=b))`);
      expect(fillDn("uid={user},dc=x", name)).toBe(`uid=${inDn},dc=x`);
    });
  }

  test("any name is one value of one filter", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (name) => {
        const filter = FilterParser.parseString(fillFilter("(uid={user})", name));
        expect(filter).toBeInstanceOf(EqualityFilter);
        expect(filter).toMatchObject({ attribute: "uid", value: name });
      }),
    );
  });

  test("any name is one value of one RDN", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(readDnValue(escapeDnValue(name))).toBe(name);
      }),
    );
  });
});

const templates: readonly [why: string, template: string, ok: boolean][] = [
  ["equality", "(uid={user})", true],
  ["several values", "(|(uid={user})(mail={user}@example.org))", true],
  ["a matching rule", "(uid:caseExactMatch:={user})", true],
  ["bits", "(&(uid={user})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", true],
  ["as an attribute", "({user}=x)", false],
  ["as a matching rule", "(uid:{user}:=x)", false],
  ["as a filter", "(&{user}(a=b))", false],
  ["not closed", "(&(uid={user})", false],
  ["closed twice", "(uid={user}))", false],
  ["empty", "", false],
];
for (const [why, template, ok] of templates) {
  test(`a filter with the name: ${why}`, () => {
    if (ok) expect(() => checkFilter(template)).not.toThrow();
    else expect(() => checkFilter(template)).toThrow(TypeError);
  });
}

/** The value RFC 4514 §3 reads; fails on what would have to be escaped. */
function readDnValue(text: string): string {
  expect(text).not.toMatch(/^[ #]|(?<!\\)(?:\\\\)* $/);
  return text.replace(/\\([0-9a-f]{2}|.)|[^\\]/gsu, (whole, escaped?: string) => {
    if (escaped === undefined) {
      expect(whole).not.toMatch(/["+,;<>\0]/);
      return whole;
    }
    return escaped.length === 2 && /^[0-9a-f]{2}$/.test(escaped)
      ? String.fromCharCode(Number.parseInt(escaped, 16))
      : escaped;
  });
}
