/** What a client hears and must not believe. */
import fc from "fast-check";
import { memoryAccounts, type SASLErrorCode, SASLServer } from "sasl-core";
import { PLAIN, SCRAM, scramSha256 } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { SASL2, wordTask } from "../../test/sasl2.js";
import { base64, bytes, type Kit, kits, ltxKit, rejection, scripted } from "../../test/support.js";
import { authenticate, discoverSASL2, SASL2Client, type SASL2Options, sasl2 } from "../index.js";

const alice = { username: "alice", password: "open sesame" };
const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const features = (mechanisms: readonly string[], inside = ""): string =>
  "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" +
  `<mechanisms ${SASL}><mechanism>PLAIN</mechanism></mechanisms>` +
  `<authentication ${SASL2}>${mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join("")}${inside}</authentication>` +
  "</stream:features>";
const who = (jid: string): string => `<authorization-identifier>${jid}</authorization-identifier>`;
const success = (inside = who("alice@localhost")): string => `<success ${SASL2}>${inside}</success>`;
const proceed = (names: readonly string[], inside = ""): string =>
  `<continue ${SASL2}>${inside}<tasks>${names.map((name) => `<task>${name}</task>`).join("")}</tasks></continue>`;
const taskData = `<task-data ${SASL2}/>`;

async function login<E>(
  kit: Kit<E>,
  answers: readonly string[],
  { mechanism = PLAIN(alice), options = {} as SASL2Options, from = "alice@localhost", secure = true } = {},
) {
  const transport = { ...scripted(kit, answers, secure), from };
  const names = mechanism.variants.map(({ name }) => name);
  const done = authenticate(transport, kit.parse(features(names)), [mechanism], { sasl2: sasl2(options) });
  return { done, sent: transport.sent };
}

