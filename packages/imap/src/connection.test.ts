import { memoryAccounts, SASLFailure, SASLServer, type ServerResult } from "sasl-core";
import { cramMd5, login, plain, scramSha256 } from "sasl-core/mechanisms";
import { linePair, type ServerTransport, Sweep } from "sasl-lines";
import { describe, expect, test, vi } from "vitest";
import { b64 } from "../test/script.js";
import { IMAPConnection, type IMAPConnectionOptions } from "./connection.js";

const server = new SASLServer({
  mechanisms: [plain, login, cramMd5, scramSha256],
  accounts: memoryAccounts({ alice: "secret" }),
  service: "imap",
});

interface Talk {
  readonly client: ServerTransport;
  readonly results: ServerResult[];
  readonly running: Promise<void>;
  readonly connection: IMAPConnection;
  say(...lines: string[]): Promise<string>;
}

const ok = `AUTHENTICATE PLAIN ${b64("\0alice\0secret")}`;

/** A connection that has greeted; `say` sends lines and gives back the last line of the answer to the last one. */
async function talk(
  options: Partial<IMAPConnectionOptions> = {},
  pair: Parameters<typeof linePair>[0] = { secure: true },
): Promise<Talk> {
  const { client, server: wire } = linePair(pair);
  const results: ServerResult[] = [];
  const connection = new IMAPConnection(wire, {
    server,
    onAuthenticated: (result) => void results.push(result),
    ...options,
  });
  const running = connection.run();
  await client.readLine(1000);
  const say = async (...lines: string[]): Promise<string> => {
    client.write(lines.map((line) => `${line}\r\n`).join(""));
    const tag = lines.at(-1)?.split(" ")[0];
    for (;;) {
      const line = await client.readLine(1000);
      if (line.startsWith(`${tag} `) || line.startsWith("+") || line.startsWith("* BYE") || line.startsWith("* BAD"))
        return line;
    }
  };
  return { client, results, running, connection, say };
}

const rest = async (client: ServerTransport): Promise<string[]> => {
  const lines: string[] = [];
  try {
    for (;;) lines.push(await client.readLine(1000));
  } catch {
    return lines;
  }
};

describe("before the login", () => {
  test("greets with capabilities, as the connection is", async () => {
    const capabilities = async (secure: boolean, options: Partial<IMAPConnectionOptions> = {}): Promise<string> => {
      const { client, server: wire } = linePair({ secure });
      void new IMAPConnection(wire, { server, onAuthenticated: () => {}, greeting: "hello", ...options }).run();
      const line = await client.readLine(1000);
      client.close();
      return line;
    };
    expect(await capabilities(true)).toBe(
      "* OK [CAPABILITY IMAP4rev1 LITERAL- SASL-IR AUTH=SCRAM-SHA-256 AUTH=CRAM-MD5 AUTH=PLAIN AUTH=LOGIN] hello",
    );
    expect(await capabilities(false, { startTls: async (wire) => wire })).toBe(
      "* OK [CAPABILITY IMAP4rev1 LITERAL- SASL-IR STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256] hello",
    );
  });

  test("CAPABILITY, NOOP and LOGOUT", async () => {
    const { client, say, running } = await talk();
    expect(await say("1 noop")).toMatch(/^1 OK /);
    client.write("2 capability\r\n");
    expect(await client.readLine(1000)).toMatch(/^\* CAPABILITY IMAP4rev1 .*AUTH=PLAIN/);
    expect(await client.readLine(1000)).toMatch(/^2 OK /);
    client.write("3 logout\r\n");
    expect(await rest(client)).toEqual([expect.stringMatching(/^\* BYE /), expect.stringMatching(/^3 OK /)]);
    await running;
  });

  test("other commands wait for the login", async () => {
    const { say } = await talk();
    for (const command of ["SELECT INBOX", "LIST", "NOSUCH"]) expect(await say(`1 ${command}`)).toMatch(/^1 BAD /);
  });
});

