import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { announce, discover, hasCapabilities } from "./discovery.js";

describe("discover", () => {
  const list = "IMAP4rev1 SASL-IR LOGINDISABLED STARTTLS AUTH=SCRAM-SHA-256 auth=plain AUTH=PLAIN";
  const expected = {
    mechanisms: ["SCRAM-SHA-256", "PLAIN"],
    initialResponse: true,
    loginDisabled: true,
    startTls: true,
  };
  const sources: readonly [why: string, source: Parameters<typeof discover>[0]][] = [
    ["untagged data", `* CAPABILITY ${list}`],
    ["data without the star", `CAPABILITY ${list}`],
    ["data in lower case", `* capability ${list.toLowerCase()}`],
    ["the code of a greeting", `* OK [CAPABILITY ${list}] ready [or so]`],
    ["the code of a tagged OK", `a1 OK [capability ${list}] done`],
    ["the code alone", `[CAPABILITY ${list}]`],
    ["atoms in a string", list],
    ["an array", list.split(" ")],
    ["a set", new Set(list.split(" "))],
    ["a map, as imapflow keeps it", new Map(list.split(" ").map((atom) => [atom, true]))],
  ];
  for (const [why, source] of sources) {
    test(`reads ${why}`, () => expect(discover(source)).toMatchObject(expected));
  }

  test("R-IMAP-03 initial responses come with SASL-IR or IMAP4rev2 and with nothing else", () => {
    expect(discover(["IMAP4rev1"]).initialResponse).toBe(false);
    expect(discover(["IMAP4rev2"]).initialResponse).toBe(true);
    expect(discover(["SASL-IR"]).initialResponse).toBe(true);
  });

  test("R-GEN-01 names that cannot be mechanisms are left out", () => {
    const odd = [
      "AUTH=",
      "AUTH=a b",
      `AUTH=${"X".repeat(21)}`,
      "AUTH=X\r\nY",
      "AUTH=É",
      "AUTH",
      "AUTH=PLAIN=X",
      "AUTH=OK",
    ];
    expect(discover(odd).mechanisms).toEqual(["OK"]);
  });

  test("R-LIM-04 names of object properties are names like any other", () => {
    const { mechanisms, capabilities } = discover("* CAPABILITY __proto__ constructor AUTH=__PROTO__");
    expect(mechanisms).toEqual(["__PROTO__"]);
    expect([...capabilities]).toEqual(["__PROTO__", "CONSTRUCTOR", "AUTH=__PROTO__"]);
  });

  test("a response without capabilities announces nothing", () => {
    for (const line of [
      "",
      "* OK hello",
      "* CAPABILITY",
      "a1 NO [ALERT] AUTH=PLAIN is not here",
      "* OK [CAPABILITY",
      "* CAPABILITYX",
    ]) {
      expect(discover(line).mechanisms.filter((name) => name !== "PLAIN")).toEqual([]);
    }
    expect(discover([]).mechanisms).toEqual([]);
  });

  test("takes anything without throwing, in linear time", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void discover(text)));
    fc.assert(
      fc.property(fc.array(fc.anything()), (atoms) => void discover(atoms as string[])),
      { numRuns: 30 },
    );
    const started = performance.now();
    discover(`* OK ${"[CAPABILITY ".repeat(100_000)}`);
    discover(`* CAPABILITY ${"AUTH=".repeat(100_000)}`);
    discover(" ".repeat(1_000_000));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe("where capabilities are", () => {
  test("data and codes count, texts do not", () => {
    for (const line of [
      "* CAPABILITY X",
      "* capability",
      "* OK [CAPABILITY X] hi",
      "a1 OK [CAPABILITY X]",
      "* PREAUTH [CAPABILITY X] hi",
    ]) {
      expect(hasCapabilities(line)).toBe(true);
    }
    for (const line of [
      "* OK hi",
      "* CAPABILITYX",
      "* OK hi [CAPABILITY X]",
      "* LIST () NIL [CAPABILITY X]",
      "CAPABILITY X",
      "a1 OK [ALERT] x",
    ]) {
      expect(hasCapabilities(line)).toBe(false);
    }
  });
});

describe("announce", () => {
  test("R-LOGIN-04 is what discover reads, with LOGIN disabled where PLAIN is not offered", () => {
    expect(announce(["SCRAM-SHA-256"], { startTls: true })).toEqual([
      "IMAP4rev1",
      "SASL-IR",
      "STARTTLS",
      "LOGINDISABLED",
      "AUTH=SCRAM-SHA-256",
    ]);
    expect(announce(["PLAIN"])).toEqual(["IMAP4rev1", "SASL-IR", "AUTH=PLAIN"]);
    expect(announce(["PLAIN"], { loginDisabled: true, capabilities: ["IMAP4rev1", "ID", "ID"] })).toContain(
      "LOGINDISABLED",
    );
  });

  test("both ways agree", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[A-Z0-9_-]{1,20}$/));
    fc.assert(
      fc.property(names, fc.boolean(), fc.boolean(), (mechanisms, startTls, loginDisabled) => {
        const read = discover(announce(mechanisms, { startTls, loginDisabled }).join(" "));
        expect(read).toMatchObject({ mechanisms, startTls, loginDisabled, initialResponse: true });
      }),
    );
  });

  test("R-IMAP-17 nothing gets into the list that would end it", () => {
    for (const name of ["PLAIN\r\na1 OK", "a b", ""]) expect(() => announce([name])).toThrow(TypeError);
    for (const atom of ["X Y", "X\r\n", "]", "(X)", ""])
      expect(() => announce([], { capabilities: [atom] })).toThrow(TypeError);
  });
});
