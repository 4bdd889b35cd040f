import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatMailAuth, parseMailAuth } from "./mail-auth.js";

const malformed = expect.objectContaining({ code: "malformed-message" });

describe("AUTH= of MAIL FROM", () => {
  const pairs: readonly [xtext: string, mailbox: string | undefined][] = [
    ["<>", undefined],
    ["e+3Dmc2@example.com", "e=mc2@example.com"], // RFC 4954 §5.1
    ["user@example.com", "user@example.com"],
    ["a+2Bb@example.com", "a+b@example.com"],
    ['"a+20b"@example.com', '"a b"@example.com'],
    ["x@[192.0.2.1]", "x@[192.0.2.1]"],
    ["x@[IPv6:2001:db8::1]", "x@[IPv6:2001:db8::1]"],
    ["J+C3+B6rg@b+C3+BCcher.example", "Jörg@bücher.example"],
  ];
  for (const [xtext, mailbox] of pairs) {
    test(`R-SMTP-19 ${xtext}, both ways`, () => {
      expect(formatMailAuth(mailbox)).toBe(`AUTH=${xtext}`);
      expect(parseMailAuth(xtext, true)).toBe(mailbox);
    });
  }

  test("R-SMTP-19 from an untrusted client every mailbox counts as '<>', but must be well-formed", () => {
    expect(parseMailAuth("user@example.com", false)).toBeUndefined();
    expect(() => parseMailAuth("user", false)).toThrow(malformed);
  });

  const bad: readonly [why: string, value: string][] = [
    ["nothing", ""],
    ["a space", "a b@example.com"],
    ["an equals sign", "e=mc2@example.com"],
    ["lower-case digits", "e+3dmc2@example.com"],
    ["an escape cut off", "user@example.com+3"],
    ["an escape that is none", "u+GGser@example.com"],
    ["a control character", "u+0Dser@example.com"],
    ["a line end", "user@example.com+0D+0A"],
    ["NUL", "user+00@example.com"],
    ["beyond ASCII", "jörg@example.com"],
    ["no UTF-8", "+FF@example.com"],
    ["no at sign", "user"],
    ["no name", "@example.com"],
    ["no domain", "user@"],
    ["brackets around it", "<user@example.com>"],
    ["a dot too many", "user@example..com"],
    ["two at signs", "a@b@example.com"],
    ["an open quote", '"a@example.com'],
    ["a list", "a@example.com,b@example.com"],
    ["too long a value", `${"a".repeat(500)}@example.com`],
  ];
  for (const [why, value] of bad) {
    test(`R-SMTP-19 refuses ${why}`, () => expect(() => parseMailAuth(value, true)).toThrow(malformed));
  }

  test("R-SMTP-21 what is no mailbox is not written", () => {
    for (const mailbox of ["", "user", "a@b\r\nRCPT TO:<x>", "a b@c", "\ud800@example.com", "a\0@b"]) {
      expect(() => formatMailAuth(mailbox)).toThrow();
    }
  });

  test("R-LIM-02 takes anything, in linear time", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        try {
          parseMailAuth(value, true);
        } catch (error) {
          expect(error).toMatchObject({ code: "malformed-message" });
        }
      }),
    );
    const started = performance.now();
    for (const part of ["a.", '"', "\\", "+41", "[", "@"]) {
      expect(() => formatMailAuth(part.repeat(250))).toThrow();
      expect(() => parseMailAuth(part.repeat(166), true)).toThrow();
    }
    expect(performance.now() - started).toBeLessThan(200);
  });
});
