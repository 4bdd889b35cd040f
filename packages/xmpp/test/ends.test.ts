/** What an audit log hears: one outcome for each exchange, however it was cut off, and one end for each connection. */
import { Duplex } from "node:stream";
import type { Element } from "ltx";
import { memoryAccounts, SASLFailure, type ServerEvent, type ServerOptions, type Throttle } from "sasl-core";
import {
  type ConnectionEnd,
  type SecuredChannel,
  XMPPConnection,
  type XMPPConnectionOptions,
  type XMPPConnectionParts,
} from "sasl-xmpp";
import { SocketFraming } from "sasl-xmpp/node";
import { describe, expect, test, vi } from "vitest";
import { saslServer } from "./loopback.js";
import { base64, ltxKit, SASL } from "./support.js";

/** A socket whose other end is this test. */
class Wire extends Duplex {
  said = "";
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.said += chunk.toString();
    done();
  }
}

interface Scene {
  readonly wire: Wire;
  readonly connection: XMPPConnection<Element>;
  say(text: string): Promise<void>;
  settle(): Promise<void>;
}

const OPEN =
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'>";
const auth = (mechanism: string, text = ""): string => `<auth ${SASL} mechanism='${mechanism}'>${text}</auth>`;
const good = auth("PLAIN", base64("\0alice\0open sesame"));
const bad = auth("PLAIN", base64("\0alice\0wrong"));
const begin = auth("SCRAM-SHA-256");
const later = Date.now() + 10_000_000;