describe("AUTHENTICATE", () => {
  test("R-LIM-06 a whole session in one segment and in single octets comes out the same", async () => {
    for (const chunkBytes of [undefined, 1]) {
      const { client, running, results } = await talk({}, { secure: true, chunkBytes });
      client.write(`1 CAPABILITY\r\n2 AUTHENTICATE PLAIN\r\n${b64("\0alice\0wrong")}\r\n3 ${ok}\r\n`);
      const lines = await rest(client);
      await running;
      expect(lines.filter((line) => !line.startsWith("*")).map((line) => line.slice(0, 4))).toEqual([
        "1 OK",
        "+ ",
        "2 NO",
        "3 OK",
      ]);
      expect(results).toMatchObject([{ mechanism: "PLAIN", authcid: "alice", authzid: "alice" }]);
    }
  });

  const rows: readonly [id: string, why: string, lines: string[], reply: RegExp][] = [
    ["R-IMAP-01", "an unknown mechanism", ["1 AUTHENTICATE NOSUCH"], /^1 NO /],
    ["R-IMAP-01", "a name that is none", ["1 AUTHENTICATE __proto__"], /^1 (NO|BAD) /],
    ["R-GEN-02", "a name of an object's property", ["1 AUTHENTICATE constructor"], /^1 NO /],
    ["R-IMAP-01", "no mechanism", ["1 AUTHENTICATE"], /^1 BAD /],
    ["R-IMAP-01", "too many arguments", ["1 AUTHENTICATE PLAIN = ="], /^1 BAD /],
    ["R-IMAP-01", "bad base64 in the command", ["1 AUTHENTICATE PLAIN AGE"], /^1 BAD /],
    ["R-IMAP-01", "bad base64 later", ["1 AUTHENTICATE PLAIN", "1 !"], /^1 BAD /],
    ["R-IMAP-01", "a cancellation", ["1 AUTHENTICATE PLAIN", "*"], /^1 BAD /],
    ["R-IMAP-04", "a quoted initial response", [`1 AUTHENTICATE PLAIN "${b64("\0alice\0secret")}"`], /^1 BAD /],
    ["R-IMAP-04", "a literal as initial response", ["1 AUTHENTICATE PLAIN {4}"], /^1 BAD /],
    [
      "R-IMAP-05",
      "an initial response to a server-first mechanism",
      [`1 AUTHENTICATE CRAM-MD5 ${b64("x")}`],
      /^1 BAD /,
    ],
    ["R-IMAP-05", "an empty one too", ["1 AUTHENTICATE CRAM-MD5 ="], /^1 BAD /],
    [
      "R-IMAP-08",
      "a wrong password",
      [`1 AUTHENTICATE PLAIN ${b64("\0alice\0wrong")}`],
      /^1 NO \[AUTHENTICATIONFAILED\] /,
    ],
    [
      "R-IMAP-08",
      "an unknown user",
      [`1 AUTHENTICATE PLAIN ${b64("\0bob\0wrong")}`],
      /^1 NO \[AUTHENTICATIONFAILED\] /,
    ],
    [
      "R-IMAP-08",
      "an authzid that is not allowed",
      [`1 AUTHENTICATE PLAIN ${b64("bob\0alice\0secret")}`],
      /^1 NO \[AUTHORIZATIONFAILED\] /,
    ],
    ["R-IMAP-18", "too long a line", ["1 AUTHENTICATE PLAIN", "A".repeat(13_000)], /^1 NO \[LIMIT\] /],
    ["R-SMTP-21", "a bare LF in an answer", ["1 AUTHENTICATE PLAIN", "AA\nAA"], /^1 BAD /],
  ];
  for (const [id, why, lines, reply] of rows) {
    test(`${id} ${why}`, async () => {
      const { client, say, results } = await talk();
      const [command, answer] = lines;
      let line = await say(command as string);
      if (answer !== undefined) {
        expect(line).toBe("+ ");
        client.write(`${answer}\r\n`);
        line = await client.readLine(1000);
      }
      expect(line).toMatch(reply);
      expect(results).toEqual([]);
    });
  }

  test("R-IMAP-02 an empty challenge keeps its space; the mechanism's name may be in lower case", async () => {
    const { say } = await talk();
    expect(await say("1 authenticate plain")).toBe("+ ");
  });

  test("R-IMAP-08 store faults are UNAVAILABLE, PLAIN in the clear is PRIVACYREQUIRED, disabled accounts CONTACTADMIN", async () => {
    const broken = new SASLServer({
      mechanisms: [plain],
      accounts: { lookup: () => Promise.reject(new Error("down")) },
    });
    expect(await (await talk({ server: broken })).say(`1 ${ok}`)).toMatch(/^1 NO \[UNAVAILABLE\] /);
    expect(await (await talk({}, { secure: false })).say(`1 ${ok}`)).toMatch(/^1 NO \[PRIVACYREQUIRED\] /);
    const accounts = memoryAccounts({ alice: { userPassword: "secret", disabled: true } });
    const disabled = new SASLServer({ mechanisms: [plain], accounts });
    expect(await (await talk({ server: disabled })).say(`1 ${ok}`)).toMatch(/^1 NO \[CONTACTADMIN\] /);
  });

  test("R-IMAP-19 the largest messages of the mechanisms fit", async () => {
    const name = "n".repeat(1000);
    const accounts = memoryAccounts({ [name]: "p".repeat(1000) });
    const large = new SASLServer({ mechanisms: [plain, scramSha256], accounts, policy: { requireEncryption: false } });
    const { say, results, running } = await talk({ server: large });
    expect(await say(`1 AUTHENTICATE PLAIN ${b64(`${name}\0${name}\0${"p".repeat(1000)}`)}`)).toMatch(/^1 OK /);
    await running;
    expect(results[0]?.authcid).toBe(name);
    // Every octet of name and authzid escaped in threefold length is the longest client-first there is.
    const escaped = "=2C".repeat(1024);
    const scram = await talk({ server: large });
    const first = `n,a=${escaped},n=${escaped},r=rOprNGfwEbeRWgbNEkqO`;
    expect(await scram.say(`1 AUTHENTICATE SCRAM-SHA-256 ${b64(first)}`)).toMatch(/^\+ /);
  });
});