for (const kit of kits) {
  describe(`a client with ${kit.name}`, () => {
    test("R-SA2-11 R-SA2-12 gives whom the server says this is", async () => {
      const rows = [
        ["alice@localhost", "alice@localhost"],
        ["ALICE@Localhost/Phone", "alice@localhost/Phone"],
      ] as const;
      for (const [said, jid] of rows) {
        const { done } = await login(kit, [success(who(said))]);
        expect(await done).toMatchObject({ profile: "sasl2", jid });
      }
    });

    const rows: readonly [what: string, answers: string[], code: SASLErrorCode][] = [
      ["R-SA2-12 somebody else", [success(who("bob@localhost"))], "peer-not-verified"],
      ["R-SA2-12 the same name elsewhere", [success(who("alice@example.org"))], "peer-not-verified"],
      ["R-SA2-12 the host", [success(who("localhost"))], "peer-not-verified"],
      ["R-SA2-12 what is no JID", [success(who("@"))], "peer-not-verified"],
      ["R-SA2-12 nothing", [success(who(""))], "peer-not-verified"],
      ["R-SA2-11 no identity", [success("")], "malformed-message"],
      ["R-SA2-12 two identities", [success(who("alice@localhost").repeat(2))], "malformed-message"],
      ["R-SA2-12 an identity with an element", [success(who("<a/>"))], "malformed-message"],
      [
        "R-SA2-12 an identity of another namespace",
        [success("<authorization-identifier xmlns='x'>alice@localhost</authorization-identifier>")],
        "malformed-message",
      ],
      [
        "R-SA2-04 = for data",
        [success(`<additional-data>=</additional-data>${who("alice@localhost")}`)],
        "incorrect-encoding",
      ],
      [
        "R-SA2-04 data twice",
        [success(`<additional-data/><additional-data/>${who("alice@localhost")}`)],
        "malformed-message",
      ],
      [
        "data nobody asked for",
        [success(`<additional-data>eA==</additional-data>${who("alice@localhost")}`)],
        "unexpected-message",
      ],
      ["R-SA2-09 a challenge after the last message", [`<challenge ${SASL2}>eA==</challenge>`], "unexpected-message"],
      ["R-SA2-09 a challenge after continue", [proceed(["WORD"]), `<challenge ${SASL2}/>`], "unexpected-message"],
      ["a success of SASL1", [`<success ${SASL}/>`], "unexpected-message"],
      ["a success of nobody", ["<success xmlns='urn:xmpp:sasl:1'/>"], "unexpected-message"],
      ["a stanza", ["<iq xmlns='jabber:client'/>"], "unexpected-message"],
      ["task-data without a task", [taskData], "unexpected-message"],
      ["features", [features(["PLAIN"])], "unexpected-message"],
      ["a stream error", ["<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>"], "connection-lost"],
      ["nothing more", [], "connection-lost"],
      ["R-SA2-14 continue without tasks", [`<continue ${SASL2}/>`], "malformed-message"],
      ["R-SA2-14 continue with an empty list", [proceed([])], "malformed-message"],
      ["R-SA2-14 continue with a task without a name", [proceed([""])], "malformed-message"],
      ["R-SA2-14 continue with two lists", [proceed(["WORD"], "<tasks><task>X</task></tasks>")], "malformed-message"],
      ["R-SA2-16 a task this end has not", [proceed(["OTHER"])], "no-common-mechanism"],
      ["R-SA2-16 a task called __proto__", [proceed(["__proto__"])], "no-common-mechanism"],
      [
        "R-SA2-16 continue with data nobody asked for",
        [proceed(["WORD"], "<additional-data>eA==</additional-data>")],
        "unexpected-message",
      ],
      [
        "a task that goes on for ever",
        [proceed(["WORD"]), ...Array.from({ length: 30 }, () => taskData)],
        "unexpected-message",
      ],
      ["tasks that go on for ever", Array.from({ length: 60 }, () => proceed(["WORD"])), "limit-exceeded"],
      [
        "a failure after a task",
        [proceed(["WORD"]), `<failure ${SASL2}><not-authorized ${SASL}/></failure>`],
        "refused",
      ],
    ];
    for (const [what, answers, code] of rows) {
      test(`${what}: ${code}`, async () => {
        const { done } = await login(kit, answers, { options: { tasks: [wordTask("ab")] } });
        expect(await rejection(done)).toMatchObject({ code });
      });
    }

    test("a failure with its text, and with an application's own condition", async () => {
      const failure =
        `<failure ${SASL2}><aborted ${SASL}/><own xmlns='urn:something:else'/>` +
        "<text>This is a terrible example.</text></failure>";
      const error = await rejection((await login(kit, [failure])).done);
      expect(error).toMatchObject({ code: "aborted", text: "This is a terrible example." });
      expect(error.opaqueError).toMatchObject({ condition: "aborted" });
    });

    test("R-SA2-12 the identity asked for, or one the application accepts", async () => {
      const bob = PLAIN({ ...alice, authzid: "bob@localhost" });
      const asked = await login(kit, [success(who("bob@localhost"))], { mechanism: bob });
      expect(await asked.done).toMatchObject({ jid: "bob@localhost" });
      const other = await login(kit, [success()], { mechanism: bob });
      expect(await rejection(other.done)).toMatchObject({ code: "peer-not-verified" });
      const seen: unknown[] = [];
      const accept = (jid: unknown, wanted: string) => seen.push([jid, wanted]) > 0;
      const alias = await login(kit, [success(who("tim@localhost/a"))], { options: { accept } });
      expect(await alias.done).toMatchObject({ jid: "tim@localhost/a" });
      expect(seen).toEqual([[{ local: "tim", domain: "localhost", resource: "a" }, "alice@localhost"]]);
    });

    test("R-SA2-04 nothing, and an empty message", async () => {
      const transport = { ...scripted(kit, [success(), success(`<additional-data/>${who("a@b")}`)]), from: "a@b" };
      const absent = await new SASL2Client(transport).initiate("X");
      expect(absent).toEqual({ state: "success", payload: undefined });
      const empty = await new SASL2Client(transport).initiate("X", new Uint8Array(0));
      expect(empty).toEqual({ state: "success", payload: new Uint8Array(0) });
      expect(transport.sent.map((each) => each.slice(3))).toEqual([[], [["initial-response", "urn:xmpp:sasl:2", {}]]]);
    });
  });
}

