import fc from "fast-check";
import type { SASLErrorCode } from "sasl-core";
import { describe, expect, test } from "vitest";
import {
  account,
  announced,
  authenticate,
  clientAbout,
  example,
  inside,
  serve,
  serverAbout,
  shapeOf,
  success,
} from "../../test/inline.js";
import { kits, rejection, type Shape, shape } from "../../test/support.js";
import { parseJid } from "../jid.js";
import { type BindFeature, bind2 } from "./bind2.js";
import { type BoundSession, bind2Server } from "./bind2-server.js";
import { randomResources, stableResources } from "./resource.js";
import {
  archiveRange,
  archiveRangeServer,
  beginAs,
  carbonsServer,
  clientStateServer,
  enableCarbons,
} from "./session-features.js";
import { enableStreamManagement } from "./stream-management.js";
import { resumeServer, streamManagementServer } from "./stream-management-server.js";

const BIND = "xmlns='urn:xmpp:bind:0'";
const NS = "urn:xmpp:bind:0";
const id = "d4565fa7-4d72-4749-b3d3-740edbf87770";
const key = new Uint8Array(16).fill(7);
const never = () => {
  throw new Error("nobody asked for this");
};
/** As the examples have it. */
const all = () => [
  carbonsServer(() => {}),
  clientStateServer(() => {}),
  streamManagementServer({ enable: () => ({}) }),
];

