/** What an audit log hears: one outcome for each exchange, however it was cut off, and one end for each connection. */
import {
  memoryAccounts,
  SASLFailure,
  SASLServer,
  type ServerEvent,
  type ServerOptions,
  type Throttle,
} from "sasl-core";
import { plain, scramSha256 } from "sasl-core/mechanisms";
import { type ConnectionEnd, linePair, type ServerTransport, Sweep } from "sasl-lines";
import { describe, expect, test, vi } from "vitest";
import { SMTPConnection, type SMTPConnectionOptions } from "../src/index.js";
import { b64 } from "./script.js";

interface Scene {
  readonly client: ServerTransport;
  readonly sweep: Sweep;
  readonly connection: SMTPConnection;
  /** Sends a line and lets everything happen that can. */
  say(line: string): Promise<void>;
  settle(): Promise<void>;
}

interface Heard {
  /** Mechanism and code of each outcome. */
  readonly outcomes: string[];
  readonly ends: ConnectionEnd[];
  readonly last: string | undefined;
}

/** Plays a connection and gives back what was heard of it. */
async function play(
  act: (scene: Scene) => Promise<void>,
  sasl: Partial<ServerOptions> = {},
  options: Partial<SMTPConnectionOptions> = {},
): Promise<Heard> {
  const events: ServerEvent[] = [];
  const ends: ConnectionEnd[] = [];
  const lines: string[] = [];
  const sweep = new Sweep(100_000);
  const { client, server: wire } = linePair({ secure: true });
  const connection = new SMTPConnection(wire, {
    server: new SASLServer({
      mechanisms: [plain, scramSha256],
      accounts: memoryAccounts({ alice: { userPassword: "secret", mailbox: "/var/mail/alice", quota: 5 } }),
      properties: ["mailbox", "quota", "color"],
      onOutcome: (event) => void events.push(event),
      ...sasl,
    }),
    connection: () => ({ remote: "192.0.2.7" }),
    onEnd: (end) => void ends.push(end),
    sweep,
    ...options,
  });
  const running = connection.run();
  running.catch(() => {}); // heard of below
  const reading = (async () => {
    for (;;) lines.push(await client.readLine(1000));
  })().catch(() => {});
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  const say = async (line: string) => {
    client.write(`${line}\r\n`);
    await settle();
  };
  await say("EHLO client.example");
  await act({ client, sweep, connection, say, settle });
  await settle();
  client.close();
  await running;
  await reading;
  for (const { remote } of events) expect(remote).toBe("192.0.2.7");
  return { outcomes: events.map(({ mechanism, code }) => `${mechanism} ${code ?? "ok"}`), ends, last: lines.at(-1) };
}

const later = Date.now() + 10_000_000;
const begin = "AUTH PLAIN";
const good = `AUTH PLAIN ${b64("\0alice\0secret")}`;
const bad = `AUTH PLAIN ${b64("\0alice\0wrong")}`;

/** Answers when it is told to. */
function slow(): { accounts: ServerOptions["accounts"]; answer: () => void } {
  const waiting: (() => void)[] = [];
  return {
    accounts: {
      lookup: () => new Promise((resolve) => waiting.push(() => resolve({ userPassword: "secret" }))),
    },
    answer: () => {
      for (const each of waiting.splice(0)) each();
    },
  };
}

describe("an exchange that is cut off has one outcome", () => {
  const cuts: readonly [how: string, code: string, act: (scene: Scene) => unknown, last?: RegExp][] = [
    ["time is up", "timed-out", ({ sweep }) => sweep.look(later), /^421 4\.4\.2 /],
    ["the client is gone", "connection-lost", ({ client }) => client.close()],
    ["the server shuts down", "aborted", ({ connection }) => connection.end(), /^421 4\.3\.2 /],
  ];
  for (const [how, code, act, last] of cuts) {
    test(`R-LIM-05 R-LIM-08 ${how} between two messages: ${code}`, async () => {
      const heard = await play(async (scene) => {
        await scene.say(begin);
        await act(scene);
      });
      expect(heard).toMatchObject({ outcomes: [`PLAIN ${code}`], ends: [{ code, result: undefined }] });
      if (last) expect(heard.last).toMatch(last);
    });

    test(`R-LIM-05 R-LIM-08 ${how} while the store thinks: ${code}, also when it answers later`, async () => {
      const { accounts, answer } = slow();
      const heard = await play(
        async (scene) => {
          await scene.say(good);
          await act(scene);
          await scene.settle();
          answer();
        },
        { accounts },
      );
      expect(heard).toMatchObject({ outcomes: [`PLAIN ${code}`], ends: [{ code, result: undefined, failures: 0 }] });
    });

    test(`R-LIM-05 R-LIM-08 ${how} while a throttle holds it: ${code}, and the throttle is told`, async () => {
      const ended = vi.fn();
      const throttle: Throttle = { begin: () => new Promise(() => {}), ended };
      const heard = await play(
        async (scene) => {
          await scene.say(good);
          await act(scene);
        },
        { throttle },
      );
      expect(heard).toMatchObject({ outcomes: [`PLAIN ${code}`], ends: [{ code }] });
      expect(ended).toHaveBeenCalledTimes(1);
    });
  }
});