describe("LOGIN", () => {
  test("R-IMAP-06 works where PLAIN does", async () => {
    const { say, results, running } = await talk();
    expect(await say('1 LOGIN alice "secret"')).toMatch(/^1 OK \[CAPABILITY IMAP4rev1 LITERAL-\] /);
    await running;
    expect(results).toMatchObject([{ mechanism: "PLAIN", authcid: "alice" }]);
  });

  test("R-IMAP-06 R-PLAIN-06 elsewhere it is refused without a look at the arguments", async () => {
    const asked: unknown[] = [];
    const strict = new SASLServer({ mechanisms: [plain], accounts: { lookup: (name) => void asked.push(name) } });
    const { say } = await talk({ server: strict }, { secure: false });
    expect(await say("1 LOGIN alice secret")).toMatch(/^1 NO \[PRIVACYREQUIRED\] /);
    expect(await say("2 LOGIN ((((")).toMatch(/^2 NO \[PRIVACYREQUIRED\] /);
    expect(asked).toEqual([]);
  });

  test("R-IMAP-06 nor is a password asked for with '+', before the login or after it", async () => {
    const { say } = await talk({}, { secure: false });
    expect(await say("1 LOGIN {5}")).toMatch(/^1 NO \[PRIVACYREQUIRED\] /);
    expect(await say("2 SELECT {5}")).toMatch(/^2 BAD /);
    const inside = await talk({ onAuthenticated: async (_, connection) => void (await connection.nextCommand()) });
    await inside.say(`1 ${ok}`);
    expect(await inside.say("2 LOGIN {5}")).toMatch(/^2 BAD /);
  });
});

describe("R-IMAP-18 octets behind a refused line", () => {
  const rows: readonly [why: string, input: string, reply: RegExp][] = [
    ["a name that is none", "1 X-FOO {14+}\r\n2 CAPABILITY\r\n\r\n", /^1 BAD /],
    ["a tag that is none", "1(2 FOO {14+}\r\n2 CAPABILITY\r\n\r\n", /^\* BAD /],
    ["AUTHENTICATE", "1 AUTHENTICATE SCRAM-SHA-256 {14+}\r\n2 CAPABILITY\r\n\r\n", /^1 BAD /],
    ["too long a line", `1 ID ${"x".repeat(13_000)} {14+}\r\n2 CAPABILITY\r\n\r\n`, /^\* BAD /],
  ];
  for (const [why, input, reply] of rows) {
    test(`are no commands: ${why}`, async () => {
      const { client, running } = await talk();
      client.write(input);
      expect(await rest(client)).toEqual([expect.stringMatching(reply), expect.stringMatching(/^\* BYE /)]);
      await running;
    });

    test(`nor after the login: ${why}`, async () => {
      const seen: unknown[] = [];
      const { client, say, running } = await talk({
        onAuthenticated: async (_, connection) => {
          for (let command = await connection.nextCommand(); command; command = await connection.nextCommand())
            seen.push(command);
        },
      });
      await say(`0 ${ok}`);
      client.write(input);
      expect(await rest(client)).toEqual([expect.stringMatching(reply), expect.stringMatching(/^\* BYE /)]);
      await running;
      expect(seen).toEqual([]);
    });
  }
});