describe("R-SA2-10 R-SA2-16 a server that cannot prove itself", () => {
  const server = new SASLServer({ mechanisms: [scramSha256], accounts: memoryAccounts({ alice: alice.password }) });
  const wrong = `<additional-data>${base64(`v=${Buffer.alloc(32, 7).toString("base64")}`)}</additional-data>`;
  const lies: readonly [what: string, lie: string][] = [
    ["success without data", success()],
    ["success with another signature", success(`${wrong}${who("alice@localhost")}`)],
    ["success with an empty message", success(`<additional-data/>${who("alice@localhost")}`)],
    ["continue without data", proceed(["WORD"])],
    ["continue with another signature", proceed(["WORD"], wrong)],
    ["a challenge with another signature", `<challenge ${SASL2}>${base64(`v=${"A".repeat(43)}=`)}</challenge>`],
  ];
  for (const [what, lie] of lies) {
    test(`${what}: nothing else is tried, and no task performed`, async () => {
      const { adapter } = ltxKit;
      const sent: string[] = [];
      const answers: string[] = [];
      const session = server.session({ secure: true, successData: true });
      const transport = {
        adapter,
        secure: true,
        from: "alice@localhost",
        async send(element: unknown) {
          const xml = String(element);
          sent.push(xml);
          if (!xml.startsWith("<authenticate")) answers.push(lie, success());
          else {
            const payload = Buffer.from(/<initial-response>(.*)<\/initial-response>/.exec(xml)?.[1] ?? "", "base64");
            const reply = await session.initiate("SCRAM-SHA-256", payload);
            answers.push(`<challenge ${SASL2}>${Buffer.from(reply.payload ?? []).toString("base64")}</challenge>`);
          }
        },
        receive: async () => ltxKit.parse(answers.shift() as string),
      };
      const done = authenticate(
        transport,
        ltxKit.parse(features(["SCRAM-SHA-256", "PLAIN"])),
        [SCRAM(alice), PLAIN(alice)],
        {
          sasl2: sasl2({ tasks: [wordTask("a")] }),
        },
      );
      const error = await rejection(done);
      expect(["peer-not-verified", "malformed-message"]).toContain(error.code);
      expect(sent.join()).not.toMatch(/<next|PLAIN/);
    });
  }
});

describe("which profile is taken", () => {
  const plain1 = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
  const run = async (
    options: Parameters<typeof authenticate>[3],
    { from = "alice@localhost" as string | undefined, secure = true, offer = features(["PLAIN"]) } = {},
  ) => {
    const first = (name: string) => (name === "authenticate" ? success() : plain1);
    const transport = { ...scripted(ltxKit, [], secure), from };
    const { sent } = transport;
    const answering = { ...transport, receive: async () => ltxKit.parse(first(sent.at(-1)?.[0] ?? "")) };
    const policy = { requireEncryption: false };
    return authenticate(answering, ltxKit.parse(offer), [PLAIN(alice)], { policy, ...options }).then(
      ({ profile, jid }) => [profile, jid],
      ({ code }) => [code, sent.length],
    );
  };

  test("SASL2 where it is offered and can be used; the application's code is the same", async () => {
    const both = { sasl2: sasl2() };
    expect(await run(both)).toEqual(["sasl2", "alice@localhost"]);
    expect(await run({})).toEqual(["sasl1", undefined]);
    expect(await run({ ...both, profile: "sasl1" })).toEqual(["sasl1", undefined]);
    expect(await run(both, { from: "" })).toEqual(["sasl1", undefined]);
    expect(await run(both, { from: "alice@localhost/phone" })).toEqual(["sasl1", undefined]);
    expect(await run(both, { offer: features([]) })).toEqual(["sasl1", undefined]); // R-SA2-02
  });

  test("R-SA2-01 never without TLS, also when nothing else is wanted", async () => {
    expect(await run({ sasl2: sasl2() }, { secure: false })).toEqual(["sasl1", undefined]);
    expect(await run({ sasl2: sasl2(), profile: "sasl2" }, { secure: false })).toEqual(["no-common-mechanism", 0]);
    await expect(run({ profile: "sasl2" })).resolves.toEqual([undefined, 0]); // a TypeError: there is no SASL2
    const transport = scripted(ltxKit, [success()], false);
    const error = await rejection(new SASL2Client(transport).initiate("PLAIN", bytes("x")));
    expect(error).toMatchObject({ code: "channel-not-protected" });
    expect(transport.sent).toEqual([]);
  });

  test("R-SA2-18 nothing is said before the features of this very stream are known", async () => {
    const transport = { ...scripted(ltxKit, []), from: "alice@localhost" };
    const profile = sasl2();
    expect(profile.usable(transport, ltxKit.parse("<features/>"))).toBe(false);
    const error = await rejection(
      authenticate(transport, ltxKit.parse("<features/>"), [PLAIN(alice)], { sasl2: profile, profile: "sasl2" }),
    );
    expect(error).toMatchObject({ code: "no-common-mechanism" });
    expect(transport.sent).toEqual([]);
  });

  test("what is offered", () => {
    const { adapter, parse } = ltxKit;
    const inline = "<inline><note xmlns='urn:example:note'/><other xmlns='urn:example:other'/></inline>";
    const found = discoverSASL2(parse(features(["A", "B", "A", ""], inline)), adapter);
    expect(found?.mechanisms).toEqual(["A", "B"]);
    expect(found?.inline.map((each) => adapter.name(each))).toEqual(["note", "other"]);
    expect(discoverSASL2(parse(features(["<a/>"])), adapter)).toBeUndefined();
    expect(discoverSASL2(parse(features(["A"]).replace("sasl:2", "sasl:1")), adapter)).toBeUndefined();
  });
});