describe("a connection has one end", () => {
  const rows: readonly [
    how: string,
    end: Partial<ConnectionEnd>,
    outcomes: string[],
    act: (scene: Scene) => Promise<void>,
    options?: Partial<SMTPConnectionOptions>,
  ][] = [
    ["nobody said anything in time", { code: "timed-out" }, [], async ({ sweep }) => sweep.look(later)],
    ["the client left", { code: undefined }, [], ({ say }) => say("QUIT")],
    ["the client went away", { code: "connection-lost" }, [], async ({ client }) => client.close()],
    ["the server shut down", { code: "aborted" }, [], async ({ connection }) => connection.end()],
    [
      "it was ended twice",
      { code: "aborted" },
      [],
      async ({ connection }) => void [connection.end(), connection.end()],
    ],
    [
      "too many attempts",
      { code: "limit-exceeded", failures: 3 },
      ["PLAIN refused", "PLAIN refused", "PLAIN refused"],
      async ({ say }) => {
        for (let i = 0; i < 3; i++) await say(bad);
      },
    ],
    [
      "too many commands",
      { code: "limit-exceeded", failures: 0 },
      [],
      async ({ say }) => {
        for (let i = 0; i < 4; i++) await say("NOOP");
      },
      { maxCommands: 5 },
    ],
    [
      "a line end that is none",
      { code: "incorrect-encoding" },
      [],
      async ({ client }) => void client.write("NOOP\nNOOP\r\n"),
    ],
  ];
  for (const [how, end, outcomes, act, options] of rows) {
    test(`R-LIM-05 ${how}`, async () => {
      const heard = await play(act, {}, options);
      const expected = { remote: "192.0.2.7", secure: true, result: undefined, failures: 0, ...end };
      expect(heard).toMatchObject({ outcomes, ends: [expected] });
      expect(heard.ends).toHaveLength(1);
    });
  }

  test("a login and a farewell: the result whole, with the properties that were asked for", async () => {
    const onAuthenticated = vi.fn();
    const { outcomes, ends } = await play(
      async ({ say }) => void [await say(good), await say("QUIT")],
      {},
      { onAuthenticated },
    );
    const result = {
      mechanism: "PLAIN",
      authcid: "alice",
      authzid: "alice",
      channelBinding: undefined,
      properties: { mailbox: "/var/mail/alice", quota: 5 },
    };
    expect(outcomes).toEqual(["PLAIN ok"]);
    expect(onAuthenticated.mock.calls[0]?.[0]).toEqual(result);
    expect(ends).toMatchObject([{ code: undefined, result }]);
  });

  test("a fault of the program ends it as temporary, and is the program's to hear", async () => {
    const ends: ConnectionEnd[] = [];
    const failing = play(
      ({ say }) => say(good),
      {},
      {
        onAuthenticated: () => Promise.reject(new TypeError("bug")),
        onEnd: (end) => void ends.push(end),
      },
    );
    await expect(failing).rejects.toThrow("bug");
    expect(ends).toMatchObject([{ code: "temporary", result: { authcid: "alice" } }]);
  });

  test("R-LIM-07 a log that fails disturbs nobody", async () => {
    const onEnd = () => {
      throw new Error("the disk is full");
    };
    expect((await play(({ say }) => say("QUIT"), {}, { onEnd })).last).toMatch(/^221 /);
  });

  for (const name of ["maxAttempts", "maxCommands", "loginTimeoutMs", "idleTimeoutMs"] as const) {
    for (const value of [0, -1, Number.NaN]) {
      test(`${name} cannot be ${value}`, async () => {
        await expect(play(async () => {}, {}, { [name]: value })).rejects.toThrow(RangeError);
      });
    }
  }
});

