import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseTarget, type Target } from "./url.js";

const good: readonly [url: string, target: Partial<Target>][] = [
  ["imap://mail.example", { protocol: "imap", directTls: false, host: "mail.example", port: 143, user: undefined }],
  ["imaps://mail.example", { protocol: "imap", directTls: true, port: 993, portGiven: false }],
  ["smtp://mail.example/", { protocol: "smtp", directTls: false, port: 587 }],
  ["smtps://mail.example", { protocol: "smtp", directTls: true, port: 465 }],
  ["xmpp://chat.example", { protocol: "xmpp", directTls: false, port: 5222 }],
  ["xmpps://chat.example", { protocol: "xmpp", directTls: true, port: 5223 }],
  [
    "IMAP://alice@Mail.Example:1143",
    { protocol: "imap", user: "alice", host: "mail.example", port: 1143, portGiven: true },
  ],
  ["imap://al%40ice@mail.example", { user: "al@ice", host: "mail.example" }],
  ["imap://p%C3%A9ter@mail.example", { user: "p\u00e9ter" }],
  ["imap://p\u00e9ter@mail.example", { user: "p\u00e9ter" }],
  ["imap://a%3Ab@mail.example", { user: "a:b" }],
  ["imap://[::1]:1143", { host: "::1", port: 1143 }],
  ["imap://alice@[2001:DB8::1]", { host: "2001:db8::1", port: 143 }],
  ["imap://127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
  ["xmpp://alice@b\u00fccher.example", { host: "xn--bcher-kva.example" }],
  ["xmpp://__proto__@chat.example", { user: "__proto__" }],
];

const bad: readonly [why: string, url: string, message: RegExp][] = [
  ["nothing", "", /is not SCHEME/],
  ["no scheme", "mail.example", /is not SCHEME/],
  ["no slashes", "imap:mail.example", /is not SCHEME/],
  ["a scheme nobody knows", "http://mail.example", /known: imap, imaps, smtp, smtps, xmpp, xmpps/],
  ["a scheme of Object.prototype", "constructor://mail.example", /scheme constructor, which is not known/],
  ["a password", "imap://alice:pencil@mail.example", /holds a password.*--password-file/],
  ["an empty password", "imap://alice:@mail.example", /holds a password/],
  ["a password with an at sign", "imap://alice:pen@cil@mail.example", /holds a password/],
  ["an empty user", "imap://@mail.example", /empty user name/],
  ["a user with half an escape", "imap://al%4@mail.example", /% that is not followed/],
  ["a user that is no UTF-8", "imap://%ff@mail.example", /% that is not followed/],
  ["a user with NUL", "imap://a%00b@mail.example", /control character/],
  ["a user with CRLF", "imap://a%0d%0ab@mail.example", /control character/],
  ["a user with a slash", "imap://a/b@mail.example", /must be written as %XX/],
  ["no host", "imap://", /no host/],
  ["no host before a port", "imap://:143", /no host/],
  ["a host with a space", "imap://mail example", /neither a name nor an address/],
  ["an open bracket", "imap://[::1", /host that cannot be read/],
  ["no address in brackets", "imap://[mail]", /no IPv6 address/],
  ["a zone in brackets", "imap://[fe80::1%25eth0]", /no IPv6 address/],
  ["an address without brackets", "imap://::1", /host/],
  ["an empty port", "imap://mail.example:", /port that is not a number/],
  ["port 0", "imap://mail.example:0", /port that is not a number/],
  ["a port above 65535", "imap://mail.example:65536", /port that is not a number/],
  ["a port in words", "imap://mail.example:imap", /port that is not a number/],
  ["a negative port", "imap://mail.example:-1", /port that is not a number/],
  ["a port with a fraction", "imap://mail.example:1.5", /port that is not a number/],
  ["a path", "imap://mail.example/INBOX", /something behind/],
  ["a query", "imap://mail.example?x", /something behind/],
  ["a fragment", "imap://mail.example#x", /something behind/],
  ["far too much", `imap://${"a".repeat(5000)}`, /longer than 4096/],
  ["a name of more than 253 octets", `imap://${"a.".repeat(200)}example`, /neither a name nor an address/],
];

describe("URLs", () => {
  for (const [url, target] of good) {
    test(`takes ${url}`, () => expect(parseTarget(url)).toMatchObject(target));
  }

  for (const [why, url, message] of bad) {
    test(`refuses ${why}`, () => {
      expect(() => parseTarget(url)).toThrow(expect.objectContaining({ code: "malformed-url" }));
      expect(() => parseTarget(url)).toThrow(message);
    });
  }

  test("R-GEN-30 a password in a URL is not repeated", () => {
    for (const url of ["imap://alice:pencil@mail.example", "imap://alice:pencil@:x", "imap://a:pencil@b/c"]) {
      expect(() => parseTarget(url)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining("pencil") }),
      );
    }
  });

  test("every text is a target or a malformed URL", () => {
    const pieces = fc.constantFrom(
      "imap",
      "xmpps",
      "://",
      "@",
      ":",
      "/",
      "[",
      "]",
      "::1",
      "%",
      "%41",
      "host",
      "é",
      "\0",
      "1",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (url) => {
        try {
          const { port, host } = parseTarget(url);
          expect(Number.isInteger(port) && port >= 1 && port <= 65_535 && host !== "").toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ name: "CommandError", code: "malformed-url" });
        }
      }),
    );
  });
});
