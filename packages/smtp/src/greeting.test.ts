import { describe, expect, test } from "vitest";
import { Script, settled } from "../test/script.js";
import { greet, runCommand } from "./greeting.js";

const hello = ["220 mx.example.com ESMTP", "250-mx.example.com", "250-STARTTLS", "250 AUTH EVIL"];

describe("greeting", () => {
  test("EHLO and what it says", async () => {
    const wire = new Script(hello);
    const { announced, announcedBefore } = await greet(wire, { clientName: "client.example.com" });
    expect(wire.sent).toEqual(["EHLO client.example.com\r\n"]);
    expect(announced.mechanisms).toEqual(["EVIL"]);
    expect(announcedBefore).toBeUndefined();
  });

  const bad: readonly [why: string, lines: string[], code: string][] = [
    ["no service", ["554 5.3.2 no"], "mechanism-unsupported"],
    ["not now", ["421 4.3.2 later"], "temporary"],
    ["another protocol", ["* OK IMAP ready"], "malformed-message"],
    ["no EHLO", ["220 hi", "502 5.5.1 what"], "mechanism-unsupported"],
    ["the end", ["220 hi"], "connection-lost"],
    ["a reply without end", ["220 hi", ...Array.from({ length: 200 }, () => "250-x")], "limit-exceeded"],
  ];
  for (const [why, lines, code] of bad) {
    test(`${why}: ${code}`, async () => expect(await settled(greet(new Script(lines)))).toBe(code));
  }

  test("R-SMTP-21 no argument can end the line", async () => {
    for (const clientName of ["", "a b", "a\r\nMAIL FROM:<>", "a\0", "é"]) {
      const wire = new Script(hello);
      await expect(greet(wire, { clientName })).rejects.toThrow(TypeError);
      expect(wire.sent).toEqual([]);
    }
    await expect(runCommand(new Script([]), "NOOP\r\nQUIT")).rejects.toThrow(TypeError);
  });
});

describe("STARTTLS", () => {
  test("R-SMTP-16 the list from before TLS is for showing alone", async () => {
    const wire = new Script([...hello, "220 begin"], false);
    const after = new Script(["250-mx.example.com", "250 AUTH PLAIN"]);
    const { announced, announcedBefore, wire: secured } = await greet(wire, { upgrade: async () => after });
    expect(secured).toBe(after);
    expect(announced.mechanisms).toEqual(["PLAIN"]);
    expect(announcedBefore?.mechanisms).toEqual(["EVIL"]);
    expect([wire.sent.at(-1), after.sent]).toEqual(["STARTTLS\r\n", ["EHLO [127.0.0.1]\r\n"]]);
  });

  const refusals: readonly [why: string, lines: string[], code: string][] = [
    ["not offered", ["220 hi", "250-mx", "250 AUTH PLAIN"], "channel-not-protected"],
    ["refused", [...hello, "454 4.7.0 TLS not available"], "channel-not-protected"],
    ["refused for good", [...hello, "502 5.5.1 no"], "channel-not-protected"],
    ["answered with another success", [...hello, "250 OK"], "channel-not-protected"],
    ["answered with nonsense", [...hello, "what"], "malformed-message"],
    ["not answered", hello, "connection-lost"],
  ];
  for (const [why, lines, code] of refusals) {
    test(`R-SMTP-17 ${why}: ${code}, and nothing more is said`, async () => {
      const wire = new Script(lines, false);
      const upgrade = (): never => {
        throw new Error("not to be reached");
      };
      expect(await settled(greet(wire, { upgrade }))).toBe(code);
      expect(wire.sent.filter((line) => !/^(EHLO|STARTTLS)/.test(line))).toEqual([]);
    });
  }

  test("R-SMTP-16 clear text behind 220 is an attack", async () => {
    const wire = new Script([...hello, "220 begin"], false);
    wire.buffered = 30;
    const upgrade = (): never => {
      throw new Error("not to be reached");
    };
    expect(await settled(greet(wire, { upgrade }))).toBe("peer-not-verified");
  });
});
