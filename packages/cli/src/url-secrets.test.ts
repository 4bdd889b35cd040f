import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maskArguments } from "./url-secrets.js";

describe("R-GEN-30 of a URL among the arguments its password is hidden", () => {
  const url = "imap://alice:s3cret@localhost";
  const rows: readonly [why: string, argument: string, text: string, shown: string][] = [
    ["the whole URL", url, `unknown '${url}'`, "unknown 'imap://alice:<6 characters>@localhost'"],
    ["its beginning", url, "no imap://alice:s3c known", "no imap://alice:<3 characters> known"],
    ["twice", url, `${url} ${url}`, "imap://alice:<6 characters>@localhost imap://alice:<6 characters>@localhost"],
    ["behind an option", `--store=${url}`, `at ${url}`, "at imap://alice:<6 characters>@localhost"],
    ["without a scheme", "//alice:s3cret@h", "'//alice:s3cret@h'", "'//alice:<6 characters>@h'"],
    ["with a slash and an at sign", "x://a:s/3@c@h", "x://a:s/3@c@h", "x://a:<5 characters>@h"],
    ["inside JSON", 'x://a:s"3@h', JSON.stringify('x://a:s"3@h'), '"x://a:<4 characters>@h"'],
    ["on one line", "x://a:s\t3@h", "x://a:s 3@h", "x://a:<3 characters>@h"],
    [
      "a parameter",
      "x://h/d?password=s3cret&a=b",
      "x://h/d?password=s3cret&a=b",
      "x://h/d?password=<6 characters>&a=b",
    ],
    ["the same word elsewhere", "postgres://postgres:postgres@h", "known: postgresql", "known: postgresql"],
    ["no password", "imap://alice@localhost:143", "imap://alice@localhost:143", "imap://alice@localhost:143"],
  ];
  for (const [why, argument, text, shown] of rows) {
    test(why, () => expect(maskArguments(["login", argument])(text)).toBe(shown));
  }

  test("whatever the password is", () => {
    const passwords = fc.string({ minLength: 1 }).filter((each) => !"<0123456789 characters>".includes(each));
    fc.assert(
      fc.property(passwords, (password) => {
        const word = `x://u:${password}@h`;
        expect(maskArguments([word])(`'${word}'`)).toBe(`'x://u:<${password.length} characters>@h'`);
      }),
    );
  });
});
