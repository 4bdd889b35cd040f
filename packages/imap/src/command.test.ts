import fc from "fast-check";
import { SASLFailure } from "sasl-core";
import { linePair, type ServerTransport } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { bytes, settled } from "../test/script.js";
import { type Command, type CommandFault, type CommandLimits, parseStrings, readCommand } from "./command.js";

async function read(input: string, limits: CommandLimits = {}, chunkBytes?: number): Promise<Command | CommandFault> {
  const { client, server } = linePair({ chunkBytes });
  const command = readCommand(server, limits);
  client.write(input);
  return command;
}

describe("commands", () => {
  test("tag, name and arguments", async () => {
    expect(await read("a1 login x y\r\n")).toEqual({ tag: "a1", name: "LOGIN", arguments: "x y", literals: [] });
    expect(await read("a1 NOOP\r\n")).toEqual({ tag: "a1", name: "NOOP", arguments: "", literals: [] });
  });

  test("R-LIM-06 literals, also when everything arrives in single octets", async () => {
    for (const chunkBytes of [undefined, 1]) {
      expect(await read("a1 LOGIN {3+}\r\na\r\n {2+}\r\nbc\r\n", {}, chunkBytes)).toEqual({
        tag: "a1",
        name: "LOGIN",
        arguments: "{3+} {2+}",
        literals: [bytes("a\r\n"), bytes("bc")],
      });
    }
  });

  test("a literal is asked for", async () => {
    const { client, server } = linePair();
    const command = readCommand(server);
    client.write("a1 LOGIN {5}\r\n");
    expect(await client.readLine(100)).toMatch(/^\+ /);
    client.write("alice {4}\r\n");
    expect(await client.readLine(100)).toMatch(/^\+ /);
    client.write("a}\r\n\r\n");
    expect(await command).toMatchObject({ arguments: "{5} {4}", literals: [bytes("alice"), bytes("a}\r\n")] });
  });

  test("a literal whose last octets look like another one", async () => {
    expect(await read("a1 LOGIN x {4+}\r\n{99}\r\n")).toMatchObject({ arguments: "x {4+}", literals: [bytes("{99}")] });
  });

  test("R-IMAP-04 what looks like a literal in AUTHENTICATE is not asked for", async () => {
    expect(await read("a1 AUTHENTICATE PLAIN {4}\r\n")).toMatchObject({ arguments: "PLAIN {4}", literals: [] });
  });

  const faults: readonly [why: string, input: string, reply: RegExp, fatal: boolean][] = [
    ["no tag", " NOOP\r\n", /^\* BAD /, false],
    ["nothing", "\r\n", /^\* BAD /, false],
    ["a tag with a plus", "a+ NOOP\r\n", /^\* BAD /, false],
    ["a tag that is a star", "* OK\r\n", /^\* BAD /, false],
    ["a tag alone", "a1\r\n", /^a1 BAD /, false],
    ["two spaces", "a1  NOOP\r\n", /^a1 BAD /, false],
    ["a name that is none", "a1 {5}\r\n", /^a1 BAD /, false],
    ["a tag of 65 characters", `${"a".repeat(65)} NOOP\r\n`, /^\* BAD /, false],
    ["a line over the limit", `a1 NOOP ${"x".repeat(200)}\r\n`, /^\* BAD /, true],
    ["a literal over the limit", "a1 LOGIN {101}\r\n", /^a1 BAD \[TOOBIG\] /, false],
    ["a literal over the limit that follows at once", "a1 LOGIN {101+}\r\n", /^a1 BAD \[TOOBIG\] /, true],
    ["a literal over every limit", "a1 LOGIN {9999999999}\r\n", /^a1 BAD \[TOOBIG\] /, false],
    ["too many literals", `a1 LOGIN ${"{1+}\r\nx ".repeat(2)}{1+}\r\nx\r\n`, /^a1 BAD \[TOOBIG\] /, true],
    ["literals around too long a line", `a1 LOGIN {1+}\r\nx${" y".repeat(100)}\r\n`, /^a1 BAD /, true],
    ["a name that is none, with a literal", "a1 X-FOO {14+}\r\na2 CAPABILITY\r\n", /^a1 BAD /, true],
    ["a name that is none, with one that waits", "a1 X-FOO {14}\r\n", /^a1 BAD /, false],
    ["a tag that is none, with a literal", "a(b FOO {14+}\r\na2 CAPABILITY\r\n", /^\* BAD /, true],
    ["a tag and a literal alone", "a1 {14+}\r\na2 CAPABILITY\r\n", /^a1 BAD /, true],
    ["a literal alone", "{14+}\r\na2 CAPABILITY\r\n", /^\* BAD /, true],
    ["a literal in AUTHENTICATE", "a1 AUTHENTICATE PLAIN {14+}\r\na2 CAPABILITY\r\n", /^a1 BAD /, true],
    ["too long a line with a literal", `a1 ID ${"x".repeat(100)} {14+}\r\na2 CAPABILITY\r\n`, /^\* BAD /, true],
    ["a count of many digits", "a1 LOGIN {10000000000000+}\r\na2 CAPABILITY\r\n", /^a1 BAD \[TOOBIG\] /, true],
  ];
  for (const [why, input, reply, fatal] of faults) {
    test(`R-IMAP-18 ${why} is answered`, async () => {
      const fault = await read(input, { maxLineBytes: 100, maxLiteralBytes: 100, maxLiterals: 2 });
      expect(fault).toMatchObject({ reply: expect.stringMatching(reply), fatal });
    });
  }

  test("R-IMAP-18 zeros in front of a count do not make its octets a command", async () => {
    const input = "a1 LOGIN {00000000000015+}\r\na2 CAPABILITY\r\n\r\n";
    expect(await read(input)).toMatchObject({ literals: [bytes("a2 CAPABILITY\r\n")] });
  });

  test("R-IMAP-06 a literal is not asked for where there is something against it", async () => {
    const { client, server } = linePair();
    const error = new SASLFailure("channel-not-protected", "no");
    const command = readCommand(server, {}, (name) => (name === "LOGIN" ? { reply: "NO no", error } : undefined));
    client.write("a1 LOGIN {5}\r\n");
    expect(await command).toEqual({ reply: "a1 NO no\r\n", fatal: false, commandName: "LOGIN", error });
    expect(client.buffered).toBe(0);
  });

  test("R-SMTP-21 a bare CR or LF is the end of it", async () => {
    for (const input of ["a1 NOOP\na2 NOOP\r\n", "a1 NOOP\ra2 NOOP\r\n", "a1 LOGIN {1+}\r\nx\ny\r\n"]) {
      expect(await settled(read(input))).toBe("incorrect-encoding");
    }
  });

  test("R-IMAP-18 memory for a literal comes with its octets", async () => {
    const { client, server } = linePair();
    const command = readCommand(server, { maxLiteralBytes: 1_000_000_000 });
    client.write("a1 LOGIN {1000000000+}\r\nabc");
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(server.buffered).toBe(3);
    client.close();
    expect(await settled(command)).toBe("connection-lost");
  });

  test("R-LIM-05 takes anything without hanging", async () => {
    const input = fc.array(
      fc.constantFrom("a1 ", "LOGIN ", "{1}", "{1+}", "{0+}", "\r\n", "x", '"', "\\", "\n", "\r", "{", "}", " "),
    );
    await fc.assert(
      fc.asyncProperty(input, async (parts) => {
        const { client, server } = linePair();
        client.write(parts.join(""));
        client.close();
        const quiet: ServerTransport = Object.create(server, { write: { value: () => {} } });
        quiet.readLine = (max) => server.readLine(max);
        quiet.readBytes = (count) => server.readBytes(count);
        const command = await readCommand(quiet).catch((error: { code: string }) => error.code);
        if (command === "connection-lost" || command === "incorrect-encoding") return;
        if (typeof command === "object" && "name" in command) {
          try {
            parseStrings(command);
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^(malformed-message|incorrect-encoding)$/);
          }
        } else expect(command).toHaveProperty("reply");
      }),
    );
  });
});

