import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseReply, ReplyReader } from "./reply.js";

describe("replies", () => {
  const good: readonly [text: string, reply: unknown][] = [
    ["235 2.7.0 ok", { code: 235, enhanced: "2.7.0", lines: ["ok"] }],
    ["235 ok", { code: 235, enhanced: undefined, lines: ["ok"] }],
    ["235", { code: 235, enhanced: undefined, lines: [""] }],
    ["235 ", { code: 235, enhanced: undefined, lines: [""] }],
    ["535 5.7.8", { code: 535, enhanced: "5.7.8", lines: [""] }],
    [
      "535-5.7.1 not accepted, see\r\n535 5.7.1 http://example.com",
      { code: 535, enhanced: "5.7.1", lines: ["not accepted, see", "http://example.com"] },
    ],
    ["250-a\n250-\n250 b", { code: 250, enhanced: undefined, lines: ["a", "", "b"] }],
    ["535 5.7.88888 x", { code: 535, enhanced: undefined, lines: ["5.7.88888 x"] }],
    ["535 hi\u001b[2J", { code: 535, enhanced: undefined, lines: ["hi [2J"] }],
  ];
  for (const [text, reply] of good) {
    test(`R-SMTP-11 reads ${JSON.stringify(text)}`, () => expect(parseReply(text)).toEqual(reply));
  }

  const bad = [
    "",
    "23",
    "2355 x",
    "135 x",
    "635 x",
    "abc x",
    " 235 x",
    "235x",
    "235\tx",
    "235-x",
    "235-x\r\n250 y",
    "+OK",
    "535-x\r\nevil",
  ];
  for (const text of bad) test(`refuses ${JSON.stringify(text)}`, () => expect(parseReply(text)).toBeUndefined());

  const codes: readonly [line: string, code: string][] = [
    ["hello", "malformed-message"],
    ["", "malformed-message"],
    ["235x", "malformed-message"],
  ];
  for (const [line, code] of codes) {
    test(`R-SMTP-04 ${JSON.stringify(line)} is ${code}`, () => {
      expect(() => new ReplyReader().read(line)).toThrow(expect.objectContaining({ code }));
    });
  }

  test("another code within one reply, and a reply without end", () => {
    const mixed = new ReplyReader();
    mixed.read("235-a");
    expect(() => mixed.read("535 b")).toThrow(expect.objectContaining({ code: "malformed-message" }));
    const endless = new ReplyReader();
    expect(() => {
      for (let i = 0; i < 1000; i++) endless.read("235-a");
    }).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
  });

  test("takes anything", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseReply(text)));
  });
});
