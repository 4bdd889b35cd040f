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
    ["no service", ["554 5.3.2 no"], "aborted"],
    ["no service for this address", ["550 5.7.1 blocked"], "aborted"],
    ["no service, in words of AUTH", ["535 5.7.8 no"], "aborted"],
    ["no service without TLS", ["530 5.7.0 Must issue a STARTTLS command first"], "channel-not-protected"],
    ["another success", ["250 OK"], "unexpected-message"],
    ["no EHLO now", ["220 hi", "451 4.3.0 later"], "temporary"],
    ["no EHLO without TLS", ["220 hi", "538 5.7.11 TLS"], "channel-not-protected"],
    ["not now", ["421 4.3.2 later"], "temporary"],
    ["another protocol", ["* OK IMAP ready"], "malformed-message"],
    ["no EHLO", ["220 hi", "502 5.5.1 what"], "aborted"],
    ["the end", ["220 hi"], "connection-lost"],
    ["a reply without end", ["220 hi", ...Array.from({ length: 200 }, () => "250-x")], "limit-exceeded"],
  ];
  for (const [why, lines, code] of bad) {
    test(`${why}: ${code}`, async () => expect(await settled(greet(new Script(lines)))).toBe(code));
  }

  test("a refusal says who refuses what, and nothing of mechanisms", async () => {
    await expect(greet(new Script(["554-5.7.1 blocked", "554 5.7.1 see http://example.com"]))).rejects.toMatchObject({
      kind: "SASLFailure",
      message: "the server refuses the connection",
      opaqueError: "554 5.7.1 blocked see http://example.com",
      text: "blocked see http://example.com",
    });
    await expect(greet(new Script(["220 hi", "502 5.5.1 what"]))).rejects.toMatchObject({
      message: "the server refuses EHLO",
    });
  });

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

  test("R-SMTP-16 what is announced before TLS is told, also when TLS is not to be had then", async () => {
    for (const lines of [["220 begin"], ["454 no"], []]) {
      const seen: (readonly string[])[] = [];
      const onBefore = ({ mechanisms }: { mechanisms: readonly string[] }): void => void seen.push(mechanisms);
      const upgrade = async (): Promise<Script> => new Script(["250 mx"]);
      await settled(greet(new Script([...hello, ...lines], false), { upgrade, onBefore }));
      expect(seen).toEqual([["EVIL"]]);
    }
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
    wire.trailing = 30;
    const upgrade = (): never => {
      throw new Error("not to be reached");
    };
    expect(await settled(greet(wire, { upgrade }))).toBe("peer-not-verified");
  });
});