describe("a SASL2Client by itself", () => {
  const transport = (...answers: string[]) => scripted(ltxKit, answers);

  test("R-SA2-09 says nothing out of order", async () => {
    const wire = transport(proceed(["A"]), proceed(["B"]), success());
    const client = new SASL2Client(wire);
    const early = [client.respond(bytes("x")), client.next("A", []), client.taskData([])];
    for (const each of early) expect(await rejection(each)).toMatchObject({ code: "unexpected-message" });
    expect(wire.sent).toEqual([]);
    await client.initiate("X");
    expect(client).toMatchObject({ over: true, offered: { tasks: ["A"] }, success: undefined });
    for (const each of [client.initiate("X"), client.respond(bytes("x")), client.taskData([]), client.next("B", [])]) {
      expect(await rejection(each)).toMatchObject({ code: "unexpected-message" });
    }
    expect(wire.sent).toHaveLength(1);
  });

  test("takes an exchange back, once", async () => {
    const wire = transport(`<challenge ${SASL2}/>`, `<failure ${SASL2}><aborted ${SASL}/></failure>`);
    const client = new SASL2Client(wire);
    expect(await client.initiate("X")).toEqual({ state: "challenge", payload: new Uint8Array(0) });
    expect(await client.abort()).toEqual({ state: "failure" });
    expect(await client.abort()).toEqual({ state: "failure" });
    expect(wire.sent.map(([name]) => name)).toEqual(["authenticate", "abort"]);
  });

  test("an abort that crosses the answer waits for it", async () => {
    const wire = transport(proceed(["A"]), `<failure ${SASL2}><aborted ${SASL}/></failure>`);
    const client = new SASL2Client(wire);
    const [begun, aborted] = await Promise.allSettled([client.initiate("X"), client.abort()]);
    expect(begun).toMatchObject({ status: "rejected", reason: { code: "aborted" } });
    expect(aborted).toMatchObject({ status: "fulfilled" });
    expect(wire.sent.map(([name]) => name)).toEqual(["authenticate", "abort"]);
  });

  test("R-SA2-04 any octets go through unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (octets) => {
        const text = Buffer.from(octets).toString("base64");
        const wire = transport(
          `<challenge ${SASL2}>${text}</challenge>`,
          success(`<additional-data>${text}</additional-data>`),
        );
        const client = new SASL2Client(wire);
        expect((await client.initiate("X", octets)).payload).toEqual(octets);
        expect((await client.respond(octets)).payload).toEqual(octets);
        const inside = text === "" ? [] : [text];
        expect(wire.sent[0]?.slice(3)).toEqual([["initial-response", "urn:xmpp:sasl:2", {}, ...inside]]);
        expect(wire.sent[1]?.slice(3)).toEqual(inside);
      }),
      { numRuns: 50 },
    );
  });
});
