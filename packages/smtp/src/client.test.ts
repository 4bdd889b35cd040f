import { linePair } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { b64, bytes, Script, settled } from "../test/script.js";
import { SASLClient } from "./client.js";
import { runCommand } from "./greeting.js";

function client(lines: readonly string[], options = {}): { intf: SASLClient; wire: Script } {
  const wire = new Script(lines);
  return { intf: new SASLClient(wire, options), wire };
}

describe("AUTH", () => {
  test("R-SMTP-07 absent, empty and other initial responses are three things", async () => {
    for (const [payload, argument] of [
      [bytes("\0a\0b"), ` ${b64("\0a\0b")}`],
      [bytes(""), " ="],
      [undefined, ""],
    ] as const) {
      const { intf, wire } = client(["235 2.7.0 in"]);
      expect(await intf.initiate("X", payload)).toEqual({ state: "success" });
      expect(wire.sent).toEqual([`AUTH X${argument}\r\n`]);
      expect(intf.completion).toEqual({ text: "in", enhanced: "2.7.0" });
    }
  });

  test("R-SMTP-09 a command of 512 octets goes whole, one of more without its initial response", async () => {
    // "AUTH PLAIN " is 11 octets, CRLF 2: 499 are left, and base64 comes in fours.
    const fits = bytes("x".repeat(372));
    const whole = client(["235 in"]);
    await whole.intf.initiate("PLAIN", fits);
    expect(whole.wire.sent[0]?.length).toBe(509);
    const parts = client(["334 ", "235 in"]);
    await parts.intf.initiate("PLAIN", bytes("x".repeat(373)));
    expect(parts.wire.sent).toEqual(["AUTH PLAIN\r\n", `${b64("x".repeat(373))}\r\n`]);
    // "AUTH SCRAM-SHA-256 " is 19 octets, so that 492 + 21 are one too many.
    const edge = client(["334 ", "235 in"]);
    await edge.intf.initiate("SCRAM-SHA-256", bytes("x".repeat(369)));
    expect(edge.wire.sent[0]).toBe("AUTH SCRAM-SHA-256\r\n");
    const more = client(["235 in"], { maxCommandBytes: 513 });
    await more.intf.initiate("SCRAM-SHA-256", bytes("x".repeat(369)));
    expect(more.wire.sent.length).toBe(1);
  });

  test("R-SMTP-04 an empty challenge with and without its space", async () => {
    for (const line of ["334", "334 "]) {
      expect(await client([line]).intf.initiate("X")).toEqual({ state: "challenge", payload: bytes("") });
    }
  });

  test("R-SMTP-07 an empty answer is an empty line", async () => {
    const { intf, wire } = client(["334 aGk=", "235 in"]);
    expect(await intf.initiate("X")).toEqual({ state: "challenge", payload: bytes("hi") });
    await intf.respond(bytes(""));
    expect(wire.sent[1]).toBe("\r\n");
  });

  test("R-SMTP-06 an undecodable challenge is answered with a star", async () => {
    for (const challenge of ["334 PLAIN supported", "334 ====", "334 aGk", "334  aGk="]) {
      const { intf, wire } = client([challenge, "501 5.7.0 cancelled", "235 in"]);
      expect(await settled(intf.initiate("X"))).toBe("incorrect-encoding");
      expect(wire.sent[1]).toBe("*\r\n");
      expect(await intf.initiate("Y")).toEqual({ state: "success" });
    }
  });

  test("R-PLAIN-09 a challenge that is not empty is not answered with the credentials", async () => {
    const { intf, wire } = client(["334 aGk=", "501 cancelled"]);
    expect(await settled(intf.initiate("PLAIN", bytes("x".repeat(500))))).toBe("unexpected-message");
    expect(wire.sent).toEqual(["AUTH PLAIN\r\n", "*\r\n"]);
  });
});