for (const kit of kits) {
  const { adapter } = kit;
  const shapesOf = (elements: readonly unknown[]) => elements.map((element) => shape(kit, element, "resume"));

  describe(`bind2 with ${kit.name}`, () => {
    test("XEP-0386 §3.1: the server announces it", async () => {
      const resumption = resumeServer({ resume: never });
      const published = inside(example("0386", "features"), "inline");
      const offer = `<inline xmlns='urn:xmpp:sasl:2'>${published}</inline>`;
      expect(await announced(kit, [bind2Server({ features: all() }), resumption])).toEqual(
        shapeOf(kit, offer).slice(3),
      );
    });

    test("announces no empty list", async () => {
      expect(await announced(kit, [bind2Server()])).toEqual([["bind", NS, {}]]);
      const unlisted = bind2Server({ features: [archiveRangeServer(() => undefined)] });
      expect(await announced(kit, [unlisted])).toEqual([["bind", NS, {}]]);
    });

    const requests: readonly [id: string, features: readonly BindFeature[]][] = [
      ["bind", []],
      ["bind-with-features", [enableCarbons(), enableStreamManagement({ resume: false }), beginAs("inactive")]],
    ];
    for (const [name, features] of requests) {
      test(`XEP-0386 §3.2: the client asks: ${name}`, async () => {
        const about = clientAbout(kit, inside(example("0386", "features"), "inline"));
        const asked = await bind2({ tag: "AwesomeXMPP", features }).request(about, "SCRAM-SHA-1");
        expect(shapesOf(asked)).toEqual(shapeOf(kit, example("0386", name)).slice(4));
      });
    }

    test("XEP-0386 §3.2: the server answers", async () => {
      const range = {
        start: { id: "YWxwaGEg", timestamp: "2008-08-22T21:09:04Z" },
        end: { id: "b21lZ2Eg", timestamp: "2020-04-20T14:34:21Z" },
      };
      const server = bind2Server({
        resource: (tag) => `${tag}.4232f4d4`,
        features: [...all(), archiveRangeServer(({ account }) => (account === "user@example.com" ? range : undefined))],
      });
      const { answers, bound } = await serve(kit, [server], kit.parse(example("0386", "bind")));
      const published = shapeOf(kit, example("0386", "bound"));
      expect(bound).toEqual(["AwesomeXMPP.4232f4d4"]);
      expect(answers).toEqual([published.at(-1)]);
      const answer = kit.parse(example("0386", "bound"));
      const about = clientAbout(kit, `<bind ${BIND}/>`);
      expect(await bind2({ features: [archiveRange()] }).success(answer, about, "PLAIN")).toEqual({
        jid: "user@example.com/AwesomeXMPP.4232f4d4",
        resource: "AwesomeXMPP.4232f4d4",
        answers: [range],
      });
    });

    test("both ends together: what was asked for is done, in order, once the resource is bound", async () => {
      const said: string[] = [];
      const say = (what: string) => (session: BoundSession, more?: unknown) =>
        void said.push([what, session.resource === session.jid.slice(account.length + 1), more].join(" "));
      const server = bind2Server({
        onBound: say("bound"),
        features: [
          carbonsServer(say("carbons")),
          clientStateServer(say("state")),
          streamManagementServer({ enable: () => ({ id: "1" }) }),
        ],
      });
      const client = bind2({ tag: "Chat", features: [enableStreamManagement(), beginAs("inactive"), enableCarbons()] });
      const offer = await server.announce(serverAbout(kit, undefined));
      const about = {
        ...clientAbout(kit, ""),
        inline: adapter.create("inline", "urn:xmpp:sasl:2", {}, offer as never[]),
      };
      const asked = await client.request(about, "PLAIN");
      const request = adapter.create("authenticate", "urn:xmpp:sasl:2", {}, asked as never[]);
      const { answers, bound } = await serve(kit, [server], request, { id, software: "Chat", device: "Desk" });
      expect(said).toEqual(["bound true ", "carbons true ", "state true inactive"]);
      const enabled: Shape = ["enabled", "urn:xmpp:sm:3", { id: "1" }];
      expect(answers).toEqual([["bound", NS, {}, enabled]]);
      const heard = success(
        kit,
        `<bound ${BIND}><enabled xmlns='urn:xmpp:sm:3' id='1'/></bound>`,
        `${account}/${bound[0]}`,
      );
      const found = await client.success(heard, about, "PLAIN");
      const [management, state, carbons] = found?.answers ?? [];
      expect(found?.jid).toBe(`${account}/${bound[0]}`);
      expect(management).toMatchObject({ enabled: true, id: "1", resume: false });
      expect([state, carbons]).toEqual(["inactive", true]);
    });

    test("asks for nothing that is not offered", async () => {
      const features = [enableCarbons(), archiveRange()] as const;
      const client = bind2({ features });
      expect(await client.request(clientAbout(kit, ""), "PLAIN")).toEqual([]);
      expect(await client.request(clientAbout(kit, "<bind xmlns='urn:xmpp:bind:1'/>"), "PLAIN")).toEqual([]);
      const lists = [
        "",
        `<feature var='urn:xmpp:carbons:2'/>`,
        "<inline><feature/><other var='urn:xmpp:carbons:2'/></inline>",
        "<inline><feature xmlns='urn:x' var='urn:xmpp:carbons:2'/><feature var='__proto__'/></inline>",
      ];
      for (const list of lists) {
        const about = clientAbout(kit, `<bind ${BIND}>${list}</bind>`);
        expect(shapesOf(await client.request(about, "PLAIN"))).toEqual([["bind", NS, {}]]);
        const found = await client.success(success(kit, `<bound ${BIND}/>`), about, "PLAIN");
        expect(found?.answers).toEqual([undefined, undefined]);
      }
    });

    test("a session that was resumed or left unbound is no bound one", async () => {
      const about = clientAbout(kit, `<bind ${BIND}/>`);
      for (const answer of [
        "<resumed xmlns='urn:xmpp:sm:3' previd='1' h='0'/>",
        "",
        "<bound/>",
        "<bound xmlns='urn:x'/>",
      ]) {
        expect(await bind2().success(success(kit, answer), about, "PLAIN")).toBeUndefined();
      }
    });

    const falseAnswers: readonly [why: string, answer: string, jid: string | undefined, code: SASLErrorCode][] = [
      ["bound twice", `<bound ${BIND}/><bound ${BIND}/>`, undefined, "malformed-message"],
      ["bound and resumed", `<bound ${BIND}/><resumed xmlns='urn:xmpp:sm:3'/>`, undefined, "malformed-message"],
      ["R-SA2-12 a bare JID", `<bound ${BIND}/>`, account, "malformed-message"],
      ["R-SA2-12 an empty resource", `<bound ${BIND}/>`, `${account}/`, "malformed-message"],
      ["R-SA2-12 no JID", `<bound ${BIND}/>`, "a@b@c/d", "malformed-message"],
      ["R-SA2-12 an element in the JID", `<bound ${BIND}/>`, `${account}/a<b/>`, "malformed-message"],
      ["R-SA2-12 a resource too long", `<bound ${BIND}/>`, `${account}/${"a".repeat(1024)}`, "malformed-message"],
      [
        "a second identity",
        `<authorization-identifier>eve@example.com/a</authorization-identifier><bound ${BIND}/>`,
        undefined,
        "malformed-message",
      ],
    ];
    for (const [why, answer, jid, code] of falseAnswers) {
      test(`the client refuses ${why}`, async () => {
        const about = clientAbout(kit, `<bind ${BIND}/>`);
        const promise = Promise.resolve(bind2().success(success(kit, answer, jid), about, "PLAIN"));
        expect(await rejection(promise)).toMatchObject({ code });
      });
    }

    test("the client refuses to be bound where that was not offered", async () => {
      const answer = Promise.resolve(bind2().success(success(kit, `<bound ${BIND}/>`), clientAbout(kit, ""), "PLAIN"));
      expect(await rejection(answer)).toMatchObject({ code: "unexpected-message" });
    });

    const ignored: readonly [what: string, children: string, bound: number][] = [
      ["no request", "", 0],
      ["bind of RFC 6120", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", 0],
      ["bind in SASL2's namespace", "<bind/>", 0],
      ["bind inside something else", `<user-agent><bind ${BIND}/></user-agent>`, 0],
      ["a feature that nobody knows", `<bind ${BIND}><enable xmlns='urn:x'/><enable xmlns='urn:x'/></bind>`, 1],
      ["a feature in the namespace of bind", `<bind ${BIND}><enable/><__proto__/><constructor/></bind>`, 1],
      ["a feature too deep", `<bind ${BIND}><x xmlns='urn:x'><enable xmlns='urn:xmpp:carbons:2'/></x></bind>`, 1],
      [
        "another element of a feature",
        `<bind ${BIND}><disable xmlns='urn:xmpp:carbons:2'/><a xmlns='urn:xmpp:csi:0'/></bind>`,
        1,
      ],
      ["text between elements", `<bind ${BIND}> x <tag>a</tag> y </bind>`, 1],
      ["a tag in another namespace", `<bind ${BIND}><tag xmlns='urn:x'><a/></tag></bind>`, 1],
    ];
    for (const [what, children, times] of ignored) {
      test(`the server ignores ${what}`, async () => {
        const features = [carbonsServer(never), clientStateServer(never), streamManagementServer({ enable: never })];
        const { answers, bound } = await serve(kit, [bind2Server({ features })], children);
        expect(bound).toHaveLength(times);
        expect(answers).toEqual(times ? [["bound", NS, {}]] : []);
      });
    }

    const tag = (text: string) => `<bind ${BIND}><tag>${text}</tag></bind>`;
    const refused: readonly [why: string, children: string][] = [
      ["bind twice", `<bind ${BIND}/><bind ${BIND}/>`],
      ["a tag twice", `<bind ${BIND}><tag>a</tag><tag>a</tag></bind>`],
      ["an element in the tag", tag("a<b/>")],
      ["a tag of 257 octets", tag("a".repeat(257))],
      ["a tag of 257 octets in fewer characters", tag(`a${"\u00fc".repeat(128)}`)],
      ["a tag of very many octets", tag("a".repeat(100_000))],
      ["a tag with a control character", tag("a&#9;b")],
      ["a tag with a line break", tag("a\nb")],
      ["a tag that turns the direction of text", tag("a\u202eb")],
      ["a tag with an invisible character", tag("a\u200bb")],
      ["a tag with a character nobody assigned", tag("a\u0378b")],
      ["carbons twice", `<bind ${BIND}>${"<enable xmlns='urn:xmpp:carbons:2'/>".repeat(2)}</bind>`],
      ["stream management twice", `<bind ${BIND}>${"<enable xmlns='urn:xmpp:sm:3'/>".repeat(2)}</bind>`],
      ["a state twice", `<bind ${BIND}>${"<active xmlns='urn:xmpp:csi:0'/>".repeat(2)}</bind>`],
      ["two states", `<bind ${BIND}><active xmlns='urn:xmpp:csi:0'/><inactive xmlns='urn:xmpp:csi:0'/></bind>`],
    ];
    for (const [why, children] of refused) {
      test(`R-SA2-13 R-SA2-14 the server refuses ${why} before a mechanism begins, and does nothing`, async () => {
        const features = [carbonsServer(never), clientStateServer(never), streamManagementServer({ enable: never })];
        const server = bind2Server({ resource: never, onBound: never, features });
        const check = Promise.resolve(server.check?.(serverAbout(kit, authenticate(kit, children))));
        expect(await rejection(check as Promise<unknown>)).toMatchObject({ code: "malformed-message" });
      });
    }

    test("R-SA2-13 R-SA2-14 checking and announcing touch nobody's session", async () => {
      const features = [carbonsServer(never), clientStateServer(never), streamManagementServer({ enable: never })];
      const server = bind2Server({ resource: never, onBound: never, features });
      const request = authenticate(kit, inside(example("0386", "bind-with-features"), "authenticate"));
      await server.announce(serverAbout(kit, undefined));
      expect(await server.check?.(serverAbout(kit, request))).toBeUndefined();
      await expect(serve(kit, [server], request)).rejects.toThrow("nobody asked for this");
    });

    const tags: readonly [text: string, prepared: string | undefined][] = [
      ["AwesomeXMPP", "AwesomeXMPP"],
      ["a b", "a b"],
      ["a\u00a0b", "a b"],
      ["u\u0308", "\u00fc"],
      ["__proto__", "__proto__"],
      ["a/b", "a/b"],
      ["eve@example.com/c", "eve@example.com/c"],
      ["../..", "../.."],
      ["&lt;a&gt;&amp;&quot;", '<a>&"'],
      ["a".repeat(256), "a".repeat(256)],
      ["", undefined],
    ];
    for (const [text, prepared] of tags) {
      test(`R-SA2-07 the tag ${JSON.stringify(text.slice(0, 20))} is a name and no more`, async () => {
        for (const resource of [randomResources, stableResources(key)]) {
          const sessions: BoundSession[] = [];
          const server = bind2Server({ resource, onBound: (session) => void sessions.push(session) });
          const { bound } = await serve(kit, [server], tag(text), { id });
          const [session] = sessions;
          expect(session).toMatchObject({ account, tag: prepared, resource: bound[0], jid: `${account}/${bound[0]}` });
          expect(bound[0]).toMatch(/(?:^|\/)[\w-]{20}$/);
          expect(bound[0]?.slice(0, -20)).toBe(prepared === undefined ? "" : `${prepared}/`);
          expect(bound[0]).not.toContain(id);
          expect(parseJid(session?.jid ?? "")).toMatchObject({
            local: "user",
            domain: "example.com",
            resource: bound[0],
          });
        }
      });
    }

    const badRules: readonly [why: string, resource: unknown][] = [
      ["nothing", ""],
      ["no text", undefined],
      ["a text too long", "a".repeat(1024)],
      ["a control character", "a\x07"],
      ["what preparation changes", "u\u0308"],
    ];
    for (const [why, resource] of badRules) {
      test(`a rule of the application's that gives ${why} binds nothing`, async () => {
        const server = bind2Server({ resource: () => resource as string, onBound: never });
        await expect(serve(kit, [server], `<bind ${BIND}/>`)).rejects.toThrow(RangeError);
      });
    }

    test("what the application throws ends the login", async () => {
      const failing = [
        bind2Server({ onBound: never }),
        bind2Server({ features: [carbonsServer(never)] }),
        bind2Server({ features: [clientStateServer(never)] }),
      ];
      const request = inside(example("0386", "bind-with-features"), "authenticate");
      for (const server of failing)
        await expect(serve(kit, [server], request)).rejects.toThrow("nobody asked for this");
    });
  });
}

describe("resources", () => {
  test("are new each time, whoever asks", async () => {
    const made = await Promise.all(Array.from({ length: 100 }, () => randomResources("a", id, account)));
    expect(new Set(made).size).toBe(100);
  });

  test("that stay are the same for the same client, tag and account, and for no other", async () => {
    const rule = stableResources(key);
    const first = await rule("a", id, account);
    expect(await rule("a", id, account)).toBe(first);
    expect(await stableResources(key.slice())("a", id, account)).toBe(first);
    const other = id.replace("d", "e");
    const others = await Promise.all([
      rule("b", id, account),
      rule(undefined, id, account),
      rule("a", other, account),
      rule("a", id, "eve@example.com"),
      stableResources(new Uint8Array(16))("a", id, account),
      rule("a", undefined, account),
      rule("a", undefined, account),
    ]);
    expect(new Set([first, ...others].map((each) => each.slice(-20))).size).toBe(8);
  });

  test("keep a copy of the key, which is long enough", async () => {
    const mine = key.slice();
    const rule = stableResources(mine);
    const first = await rule("a", id, account);
    mine.fill(0);
    expect(await rule("a", id, account)).toBe(first);
    expect(() => stableResources(new Uint8Array(15))).toThrow(RangeError);
  });

  test("are resources whatever the tag, or the tag is refused", async () => {
    const [kit] = kits;
    const check = async (text: string) => {
      const { adapter } = kit as (typeof kits)[number];
      const element = adapter.create("tag", NS, {}, [text]);
      const request = adapter.create("authenticate", "urn:xmpp:sasl:2", {}, [
        adapter.create("bind", NS, {}, [element]),
      ]);
      const outcome = await serve(kit as (typeof kits)[number], [bind2Server()], request).catch((error) => error);
      if ("code" in outcome) expect(outcome.code).toBe("malformed-message");
      else expect(parseJid(`${account}/${outcome.bound[0]}`)?.resource).toBe(outcome.bound[0]);
    };
    await fc.assert(fc.asyncProperty(fc.string({ unit: "binary" }), check));
    await fc.assert(fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 300 }), check));
  });
});

test("bind2Server wants each feature once", () => {
  expect(() => bind2Server({ features: [carbonsServer(() => {}), carbonsServer(() => {})] })).toThrow(TypeError);
});

test.each(["", "a\0b", "a".repeat(1024)])("bind2 wants a tag that fits into a resource", (text) => {
  expect(() => bind2({ tag: text })).toThrow(RangeError);
});
