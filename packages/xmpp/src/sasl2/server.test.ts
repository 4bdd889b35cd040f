/** What a server hears and must not go along with, on the wire. */
import { Duplex } from "node:stream";
import type { Element } from "ltx";
import { memoryAccounts, type ServerEvent, type ServerOptions } from "sasl-core";
import { anonymous, plain } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { echo, saslServer } from "../../test/loopback.js";
import { noteServer, SASL2, wordServer } from "../../test/sasl2.js";
import { base64, ltxKit, SASL } from "../../test/support.js";
import {
  type AuthenticatedStream,
  type ConnectionEnd,
  type SASL2ServerOptions,
  XMPPConnection,
  type XMPPConnectionOptions,
  type XMPPConnectionParts,
} from "../index.js";
import { SocketFraming } from "../node/index.js";

/** A socket whose other end is this test. */
class Wire extends Duplex {
  said = "";
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.said += chunk.toString();
    done();
  }
}

const settle = async () => {
  for (let turns = 0; turns < 12; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
};

interface Scene {
  readonly sasl2?: SASL2ServerOptions | false;
  readonly sasl?: Partial<ServerOptions>;
  readonly parts?: Partial<XMPPConnectionParts<Element>>;
  readonly options?: Partial<XMPPConnectionOptions<Element>>;
  readonly from?: string | undefined;
}

/** What the client says, how many milliseconds it waits, or what is done to the connection. */
type Word = string | Uint8Array | number | ((connection: XMPPConnection<Element>) => void);

/** Plays these words to a connection, and tells what came of it. */
async function talk(words: readonly Word[], scene: Scene = {}) {
  const { sasl2, sasl, parts, options, from = "alice@localhost" } = scene;
  const wire = new Wire();
  const { adapter } = ltxKit;
  const framing = new SocketFraming(wire, adapter);
  const events: ServerEvent[] = [];
  const ends: ConnectionEnd[] = [];
  const streams: AuthenticatedStream<Element>[] = [];
  const connection = new XMPPConnection<Element>(
    { framing, adapter, serialize: String, secure: true, ...parts },
    {
      server: saslServer({ onOutcome: (event) => void events.push(event), ...sasl }),
      hosts: ["localhost"],
      sasl2,
      onEnd: (end) => void ends.push(end),
      onAuthenticated: (stream) => {
        streams.push(stream);
        return echo(stream);
      },
      ...options,
    },
  );
  const running = connection.run();
  wire.push(
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'" +
      `${from === "" ? "" : ` from='${from}'`}>`,
  );
  await settle();
  const features = /<stream:features.*?<\/stream:features>/.exec(wire.said)?.[0] ?? "";
  const before = wire.said.length;
  for (const word of words) {
    if (typeof word === "number") await new Promise((resolve) => setTimeout(resolve, word));
    else if (typeof word === "function") word(connection);
    else wire.push(word);
    await settle();
  }
  const said = wire.said.slice(before);
  wire.push(null);
  wire.destroy();
  await running;
  const outcomes = events.map(({ mechanism, code }) => `${mechanism} ${code ?? "ok"}`);
  return { features, said, outcomes, end: ends[0]?.code, streams };
}

const data = (text: string): string => `<initial-response>${base64(text)}</initial-response>`;
const authenticate = (mechanism: string, inside = ""): string =>
  `<authenticate ${SASL2} mechanism='${mechanism}'>${inside}</authenticate>`;
const good = authenticate("PLAIN", data("\0alice\0open sesame"));
const bad = authenticate("PLAIN", data("\0alice\0wrong"));
const begin = authenticate("SCRAM-SHA-256");
const next = (letter: string, task = "WORD"): string =>
  `<next ${SASL2} task='${task}'><letter xmlns='urn:example:note'>${letter}</letter></next>`;
const more = (letter: string): string =>
  `<task-data ${SASL2}><letter xmlns='urn:example:note'>${letter}</letter></task-data>`;
const tasks = { tasks: [wordServer("ab")] };
const authenticated =
  '<success xmlns="urn:xmpp:sasl:2"><authorization-identifier>alice@localhost</authorization-identifier></success>' +
  "<stream:features xmlns:stream='http://etherx.jabber.org/streams'></stream:features>";

describe("what is announced", () => {
  const secure = { secure: true };
  const rows: readonly [what: string, element: string, scene: Scene][] = [
    ["mechanisms", "<mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism>", {}],
    [
      "inline features",
      "<mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism>" +
        '<inline><note xmlns="urn:example:note"/></inline>',
      { sasl2: { inline: [noteServer()] } },
    ],
    [
      "what tasks announce",
      "<mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism>" + '<word xmlns="urn:example:note"/>',
      {
        sasl2: {
          tasks: [wordServer("a", { announce: ({ adapter }) => [adapter.create("word", "urn:example:note")] })],
        },
      },
    ],
  ];
  test.each(rows)("%s", async (_, inside, scene) => {
    const { features } = await talk([], { ...scene, parts: secure });
    expect(features).toContain(`<authentication xmlns="urn:xmpp:sasl:2">${inside}</authentication>`);
  });

  const silent: readonly [why: string, scene: Scene][] = [
    ["R-SA2-01 no TLS", { parts: { secure: false } }],
    ["R-SA2-01 no TLS yet", { parts: { secure: false, startTLS: async () => ({}) }, options: { requireTLS: false } }],
    ["R-SA2-02 no mechanism", { sasl: { mechanisms: [anonymous] } }],
    ["it is switched off", { sasl2: false }],
    [
      "R-SA2-02 no mechanism but one of a feature's own",
      { sasl2: { inline: [{ ...noteServer(), mechanisms: () => ["PLAIN"] }] }, sasl: { mechanisms: [plain] } },
    ],
  ];
  test.each(silent)("nothing: %s", async (_, scene) => {
    expect((await talk([], scene)).features).not.toContain("urn:xmpp:sasl:2");
  });

  test("R-SA2-06 the same for accounts that exist and for others", async () => {
    const seen = new Set<string>();
    for (const from of ["", "alice@localhost", "bob@localhost", "nobody@localhost"]) {
      seen.add((await talk([], { from })).features);
    }
    expect(seen.size).toBe(1);
  });

  test("a feature's own mechanism in no list, in no other profile, and only as its check allows", async () => {
    const own = (allowed: boolean): Scene => ({
      sasl2: {
        inline: [
          {
            ...noteServer(),
            mechanisms: () => ["PLAIN"],
            check: ({ mechanism }) => {
              if (mechanism === "PLAIN" && !allowed) throw new RangeError("not so");
            },
          },
        ],
      },
    });
    const { features, said, outcomes } = await talk(
      [`<auth ${SASL} mechanism='PLAIN'>${base64("\0alice\0open sesame")}</auth>`, good],
      own(true),
    );
    expect(features.match(/<mechanism>/g)).toHaveLength(2);
    expect(features).not.toContain("PLAIN");
    expect(outcomes).toEqual(["PLAIN mechanism-unsupported", "PLAIN ok"]);
    expect(said).toContain("<success");
    expect((await talk([good], own(false))).outcomes).toEqual(["PLAIN temporary"]);
  });
});

describe("an exchange that succeeds", () => {
  test("R-SA2-11 features follow, in the stream as it is, and stanzas", async () => {
    const { said, outcomes, streams } = await talk([good, "<iq xmlns='jabber:client' id='1'/>"]);
    expect(said).toBe(`${authenticated}<iq xmlns="jabber:client" id="1"/>`);
    expect(outcomes).toEqual(["PLAIN ok"]);
    expect(streams).toMatchObject([{ profile: "sasl2", jid: "alice@localhost", resource: undefined, userAgent: {} }]);
  });

  test("after failures, whatever profile they had", async () => {
    const { said, outcomes } = await talk([bad, `<auth ${SASL} mechanism='PLAIN'>AGEAYg==</auth>`, good]);
    expect(outcomes).toEqual(["PLAIN refused", "PLAIN refused", "PLAIN ok"]);
    expect(said.endsWith(authenticated)).toBe(true);
  });

  test("R-SA2-11 a full JID once a resource is bound; features are told", async () => {
    const bind = {
      ...noteServer(),
      success: ({ bind }: { bind(resource: string): void }) => {
        bind("x");
        return [];
      },
    };
    const told: unknown[] = [];
    const { said, streams } = await talk([good], {
      sasl2: { inline: [bind] },
      options: {
        features: (_, __, resource) => {
          told.push(resource);
          return [];
        },
      },
    });
    expect(said).toContain("<authorization-identifier>alice@localhost/x</authorization-identifier>");
    expect(streams).toMatchObject([{ jid: "alice@localhost", resource: "x" }]);
    expect(told).toEqual(["x"]);
  });

  test("R-SA2-14 R-SA2-15 with a task: nobody is known before its end", async () => {
    const { said, outcomes, streams } = await talk([good, next("a"), more("b")], { sasl2: tasks });
    expect(said).toBe(
      '<continue xmlns="urn:xmpp:sasl:2"><tasks><task>WORD</task></tasks></continue>' +
        `<task-data xmlns="urn:xmpp:sasl:2"/>${authenticated}`,
    );
    expect(outcomes).toEqual(["PLAIN ok"]);
    expect(streams).toHaveLength(1);
    const half = await talk([good, next("a")], { sasl2: tasks });
    expect(half).toMatchObject({ outcomes: ["PLAIN connection-lost"], streams: [] });
  });

  test("split at every octet", async () => {
    const octets = Buffer.from(good + next("a") + more("b"));
    const { said, outcomes } = await talk(
      [...octets].map((octet) => Buffer.of(octet)),
      { sasl2: tasks },
    );
    expect(said.endsWith(authenticated)).toBe(true);
    expect(outcomes).toEqual(["PLAIN ok"]);
  });

  test("an inline feature that fails then ends the stream", async () => {
    const broken = {
      ...noteServer(),
      success: () => {
        throw new Error("a bug");
      },
    };
    const { said, end } = await talk([good], { sasl2: { inline: [broken] } });
    expect(said).toContain("<internal-server-error");
    expect(said).not.toContain("<success");
    expect(end).toBe("temporary");
  });
});

describe("an attempt that fails, after which the stream goes on", () => {
  const log: string[] = [];
  const noted = { sasl2: { inline: [noteServer(log)] } };
  const rows: readonly [what: string, words: string[], condition: string, outcome: string, scene?: Scene][] = [
    [
      "R-SA2-01 without TLS",
      [good],
      "encryption-required",
      "PLAIN channel-not-protected",
      { parts: { secure: false } },
    ],
    [
      "R-SA2-03 a mechanism nobody has",
      [authenticate("X-OTHER")],
      "invalid-mechanism",
      "X-OTHER mechanism-unsupported",
    ],
    [
      "R-SA2-03 one the server has, and does not announce here",
      [authenticate("ANONYMOUS")],
      "invalid-mechanism",
      "ANONYMOUS mechanism-unsupported",
    ],
    ["R-SA2-03 no mechanism", [`<authenticate ${SASL2}/>`], "malformed-request", " malformed-message"],
    ["R-SA2-03 no name", [authenticate("plain")], "invalid-mechanism", " mechanism-unsupported"],
    [
      "R-SA2-04 = for an empty message",
      [authenticate("PLAIN", "<initial-response>=</initial-response>")],
      "incorrect-encoding",
      "PLAIN incorrect-encoding",
    ],
    [
      "R-SA2-04 an empty initial response is one",
      [authenticate("PLAIN", "<initial-response/>")],
      "malformed-request",
      "PLAIN malformed-message",
    ],
    [
      "R-SA2-04 two initial responses",
      [authenticate("PLAIN", data("\0alice\0open sesame").repeat(2))],
      "malformed-request",
      "PLAIN malformed-message",
    ],
    [
      "R-SA2-04 white space in Base64",
      [authenticate("PLAIN", `<initial-response> ${base64("\0alice\0open sesame")}</initial-response>`)],
      "incorrect-encoding",
      "PLAIN incorrect-encoding",
    ],
    [
      "an element in Base64",
      [authenticate("PLAIN", "<initial-response><a/></initial-response>")],
      "malformed-request",
      "PLAIN malformed-message",
    ],
    [
      "a message too long",
      [authenticate("PLAIN", data("x".repeat(66_000)))],
      "malformed-request",
      "PLAIN limit-exceeded",
    ],
    [
      "R-SA2-05 another authorization identity than the header's",
      [authenticate("PLAIN", data("bob@localhost\0alice\0open sesame"))],
      "invalid-authzid",
      "PLAIN authorization-refused",
      { sasl: { authorize: () => true } },
    ],
    ["R-SA2-05 another user", [good], "invalid-authzid", "PLAIN authorization-refused", { from: "bob@localhost" }],
    ["R-SA2-05 a user of another host", [good], "invalid-authzid", "PLAIN authorization-refused", { from: "alice@x" }],
    ["R-SA2-05 nobody", [good], "invalid-authzid", "PLAIN authorization-refused", { from: "@" }],
    ["R-SA2-05 a host", [good], "invalid-authzid", "PLAIN authorization-refused", { from: "localhost" }],
    [
      "R-SA2-06 the header's account is no password",
      [authenticate("PLAIN", data("\0alice\0x"))],
      "not-authorized",
      "PLAIN refused",
    ],
    ["R-SA2-13 a wrong password", [bad], "not-authorized", "PLAIN refused", noted],
    [
      "R-SA2-13 a feature whose request is wrong",
      [good],
      "not-authorized",
      "PLAIN temporary",
      {
        sasl2: {
          inline: [
            noteServer(log),
            {
              ...noteServer(log),
              check: () => {
                throw new Error("a bug");
              },
            },
          ],
        },
      },
    ],
    ["R-SA2-15 next without continue", [next("a")], "malformed-request", " unexpected-message"],
    ["R-SA2-15 task-data without continue", [more("a")], "malformed-request", " unexpected-message"],
    ["a response without an exchange", [`<response ${SASL2}/>`], "malformed-request", " unexpected-message"],
    ["an abort", [begin, `<abort ${SASL2}/>`], "aborted", "SCRAM-SHA-256 aborted"],
    [
      "a bad response",
      [begin, `<response ${SASL2}>=</response>`],
      "incorrect-encoding",
      "SCRAM-SHA-256 incorrect-encoding",
    ],
    ["an empty response", [begin, `<response ${SASL2}/>`], "malformed-request", "SCRAM-SHA-256 malformed-message"],
  ];
  for (const [what, words, condition, outcome, scene] of rows) {
    test(`${what}: ${condition}`, async () => {
      log.length = 0;
      const { said, outcomes, streams } = await talk([...words, "<stream:error/>"], scene);
      const told = what.includes("whose request") ? "temporary-auth-failure" : condition;
      expect(said).toContain(
        `<failure xmlns="urn:xmpp:sasl:2"><${told} xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></failure>`,
      );
      expect(said).not.toContain("<success");
      expect(outcomes).toEqual([outcome]);
      expect(streams).toEqual([]);
      expect(log.filter((line) => line.startsWith("success"))).toEqual([]);
    });
  }

  test("R-LIM-08 six attempts and no more", async () => {
    const { said, end } = await talk(Array.from({ length: 8 }, () => bad));
    expect(said.match(/<failure/g)).toHaveLength(6);
    expect(said).toContain("<policy-violation");
    expect(end).toBe("limit-exceeded");
  });

  test("R-SA2-05 the account itself, whatever its header looks like", async () => {
    for (const from of ["", "alice@localhost", "ALICE@LOCALHOST", "alice@localhost/phone"]) {
      expect((await talk([good], { from })).outcomes).toEqual(["PLAIN ok"]);
    }
  });
});

describe("what ends the stream", () => {
  const gone = "connection";
  const rows: readonly [what: string, words: string[], condition: string, outcomes: string[], scene?: Scene][] = [
    ["R-SA2-08 a stanza in an exchange", [begin, "<iq/>"], "not-authorized", ["SCRAM-SHA-256 unexpected-message"]],
    [
      "R-SA2-08 a flood of stanzas in an exchange",
      [begin, "<message/>".repeat(1000)],
      "not-authorized",
      ["SCRAM-SHA-256 unexpected-message"],
    ],
    [
      "R-SA2-08 another authenticate in an exchange",
      [begin, good],
      "policy-violation",
      ["SCRAM-SHA-256 limit-exceeded"],
    ],
    [
      "R-SA2-08 auth of SASL1 in an exchange",
      [begin, `<auth ${SASL} mechanism='PLAIN'/>`],
      "not-authorized",
      ["SCRAM-SHA-256 unexpected-message"],
    ],
    ["R-SA2-08 next in an exchange", [begin, next("a")], "not-authorized", ["SCRAM-SHA-256 unexpected-message"]],
    [
      "R-SA2-08 an element only servers send",
      [begin, `<success ${SASL2}/>`],
      "not-authorized",
      ["SCRAM-SHA-256 unexpected-message"],
    ],
    [
      "R-SA2-08 a response of another namespace",
      [begin, "<response xmlns='urn:xmpp:sasl:1'/>"],
      "not-authorized",
      ["SCRAM-SHA-256 unexpected-message"],
    ],
    [
      "R-SA2-08 a stanza between tasks",
      [good, "<iq/>"],
      "not-authorized",
      ["PLAIN unexpected-message"],
      { sasl2: tasks },
    ],
    [
      "R-SA2-08 a stanza in a task",
      [good, next("a"), "<iq/>"],
      "not-authorized",
      ["PLAIN unexpected-message"],
      { sasl2: tasks },
    ],
    [
      "R-SA2-15 next in a task",
      [good, next("a"), next("b")],
      "not-authorized",
      ["PLAIN unexpected-message"],
      { sasl2: tasks },
    ],
    [
      "R-SA2-17 authenticate after continue",
      [good, good],
      "policy-violation",
      ["PLAIN limit-exceeded"],
      { sasl2: tasks },
    ],
    [
      "R-SA2-17 authenticate after a task that failed",
      [good, next("x"), good],
      "policy-violation",
      ["PLAIN refused"],
      { sasl2: tasks },
    ],
    [
      "R-SA2-17 auth of SASL1 after a task that failed",
      [good, next("x"), `<auth ${SASL} mechanism='PLAIN'/>`],
      "policy-violation",
      ["PLAIN refused"],
      { sasl2: tasks },
    ],
    ["R-SA2-17 authenticate after success", [good, good], "policy-violation", ["PLAIN ok"]],
    ["an entity", [begin, `<response ${SASL2}>&e;</response>`], "", ["SCRAM-SHA-256 incorrect-encoding"]],
    ["a DTD", [begin, "<!DOCTYPE a [<!ENTITY e 'x'>]>"], "restricted-xml", ["SCRAM-SHA-256 incorrect-encoding"]],
    ["a comment", [begin, "<!-- -->"], "restricted-xml", ["SCRAM-SHA-256 incorrect-encoding"]],
    ["a prefix nobody declared", [begin, "<x:response/>"], "", ["SCRAM-SHA-256 incorrect-encoding"]],
    ["the end", [begin, "</stream:stream>"], gone, ["SCRAM-SHA-256 connection-lost"]],
  ];
  for (const [what, words, condition, outcomes, scene] of rows) {
    test(`${what}: ${condition || "a stream error"}`, async () => {
      const heard = await talk([...words, "<iq/>"], scene);
      if (condition === gone) expect(heard.said).toContain("</stream:stream>");
      else
        expect(heard.said).toMatch(
          new RegExp(`<stream:error [^>]*><${condition || "[a-z-]+"} [^>]*/></stream:error></stream:stream>$`),
        );
      expect(heard.outcomes).toEqual(outcomes);
      expect(heard.said).not.toContain("<iq");
    });
  }
});

describe("R-SA2-15 tasks", () => {
  const rows: readonly [what: string, words: string[], condition: string, code: string][] = [
    ["one that is not offered", [next("a", "OTHER")], "invalid-mechanism", "mechanism-unsupported"],
    ["none", [`<next ${SASL2}/>`], "invalid-mechanism", "mechanism-unsupported"],
    ["__proto__", [next("a", "__proto__")], "invalid-mechanism", "mechanism-unsupported"],
    ["task-data before next", [more("a")], "malformed-request", "unexpected-message"],
    ["a wrong word", [next("x")], "not-authorized", "refused"],
    ["a wrong word later", [next("a"), more("x")], "not-authorized", "refused"],
    ["an abort", [`<abort ${SASL2}/>`], "aborted", "aborted"],
    ["an abort within", [next("a"), `<abort ${SASL2}/>`], "aborted", "aborted"],
  ];
  test.each(rows)("%s", async (_, words, condition, code) => {
    const { said, outcomes, streams } = await talk([good, ...words], { sasl2: tasks });
    expect(said).toContain(`<failure xmlns="urn:xmpp:sasl:2"><${condition} `);
    expect(outcomes).toEqual([`PLAIN ${code}`]);
    expect(streams).toEqual([]);
  });

  test("R-LIM-01 do not go on for ever", async () => {
    const endless = {
      name: "WORD",
      due: () => true,
      async *perform() {
        for (;;) yield [];
      },
    };
    const { said, outcomes } = await talk([good, next("a"), ...Array.from({ length: 25 }, () => more("a"))], {
      sasl2: { tasks: [endless] },
    });
    expect(outcomes).toEqual(["PLAIN limit-exceeded"]);
    expect(said.match(/<task-data/g)).toHaveLength(20);
  });

  test("R-LIM-05 time is up while the client thinks: a failure, and the end of the stream", async () => {
    const { said, outcomes, end } = await talk([good, 400], {
      sasl2: { ...tasks, taskTimeoutMs: 150 },
      sasl: { limits: { timeoutMs: 150 } },
    });
    expect(said).toMatch(
      /<failure [^>]*><temporary-auth-failure [^>]*\/><\/failure><stream:error [^>]*><connection-timeout/,
    );
    expect(outcomes).toEqual(["PLAIN temporary"]);
    expect(end).toBe("timed-out");
  });

  test("R-LIM-05 have time of their own, beyond that of exchange and login", async () => {
    const expired: boolean[] = [];
    const look = (connection: XMPPConnection<Element>) => {
      expired.push(...[50_000, 70_000, 200_000].map((ms) => connection.expired(Date.now() + ms)));
    };
    const { outcomes, streams } = await talk([look, good, 400, look, next("a"), more("b")], {
      sasl2: { ...tasks, taskTimeoutMs: 100_000 },
      sasl: { limits: { timeoutMs: 150 } },
    });
    expect(expired).toEqual([false, true, true, false, false, true]);
    expect(outcomes).toEqual(["PLAIN ok"]);
    expect(streams).toHaveLength(1);
  });

  test("one that is due cannot be left out by SASL1", async () => {
    const auth = `<auth ${SASL} mechanism='PLAIN'>${base64("\0alice\0open sesame")}</auth>`;
    const { said, outcomes } = await talk([auth], { sasl2: tasks });
    expect(said).toContain("<mechanism-too-weak");
    expect(outcomes).toEqual(["PLAIN mechanism-too-weak"]);
    const never = { tasks: [wordServer("a", { due: () => false })] };
    expect((await talk([auth], { sasl2: never })).outcomes).toEqual(["PLAIN ok"]);
  });

  test("are not asked of who has no right to come in", async () => {
    const { outcomes, said } = await talk([good], {
      sasl2: tasks,
      sasl: { accounts: memoryAccounts({ alice: { userPassword: "open sesame", disabled: true } }) },
    });
    expect(outcomes).toEqual(["PLAIN account-disabled"]);
    expect(said).not.toContain("<continue");
  });
});
