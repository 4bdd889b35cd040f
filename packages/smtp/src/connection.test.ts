import { memoryAccounts, SASLFailure, SASLServer, type ServerResult } from "sasl-core";
import { cramMd5, login, plain, scramSha256 } from "sasl-core/mechanisms";
import { linePair, type ServerTransport, Sweep } from "sasl-lines";
import { describe, expect, test } from "vitest";
import { b64 } from "../test/script.js";
import { SMTPConnection, type SMTPConnectionOptions } from "./connection.js";
import type { Envelope } from "./mail.js";

const server = new SASLServer({
  mechanisms: [plain, login, cramMd5, scramSha256],
  accounts: memoryAccounts({ alice: "secret" }),
  service: "smtp",
});

const ok = `AUTH PLAIN ${b64("\0alice\0secret")}`;
const wrong = `AUTH PLAIN ${b64("\0alice\0wrong")}`;

interface Talk {
  readonly client: ServerTransport;
  readonly results: ServerResult[];
  readonly running: Promise<void>;
  /** Sends a line and gives back the last line of its reply. */
  say(line: string): Promise<string>;
  /** Logs in. */
  enter(): Promise<void>;
}

async function talk(
  options: Partial<SMTPConnectionOptions> = {},
  pair: Parameters<typeof linePair>[0] = { secure: true },
): Promise<Talk> {
  const { client, server: wire } = linePair(pair);
  const results: ServerResult[] = [];
  const running = new SMTPConnection(wire, {
    server,
    onAuthenticated: (result) => void results.push(result),
    ...options,
  }).run();
  await client.readLine(1000);
  const say = async (line: string): Promise<string> => {
    client.write(`${line}\r\n`);
    let reply = await client.readLine(1000);
    while (reply[3] === "-") reply = await client.readLine(1000);
    return reply;
  };
  const enter = async (): Promise<void> => {
    await say("EHLO client");
    expect(await say(ok)).toMatch(/^235 2\.7\.0 /);
  };
  return { client, results, running, say, enter };
}