describe("what is shown of the reply", () => {
  test("R-GEN-30 the message is not in it where the server quotes the command", async () => {
    const message = b64("\0alice\0correct horse");
    const { intf } = client([
      `500-5.5.1 Command unrecognized: "AUTH PLAIN ${message}"`,
      `500 5.5.1 "${message.slice(0, 16)}..."`,
    ]);
    const error = await intf.initiate("PLAIN", bytes("\0alice\0correct horse")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "mechanism-unsupported",
      text: `Command unrecognized: "AUTH PLAIN <${message.length} characters>" "<16 characters>..."`,
    });
    expect(String((error as { opaqueError: unknown }).opaqueError)).not.toContain(message.slice(0, 8));
  });

  test("R-GEN-30 nor is it in a success, nor in the reply to a later message", async () => {
    const message = b64("correct horse battery");
    const success = client([`235 2.7.0 ${message} accepted`]);
    await success.intf.initiate("X", bytes("correct horse battery"));
    expect(success.intf.completion?.text).toBe(`<${message.length} characters> accepted`);
    const later = client(["334 ", `535 5.7.8 ${message}`]);
    await later.intf.initiate("LOGIN");
    await expect(later.intf.respond(bytes("correct horse battery"))).rejects.toMatchObject({
      opaqueError: `535 5.7.8 <${message.length} characters>`,
    });
  });
});

describe("what came before the command", () => {
  test("R-SMTP-18 any line fails it, 421 with its own meaning, and nothing is sent", async () => {
    for (const [line, code] of [
      ["334 ", "unexpected-message"],
      ["235 2.7.0 in", "unexpected-message"],
      ["535 no", "unexpected-message"],
      ["what", "unexpected-message"],
      ["421 4.4.2 Time is up", "temporary"],
      ["421-4.4.2 Time", "temporary"],
    ] as const) {
      const { client: wire, server } = linePair({ secure: true });
      server.write(`${line}\r\n`);
      expect(await settled(new SASLClient(wire).initiate("X", bytes("hi")))).toBe(code);
      expect(server.buffered).toBe(0);
      server.write(`${line}\r\n`);
      expect(await settled(runCommand(wire, "NOOP"))).toBe(code);
      expect(server.buffered).toBe(0);
    }
  });
});

describe("what ends it", () => {
  const rows: readonly [why: string, lines: string[], code: string][] = [
    ["a refusal", ["535 5.7.8 no"], "refused"],
    ["a refusal of two lines", ["535-5.7.1 see", "535 5.7.1 there"], "refused"],
    ["a temporary failure", ["454 4.7.0 later"], "temporary"],
    ["the end of the service", ["421 4.3.2 bye"], "temporary"],
    ["another success", ["250 OK"], "unexpected-message"],
    ["a success in the 200s", ["220 ready"], "unexpected-message"],
    ["another challenge", ["354 go on"], "unexpected-message"],
    ["a challenge of two lines", ["334-aGk=", "334 aGk="], "unexpected-message"],
    ["a success that begins as a refusal", ["535-no", "235 in"], "malformed-message"],
    ["a challenge within a refusal", ["535-no", "334 aGk="], "malformed-message"],
    ["what is no reply", ["OK in"], "malformed-message"],
    ["an empty line", [""], "malformed-message"],
    ["the end", [], "connection-lost"],
  ];
  for (const [why, lines, code] of rows) {
    test(`R-SMTP-11 ${why}: ${code}`, async () => {
      expect(await settled(client(lines).intf.initiate("X", bytes("hi")))).toBe(code);
    });
  }

  test("a success of two lines is one", async () => {
    const { intf } = client(["235-2.7.0 in", "235 2.7.0 at last"]);
    expect(await intf.initiate("X")).toEqual({ state: "success" });
    expect(intf.completion).toEqual({ text: "in at last", enhanced: "2.7.0" });
  });

  test("opaqueError has the reply as it came", async () => {
    const { intf } = client(["535-5.7.1 see", "535 5.7.1 there"]);
    await expect(intf.initiate("X", bytes("hi"))).rejects.toMatchObject({
      opaqueError: "535-5.7.1 see\r\n535 5.7.1 there",
      text: "see there",
    });
  });

  test("R-GEN-16 cancelling is a line with a star", async () => {
    const { intf, wire } = client(["334 ", "501 5.7.0 cancelled"]);
    await intf.initiate("X");
    expect(await intf.abort()).toEqual({ state: "failure" });
    expect(wire.sent[1]).toBe("*\r\n");
  });
});
