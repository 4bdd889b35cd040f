import { describe, expect, test } from "vitest";
import { Script, settled, tags } from "../test/script.js";
import { greet } from "./greeting.js";

const options = { tag: tags() };

/** Begins TLS by going on with another script. */
function upgrading(lines: readonly string[]): { after: Script; upgrade: (wire: Script) => Promise<Script> } {
  const after = new Script(lines);
  return { after, upgrade: async () => after };
}

describe("greeting", () => {
  test("capabilities from the greeting spare a question", async () => {
    const wire = new Script(["* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi"]);
    const { announced, announcedBefore, preauthenticated } = await greet(wire);
    expect(announced.mechanisms).toEqual(["PLAIN"]);
    expect([announcedBefore, preauthenticated, wire.sent]).toEqual([undefined, false, []]);
  });

  test("without them they are asked for", async () => {
    const wire = new Script(["* OK hi", "* CAPABILITY IMAP4rev1 AUTH=PLAIN", "a1 OK done"]);
    expect((await greet(wire, { tag: tags() })).announced.mechanisms).toEqual(["PLAIN"]);
    expect(wire.sent).toEqual(["a1 CAPABILITY\r\n"]);
  });

  test("PREAUTH is told", async () => {
    expect((await greet(new Script(["* PREAUTH [CAPABILITY X] hi"]))).preauthenticated).toBe(true);
  });

  const bad: readonly [line: string, code: string][] = [
    ["* BYE [UNAVAILABLE] later", "temporary"],
    ["* BYE go away", "connection-lost"],
    ["* NO no", "malformed-message"],
    ["* BYE [AUTHENTICATIONFAILED] no", "connection-lost"],
    ["220 mail.example.com ESMTP", "malformed-message"],
    ["a1 OK done", "malformed-message"],
    ["OK hi", "malformed-message"],
    ["", "malformed-message"],
  ];
  for (const [line, code] of bad) {
    test(`${JSON.stringify(line)} is no greeting: ${code}`, async () => {
      expect(await settled(greet(new Script([line]), options))).toBe(code);
    });
  }
});

describe("STARTTLS", () => {
  const greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=EVIL] hi";

  test("R-IMAP-11 capabilities from before TLS are for showing alone", async () => {
    const wire = new Script([greeting, "a1 OK begin"], false);
    const { after, upgrade } = upgrading(["* CAPABILITY IMAP4rev1 AUTH=PLAIN", "a2 OK done"]);
    const { announced, announcedBefore, wire: secured } = await greet(wire, { upgrade, tag: tags() });
    expect(secured).toBe(after);
    expect(announced.mechanisms).toEqual(["PLAIN"]);
    expect(announcedBefore?.mechanisms).toEqual(["EVIL"]);
    expect([wire.sent, after.sent]).toEqual([["a1 STARTTLS\r\n"], ["a2 CAPABILITY\r\n"]]);
  });

  test("R-IMAP-11 what is announced before TLS is told, also when TLS is not to be had then", async () => {
    for (const lines of [["a1 OK begin"], ["a1 NO no"], []]) {
      const seen: (readonly string[])[] = [];
      const onBefore = ({ mechanisms }: { mechanisms: readonly string[] }): void => void seen.push(mechanisms);
      const { upgrade } = upgrading(["* CAPABILITY IMAP4rev1 AUTH=PLAIN", "a2 OK done"]);
      await settled(greet(new Script([greeting, ...lines], false), { upgrade, onBefore, tag: tags() }));
      expect(seen).toEqual([["EVIL"]]);
    }
  });

  const refusals: readonly [id: string, why: string, lines: string[], code: string][] = [
    ["R-IMAP-12", "PREAUTH", ["* PREAUTH [CAPABILITY STARTTLS] hi"], "channel-not-protected"],
    ["R-IMAP-13", "not offered", ["* OK [CAPABILITY IMAP4rev1] hi"], "channel-not-protected"],
    ["R-IMAP-13", "refused", [greeting, "a1 NO no"], "channel-not-protected"],
    ["R-IMAP-13", "not understood", [greeting, "a1 BAD what"], "channel-not-protected"],
    [
      "R-IMAP-13",
      "a tagged reply to a command not sent",
      [greeting, "a9 OK begin", "a1 OK begin"],
      "unexpected-message",
    ],
    ["R-IMAP-13", "a tagged reply before any command", ["* OK hi", "a9 OK begin"], "unexpected-message"],
    ["R-IMAP-13", "a continuation", [greeting, "+ begin"], "unexpected-message"],
    ["R-IMAP-13", "the end", [greeting], "connection-lost"],
    ["R-IMAP-13", "BYE", [greeting, "* BYE no"], "connection-lost"],
  ];
  for (const [id, why, lines, code] of refusals) {
    test(`${id} ${why}: ${code}, and nothing but STARTTLS was said`, async () => {
      const wire = new Script(lines, false);
      let upgraded = false;
      const upgrade = async (): Promise<Script> => {
        upgraded = true;
        return new Script([]);
      };
      expect(await settled(greet(wire, { upgrade, tag: tags() }))).toBe(code);
      expect(upgraded).toBe(false);
      for (const line of wire.sent) expect(line).toMatch(/^a1 (STARTTLS|CAPABILITY)\r\n$/);
    });
  }

  test("R-IMAP-10 clear text behind the OK is an attack", async () => {
    const wire = new Script([greeting, "a1 OK begin"], false);
    wire.trailing = 20;
    const { after, upgrade } = upgrading([]);
    expect(await settled(greet(wire, { upgrade, tag: tags() }))).toBe("peer-not-verified");
    expect(after.sent).toEqual([]);
  });

  test("R-LIM-05 a server that talks without end is left", async () => {
    const chatter = Array.from({ length: 2000 }, () => "* 1 EXISTS");
    expect(await settled(greet(new Script(["* OK hi", ...chatter]), { tag: tags() }))).toBe("limit-exceeded");
  });
});
