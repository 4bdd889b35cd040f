import { linePair, type ServerTransport } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { b64, bytes, Script, settled, tags } from "../test/script.js";
import { SASLClient } from "./client.js";
import { runCommand } from "./responses.js";

function client(
  lines: readonly string[],
  options: ConstructorParameters<typeof SASLClient>[1] = {},
): { intf: SASLClient; wire: Script } {
  const wire = new Script(lines);
  return { intf: new SASLClient(wire, { tag: tags(), ...options }), wire };
}

describe("AUTHENTICATE", () => {
  test("R-IMAP-03 no initial response without SASL-IR", async () => {
    const { intf, wire } = client(["+ ", "a1 OK done"]);
    expect(await intf.initiate("PLAIN", bytes("\0a\0b"))).toEqual({ state: "success" });
    expect(wire.sent).toEqual(["a1 AUTHENTICATE PLAIN\r\n", `${b64("\0a\0b")}\r\n`]);
  });

  test("R-IMAP-04 with SASL-IR it stands in the command, an empty one as '='", async () => {
    for (const [payload, argument] of [
      [bytes("\0a\0b"), ` ${b64("\0a\0b")}`],
      [bytes(""), " ="],
      [undefined, ""],
    ] as const) {
      const { intf, wire } = client(["a1 OK done"], { initialResponse: true });
      await intf.initiate("X", payload);
      expect(wire.sent).toEqual([`a1 AUTHENTICATE X${argument}\r\n`]);
    }
  });

  test("R-IMAP-19 an initial response too long for a command follows it", async () => {
    const { intf, wire } = client(["+", "a1 OK done"], { initialResponse: true });
    const token = bytes("t".repeat(9000));
    expect(await intf.initiate("XOAUTH2", token)).toEqual({ state: "success" });
    expect(wire.sent[0]).toBe("a1 AUTHENTICATE XOAUTH2\r\n");
    expect(wire.sent[1]?.length).toBe(12_002);
  });

  test("R-IMAP-02 an empty challenge with and without its space", async () => {
    for (const line of ["+", "+ "]) {
      const { intf } = client([line]);
      expect(await intf.initiate("X")).toEqual({ state: "challenge", payload: bytes("") });
    }
  });

  test("a challenge to a server-first mechanism, and its answer", async () => {
    const { intf, wire } = client([`+ ${b64("<1@x>")}`, "a1 NO [AUTHENTICATIONFAILED] no"]);
    expect(await intf.initiate("CRAM-MD5")).toEqual({ state: "challenge", payload: bytes("<1@x>") });
    expect(await settled(intf.respond(bytes("tim x")))).toBe("refused");
    expect(wire.sent[1]).toBe(`${b64("tim x")}\r\n`);
  });

  test("R-GEN-16 cancelling is a line with a star, and the next exchange has a tag of its own", async () => {
    const { intf, wire } = client(["+ ", "a1 BAD cancelled", "a2 OK in"]);
    await intf.initiate("X");
    expect(await intf.abort()).toEqual({ state: "failure" });
    expect(await intf.initiate("Y")).toEqual({ state: "success" });
    expect(wire.sent).toEqual(["a1 AUTHENTICATE X\r\n", "*\r\n", "a2 AUTHENTICATE Y\r\n"]);
  });
});

describe("what is shown of the answer", () => {
  test("R-GEN-30 the message is not in it where the server quotes the command", async () => {
    const message = b64("\0alice\0correct horse");
    const options = { initialResponse: true, onUntagged: (line: string) => void seen.push(line) };
    const seen: string[] = [];
    const quoted = `Unknown command: a1 AUTHENTICATE PLAIN ${message}`;
    const { intf } = client([`* BAD ${quoted}`, `a1 BAD ${quoted}`], options);
    const error = await intf.initiate("PLAIN", bytes("\0alice\0correct horse")).catch((thrown: unknown) => thrown);
    const shown = `Unknown command: a1 AUTHENTICATE PLAIN <${message.length} characters>`;
    expect(error).toMatchObject({ text: shown, opaqueError: `BAD ${shown}` });
    expect(seen).toEqual([`* BAD ${shown}`]);
  });
});

describe("what came before the command", () => {
  const early = (...lines: string[]): { intf: SASLClient; server: ServerTransport; seen: string[] } => {
    const { client: wire, server } = linePair({ secure: true });
    const seen: string[] = [];
    for (const line of lines) server.write(`${line}\r\n`);
    return { intf: new SASLClient(wire, { tag: tags(), onUntagged: (line) => void seen.push(line) }), server, seen };
  };

  test("R-IMAP-13 R-IMAP-14 a continuation or a tagged line fails it, and nothing is sent", async () => {
    for (const [line, code] of [
      ["+ ", "unexpected-message"],
      ["a1 OK in", "unexpected-message"],
      ["", "unexpected-message"],
      ["* BYE", "connection-lost"],
    ] as const) {
      const { intf, server } = early("* 1 EXISTS", line);
      expect(await settled(intf.initiate("X", bytes("hi")))).toBe(code);
      expect(server.buffered).toBe(0);
    }
  });

  test("R-IMAP-11 untagged data may come, and its capabilities are none of the answer", async () => {
    const { intf, server, seen } = early("* CAPABILITY OLD", "* 1 EXISTS");
    const reply = intf.initiate("X");
    expect(await server.readLine(100)).toBe("a1 AUTHENTICATE X");
    server.write("a1 OK in\r\n");
    expect(await reply).toEqual({ state: "success" });
    expect(intf.completion?.capabilities).toBeUndefined();
    expect(seen).toEqual(["* CAPABILITY OLD", "* 1 EXISTS"]);
  });
});