describe("each connection may have a policy of its own", () => {
  const offered = async (facts: ReturnType<NonNullable<SMTPConnectionOptions["connection"]>>, secure: boolean) => {
    const { client, server: wire } = linePair({ secure });
    const server = new SASLServer({ mechanisms: [plain, scramSha256], accounts: memoryAccounts({ alice: "secret" }) });
    void new SMTPConnection(wire, { server, connection: () => facts }).run();
    client.write("EHLO client.example\r\n");
    const lines: string[] = [];
    while (!lines.at(-1)?.startsWith("250 ")) lines.push(await client.readLine(1000));
    client.close();
    return (
      lines
        .find((line) => line.includes("AUTH"))
        ?.slice("250-AUTH ".length)
        .split(" ") ?? []
    );
  };
  const both = ["SCRAM-SHA-256", "PLAIN"];
  const rows: readonly [what: string, facts: Parameters<typeof offered>[0], secure: boolean, names: string[]][] = [
    ["none of its own", {}, true, both],
    ["none of its own, in the clear", {}, false, ["SCRAM-SHA-256"]],
    ["no passwords", { policy: { forbid: ["passCredentials"] } }, true, ["SCRAM-SHA-256"]],
    ["more strength than TLS has by default", { policy: { minSsf: 129 } }, true, []],
    ["more strength, which the channel has", { policy: { minSsf: 129 }, externalSsf: 256 }, true, both],
    ["a proxy in front that has TLS", { secure: true }, false, both],
    ["a proxy in front that had none", { secure: false }, true, ["SCRAM-SHA-256"]],
  ];
  for (const [what, facts, secure, names] of rows) {
    test(`R-GEN-26 ${what}: ${names.join(", ") || "nothing"}`, async () => {
      expect(await offered(facts, secure)).toEqual(names);
    });
  }
});

describe("what is no fault of the credentials is told as that", () => {
  const broken: ServerOptions["accounts"] = {
    lookup: () => {
      throw new Error("the database is down");
    },
  };
  const refusing: Throttle = {
    begin: () => {
      throw new SASLFailure("limit-exceeded", "too many failed attempts");
    },
    ended: () => {},
  };
  const rows: readonly [what: string, sasl: Partial<ServerOptions>, line: string, reply: RegExp, code: string][] = [
    ["R-STO-04 R-SMTP-11 a store that cannot answer", { accounts: broken }, good, /^454 4\.7\.0 /, "temporary"],
    ["R-LIM-08 a throttle that refuses", { throttle: refusing }, good, /^454 4\.7\.0 /, "limit-exceeded"],
    [
      "R-LIM-01 a name too long",
      {},
      `AUTH PLAIN ${b64(`\0${"x".repeat(2000)}\0y`)}`,
      /^454 4\.7\.0 /,
      "limit-exceeded",
    ],
  ];
  for (const [what, sasl, line, reply, code] of rows) {
    test(what, async () => {
      const { outcomes, last } = await play(({ say }) => say(line), sasl);
      expect(outcomes).toEqual([`PLAIN ${code}`]);
      expect(last).toMatch(reply);
    });
  }
});

test("R-LIM-05 who sends a long message slowly is not idle, and who stops in the middle of it is", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const heard = await play(
      async ({ say, sweep, connection }) => {
        for (const line of [good, "MAIL FROM:<alice@localhost>", "RCPT TO:<bob@localhost>", "DATA"]) await say(line);
        for (let i = 0; i < 3; i++) {
          vi.setSystemTime(Date.now() + 900);
          expect(connection.expired(Date.now())).toBe(false);
          await say("a line");
        }
        vi.setSystemTime(Date.now() + 1001);
        sweep.look(Date.now());
      },
      {},
      { idleTimeoutMs: 1000, onMessage: () => undefined },
    );
    expect(heard.ends).toMatchObject([{ code: "timed-out" }]);
  } finally {
    vi.useRealTimers();
  }
});
