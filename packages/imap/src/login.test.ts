import fc from "fast-check";
import { memoryAccounts, SASLServer } from "sasl-core";
import { plain } from "sasl-core/mechanisms";
import { linePair } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { Script, settled, tags } from "../test/script.js";
import { parseStrings, readCommand } from "./command.js";
import { discover } from "./discovery.js";
import { formatLogin, login, serveLogin } from "./login.js";

const alice = { username: "alice", password: "secret" };

describe("the client's LOGIN", () => {
  test("sends quoted strings and gives back what the OK said", async () => {
    const wire = new Script(["* CAPABILITY OLD", "a1 OK [CAPABILITY IDLE] in"]);
    const completion = await login(wire, discover("IMAP4rev1"), { username: 'a"b', password: "c\\d" }, { tag: tags() });
    expect(wire.sent).toEqual(['a1 LOGIN "a\\"b" "c\\\\d"\r\n']);
    expect(completion.capabilities?.capabilities.has("IDLE")).toBe(true);
  });

  test("R-IMAP-07 never under LOGINDISABLED, never on an unprotected connection by default", async () => {
    const disabled = new Script(["a1 OK in"]);
    expect(await settled(login(disabled, discover("LOGINDISABLED"), alice))).toBe("mechanism-unsupported");
    const open = new Script(["a1 OK in", "a1 OK in"], false);
    expect(await settled(login(open, discover(""), alice))).toBe("channel-not-protected");
    expect([...disabled.sent, ...open.sent]).toEqual([]);
    await login(open, discover(""), alice, { allowUnprotectedChannel: true, tag: tags() });
    expect(open.sent.length).toBe(1);
  });

  const refused: readonly [why: string, username: string, password: string][] = [
    ["CR", "al\rice", "x"],
    ["LF", "alice", "x\nA1 DELETE INBOX"],
    ["CRLF", "alice", "x\r\nA1 DELETE INBOX"],
    ["NUL", "alice", "x\0"],
    ["an empty name", "", "x"],
    ["an empty password", "alice", ""],
    ["letters beyond ASCII without UTF-8", "alice", "pässwörd"],
  ];
  for (const [why, username, password] of refused) {
    test(`R-IMAP-17 refuses ${why} and sends nothing`, async () => {
      const wire = new Script(["a1 OK in"]);
      expect(await settled(login(wire, discover("IMAP4rev1"), { username, password }))).toBe("malformed-message");
      expect(wire.sent).toEqual([]);
    });
  }

  test("R-PREP-06 IMAP4rev2 takes UTF-8, but no lone surrogates", () => {
    expect(formatLogin({ username: "é", password: "x" }, { utf8: true })).toBe('LOGIN "é" "x"');
    expect(() => formatLogin({ username: "\ud800", password: "x" }, { utf8: true })).toThrow(
      expect.objectContaining({ code: "incorrect-encoding" }),
    );
  });

  test("R-IMAP-17 what is written is what a server reads", () => {
    const text = fc.string({ unit: "binary-ascii", minLength: 1 }).filter((each) => !/[\r\n\0]/.test(each));
    fc.assert(
      fc.property(text, text, (username, password) => {
        const args = formatLogin({ username, password }).slice("LOGIN ".length);
        expect(parseStrings({ arguments: args, literals: [] })).toEqual([username, password]);
      }),
    );
  });

  test("refusals, and a continuation where none belongs", async () => {
    for (const [line, code] of [
      ["a1 NO [AUTHENTICATIONFAILED] no", "refused"],
      ["a1 NO no", "refused"],
      ["a1 BAD no", "malformed-message"],
      ["+ go on", "unexpected-message"],
      ["* BYE", "connection-lost"],
    ]) {
      expect(await settled(login(new Script([line as string]), discover(""), alice, { tag: tags() }))).toBe(code);
    }
  });
});

describe("what is shown of the answer", () => {
  test("R-GEN-30 a password that the server quotes is not in the error, nor in what is said in between", async () => {
    const password = 'se"cret';
    const credentials = { username: "alice", password };
    const lines = ['* BAD what is "se\\"cret"', 'a1 BAD Unknown command LOGIN "alice" "se\\"cret" (se"cret)'];
    const seen: string[] = [];
    const options = { tag: tags(), onUntagged: (line: string) => void seen.push(line) };
    await expect(login(new Script(lines), discover(""), credentials, options)).rejects.toMatchObject({
      text: 'Unknown command LOGIN "alice" <7 characters> (<7 characters>)',
    });
    expect(seen).toEqual(["* BAD what is <7 characters>"]);
    const short = login(
      new Script(['a1 NO "OK" NO']),
      discover(""),
      { username: "a", password: "OK" },
      { tag: tags() },
    );
    await expect(short).rejects.toMatchObject({ code: "refused", text: "<2 characters> NO" });
  });
});

describe("the server's LOGIN", () => {
  const server = new SASLServer({
    mechanisms: [plain],
    accounts: memoryAccounts({ alice: "secret", "": "x" }),
    policy: { requireEncryption: false },
  });

  async function serve(input: string): Promise<{ reply: string; result: unknown }> {
    const { client, server: wire } = linePair();
    client.write(input);
    const command = await readCommand(wire);
    if ("reply" in command) throw new Error("not read");
    const session = server.session({ secure: false });
    await serveLogin(wire, session, command, { capabilities: () => ["IMAP4rev1"] });
    let reply = await client.readLine(1000);
    while (reply.startsWith("+")) reply = await client.readLine(1000);
    return { reply, result: session.result?.authcid };
  }

  const rows: readonly [why: string, input: string, reply: RegExp, who?: string][] = [
    ["atoms", "t LOGIN alice secret\r\n", /^t OK \[CAPABILITY IMAP4rev1\] /, "alice"],
    ["quoted strings", 't LOGIN "alice" "secret"\r\n', /^t OK /, "alice"],
    ["literals", "t LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n", /^t OK /, "alice"],
    ["a wrong password", "t LOGIN alice wrong\r\n", /^t NO \[AUTHENTICATIONFAILED\] /],
    ["an unknown user", "t LOGIN bob secret\r\n", /^t NO \[AUTHENTICATIONFAILED\] /],
    ["NUL in a literal, which would be a field of PLAIN", "t LOGIN {11+}\r\nalice\0alice secret\r\n", /^t BAD /],
    ["no password", "t LOGIN alice\r\n", /^t BAD /],
    ["three arguments", "t LOGIN alice secret x\r\n", /^t BAD /],
    ["no arguments", "t LOGIN\r\n", /^t BAD /],
    ["an empty password", 't LOGIN alice ""\r\n', /^t (NO|BAD) /],
    ["an empty name", 't LOGIN "" x\r\n', /^t (NO|BAD) /],
  ];
  for (const [why, input, reply, who] of rows) {
    test(`R-IMAP-06 R-IMAP-08 ${why}`, async () => {
      const served = await serve(input);
      expect(served.reply).toMatch(reply);
      expect(served.result).toBe(who);
    });
  }
});