async function play(
  act: (scene: Scene) => unknown,
  sasl: Partial<ServerOptions> = {},
  options: Partial<XMPPConnectionOptions<Element>> = {},
  parts: Partial<XMPPConnectionParts<Element>> = {},
) {
  const events: ServerEvent[] = [];
  const ends: ConnectionEnd[] = [];
  const wire = new Wire();
  const { adapter } = ltxKit;
  const framing = new SocketFraming(wire, adapter);
  const connection = new XMPPConnection<Element>(
    { framing, adapter, serialize: String, secure: true, remote: "192.0.2.7", ...parts },
    {
      server: saslServer({ onOutcome: (event) => void events.push(event), ...sasl }),
      hosts: ["localhost"],
      sasl2: false,
      onEnd: (end) => void ends.push(end),
      ...options,
    },
  );
  const running = connection.run();
  /** Long messages are read in several turns of the event loop, however long each takes. */
  const settle = async () => {
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
    for (let turns = 0; turns < 30; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  const say = async (text: string) => {
    wire.push(text);
    await settle();
  };
  await say(OPEN);
  await act({ wire, connection, say, settle });
  await settle();
  wire.destroy();
  await running;
  await settle();
  for (const { remote } of events) expect(remote).toBe("192.0.2.7");
  return { outcomes: events.map(({ mechanism, code }) => `${mechanism} ${code ?? "ok"}`), ends, said: wire.said };
}

function slow(): { accounts: ServerOptions["accounts"]; answer: () => void } {
  const waiting: (() => void)[] = [];
  return {
    accounts: {
      lookup: () => new Promise((resolve) => waiting.push(() => resolve({ userPassword: "open sesame" }))),
    },
    answer: () => {
      for (const each of waiting.splice(0)) each();
    },
  };
}

const cuts: readonly [how: string, code: string, act: (scene: Scene) => unknown, condition?: string][] = [
  ["time is up", "timed-out", ({ connection }) => connection.expire(), "connection-timeout"],
  ["the client is gone", "connection-lost", ({ wire }) => wire.destroy()],
  ["the server shuts down", "aborted", ({ connection }) => connection.end("system-shutdown"), "system-shutdown"],
];
describe("an exchange that is cut off has one outcome", () => {
  for (const [how, code, act, condition] of cuts) {
    test(`R-LIM-05 R-LIM-08 ${how} between two messages: ${code}`, async () => {
      const heard = await play(async (scene) => {
        await scene.say(begin);
        await act(scene);
      });
      expect(heard).toMatchObject({ outcomes: [`SCRAM-SHA-256 ${code}`], ends: [{ code, result: undefined }] });
      if (condition) expect(heard.said).toContain(`<${condition} `);
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
      expect(heard).toMatchObject({ outcomes: [`PLAIN ${code}`], ends: [{ code, result: undefined }] });
      expect(heard.said).not.toContain("<success");
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
      expect(heard.outcomes).toEqual([`PLAIN ${code}`]);
      expect(ended).toHaveBeenCalledTimes(1);
    });
  }
});

describe("every attempt has one outcome", () => {
  const rows: readonly [
    what: string,
    words: readonly string[],
    outcomes: readonly string[],
    condition: string,
    more?: { sasl?: Partial<ServerOptions>; parts?: Partial<XMPPConnectionParts<Element>> },
  ][] = [
    ["bad base64 in auth", [auth("PLAIN", "!")], ["PLAIN incorrect-encoding"], "incorrect-encoding"],
    ["R-XMPP-19 an element in auth", [auth("PLAIN", "<a/>")], ["PLAIN malformed-message"], "malformed-request"],
    ["no mechanism", [`<auth ${SASL}/>`], [" malformed-message"], "malformed-request"],
    ["a message too long", [auth("PLAIN", base64("x".repeat(66_000)))], ["PLAIN limit-exceeded"], "malformed-request"],
    [
      "bad base64 later",
      [begin, `<response ${SASL}>!</response>`],
      ["SCRAM-SHA-256 incorrect-encoding"],
      "incorrect-encoding",
    ],
    ["an abort", [begin, `<abort ${SASL}/>`], ["SCRAM-SHA-256 aborted"], "aborted"],
    ["one begun anew", [begin, good], ["SCRAM-SHA-256 aborted", "PLAIN ok"], "success"],
    ["a stanza in it", [begin, "<iq/>"], ["SCRAM-SHA-256 unexpected-message"], "not-authorized"],
    ["ill-formed XML in it", [begin, "</b>"], ["SCRAM-SHA-256 incorrect-encoding"], "not-well-formed"],
    ["the end of the stream in it", [begin, "</stream:stream>"], ["SCRAM-SHA-256 connection-lost"], "stream:stream"],
    [
      "R-XMPP-07 no TLS where it comes first",
      [good],
      ["PLAIN channel-not-protected"],
      "encryption-required",
      { parts: { secure: false, startTLS: async () => ({}) } },
    ],
    [
      "R-STO-04 R-XMPP-07 a store that cannot answer",
      [good],
      ["PLAIN temporary"],
      "temporary-auth-failure",
      {
        sasl: {
          accounts: {
            lookup: () => {
              throw new Error("the database is down");
            },
          },
        },
      },
    ],
    [
      "R-LIM-08 a throttle that refuses",
      [good],
      ["PLAIN limit-exceeded"],
      "temporary-auth-failure",
      {
        sasl: {
          throttle: {
            begin: () => {
              throw new SASLFailure("limit-exceeded", "too many failed attempts");
            },
            ended: () => {},
          },
        },
      },
    ],
  ];
  for (const [what, words, outcomes, condition, { sasl, parts } = {}] of rows) {
    test(`R-LIM-08 ${what}`, async () => {
      const heard = await play(
        async ({ say }) => {
          for (const word of words) await say(word);
        },
        sasl,
        {},
        parts,
      );
      expect(heard.outcomes).toEqual(outcomes);
      expect(heard.said).toContain(`<${condition}`.replace("<stream", "</stream"));
    });
  }
});

describe("a connection has one end", () => {
  const rows: readonly [how: string, end: Partial<ConnectionEnd>, act: (scene: Scene) => unknown][] = [
    ["nobody said anything in time", { code: "timed-out" }, ({ connection }) => connection.expire()],
    ["the client left", { code: undefined }, ({ say }) => say("</stream:stream>")],
    ["the client went away", { code: "connection-lost" }, ({ wire }) => wire.destroy()],
    ["the server shut down", { code: "aborted" }, ({ connection }) => connection.end("system-shutdown")],
    ["a stanza before the login", { code: "unexpected-message" }, ({ say }) => say("<iq/>")],
    ["ill-formed XML", { code: "incorrect-encoding" }, ({ say }) => say("<a></b>")],
    ["an element too long", { code: "limit-exceeded" }, ({ say }) => say(`<a>${"x".repeat(100_000)}`)],
    ["too many attempts", { code: "limit-exceeded", failures: 6 }, ({ say }) => say(bad.repeat(6))],
  ];
  for (const [how, end, act] of rows) {
    test(`R-LIM-05 ${how}`, async () => {
      const { ends } = await play(act);
      expect(ends).toEqual([{ remote: "192.0.2.7", secure: true, result: undefined, failures: 0, ...end }]);
    });
  }

  test("a login: the result whole, with the properties that were asked for", async () => {
    const onAuthenticated = vi.fn();
    const { outcomes, ends } = await play(
      async ({ say }) => {
        await say(good);
        await say(OPEN);
      },
      {
        accounts: memoryAccounts({ alice: { userPassword: "open sesame", mailbox: "/var/mail/alice", quota: 5 } }),
        properties: ["mailbox", "color"],
      },
      { onAuthenticated },
    );
    const result = {
      mechanism: "PLAIN",
      authcid: "alice",
      authzid: "alice",
      channelBinding: undefined,
      properties: { mailbox: "/var/mail/alice" },
    };
    expect(outcomes).toEqual(["PLAIN ok"]);
    expect(onAuthenticated.mock.calls[0]?.[0].result).toEqual(result);
    expect(ends).toMatchObject([{ code: undefined, result }]);
  });

  test("a fault of the program, and a log that fails", async () => {
    const fault = () => {
      throw new Error("bug");
    };
    const login = async ({ say }: Scene) => {
      await say(good);
      await say(OPEN);
    };
    const { ends, said } = await play(login, {}, { onAuthenticated: fault });
    expect(ends).toMatchObject([{ code: "temporary" }]);
    expect(said).toContain("<internal-server-error");
    expect((await play(login, {}, { onEnd: fault })).said).toContain("</stream:stream>");
  });
});

describe("time", () => {
  test("R-LIM-05 is limited before the login, and after it where that is wanted", async () => {
    const left: boolean[] = [];
    await play(
      async ({ connection, say }) => {
        const now = Date.now();
        left.push(connection.expired(now + 50_000), connection.expired(now + 60_000));
        await say(good);
        await say(OPEN);
        left.push(connection.expired(Date.now() + 250_000), connection.expired(Date.now() + 300_000));
      },
      {},
      { loginTimeoutMs: 60_000, idleTimeoutMs: 300_000, onAuthenticated: ({ receive }) => receive().then(() => {}) },
    );
    expect(left).toEqual([false, true, false, true]);
    await play(async ({ connection, say }) => {
      expect(connection.expired(Date.now() + 50_000)).toBe(false);
      expect(connection.expired(later)).toBe(true);
      await say(good);
      expect(connection.expired(later)).toBe(false);
    });
  });

  for (const name of ["loginTimeoutMs", "idleTimeoutMs"] as const) {
    for (const value of [0, -1, Number.NaN]) {
      test(`${name} cannot be ${value}`, async () => {
        await expect(play(() => {}, {}, { [name]: value })).rejects.toThrow(RangeError);
      });
    }
  }
});

describe("each connection may have a policy of its own", () => {
  const both = ["SCRAM-SHA-256", "PLAIN"];
  const rows: readonly [what: string, facts: SecuredChannel, names: string[]][] = [
    ["none of its own", {}, both],
    ["no passwords", { policy: { forbid: ["passCredentials"] } }, ["SCRAM-SHA-256"]],
    ["more strength than TLS has by default", { policy: { minSsf: 129 } }, []],
    ["more strength, which the channel has", { policy: { minSsf: 129 }, externalSsf: 256 }, both],
  ];
  for (const [what, facts, names] of rows) {
    test(`R-GEN-26 ${what}: ${names.join(", ") || "nothing"}`, async () => {
      const { said } = await play(() => {}, {}, {}, facts);
      expect([...said.matchAll(/<mechanism>([^<]*)/g)].map(([, name]) => name)).toEqual(names);
    });
  }

  test("R-GEN-26 what TLS brings replaces what was known before it, the address apart", async () => {
    const { said, ends } = await play(
      async ({ say }) => {
        await say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        await say(OPEN);
      },
      {},
      { requireTLS: false },
      { secure: false, policy: { minSsf: 1 }, startTLS: async () => ({ policy: { minSsf: 256 }, externalSsf: 256 }) },
    );
    const lists = said.split("<proceed").map((part) => part.match(/<mechanism>/g)?.length ?? 0);
    expect(lists).toEqual([0, 2]);
    expect(ends).toMatchObject([{ remote: "192.0.2.7", secure: true }]);
  });
});