describe("the log", () => {
  async function logged(lines: readonly string[], secure = true): Promise<{ outcomes: string[]; failures: string[] }> {
    const outcomes: string[] = [];
    const failures: string[] = [];
    const noted = new SASLServer({
      mechanisms: [plain, login, cramMd5, scramSha256],
      accounts: memoryAccounts({ alice: "secret" }),
      onOutcome: ({ mechanism, code }) => void outcomes.push(`${mechanism} ${code}`),
    });
    const onFailure = ({ code }: { code: string }): void => void failures.push(code);
    const { client, running } = await talk({ server: noted, onFailure }, { secure });
    for (const line of lines) {
      client.write(`${line}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    client.close();
    await running;
    return { outcomes, failures };
  }

  const rows: readonly [why: string, lines: string[], outcome: string, secure?: boolean][] = [
    ["bad base64 as initial response", ["1 AUTHENTICATE PLAIN !!!"], "PLAIN incorrect-encoding"],
    ["a quoted initial response", ['1 AUTHENTICATE SCRAM-SHA-256 "biws"'], "SCRAM-SHA-256 incorrect-encoding"],
    ["a literal that waits", ["1 AUTHENTICATE PLAIN {4}"], "PLAIN incorrect-encoding"],
    ["a literal that does not", ["1 AUTHENTICATE PLAIN {4+}"], " malformed-message"],
    ["no mechanism", ["1 AUTHENTICATE"], " malformed-message"],
    ["a mechanism that is none", ["1 AUTHENTICATE PL;AIN"], " malformed-message"],
    ["too many arguments", ["1 AUTHENTICATE plain = ="], "PLAIN malformed-message"],
    ["LOGIN without a password", ["1 LOGIN alice"], "PLAIN malformed-message"],
    ["LOGIN with a literal over the limit", ["1 LOGIN {5000}"], "PLAIN limit-exceeded"],
    ["LOGIN where it is disabled", ["1 LOGIN alice secret"], "PLAIN channel-not-protected", false],
    ["the same with literals", ["1 LOGIN {5}"], "PLAIN channel-not-protected", false],
    ["bad base64 later", ["1 AUTHENTICATE PLAIN", "!"], "PLAIN incorrect-encoding"],
    ["too long a line later", ["1 AUTHENTICATE PLAIN", "A".repeat(13_000)], "PLAIN limit-exceeded"],
    ["a cancellation", ["1 AUTHENTICATE PLAIN", "*"], "PLAIN aborted"],
  ];
  for (const [why, lines, outcome, secure] of rows) {
    test(`R-LIM-08 has ${why}, once: ${outcome}`, async () => {
      const code = outcome.split(" ")[1];
      expect(await logged(lines, secure)).toEqual({ outcomes: [outcome], failures: [code] });
    });
  }

  test("R-LIM-05 has a connection that was lost as that", async () => {
    expect((await logged(["1 AUTHENTICATE PLAIN"])).outcomes).toEqual(["PLAIN connection-lost"]);
  });
});

describe("STARTTLS", () => {
  test("R-IMAP-09 what follows in the same segment is never executed; R-IMAP-11 capabilities are new", async () => {
    const inner = linePair({ secure: true });
    const upgrade = vi.fn(async () => inner.server as ServerTransport);
    const { client } = await talk({ startTls: upgrade }, { secure: false });
    client.write(`1 STARTTLS\r\n2 ${ok}\r\n`);
    expect(await client.readLine(1000)).toMatch(/^1 OK /);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(upgrade).toHaveBeenCalledOnce();
    expect(client.buffered).toBe(0);
    inner.client.write("3 CAPABILITY\r\n");
    expect(await inner.client.readLine(1000)).toMatch(/^\* CAPABILITY IMAP4rev1 LITERAL- SASL-IR AUTH=.*AUTH=PLAIN/);
    expect(await inner.client.readLine(1000)).toMatch(/^3 OK /);
    inner.client.write("4 STARTTLS\r\n");
    expect(await inner.client.readLine(1000)).toMatch(/^4 BAD /);
  });

  test("R-IMAP-09 is refused where it is not offered, and with arguments", async () => {
    expect(await (await talk({}, { secure: false })).say("1 STARTTLS")).toMatch(/^1 BAD /);
    const { say } = await talk({ startTls: async (wire) => wire }, { secure: false });
    expect(await say("1 STARTTLS now")).toMatch(/^1 BAD /);
  });

  test("a handshake that fails ends the connection", async () => {
    const failing = async (): Promise<ServerTransport> => {
      throw new SASLFailure("channel-not-protected", "no");
    };
    const { client, running } = await talk({ startTls: failing }, { secure: false });
    client.write("1 STARTTLS\r\n");
    await running;
    expect(await rest(client)).toEqual([expect.stringMatching(/^1 OK /)]);
  });
});

describe("after the login", () => {
  test("R-IMAP-06 AUTHENTICATE, LOGIN and STARTTLS are answered with BAD; other commands are the program's", async () => {
    const seen: string[] = [];
    const { say, client, running } = await talk({
      onAuthenticated: async (_, connection) => {
        for (let command = await connection.nextCommand(); command; command = await connection.nextCommand()) {
          seen.push(`${command.name} ${command.arguments}`);
          await connection.wire.write(`${command.tag} OK done\r\n`);
        }
      },
    });
    expect(await say(`1 ${ok}`)).toMatch(/^1 OK /);
    for (const command of [ok, "LOGIN alice secret", "STARTTLS"]) expect(await say(`2 ${command}`)).toMatch(/^2 BAD /);
    expect(await say("3 SELECT INBOX")).toBe("3 OK done");
    expect(await say("4 CAPABILITY")).toMatch(/^4 OK /);
    expect(await say(" 5")).toMatch(/^\* BAD /);
    client.write("6 LOGOUT\r\n");
    await running;
    expect(seen).toEqual(["SELECT INBOX"]);
  });

  test("what the program throws is the program's, but not a lost connection", async () => {
    const fault = new Error("disk");
    const { client, running } = await talk({ onAuthenticated: () => Promise.reject(fault) });
    client.write(`1 ${ok}\r\n`);
    await expect(running).rejects.toBe(fault);
    const gone = await talk({ onAuthenticated: async (_, connection) => void (await connection.nextCommand()) });
    gone.client.write(`1 ${ok}\r\n`);
    await gone.client.readLine(1000);
    gone.client.close();
    await gone.running;
  });
});

describe("limits", () => {
  test("R-IMAP-18 three failed attempts, and not fewer, end the connection", async () => {
    const { client, running, results } = await talk();
    const wrong = `AUTHENTICATE PLAIN ${b64("\0alice\0wrong")}`;
    client.write(`1 ${wrong}\r\n2 ${wrong}\r\n3 ${wrong}\r\n4 ${ok}\r\n`);
    expect((await rest(client)).map((line) => line.slice(0, 5))).toEqual(["1 NO ", "2 NO ", "3 NO ", "* BYE"]);
    await running;
    expect(results).toEqual([]);
    expect(() => new IMAPConnection(linePair().server, { server, onAuthenticated: () => {}, maxAttempts: 2 })).toThrow(
      RangeError,
    );
  });

  test("R-IMAP-18 so do too many commands without one", async () => {
    const { client, running } = await talk({ maxCommands: 5 });
    client.write("1 NOOP\r\n".repeat(10));
    expect((await rest(client)).at(-1)).toMatch(/^\* BYE /);
    await running;
  });

  test("R-LIM-05 a peer that stops is timed out, before the login and after it", async () => {
    const sweep = new Sweep(10_000);
    const { client, running, say } = await talk({ sweep, loginTimeoutMs: 1000 });
    sweep.look(Date.now() + 500);
    expect(await say("1 NOOP")).toMatch(/^1 OK /);
    sweep.look(Date.now() + 2000);
    await running;
    expect(await rest(client)).toEqual([expect.stringMatching(/^\* BYE /)]);

    const idle = await talk({
      sweep,
      loginTimeoutMs: 1000,
      idleTimeoutMs: 5000,
      onAuthenticated: async (_, connection) => void (await connection.nextCommand()),
    });
    idle.client.write(`1 ${ok}\r\n`);
    await idle.client.readLine(1000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    sweep.look(Date.now() + 2000);
    sweep.look(Date.now() + 6000);
    await idle.running;
    expect(await rest(idle.client)).toEqual([expect.stringMatching(/^\* BYE /)]);
  });

  test("R-LIM-05 a handshake that does not come is timed out too", async () => {
    const sweep = new Sweep(10_000);
    const { client, running } = await talk(
      {
        sweep,
        startTls: (_, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(new SASLFailure("channel-not-protected", "no")));
          }),
      },
      { secure: false },
    );
    client.write("1 STARTTLS\r\n");
    await client.readLine(1000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    sweep.look(Date.now() + 100_000);
    await running;
  });

  test("R-LIM-07 a fault that one peer causes does not disturb the others", async () => {
    const events: string[] = [];
    const shared = new SASLServer({
      mechanisms: [plain],
      accounts: {
        lookup: (name) => {
          if (name === "eve") throw new TypeError("a fault of the store");
          return { userPassword: "secret" };
        },
      },
      onOutcome: ({ remote, code }) => void events.push(`${remote} ${code}`),
    });
    const options = { server: shared, connection: () => ({ remote: "192.0.2.1" }) };
    const [good, bad, gone] = [await talk(options), await talk(options), await talk(options)];
    expect(await good.say("1 AUTHENTICATE PLAIN")).toBe("+ ");
    expect(await bad.say(`1 AUTHENTICATE PLAIN ${b64("\0eve\0x")}`)).toMatch(/^1 NO \[UNAVAILABLE\] /);
    gone.client.write("1 AUTHENTICATE PLAIN\r\n");
    gone.client.close();
    await gone.running;
    good.client.write(`${b64("\0alice\0secret")}\r\n`);
    expect(await good.client.readLine(1000)).toMatch(/^1 OK /);
    expect(events).toEqual(["192.0.2.1 temporary", "192.0.2.1 connection-lost", "192.0.2.1 undefined"]);
  });

  test("R-LIM-08 failures can be counted and slowed down by peer, and nobody else waits for it", async () => {
    const counts = new Map<string | undefined, number>();
    let release: () => void = () => {};
    const options: Partial<IMAPConnectionOptions> = {
      onFailure: (error, remote) => {
        if (error.kind === "AuthenticationFailure") counts.set(remote, (counts.get(remote) ?? 0) + 1);
        return new Promise((resolve) => {
          release = resolve;
        });
      },
    };
    const guesser = await talk({ ...options, connection: () => ({ remote: "192.0.2.66" }) });
    expect(await guesser.say(`1 AUTHENTICATE PLAIN ${b64("\0alice\0wrong")}`)).toMatch(/^1 NO /);
    guesser.client.write(`2 AUTHENTICATE PLAIN ${b64("\0alice\0guess")}\r\n`);
    const user = await talk({ ...options, connection: () => ({ remote: "192.0.2.1" }) });
    expect(await user.say(`1 ${ok}`)).toMatch(/^1 OK /);
    expect([...counts]).toEqual([["192.0.2.66", 1]]);
    release();
    expect(await guesser.client.readLine(1000)).toMatch(/^2 NO /);
    await vi.waitFor(() => expect(counts.get("192.0.2.66")).toBe(2));
    guesser.client.close();
    release();
    await guesser.running;
  });

  test("R-LIM-05 the client may go at any moment", async () => {
    for (const lines of [
      "",
      "1 AUTH",
      "1 AUTHENTICATE PLAIN\r\n",
      "1 AUTHENTICATE PLAIN\r\nAA",
      "1 LOGIN {10}\r\nabc",
    ]) {
      const { client, running } = await talk();
      client.write(lines);
      client.close();
      await running;
    }
  });
});