describe("other commands", () => {
  const rows: readonly [reply: string, code: string][] = [
    ["NO no", "aborted"],
    ["NO [AUTHENTICATIONFAILED] no", "aborted"],
    ["NO [AUTHORIZATIONFAILED] no", "aborted"],
    ["NO [CANNOT] no", "aborted"],
    ["NO [UNAVAILABLE] later", "temporary"],
    ["NO [PRIVACYREQUIRED] TLS", "channel-not-protected"],
    ["NO [LIMIT] too many", "limit-exceeded"],
    ["BAD what", "malformed-message"],
  ];
  for (const [reply, code] of rows) {
    test(`R-IMAP-08 ${JSON.stringify(reply)} is no judgement on credentials: ${code}`, async () => {
      const error = await runCommand(new Script([`a1 ${reply}`]), "SELECT INBOX", { tag: tags() }).catch((e) => e);
      expect(error).toMatchObject({ kind: "SASLFailure", code, opaqueError: reply });
    });
  }

  test("R-IMAP-08 for LOGIN it is one", async () => {
    const answer = runCommand(new Script(["a1 NO no"]), "LOGIN a b", { tag: tags() });
    await expect(answer).rejects.toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
  });

  test("R-IMAP-13 an answer that came before the command fails it", async () => {
    const { client: wire, server } = linePair();
    server.write("* 1 EXISTS\r\na1 OK done\r\n");
    expect(await settled(runCommand(wire, "NOOP", { tag: tags() }))).toBe("unexpected-message");
    expect(server.buffered).toBe(0);
  });
});

describe("what ends it", () => {
  test("R-IMAP-14 untagged data in between goes to whoever asked for it", async () => {
    const seen: string[] = [];
    const { intf } = client(["* 3 EXISTS", "* OK [ALERT] hi", "* NO not this", "* BAD nor this", "a1 OK in"], {
      onUntagged: (line) => seen.push(line),
    });
    expect(await intf.initiate("X", undefined)).toEqual({ state: "success" });
    expect(seen).toEqual(["* 3 EXISTS", "* OK [ALERT] hi", "* NO not this", "* BAD nor this"]);
  });

  const rows: readonly [why: string, line: string, code: string][] = [
    ["another tag's OK", "a2 OK in", "unexpected-message"],
    ["a tag in another case", "A1 OK in", "unexpected-message"],
    ["OK without a tag", "OK in", "unexpected-message"],
    ["a tagged BYE", "a1 BYE in", "malformed-message"],
    ["a tagged PREAUTH", "a1 PREAUTH in", "malformed-message"],
    ["a tag alone", "a1", "malformed-message"],
    ["another word", "a1 OKAY in", "malformed-message"],
    ["an empty line", "", "unexpected-message"],
    ["a plus with text behind it", "+OK", "unexpected-message"],
    ["BYE", "* BYE [UNAVAILABLE] going down", "temporary"],
    ["BYE without a code", "* BYE going down", "connection-lost"],
  ];
  for (const [why, line, code] of rows) {
    test(`R-IMAP-14 ${why} is no success: ${code}`, async () => {
      const { intf } = client([line, "a1 OK in"]);
      expect(await settled(intf.initiate("X", bytes("hi")))).toBe(code);
      expect(await settled(intf.initiate("X"))).toBe("connection-lost");
    });
  }

  test("R-IMAP-01 NO is about the mechanism until the client has said something", async () => {
    const bare = client(["a1 NO what"]);
    expect(await settled(bare.intf.initiate("X", bytes("hi")))).toBe("mechanism-unsupported");
    const along = client(["a1 NO what"], { initialResponse: true });
    expect(await settled(along.intf.initiate("X", bytes("hi")))).toBe("refused");
    const later = client(["+ ", "a1 NO what"]);
    expect(await settled(later.intf.initiate("X", bytes("hi")))).toBe("refused");
  });

  test("R-IMAP-11 capabilities sent with the OK, or just before it, are handed on", async () => {
    const code = client(["* CAPABILITY OLD", "a1 OK [CAPABILITY IMAP4rev1 IDLE] in"]);
    await code.intf.initiate("X");
    expect([...(code.intf.completion?.capabilities?.capabilities ?? [])]).toEqual(["IMAP4REV1", "IDLE"]);
    const data = client(["* CAPABILITY IMAP4rev1 ID", "a1 OK in"]);
    await data.intf.initiate("X");
    expect(data.intf.completion).toMatchObject({ text: "in", code: undefined });
    expect(data.intf.completion?.capabilities?.capabilities.has("ID")).toBe(true);
    const none = client(["a1 OK in"]);
    await none.intf.initiate("X");
    expect(none.intf.completion?.capabilities).toBeUndefined();
  });

  test("R-IMAP-13 the tags of one connection cannot be foreseen", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const wire = new Script([]);
      await settled(new SASLClient(wire).initiate("X"));
      seen.add(wire.sent[0]?.split(" ")[0] ?? "");
    }
    expect(seen.size).toBeGreaterThan(45);
  });

  test("R-IMAP-17 a tag that would end the line is refused", async () => {
    for (const tag of ["", "a b", "a\r\n", "*", "+", "a+", "é", "{1}"]) {
      const { intf, wire } = client([], { tag: () => tag });
      await expect(intf.initiate("X")).rejects.toThrow(TypeError);
      expect(wire.sent).toEqual([]);
    }
  });
});
