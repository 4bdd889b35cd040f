import fc from "fast-check";
import { type Element, parse } from "ltx";
import { appendRealm, channelBinding, memoryAccounts, type ServerOptions } from "sasl-core";
import { describe, expect, test, vi } from "vitest";
import { saslServer } from "../../test/loopback.js";
import { base64, ltxKit, SASL } from "../../test/support.js";
import { type Run, settle, talk, Wire } from "../../test/talk.js";
import { bareJid } from "../jid.js";
import { SocketFraming } from "../node/socket-framing.js";
import { XMPPConnection } from "./connection.js";

const STREAM = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";
const OPEN = `${STREAM} to='localhost'>`;
const CLOSE = "</stream:stream>";
const plainAs = (name: string, password: string, authzid = ""): string =>
  `<auth ${SASL} mechanism='PLAIN'>${base64(`${authzid}\0${name}\0${password}`)}</auth>`;
const LOGIN = plainAs("alice", "open sesame");
const WRONG = plainAs("alice", "wrong");
const FEATURES = "<stream:features";
const NOT_AUTHORIZED = `<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-authorized/></failure>`;
const SUCCESS = `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`;

const error = (condition: string): string =>
  `<stream:error xmlns:stream='http://etherx.jabber.org/streams'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>${CLOSE}`;

/** The names of the elements of the features that were sent last. */
function features(said: string): string[] {
  const last = said.match(/<stream:features.*?<\/stream:features>/g)?.at(-1);
  return last ? (parse(last) as Element).getChildElements().map((each) => each.getName()) : [];
}