describe("strings", () => {
  const parse = (text: string, ...literals: string[]): string[] =>
    parseStrings({ arguments: text, literals: literals.map(bytes) });

  const good: readonly [text: string, literals: string[], strings: string[]][] = [
    ["", [], []],
    ["alice secret", [], ["alice", "secret"]],
    ['"alice" "se cret"', [], ["alice", "se cret"]],
    ['"a\\"b" "c\\\\d" ""', [], ['a"b', "c\\d", ""]],
    ["{5} x", ["alice"], ["alice", "x"]],
    ["{2+} {0}", ["é", ""], ["é", ""]],
    ['"{5}" x', [], ["{5}", "x"]],
    ["päss ☃", [], ["päss", "☃"]],
    ["a]b", [], ["a]b"]],
  ];
  for (const [text, literals, strings] of good) {
    test(`reads ${JSON.stringify(text)}`, () => expect(parse(text, ...literals)).toEqual(strings));
  }

  const bad: readonly [why: string, text: string, literals: (string | Uint8Array)[], code: string][] = [
    ["a trailing space", "a ", [], "malformed-message"],
    ["a leading space", " a", [], "malformed-message"],
    ["two spaces", "a  b", [], "malformed-message"],
    ["an open quote", '"a', [], "malformed-message"],
    ["a quote in an atom", 'a"b"', [], "malformed-message"],
    ["no space between", '"a""b"', [], "malformed-message"],
    ["an unknown escape", '"a\\b"', [], "malformed-message"],
    ["a backslash at the end", '"a\\', [], "malformed-message"],
    ["a list", "(a b)", [], "malformed-message"],
    ["a wildcard", "a*", [], "malformed-message"],
    ["NUL", "a\0", [], "malformed-message"],
    ["NUL in quotes", '"a\0"', [], "malformed-message"],
    ["a literal that did not come", "{5} x", [], "malformed-message"],
    ["octets that were no UTF-8", "a\ufffd", [], "incorrect-encoding"],
    ["the same in quotes", '"a\ufffd"', [], "incorrect-encoding"],
    ["a literal that is no UTF-8", "{1}", [Uint8Array.of(0xff)], "incorrect-encoding"],
  ];
  for (const [why, text, literals, code] of bad) {
    test(`R-IMAP-17 R-PREP-06 refuses ${why}`, () => {
      const octets = literals.map((each) => (typeof each === "string" ? bytes(each) : each));
      expect(() => parseStrings({ arguments: text, literals: octets })).toThrow(expect.objectContaining({ code }));
    });
  }

  test("R-LIM-02 long arguments take time in proportion", () => {
    const started = performance.now();
    for (const text of [
      '"'.repeat(100_000),
      `"${"\\".repeat(100_000)}`,
      "a".repeat(1_000_000),
      `"${"a".repeat(200_000)}`,
      "a ".repeat(100_000),
    ]) {
      try {
        parse(text);
      } catch {
        // Only the time counts.
      }
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
