import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { announce, discover } from "./discovery.js";

describe("discover", () => {
  const expected = {
    mechanisms: ["SCRAM-SHA-256", "PLAIN"],
    initialResponse: true,
    startTls: true,
    maxCommandBytes: 512,
  };
  const sources: readonly [why: string, source: Parameters<typeof discover>[0]][] = [
    [
      "lines as they come",
      ["250-mx.example.com hello", "250-AUTH SCRAM-SHA-256 PLAIN", "250-STARTTLS", "250 SIZE 1000"],
    ],
    ["one text", "250-mx.example.com hello\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256 PLAIN"],
    ["keywords alone", ["STARTTLS", "AUTH SCRAM-SHA-256 PLAIN"]],
    ["lower case", ["starttls", "auth scram-sha-256 plain"]],
    ["the old form", ["STARTTLS", "AUTH=SCRAM-SHA-256 PLAIN"]],
    ["both forms, as some servers send them", ["AUTH SCRAM-SHA-256 PLAIN", "AUTH=PLAIN SCRAM-SHA-256", "STARTTLS"]],
    ["a set", new Set(["AUTH SCRAM-SHA-256 PLAIN PLAIN", "STARTTLS"])],
  ];
  for (const [why, source] of sources) {
    test(`R-SMTP-01 reads ${why}`, () => expect(discover(source)).toMatchObject(expected));
  }

  test("keeps what else was announced", () => {
    const { extensions } = discover(["SIZE 1000", "8bitmime", "__proto__", "constructor x"]);
    expect([...extensions]).toEqual([
      ["SIZE", "1000"],
      ["8BITMIME", ""],
      ["CONSTRUCTOR", "x"],
    ]);
  });

  test("R-GEN-01 names that cannot be mechanisms are left out", () => {
    expect(discover([`AUTH a.b  ${"X".repeat(21)} É =PLAIN OK __PROTO__`]).mechanisms).toEqual(["OK", "__PROTO__"]);
    expect(discover(["AUTH", "AUTH ", "AUTH=", "AUTHPLAIN", "-AUTH PLAIN", ""]).mechanisms).toEqual([]);
  });

  test("R-LIM-02 takes anything without throwing, in linear time", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void discover(text)));
    fc.assert(
      fc.property(fc.array(fc.anything()), (lines) => void discover(lines as string[])),
      { numRuns: 30 },
    );
    const started = performance.now();
    discover(`AUTH ${"PLAIN ".repeat(100_000)}`);
    discover("250-".repeat(250_000));
    discover("A".repeat(1_000_000));
    discover("AUTH\r\n".repeat(100_000));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe("announce", () => {
  test("R-SMTP-01 is what discover reads; without mechanisms there is no AUTH", () => {
    expect(announce(["SCRAM-SHA-256", "PLAIN"], { startTls: true })).toEqual([
      "ENHANCEDSTATUSCODES",
      "STARTTLS",
      "AUTH SCRAM-SHA-256 PLAIN",
    ]);
    expect(announce([])).toEqual(["ENHANCEDSTATUSCODES"]);
    expect(announce([], { extensions: ["SIZE 1000", "8BITMIME"] })).toEqual(["SIZE 1000", "8BITMIME"]);
  });

  test("both ways agree", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[A-Z0-9_-]{1,20}$/));
    fc.assert(
      fc.property(names, fc.boolean(), (mechanisms, startTls) => {
        expect(discover(announce(mechanisms, { startTls }))).toMatchObject({ mechanisms, startTls });
      }),
    );
  });

  test("R-SMTP-21 nothing gets into a line that would end it", () => {
    for (const name of ["PLAIN\r\n250 X", "a b", "plain", ""]) expect(() => announce([name])).toThrow(TypeError);
    for (const each of ["X\r\nY", "", " X", "X\0"])
      expect(() => announce([], { extensions: [each] })).toThrow(TypeError);
  });
});