describe("XMPPConnection", () => {
  test("answers a header, announces, authenticates, restarts, hands over and closes", async () => {
    const { said, connection, errors, ids } = await talk([OPEN, LOGIN, OPEN, "<iq id='1'/>", CLOSE]);
    const header = `<?xml version='1.0'?>${STREAM.replace(" version='1.0'", "")} from='localhost' version='1.0' xml:lang='en'>`;
    expect(said).toBe(
      `${header}${FEATURES} xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl">` +
        "<mechanism>SCRAM-SHA-256</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>" +
        `${SUCCESS}${header}${FEATURES} xmlns:stream='http://etherx.jabber.org/streams'></stream:features>` +
        `<iq id="1" xmlns="jabber:client"/>${CLOSE}`.replace(
          `id="1" xmlns="jabber:client"`,
          `xmlns="jabber:client" id="1"`,
        ),
    );
    expect(connection.result).toMatchObject({ authcid: "alice", mechanism: "PLAIN" });
    expect(new Set(ids).size).toBe(2); // R-XMPP-11
    expect(errors).toEqual([]);
  });

  test("R-XMPP-05 sends no white space around the elements of an exchange", async () => {
    const { said } = await talk([OPEN, WRONG, LOGIN, OPEN]);
    const from = said.indexOf("</stream:features>") + "</stream:features>".length;
    expect(said.slice(from)).toMatch(new RegExp(`^${NOT_AUTHORIZED}${SUCCESS}<\\?xml`));
  });

  const startTLS = async () => ({});

  test("R-XMPP-01 announces STARTTLS alone where TLS comes first", async () => {
    expect(features((await talk([OPEN], { parts: { secure: false, startTLS } })).said)).toEqual(["starttls"]);
  });

  test("R-XMPP-01 R-PLAIN-06 announces what may go in the clear where TLS is optional", async () => {
    const run = { parts: { secure: false, startTLS }, options: { requireTLS: false } };
    const { said } = await talk([OPEN], run);
    expect(features(said)).toEqual(["starttls", "mechanisms"]);
    expect(said).not.toContain("<required");
    expect(said).not.toContain("PLAIN");
  });

  test("R-XMPP-02 announces no empty list", async () => {
    const { said } = await talk([OPEN], { sasl: { mechanisms: [] } });
    expect(said).not.toContain("mechanism");
    expect(said).toContain(`${FEATURES} xmlns:stream='http://etherx.jabber.org/streams'></stream:features>`);
  });

  test("R-CBT-01 announces the types this connection can be bound to", async () => {
    const { said } = await talk([OPEN], {
      parts: { channelBinding: channelBinding({ "tls-exporter": Uint8Array.of(1) }) },
    });
    expect(features(said)).toEqual(["mechanisms", "sasl-channel-binding"]);
    expect(said).toContain(`<channel-binding type="tls-exporter"/>`);
  });

  test("R-XMPP-01 R-XMPP-07 refuses SASL before TLS with encryption-required", async () => {
    const { said, connection } = await talk([OPEN, LOGIN], { parts: { secure: false, startTLS } });
    expect(said).toContain(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><encryption-required/></failure>`);
    expect(connection.result).toBeUndefined();
  });

  test("R-XMPP-07 a mechanism that needs TLS gives encryption-required on a clear stream", async () => {
    const { said } = await talk([OPEN, LOGIN], { parts: { secure: false } });
    expect(said).toContain("<encryption-required/>");
  });

  test("after STARTTLS everything starts anew", async () => {
    const run = {
      parts: { secure: false, startTLS: async () => ({ channelBinding: channelBinding({ x: Uint8Array.of(1) }) }) },
    };
    const { said, connection } = await talk(
      [OPEN, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", OPEN, LOGIN, OPEN],
      run,
    );
    expect(said).toContain("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><?xml");
    expect(said).toContain(`type="x"`);
    expect(connection.result?.authcid).toBe("alice");
  });

  test("R-XMPP-20 what came with starttls in the clear is thrown away", async () => {
    const inject = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${OPEN}${LOGIN}`;
    const { said, connection } = await talk([OPEN, inject], { parts: { secure: false, startTLS } });
    expect(connection.result).toBeUndefined();
    expect(said).not.toContain("<success");
    expect(said.match(/<\?xml/g)).toHaveLength(1);
  });

  const tlsRefusals: readonly [why: string, words: string[], run: Run][] = [
    ["it is not offered", ["<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], { parts: { secure: false } }],
    ["the stream is protected", ["<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], { parts: { startTLS } }],
    [
      "it is another element",
      ["<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
      { parts: { secure: false, startTLS } },
    ],
  ];
  for (const [why, words, run] of tlsRefusals) {
    test(`RFC 6120 §5.4.2.2 STARTTLS fails and the stream is closed when ${why}`, async () => {
      const { said } = await talk([OPEN, ...words], { ...run, stay: true });
      expect(said.endsWith(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${CLOSE}`)).toBe(true);
    });
  }

  const conditions: readonly [why: string, words: (string | Uint8Array)[], condition: string, run?: Run][] = [
    ["R-XMPP-13 a stanza before authentication", [OPEN, "<message/>"], "not-authorized"],
    ["R-XMPP-13 a stanza with the header", [`${OPEN}<iq type='get'/>`], "not-authorized"],
    [
      "R-XMPP-13 a stanza within an exchange",
      [OPEN, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`, "<iq/>"],
      "not-authorized",
    ],
    [
      "R-XMPP-13 SASL elements of another namespace",
      [OPEN, "<auth xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>"],
      "not-authorized",
    ],
    ["R-XMPP-15 a DTD", [`<!DOCTYPE x>${OPEN}`], "restricted-xml"],
    ["R-XMPP-15 a comment", [OPEN, "<!-- -->"], "restricted-xml"],
    ["R-XMPP-15 a comment in auth", [OPEN, `<auth ${SASL} mechanism='PLAIN'>AA<!-- -->AA</auth>`], "restricted-xml"],
    ["R-XMPP-15 an instruction", [OPEN, "<?x?>"], "restricted-xml"],
    ["R-XMPP-15 an entity", [OPEN, `<auth ${SASL} mechanism='PLAIN'>&x;</auth>`], "restricted-xml"],
    ["R-XMPP-16 ill-formed XML", [OPEN, "<auth></oops>"], "not-well-formed"],
    ["R-XMPP-16 ill-formed UTF-8", [OPEN, Uint8Array.of(0x3c, 0xff, 0x3e)], "not-well-formed"],
    ["R-XMPP-16 something else than XML", ["GET / HTTP/1.1\r\nX: <y>"], "not-well-formed"],
    ["R-XMPP-16 UTF-16", [Buffer.from(`\ufeff${OPEN}`, "utf16le")], "not-well-formed"],
    ["R-XMPP-16 another encoding", [`<?xml version='1.0' encoding='UTF-16'?>${OPEN}`], "unsupported-encoding"],
    [
      "R-XMPP-17 a long element",
      [OPEN, `<auth ${SASL} mechanism='PLAIN'>${"A".repeat(100_000)}</auth>`],
      "policy-violation",
    ],
    [
      "R-XMPP-17 an element that never ends",
      [OPEN, "<auth>", "x".repeat(50_000), "x".repeat(50_000)],
      "policy-violation",
    ],
    ["R-XMPP-17 deep nesting", [OPEN, "<a>".repeat(40)], "policy-violation"],
    ["another namespace", [OPEN.replace("jabber:client", "jabber:server")], "invalid-namespace"],
    ["another stream namespace", [OPEN.replace("etherx", "ether")], "invalid-namespace"],
    ["another element than a stream", ["<a xmlns='jabber:client'>"], "bad-format"],
    ["no version", [OPEN.replace(" version='1.0'", "")], "unsupported-version"],
    ["another version", [OPEN.replace("1.0", "2.0")], "unsupported-version"],
    ["another host", [`${STREAM} to='example.org'>`], "host-unknown"],
    ["a host that is none", [`${STREAM} to='a b'>`], "host-unknown"],
    ["text in the stream", [OPEN, "hello<a/>"], "bad-format"],
    ["R-XMPP-12 another to after authentication", [OPEN, LOGIN, `${STREAM} to='other.example'>`], "host-unknown"],
    [
      "R-XMPP-12 another from after authentication",
      [OPEN, LOGIN, `${STREAM} to='localhost' from='bob@localhost'>`],
      "invalid-from",
    ],
    [
      "R-XMPP-12 from with a resource",
      [OPEN, LOGIN, `${STREAM} to='localhost' from='alice@localhost/x'>`],
      "invalid-from",
    ],
    [
      "R-XMPP-12 from of another host",
      [OPEN, LOGIN, `${STREAM} to='localhost' from='alice@other.example'>`],
      "invalid-from",
    ],
    ["R-XMPP-12 from that is no JID", [OPEN, LOGIN, `${STREAM} to='localhost' from='@'>`], "invalid-from"],
    ["R-XMPP-14 SASL after authentication", [OPEN, LOGIN, OPEN, LOGIN], "policy-violation"],
    ["R-XMPP-13 a stanza in place of the new header", [OPEN, LOGIN, "<iq/>"], "bad-format"],
    ["R-XMPP-09 one attempt too many", [OPEN, ...Array<string>(6).fill(WRONG)], "policy-violation"],
    [
      "R-XMPP-09 one attempt too many of two retries",
      [OPEN, WRONG, WRONG, WRONG],
      "policy-violation",
      { options: { maxAttempts: 3 } },
    ],
    [
      "R-XMPP-09 failures of every kind",
      [OPEN, `<response ${SASL}/>`, `<abort ${SASL}/>`, `<auth ${SASL} mechanism='NOPE'/>`, WRONG],
      "policy-violation",
      { options: { maxAttempts: 4 } },
    ],
    [
      "R-XMPP-09 exchanges that the client discards one after the other",
      [OPEN, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`.repeat(40)],
      "policy-violation",
    ],
    [
      "R-XMPP-09 failures and discarded exchanges together",
      [OPEN, WRONG, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`, WRONG],
      "policy-violation",
      { options: { maxAttempts: 3 } },
    ],
    [
      "features that cannot be had",
      [OPEN, LOGIN, OPEN],
      "internal-server-error",
      { options: { features: () => Promise.reject(new Error("bug")) } },
    ],
    [
      "an error in the application",
      [OPEN, LOGIN, OPEN],
      "internal-server-error",
      {
        options: {
          onAuthenticated: () => {
            throw new Error("bug");
          },
        },
      },
    ],
  ];
  for (const [why, words, condition, run] of conditions) {
    test(`closes the stream with ${condition} on ${why}`, async () => {
      const { said, errors } = await talk(words, { ...run, stay: true });
      expect(said.endsWith(error(condition))).toBe(true);
      expect(said.startsWith("<?xml version='1.0'?><stream:stream ")).toBe(true);
      expect(errors).toHaveLength(1);
    });
  }

  test("R-XMPP-12 the same to, and the JID that authenticated, in another spelling", async () => {
    const { said } = await talk([OPEN, LOGIN, `${STREAM} to='LOCALHOST' from='Alice@localhost'>`, "<iq/>"]);
    expect(said).toContain("<iq");
  });

  test("R-XMPP-08 a response or an abort without an exchange fails and nothing more", async () => {
    const { said, connection } = await talk([
      OPEN,
      `<response ${SASL}>AAAA</response>`,
      `<abort ${SASL}/>`,
      LOGIN,
      OPEN,
    ]);
    expect(said).toContain("<malformed-request/>");
    expect(said).toContain("<aborted/>");
    expect(connection.result?.authcid).toBe("alice");
  });

  for (const maxAttempts of [3, 4, 6]) {
    test(`R-XMPP-09 allows ${maxAttempts} attempts, the last of which may succeed`, async () => {
      const { connection } = await talk([OPEN, ...Array(maxAttempts - 1).fill(WRONG), LOGIN, OPEN], {
        options: { maxAttempts },
      });
      expect(connection.result?.authcid).toBe("alice");
    });
  }

  test("R-XMPP-09 an exchange may be discarded, and the next one counts", async () => {
    const { said, connection } = await talk([OPEN, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>${LOGIN}`, OPEN]);
    expect(said).toContain(`<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>${SUCCESS}`);
    expect(connection.result?.mechanism).toBe("PLAIN");
  });

  test("R-XMPP-09 exchanges that the client discards are seen by the server, each, up to the limit", async () => {
    const onOutcome = vi.fn();
    const words = [OPEN, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`.repeat(40)];
    await talk(words, { sasl: { onOutcome }, options: { maxAttempts: 4 }, stay: true });
    expect(onOutcome).toHaveBeenCalledTimes(4);
  });

  test("waits for features, and for nobody who is told of errors", async () => {
    const bind = ltxKit.adapter.create("bind", "urn:ietf:params:xml:ns:xmpp-bind");
    const { said } = await talk([OPEN, LOGIN, OPEN], { options: { features: async () => [bind] } });
    expect(features(said)).toEqual(["bind"]);
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    for (const onError of [
      () => Promise.reject(new Error("no log")),
      () => {
        throw new Error("no log");
      },
    ]) {
      const broken = await talk([OPEN, "<iq/>"], { options: { onError }, stay: true });
      expect(broken.said.endsWith(error("not-authorized"))).toBe(true);
    }
    await settle();
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  for (const maxAttempts of [0, 1, 2, 7, 3.5, Number.NaN]) {
    test(`R-XMPP-09 refuses to be made with ${maxAttempts} attempts`, async () => {
      await expect(talk([], { options: { maxAttempts } })).rejects.toThrow(RangeError);
    });
  }

  test("refuses to be made without a host", async () => {
    await expect(talk([], { options: { hosts: [] } })).rejects.toThrow(RangeError);
    await expect(talk([], { options: { hosts: ["a b"] } })).rejects.toThrow(RangeError);
  });

  test("a stream that another took the place of hears no more, whatever is there already", async () => {
    const heard: unknown[] = [];
    const options: Run["options"] = {
      async onAuthenticated(stream) {
        const waiting = stream.receive();
        stream.close("conflict");
        heard.push(await waiting, await stream.receive());
      },
    };
    await talk([OPEN, LOGIN, `${OPEN}<message/><message/>`], { options });
    expect(heard).toEqual([undefined, undefined]);
  });

  test("R-XMPP-18 the JID is that of the account acted as", async () => {
    const jids: string[] = [];
    const options = { onAuthenticated: ({ jid }: { jid: string }) => void jids.push(jid) };
    await talk([OPEN, LOGIN, OPEN], { options });
    await talk([OPEN, plainAs("Alice", "open sesame", "ALICE@LocalHost"), OPEN], { options });
    await talk([`${STREAM} to='other.example'>`, plainAs("bob", "pässwörd"), `${STREAM} to='other.example'>`], {
      options,
    });
    expect(jids).toEqual(["alice@localhost", "alice@localhost", "bob@other.example"]);
  });

  const INVALID_AUTHZID = `<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><invalid-authzid/></failure>`;
  const hosts = ["localhost", "other.example"];
  const foreign: readonly [what: string, auth: string][] = [
    ["authzid", plainAs("alice", "open sesame", "alice@other.example")],
    ["user name", plainAs("alice@other.example", "open sesame")],
    ["user name and authzid", plainAs("alice@other.example", "open sesame", "alice@other.example")],
  ];
  const canonicalizers: readonly [what: string, sasl: Partial<ServerOptions>][] = [
    ["local parts", { canonicalizers: [bareJid(hosts)] }],
    [
      "whole JIDs",
      {
        canonicalizers: [appendRealm()],
        accounts: memoryAccounts({ "alice@localhost": "open sesame", "alice@other.example": "open sesame" }),
        authorize: () => true,
      },
    ],
  ];
  for (const [form, sasl] of canonicalizers) {
    for (const [what, auth] of foreign) {
      test(`R-XMPP-18 a ${what} of another host of this server is refused, with names that are ${form}`, async () => {
        const { said, connection } = await talk([OPEN, auth, LOGIN, OPEN], { sasl, options: { hosts } });
        expect(said).toContain(`${INVALID_AUTHZID}${SUCCESS}`);
        expect(connection.result?.authzid.replace(/@localhost$/, "")).toBe("alice");
      });
    }
  }

  test("a client without a to is served as of the first host", async () => {
    const { said } = await talk([`${STREAM}>`, LOGIN, `${STREAM}>`]);
    expect(said.match(/from='localhost'/g)).toHaveLength(2);
  });

  test("answers a from with a to, escaped", async () => {
    const { said } = await talk([`${STREAM} to='localhost' from='&lt;&apos;&quot;&amp;'>`]);
    expect(said).toContain("to='&#60;&#39;&#34;&#38;'");
  });

  test("a client that leaves is let go at any point, with an answer to its end of the stream", async () => {
    expect((await talk([])).said).toBe("");
    expect((await talk([OPEN, CLOSE], { stay: true })).said.endsWith(CLOSE)).toBe(true);
    expect((await talk([OPEN, LOGIN, OPEN, CLOSE], { stay: true })).said.endsWith(CLOSE)).toBe(true);
    expect(
      (await talk([OPEN, `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`, CLOSE], { stay: true })).said.endsWith(CLOSE),
    ).toBe(true);
  });

  test("R-LIM-06 a login split at any offset, or in one segment", async () => {
    const all = Buffer.from(`<?xml version='1.0'?>\n${OPEN}${LOGIN}${OPEN}<iq/>${CLOSE}`);
    const { said } = await talk([all]);
    expect(said).toContain(`<iq xmlns="jabber:client"/>${CLOSE}`);
    for (let at = 1; at < all.length; at += 3) {
      expect((await talk([all.subarray(0, at), all.subarray(at)])).said).toBe(said);
    }
  }, 20_000);

  test("end() from outside says why, also before a header", async () => {
    const wire = new Wire();
    const framing = new SocketFraming(wire, ltxKit.adapter);
    const connection = new XMPPConnection<Element>(
      { framing, adapter: ltxKit.adapter, serialize: String, secure: true },
      { server: saslServer(), hosts: ["localhost"] },
    );
    const run = connection.run();
    connection.end("system-shutdown", "back <soon>");
    connection.end("reset");
    await run;
    expect(wire.said).toContain("<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text");
    expect(wire.said).toContain("back &#60;soon&#62;");
    expect(wire.said).not.toContain("reset");
    wire.destroy();
  });

  const noAccounts = ["localhost/x", "localhost/x@y", "x@localhost/y", "x@other.example", "a b", "x@"];
  test.each(noAccounts)("R-XMPP-18 %o is nobody's address here, whatever the store says", async (name) => {
    const sasl = { accounts: memoryAccounts({ [name]: "pw" }), canonicalizers: [] };
    const { said, connection } = await talk([OPEN, plainAs(name, "pw"), OPEN], { sasl });
    expect(said).toContain("<invalid-authzid/>");
    expect(connection.result).toBeUndefined();
  });

  test("R-LIM-05 whatever is said, the connection ends and nobody is let in", async () => {
    const word = fc.oneof(
      fc.constantFrom(
        OPEN,
        CLOSE,
        WRONG,
        `<auth ${SASL} mechanism='SCRAM-SHA-256'/>`,
        `<auth ${SASL} mechanism='__proto__'>=</auth>`,
        `<response ${SASL}/>`,
        `<response ${SASL}>AAAA</response>`,
        `<abort ${SASL}/>`,
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        "<iq/>",
        " ",
        "<",
        ">",
        "&",
      ),
      fc.string({ unit: "binary", maxLength: 5 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 8 }), async (words) => {
        const { connection } = await talk([OPEN, words.join("")]);
        expect(connection.result).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  }, 20_000);
});