const rest = async (client: ServerTransport): Promise<string[]> => {
  const lines: string[] = [];
  try {
    for (;;) lines.push(await client.readLine(1000));
  } catch {
    return lines;
  }
};

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe("before the login", () => {
  test("R-SMTP-01 AUTH lists what is usable now", async () => {
    const hello = async (secure: boolean, options: Partial<SMTPConnectionOptions> = {}): Promise<string[]> => {
      const { client } = await talk(options, { secure });
      client.write("EHLO client\r\nQUIT\r\n");
      return rest(client);
    };
    expect(await hello(true, { host: "mx.example.com" })).toEqual([
      "250-mx.example.com",
      "250-PIPELINING",
      "250-8BITMIME",
      "250-ENHANCEDSTATUSCODES",
      "250 AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN",
      expect.stringMatching(/^221 2\.0\.0 /),
    ]);
    const clear = await hello(false, { startTls: async (wire) => wire });
    expect(clear.slice(-3, -1)).toEqual(["250-STARTTLS", "250 AUTH SCRAM-SHA-256"]);
    const none = new SASLServer({ mechanisms: [plain], accounts: memoryAccounts() });
    expect((await hello(false, { server: none })).join()).not.toContain("AUTH");
  });

  test("R-SMTP-11 what needs a login is answered with 530, the rest is not", async () => {
    const { say } = await talk();
    for (const command of ["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "VRFY alice", "EXPN all", "HELP"]) {
      expect(await say(command)).toMatch(/^530 5\.7\.0 /);
    }
    for (const command of ["NOOP", "RSET", "HELO client", "ehlo client", "Noop x"])
      expect(await say(command)).toMatch(/^250 /);
    expect(await say("WHAT")).toMatch(/^500 5\.5\.2 /);
    expect(await say("")).toMatch(/^500 5\.5\.2 /);
    expect(await say("EHLO")).toMatch(/^501 5\.5\.4 /);
    expect(await say("EHLO a b")).toMatch(/^501 5\.5\.4 /);
  });
});

describe("AUTH", () => {
  const rows: readonly [id: string, why: string, lines: string[], reply: RegExp][] = [
    ["R-SMTP-11", "the right password", [ok], /^235 2\.7\.0 /],
    ["R-SMTP-11", "the right password, later", ["AUTH PLAIN", b64("\0alice\0secret")], /^235 2\.7\.0 /],
    ["R-SMTP-11", "a name in lower case", ["auth plain", b64("\0alice\0secret")], /^235 2\.7\.0 /],
    ["R-SMTP-11", "a wrong password", [wrong], /^535 5\.7\.8 /],
    ["R-SMTP-11", "an unknown user", [`AUTH PLAIN ${b64("\0bob\0wrong")}`], /^535 5\.7\.8 /],
    ["R-SMTP-03", "an unknown mechanism", ["AUTH NOSUCH"], /^504 5\.5\.4 /],
    ["R-GEN-02", "a name of an object's property", ["AUTH CONSTRUCTOR"], /^504 5\.5\.4 /],
    ["R-SMTP-03", "no mechanism", ["AUTH"], /^501 5\.5\.4 /],
    ["R-SMTP-03", "a name that is none", ["AUTH PLAIN;x"], /^501 5\.5\.4 /],
    ["R-SMTP-03", "too many arguments", ["AUTH PLAIN = ="], /^501 5\.5\.4 /],
    ["R-SMTP-05", "a cancellation", ["AUTH PLAIN", "*"], /^501 /],
    ["R-SMTP-05", "bad base64", ["AUTH PLAIN", "a b"], /^501 5\.5\.2 /],
    ["R-SMTP-05", "padding inside", ["AUTH PLAIN", "AAA=BBB="], /^501 5\.5\.2 /],
    ["R-SMTP-05", "bad base64 in the command", ["AUTH PLAIN =AAA"], /^501 5\.5\.2 /],
    ["R-SMTP-07", "an empty initial response, which PLAIN cannot take", ["AUTH PLAIN ="], /^5[03]\d /],
    ["R-SMTP-08", "an initial response to a server-first mechanism", [`AUTH CRAM-MD5 ${b64("x")}`], /^501 5\.7\.0 /],
    ["R-SMTP-08", "an empty one too", ["AUTH LOGIN ="], /^501 5\.7\.0 /],
  ];
  for (const [id, why, lines, reply] of rows) {
    test(`${id} ${why}; the session goes on`, async () => {
      const { client, say } = await talk();
      await say("EHLO client");
      const [command, answer] = lines;
      let line = await say(command as string);
      if (answer !== undefined) {
        expect(line).toBe("334 "); // R-SMTP-04
        client.write(`${answer}\r\n`);
        line = await client.readLine(1000);
      }
      expect(line).toMatch(reply);
      expect(await say("NOOP")).toMatch(/^250 /);
    });
  }

  test("R-SMTP-03 needs encryption: 538; too weak: 534", async () => {
    const clear = await talk({}, { secure: false });
    await clear.say("EHLO client");
    expect(await clear.say(ok)).toMatch(/^538 5\.7\.11 /);
    const strict = new SASLServer({
      mechanisms: [plain],
      accounts: memoryAccounts(),
      policy: { minStrength: "mutual" },
    });
    const weak = await talk({ server: strict });
    await weak.say("EHLO client");
    expect(await weak.say(ok)).toMatch(/^534 5\.7\.9 /);
  });

  test("R-SMTP-11 a store that is down: 454 4.7.0", async () => {
    const broken = new SASLServer({
      mechanisms: [plain],
      accounts: { lookup: () => Promise.reject(new Error("down")) },
    });
    const { say } = await talk({ server: broken });
    await say("EHLO client");
    expect(await say(ok)).toMatch(/^454 4\.7\.0 /);
  });

  test("R-SMTP-02 not twice, not within a transaction, not before EHLO", async () => {
    const { say, enter, results } = await talk();
    expect(await say(ok)).toMatch(/^503 5\.5\.1 /);
    await enter();
    expect(await say(ok)).toMatch(/^503 5\.5\.1 /);
    await say("EHLO client");
    expect(await say(ok)).toMatch(/^503 5\.5\.1 /);
    await say("MAIL FROM:<a@b>");
    expect(await say(ok)).toMatch(/^503 5\.5\.1 /);
    expect(results.length).toBe(1);
  });

  test("R-SMTP-10 lines of 12288 octets are read, longer ones end the exchange, and the session goes on", async () => {
    const { client, say } = await talk();
    await say("EHLO client");
    await say("AUTH PLAIN");
    expect(await say("A".repeat(12_288))).toMatch(/^(501 5\.5\.2|535) /);
    await say("AUTH PLAIN");
    client.write("A".repeat(12_289));
    expect(await client.readLine(1000)).toMatch(/^500 5\.5\.6 /);
    client.write("A".repeat(100_000));
    client.write("\r\n");
    expect(await say(ok)).toMatch(/^235 /);
  });

  test("R-SMTP-18 lines sent ahead are no answers, unless that is allowed", async () => {
    const input = `EHLO client\r\nAUTH PLAIN\r\n${b64("\0alice\0secret")}\r\n`;
    const strict = await talk();
    strict.client.write(input);
    await tick();
    strict.client.write("QUIT\r\n");
    expect((await rest(strict.client)).map((line) => line.slice(0, 4)).slice(-2)).toEqual(["501 ", "221 "]);
    expect(strict.results).toEqual([]);
    const lax = await talk({ allowPipelinedResponses: true });
    lax.client.write(`${input}QUIT\r\n`);
    expect((await rest(lax.client)).map((line) => line.slice(0, 4)).slice(-3)).toEqual(["334 ", "235 ", "221 "]);
  });

  test("R-SMTP-18 R-LIM-06 an exchange of one step may be followed by more in the same segment", async () => {
    for (const chunkBytes of [undefined, 1]) {
      const { client, results } = await talk({}, { secure: true, chunkBytes });
      client.write(
        `EHLO client\r\n${wrong}\r\n${ok}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n`,
      );
      const codes = (await rest(client)).map((line) => line.slice(0, 3)).slice(5);
      expect(codes).toEqual(["535", "235", "250", "250", "354", "250", "221"]);
      expect(results).toMatchObject([{ authcid: "alice" }]);
    }
  });
});

describe("the log", () => {
  const rows: readonly [why: string, lines: string[], outcome: string][] = [
    ["bad base64 as initial response", ["AUTH PLAIN !!!"], "PLAIN incorrect-encoding"],
    ["no mechanism", ["AUTH"], " malformed-message"],
    ["a name that is none", ["AUTH PL;AIN x"], " malformed-message"],
    ["too many arguments", ["auth plain = ="], "PLAIN malformed-message"],
    ["bad base64 later", ["AUTH PLAIN", "!"], "PLAIN incorrect-encoding"],
    ["too long a line later", ["AUTH PLAIN", "A".repeat(13_000)], "PLAIN limit-exceeded"],
    ["an early answer", [`AUTH PLAIN\r\n${b64("\0alice\0secret")}`], "PLAIN unexpected-message"],
    ["a cancellation", ["AUTH PLAIN", "*"], "PLAIN aborted"],
    ["a lost connection", ["AUTH PLAIN"], "PLAIN connection-lost"],
  ];
  for (const [why, lines, outcome] of rows) {
    test(`R-LIM-08 has ${why}, once: ${outcome}`, async () => {
      const outcomes: string[] = [];
      const failures: string[] = [];
      const noted = new SASLServer({
        mechanisms: [plain],
        accounts: memoryAccounts({ alice: "secret" }),
        onOutcome: ({ mechanism, code }) => void outcomes.push(`${mechanism} ${code}`),
      });
      const { client, running, say } = await talk({ server: noted, onFailure: ({ code }) => void failures.push(code) });
      await say("EHLO client");
      for (const line of lines) {
        client.write(`${line}\r\n`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      client.close();
      await running;
      expect(outcomes).toEqual([outcome]);
      const code = outcome.split(" ")[1];
      expect(failures).toEqual(code === "connection-lost" ? [] : [code]);
    });
  }
});

describe("STARTTLS", () => {
  test("R-SMTP-15 what follows in the same segment is never executed, and everything begins anew", async () => {
    const inner = linePair({ secure: true });
    const { client } = await talk({ startTls: async () => inner.server as ServerTransport }, { secure: false });
    client.write(`EHLO client\r\nSTARTTLS\r\n${ok}\r\n`);
    for (let line = ""; !line.startsWith("220 2.0.0"); ) line = await client.readLine(1000);
    await tick();
    expect(client.buffered).toBe(0);
    const say = async (line: string): Promise<string> => {
      inner.client.write(`${line}\r\n`);
      let reply = await inner.client.readLine(1000);
      while (reply[3] === "-") {
        expect(reply).not.toContain("STARTTLS");
        reply = await inner.client.readLine(1000);
      }
      return reply;
    };
    expect(await say(ok)).toMatch(/^503 /);
    expect(await say("EHLO client")).toMatch(/^250 AUTH .*PLAIN/);
    expect(await say("STARTTLS")).toMatch(/^503 /);
    expect(await say(ok)).toMatch(/^235 /);
  });

  test("R-SMTP-15 with parameters: 501; without TLS: 502; after the login: 503", async () => {
    const { say, enter } = await talk({ startTls: async (wire) => wire }, { secure: true });
    expect(await say("STARTTLS now")).toMatch(/^501 /);
    await enter();
    expect(await say("STARTTLS")).toMatch(/^503 /);
    expect(await (await talk({}, { secure: false })).say("STARTTLS")).toMatch(/^502 /);
  });

  test("R-SMTP-15 a failed handshake ends the session", async () => {
    const failing = async (): Promise<ServerTransport> => {
      throw new SASLFailure("channel-not-protected", "no");
    };
    const { client, running } = await talk({ startTls: failing }, { secure: false });
    client.write("STARTTLS\r\nNOOP\r\n");
    await running;
    expect((await rest(client)).map((line) => line.slice(0, 3))).toEqual(["220"]);
  });
});

describe("limits", () => {
  test("R-SMTP-20 three failed attempts, and not fewer, end the connection", async () => {
    const { client, running, results } = await talk();
    client.write(`EHLO client\r\n${wrong}\r\n${wrong}\r\n${wrong}\r\n${ok}\r\n`);
    const lines = await rest(client);
    expect(lines.slice(5).map((line) => line.slice(0, 3))).toEqual(["535", "535", "535", "421"]);
    await running;
    expect(results).toEqual([]);
    expect(() => new SMTPConnection(linePair().server, { server, maxAttempts: 2 })).toThrow(RangeError);
  });

  test("R-LIM-05 too many commands, a bare LF, too long a line, time", async () => {
    const many = await talk({ maxCommands: 5 });
    many.client.write("NOOP\r\n".repeat(10));
    expect((await rest(many.client)).map((line) => line.slice(0, 3))).toEqual([
      "250",
      "250",
      "250",
      "250",
      "250",
      "421",
    ]);

    const bare = await talk();
    bare.client.write(`NOOP\nQUIT\r\n`);
    expect(await rest(bare.client)).toEqual([expect.stringMatching(/^500 5\.5\.2 /)]); // R-SMTP-21

    const long = await talk();
    expect(await long.say(`NOOP ${"x".repeat(13_000)}`)).toMatch(/^500 5\.5\.2 /);
    expect(await long.say("NOOP")).toMatch(/^250 /);

    const sweep = new Sweep(10_000);
    const slow = await talk({ sweep, loginTimeoutMs: 1000 });
    sweep.look(Date.now() + 500);
    sweep.look(Date.now() + 2000);
    await slow.running;
    expect(await rest(slow.client)).toEqual([expect.stringMatching(/^421 4\.4\.2 /)]);
  });

  test("R-SMTP-21 CR or LF inside a line is an error wherever it stands", async () => {
    for (const line of ["NO\rOP", "NO\nOP", "NOOP\r", "\nNOOP"]) {
      const { client } = await talk();
      client.write(`${line}\r\n`);
      expect(await rest(client)).toEqual([expect.stringMatching(/^500 5\.5\.2 /)]);
    }
  });

  test("R-LIM-05 the client may go at any moment", async () => {
    for (const input of [
      "",
      "EH",
      "EHLO x\r\nAUTH PLAIN\r\n",
      `EHLO x\r\n${ok}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\nhalf`,
    ]) {
      const { client, running } = await talk();
      client.write(input);
      await tick();
      client.close();
      await running;
    }
  });
});

describe("mail", () => {
  interface Got {
    envelope: Envelope;
    lines: string[];
  }
  async function mailer(options: Partial<SMTPConnectionOptions> = {}): Promise<Talk & { got: Got[] }> {
    const got: Got[] = [];
    const talking = await talk({
      onMessage: async (envelope, lines) => {
        const entry: Got = { envelope, lines: [] };
        got.push(entry);
        for await (const line of lines) entry.lines.push(line);
        return `queued as ${got.length}\r\n250 evil`;
      },
      ...options,
    });
    await talking.enter();
    return { ...talking, got };
  }

  test("is taken from who is logged in, without its dots of transparency", async () => {
    const { say, got } = await mailer();
    expect(await say("MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME")).toMatch(/^250 2\.1\.0 /);
    expect(await say("RCPT TO:<c@d>")).toMatch(/^250 2\.1\.5 /);
    expect(await say("rcpt to: <e@f>")).toMatch(/^250 2\.1\.5 /);
    expect(await say("DATA")).toMatch(/^354 /);
    expect(await say("Subject: hi\r\n\r\n..dot\r\n.two\r\n.")).toBe("250 2.0.0 queued as 1  250 evil");
    expect(got).toMatchObject([
      {
        envelope: { from: "a@b", recipients: ["c@d", "e@f"], submitter: undefined, result: { authcid: "alice" } },
        lines: ["Subject: hi", "", ".dot", "two"],
      },
    ]);
  });

  test("order and syntax", async () => {
    const { say } = await mailer();
    const rows: readonly [line: string, reply: RegExp][] = [
      ["RCPT TO:<c@d>", /^503 /],
      ["DATA", /^503 /],
      ["MAIL", /^501 /],
      ["MAIL FROM:a@b", /^501 /],
      ["MAIL TO:<a@b>", /^501 /],
      ["MAIL FROM:<a@b>x", /^501 /],
      ["MAIL FROM:<a>b>", /^501 /],
      ["MAIL FROM:<>", /^250 /],
      ["MAIL FROM:<a@b>", /^503 /],
      ["DATA", /^554 /],
      ["RCPT TO:<>", /^501 /],
      ["RCPT FROM:<c@d>", /^501 /],
      ["RCPT TO:<c@d>", /^250 /],
      ["DATA now", /^501 /],
      ["RSET", /^250 /],
      ["DATA", /^503 /],
      ["VRFY alice", /^252 /],
      ["BDAT 5", /^502 /],
    ];
    for (const [line, reply] of rows) expect([line, await say(line)]).toEqual([line, expect.stringMatching(reply)]);
  });

  test("R-SMTP-19 AUTH= is checked, and believed only of whom we trust", async () => {
    for (const trusted of [true, false]) {
      const { say, got } = await mailer({ trusts: () => trusted });
      expect(await say("MAIL FROM:<a@b> AUTH=e=mc2@example.com")).toMatch(/^501 /);
      expect(await say("MAIL FROM:<a@b> auth=e+3Dmc2@example.com")).toMatch(/^250 /);
      await say("RCPT TO:<c@d>");
      await say("DATA");
      await say(".");
      expect(got[0]?.envelope.submitter).toBe(trusted ? "e=mc2@example.com" : undefined);
    }
  });

  test("limits, and handlers that fail or do not read", async () => {
    const send = async (options: Partial<SMTPConnectionOptions>, content: string): Promise<string> => {
      const { say } = await mailer(options);
      await say("MAIL FROM:<a@b>");
      await say("RCPT TO:<c@d>");
      await say("DATA");
      const reply = await say(`${content}\r\n.`);
      expect(await say("NOOP")).toMatch(/^250 /);
      return reply;
    };
    expect(await send({ maxMessageBytes: 10 }, "hello\r\nhello\r\nhello")).toMatch(/^552 5\.3\.4 /);
    expect(await send({}, "x".repeat(70_000))).toMatch(/^554 5\.6\.0 /);
    expect(await send({ onMessage: () => Promise.reject(new Error("disk")) }, "x")).toMatch(/^451 4\.3\.0 /);
    expect(await send({ onMessage: () => {} }, "x\r\ny")).toBe("250 2.0.0 OK");
    expect(await send({ onMessage: undefined }, "x")).toBe("250 2.0.0 OK");
    const { say } = await mailer();
    await say("MAIL FROM:<a@b>");
    for (let i = 0; i < 100; i++) await say("RCPT TO:<c@d>");
    expect(await say("RCPT TO:<c@d>")).toMatch(/^452 4\.5\.3 /);
  });

  test("a message that is refused never looks whole to the handler, whatever else it does", async () => {
    for (const [limits, content, reply, seen] of [
      [{ maxMessageBytes: 20 }, "first\r\nsecond\r\nthird\r\nfourth", /^552 5\.3\.4 /, ["first", "second"]],
      [{}, `first\r\n${"x".repeat(70_000)}\r\nlast`, /^554 5\.6\.0 /, ["first"]],
    ] as const) {
      for (const swallow of [false, true]) {
        const lines: string[] = [];
        let failure: unknown;
        const { say } = await mailer({
          ...limits,
          onMessage: async (_, content) => {
            try {
              for await (const line of content) lines.push(line);
            } catch (error) {
              failure = error;
              if (!swallow) throw error;
            }
          },
        });
        await say("MAIL FROM:<a@b>");
        await say("RCPT TO:<c@d>");
        await say("DATA");
        expect(await say(`${content}\r\n.`)).toMatch(reply);
        expect(lines).toEqual(seen);
        expect(failure).toMatchObject({ code: "limit-exceeded" });
        expect(await say("NOOP")).toMatch(/^250 /);
      }
    }
  });

  test("a handler's own SASLError is a temporary failure like any other", async () => {
    for (const code of ["connection-lost", "incorrect-encoding", "temporary"] as const) {
      const { say } = await mailer({ onMessage: () => Promise.reject(new SASLFailure(code, "the relay refused us")) });
      await say("MAIL FROM:<a@b>");
      await say("RCPT TO:<c@d>");
      await say("DATA");
      expect(await say("hi\r\n.")).toMatch(/^451 4\.3\.0 /);
      expect(await say("NOOP")).toMatch(/^250 /);
    }
  });

  test("R-LIM-05 a connection lost within a message is lost to the handler too, also to one that hides it", async () => {
    for (const hide of [false, true]) {
      let failure: unknown;
      const { client, say, running } = await mailer({
        onMessage: async (_, lines) => {
          try {
            for await (const _line of lines);
          } catch (error) {
            failure = error;
            if (!hide) throw error;
          }
        },
      });
      await say("MAIL FROM:<a@b>");
      await say("RCPT TO:<c@d>");
      await say("DATA");
      client.write("half\r\n");
      client.close();
      await running;
      expect(failure).toMatchObject({ code: "connection-lost" });
    }
  });

  test("SIZE= above the largest message is refused at once", async () => {
    const { say } = await mailer({ maxMessageBytes: 1000 });
    expect(await say("MAIL FROM:<a@b> SIZE=1001")).toMatch(/^552 5\.3\.4 /);
    expect(await say("MAIL FROM:<a@b> size=99999999999999999999")).toMatch(/^552 5\.3\.4 /);
    for (const size of ["", "x", "-1", "1e3", "999999999999999999999"])
      expect(await say(`MAIL FROM:<a@b> SIZE=${size}`)).toMatch(/^501 /);
    expect(await say("RCPT TO:<c@d>")).toMatch(/^503 /);
    expect(await say("MAIL FROM:<a@b> SIZE=1000")).toMatch(/^250 /);
  });

  test("R-SMTP-21 a bare LF in the content ends the session, so that no end can be smuggled in", async () => {
    const { client, say, running } = await mailer();
    await say("MAIL FROM:<a@b>");
    await say("RCPT TO:<c@d>");
    await say("DATA");
    client.write("x\n.\nMAIL FROM:<evil@b>\r\n.\r\n");
    await running;
    expect(await rest(client)).toEqual([expect.stringMatching(/^500 5\.5\.2 /)]);
  });
});
