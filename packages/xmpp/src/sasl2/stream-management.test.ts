import type { SASLErrorCode, ServerResult } from "sasl-core";
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
import { bind2 } from "./bind2.js";
import { bind2Server } from "./bind2-server.js";
import type { StanzaCondition } from "./children.js";
import { enableStreamManagement, type Resumable, resume } from "./stream-management.js";
import {
  type EnabledSession,
  type NotManaged,
  type ResumedSession,
  resumeServer,
  serveStreamManagement,
  streamManagementServer,
} from "./stream-management-server.js";

const NS = "urn:xmpp:sm:3";
const SM = `xmlns='${NS}'`;
const STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
const MAX = 0xffffffff;
const previd = "some-long-sm-id";
/** What the examples leave open, and what has changed since: XEP-0386 has another namespace for bind now. */
const today = {
  "some-sequence-number": "17",
  "another-sequence-number": "23",
  "urn:xmpp:bind2:1": "urn:xmpp:bind:0",
  "<latest-id>0312a1b8</latest-id>": "",
  "<feature var='urn:xmpp:sm:3'/>": "<inline><feature var='urn:xmpp:sm:3'/></inline>",
};
const offered = `<sm ${SM}/>`;
const bindOffered = "<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>";
const failed = (condition: string, attributes: Record<string, string> = {}): Shape => [
  "failed",
  NS,
  attributes,
  [condition, STANZAS, {}],
];
const never = () => {
  throw new Error("nobody asked for this");
};

for (const kit of kits) {
  const { adapter } = kit;
  const shapesOf = (elements: readonly unknown[]) =>
    elements.map((element) => shape(kit, element, "h", "previd", "resume", "max"));
  /** A client that asked, or did not, and heard this. */
  const answered = async (session: Resumable | undefined, answer: string, jid?: string, inline = offered) => {
    const about = clientAbout(kit, inline);
    const client = resume(() => session);
    await client.request(about, "PLAIN");
    return client.success(success(kit, answer, jid), about, "PLAIN");
  };
  const enabledBy = async (answer: string) => {
    const about = clientAbout(kit, bindOffered);
    const bound = `<bound xmlns='urn:xmpp:bind:0'>${answer}</bound>`;
    return (await bind2({ features: [enableStreamManagement()] }).success(success(kit, bound), about, "PLAIN"))
      ?.answers[0];
  };

  describe(`stream management at the client, with ${kit.name}`, () => {
    test("XEP-0198 §9.3: asks to resume, and for a new session beside", async () => {
      const about = clientAbout(kit, inside(example("0198", "inline-features", today), "inline"));
      const client = [
        resume({ previd, h: 17 }),
        bind2({ tag: "AwesomeXMPP", features: [enableStreamManagement({ resume: false })] }),
      ];
      const asked = [];
      for (const each of client) asked.push(...(await each.request(about, "SCRAM-SHA-1")));
      expect(shapesOf(asked)).toEqual(shapeOf(kit, example("0198", "inline-request", today)).slice(4));
    });

    const outcomes: readonly [id: string, resumption: unknown, management: unknown][] = [
      ["inline-enable-failed", undefined, { enabled: false, condition: "internal-server-error" }],
      ["inline-resume-failed", { resumed: false, h: 23, condition: "item-not-found" }, undefined],
      [
        "inline-both-failed",
        { resumed: false, h: 23, condition: "item-not-found" },
        { enabled: false, condition: "internal-server-error" },
      ],
    ];
    for (const [name, resumption, management] of outcomes) {
      test(`XEP-0198 §9.3: hears ${name}`, async () => {
        const about = clientAbout(kit, offered + bindOffered);
        const answer = kit.parse(example("0198", name, today));
        const client = resume(() => (resumption === undefined ? undefined : { previd, h: 17 }));
        await client.request(about, "PLAIN");
        expect(await client.success(answer, about, "PLAIN")).toEqual(resumption);
        const found = await bind2({ features: [enableStreamManagement()] }).success(answer, about, "PLAIN");
        expect(found).toMatchObject({ jid: "user@example.com/resource" });
        expect(found?.answers[0]).toEqual(management ?? { enabled: false, condition: undefined });
      });
    }

    test("XEP-0198 §5: hears that a session was resumed", async () => {
      const resumed = example("0198", "resumed", today);
      const h = 23;
      const session = { previd, h: 17 };
      expect(await answered(session, resumed)).toEqual({ resumed: true, h, jid: "user@example.com/resource" });
      // As XEP-0388 §2.6.1 has it, with a bare JID.
      expect(await answered(session, resumed, account)).toEqual({ resumed: true, h, jid: undefined });
      const bare = success(kit, "<resumed xmlns='urn:xmpp:sm:3' h='345' previd='124'/>", "juliet@montague.example");
      const about = clientAbout(kit, offered);
      const client = resume({ previd: "124", h: MAX });
      expect(shapesOf(await client.request(about, "X"))).toEqual([["resume", NS, { previd: "124", h: "4294967295" }]]);
      expect(await client.success(bare, about, "X")).toEqual({ resumed: true, h: 345, jid: undefined });
    });

    test("asks for nothing that is not offered, and with nothing to resume", async () => {
      for (const inline of ["", "<sm xmlns='urn:xmpp:sm:2'/>", bindOffered, `<x xmlns='urn:x'>${offered}</x>`]) {
        expect(await resume({ previd, h: 1 }).request(clientAbout(kit, inline), "PLAIN")).toEqual([]);
        expect(await answered({ previd, h: 1 }, "", undefined, inline)).toBeUndefined();
      }
      expect(await answered(undefined, "")).toBeUndefined();
      expect(await answered(undefined, `<failed ${SM}/>`)).toBeUndefined();
    });

    test("asks anew for each attempt, and hears the answer to the last", async () => {
      const sessions: (Resumable | undefined)[] = [{ previd: "a", h: 1 }, { previd: "b", h: 2 }, undefined];
      const client = resume(async () => sessions.shift());
      const about = clientAbout(kit, offered);
      const other = clientAbout(kit, offered);
      const [first, second] = [await client.request(about, "X"), await client.request(other, "X")];
      expect(shapesOf([...first, ...second]).map(([, , attributes]) => attributes)).toEqual([
        { previd: "a", h: "1" },
        { previd: "b", h: "2" },
      ]);
      const answer = success(kit, `<resumed ${SM} previd='b' h='5'/>`);
      expect(await client.success(answer, other, "X")).toMatchObject({ resumed: true, h: 5 });
      expect(await rejection(Promise.resolve().then(() => client.success(answer, about, "X")))).toMatchObject({
        code: "unexpected-message",
      });
      expect(await client.request(other, "X")).toEqual([]);
      expect(await rejection(Promise.resolve().then(() => client.success(answer, other, "X")))).toMatchObject({
        code: "unexpected-message",
      });
    });

    const outcome: readonly [what: string, answer: string, found: object][] = [
      ["no answer at all", "", { resumed: false, h: undefined, condition: undefined }],
      ["an answer of an older version", "<resumed xmlns='urn:xmpp:sm:2' previd='a' h='1'/>", { resumed: false }],
      ["an answer in no extension", "<resumed previd='a' h='1'/>", { resumed: false }],
      ["an answer inside another", `<x xmlns='urn:x'><resumed ${SM} previd='a' h='1'/></x>`, { resumed: false }],
      ["a failure without a reason", `<failed ${SM}/>`, { resumed: false, condition: undefined }],
      ["a failure with another's reason", `<failed ${SM}><gone xmlns='urn:x'/></failed>`, { condition: undefined }],
      [
        "a failure with a text",
        `<failed ${SM}><text xmlns='${STANZAS}'>x</text><__proto__ xmlns='${STANZAS}'/></failed>`,
        { condition: "__proto__" },
      ],
      ["the highest count", `<resumed ${SM} previd='a' h='4294967295'/>`, { resumed: true, h: MAX }],
      ["no count", `<resumed ${SM} previd='a' h='0'/>`, { resumed: true, h: 0 }],
    ];
    for (const [what, answer, found] of outcome) {
      test(`hears ${what}`, async () => {
        expect(await answered({ previd: "a", h: 0 }, answer)).toMatchObject(found);
      });
    }

    const refused: readonly [why: string, answer: string, code: SASLErrorCode][] = [
      ["another session", `<resumed ${SM} previd='b' h='0'/>`, "unexpected-message"],
      ["a session without an id", `<resumed ${SM} h='0'/>`, "unexpected-message"],
      ["a session without a count", `<resumed ${SM} previd='a'/>`, "malformed-message"],
      ["a count of 2^32", `<resumed ${SM} previd='a' h='4294967296'/>`, "malformed-message"],
      ["a count of many digits", `<resumed ${SM} previd='a' h='${"9".repeat(5000)}'/>`, "malformed-message"],
      ["a negative count", `<resumed ${SM} previd='a' h='-1'/>`, "malformed-message"],
      ["a count with a fraction", `<resumed ${SM} previd='a' h='1.5'/>`, "malformed-message"],
      ["a count in hexadecimal", `<resumed ${SM} previd='a' h='0x1'/>`, "malformed-message"],
      ["a count with an exponent", `<resumed ${SM} previd='a' h='1e3'/>`, "malformed-message"],
      ["an empty count", `<resumed ${SM} previd='a' h=''/>`, "malformed-message"],
      ["a failure with a false count", `<failed ${SM} h='x'/>`, "malformed-message"],
      ["two answers", `<resumed ${SM} previd='a' h='0'/><resumed ${SM} previd='a' h='1'/>`, "malformed-message"],
      ["both answers", `<resumed ${SM} previd='a' h='0'/><failed ${SM}/>`, "malformed-message"],
      ["two failures", `<failed ${SM}/><failed ${SM}/>`, "malformed-message"],
    ];
    for (const [why, answer, code] of refused) {
      test(`refuses ${why}`, async () => {
        expect(await rejection(answered({ previd: "a", h: 0 }, answer))).toMatchObject({ code });
      });
    }

    test("refuses a session nobody asked for", async () => {
      const answer = `<resumed ${SM} previd='' h='0'/>`;
      expect(await rejection(answered(undefined, answer))).toMatchObject({ code: "unexpected-message" });
    });

    const badSessions: Resumable[] = [
      { previd: "", h: 0 },
      { previd: "a", h: -1 },
      { previd: "a", h: 2 ** 32 },
      { previd: "a", h: 0.5 },
      { previd: "a", h: Number.NaN },
    ];
    test.each(badSessions)("cannot resume %o", async (session) => {
      expect(() => resume(session)).toThrow(RangeError);
      const later = Promise.resolve(resume(() => session).request(clientAbout(kit, offered), "X"));
      await expect(later).rejects.toThrow(RangeError);
    });

    const enables: readonly [options: Parameters<typeof enableStreamManagement>[0], attributes: object][] = [
      [undefined, { resume: "true" }],
      [{ resume: false }, {}],
      [{ max: 600 }, { resume: "true", max: "600" }],
    ];
    for (const [options, attributes] of enables) {
      test(`XEP-0198 §5: asks for ${JSON.stringify(options)}`, async () => {
        const client = bind2({ features: [enableStreamManagement(options)] });
        const asked = await client.request(clientAbout(kit, bindOffered), "X");
        expect(shapesOf(asked)).toEqual([["bind", "urn:xmpp:bind:0", {}, ["enable", NS, attributes]]]);
        if (options === undefined)
          expect(shapesOf(asked)[0]?.[3]).toEqual(shapeOf(kit, example("0198", "enable-resume")));
      });
    }
    test.each([0, -1, 1.5, 2 ** 32])("cannot ask for %d seconds", (max) => {
      expect(() => enableStreamManagement({ max })).toThrow(RangeError);
    });

    const enabled: readonly [what: string, answer: string, found: object][] = [
      ["XEP-0198 §3", example("0198", "enabled"), { enabled: true, id: undefined, resume: false, max: undefined }],
      ["XEP-0198 §3 with resumption", example("0198", "enabled-resume"), { id: previd, resume: true }],
      ["XEP-0198 §5 without resumption", example("0198", "enabled-id"), { id: previd, resume: false }],
      [
        "XEP-0198 §5 with a location",
        example("0198", "enabled-location"),
        { id: previd, resume: true, location: "[2001:41D0:1:A49b::1]:9222" },
      ],
      ["a time", `<enabled ${SM} id='a' resume='1' max='600'/>`, { resume: true, max: 600 }],
      ["an id like an object's property", `<enabled ${SM} id='__proto__' resume='1'/>`, { id: "__proto__" }],
      ["resume='0'", `<enabled ${SM} id='a' resume='0'/>`, { resume: false }],
      ["no answer", "", { enabled: false, condition: undefined }],
      ["an answer of an older version", "<enabled xmlns='urn:xmpp:sm:2'/>", { enabled: false }],
      ["carbons", "<enabled xmlns='urn:xmpp:carbons:2'/>", { enabled: false }],
    ];
    for (const [what, answer, found] of enabled) {
      test(`enabled: ${what}`, async () => {
        expect(await enabledBy(answer)).toMatchObject(found);
      });
    }

    const notEnabled: readonly [why: string, answer: string][] = [
      ["two answers", `<enabled ${SM}/><enabled ${SM}/>`],
      ["both answers", `<enabled ${SM}/><failed ${SM}/>`],
      ["resumption without an id", `<enabled ${SM} resume='true'/>`],
      ["resumption with an empty id", `<enabled ${SM} resume='true' id=''/>`],
      ["perhaps resumption", `<enabled ${SM} id='a' resume='TRUE'/>`],
      ["a time of 2^32 seconds", `<enabled ${SM} max='4294967296'/>`],
      ["a time that is none", `<enabled ${SM} max='soon'/>`],
    ];
    for (const [why, answer] of notEnabled) {
      test(`enabled: refuses ${why}`, async () => {
        expect(await rejection(enabledBy(answer))).toMatchObject({ code: "malformed-message" });
      });
    }
  });

  describe(`stream management at the server, with ${kit.name}`, () => {
    const session: ResumedSession = { jid: `${account}/old`, h: 23 };
    const knows = resumeServer({ resume: (_, id) => (id === previd ? session : undefined) });
    const inBind = (children: string) => `<bind xmlns='urn:xmpp:bind:0'>${children}</bind>`;

    test("XEP-0198 §9.1 §9.2: announces both", async () => {
      const features = [knows, bind2Server({ features: [streamManagementServer({ enable: never })] })];
      const published = inside(example("0198", "inline-features", today), "inline");
      const offer = `<inline xmlns='urn:xmpp:sasl:2'>${published}</inline>`;
      expect(await announced(kit, features)).toEqual(shapeOf(kit, offer).slice(3));
    });

    test("XEP-0198 §5: resumes, and binds nothing", async () => {
      const asked: unknown[] = [];
      const server = resumeServer({
        resume(...about) {
          asked.push(about);
          return session;
        },
      });
      const binding = bind2Server({ resource: never, features: [streamManagementServer({ enable: never })] });
      const request = kit.parse(example("0198", "inline-request", today));
      const { answers, bound } = await serve(kit, [server, binding], request, { id: "a" });
      expect(asked).toEqual([[account, previd, 17, { id: "a" }]]);
      expect(answers).toEqual([shapeOf(kit, example("0198", "resumed", today))]);
      expect(bound).toEqual(["old"]);
    });

    const failures: readonly [
      id: string,
      resumption: NotManaged | undefined,
      management: EnabledSession | NotManaged,
    ][] = [
      ["inline-resume-failed", { failed: "item-not-found", h: 23 }, {}],
      ["inline-both-failed", { failed: "item-not-found", h: 23 }, { failed: "internal-server-error" }],
    ];
    for (const [name, resumption, management] of failures) {
      test(`XEP-0198 §9.3: ${name}, and a session is bound all the same`, async () => {
        const features = name === "inline-both-failed" ? [streamManagementServer({ enable: () => management })] : [];
        const server = [
          resumeServer({ resume: () => resumption }),
          bind2Server({ resource: () => "resource", features }),
        ];
        const request = kit.parse(example("0198", "inline-request", today));
        const { answers, bound } = await serve(kit, server, request);
        expect(bound).toEqual(["resource"]);
        expect(answers).toEqual(shapeOf(kit, example("0198", name, today)).slice(5));
      });
    }

    test("XEP-0198 §9.3: inline-enable-failed", async () => {
      const features = [streamManagementServer({ enable: () => ({ failed: "internal-server-error" }) })];
      const { answers } = await serve(kit, [knows, bind2Server({ features })], inBind(`<enable ${SM}/>`));
      expect(answers).toEqual(shapeOf(kit, example("0198", "inline-enable-failed", today)).slice(5));
    });

    test("a session nobody knows is not found", async () => {
      const { answers, bound } = await serve(kit, [knows], `<resume ${SM} previd='__proto__' h='0'/>`);
      expect([answers, bound]).toEqual([[failed("item-not-found")], []]);
    });

    const bad: readonly [why: string, resume: string][] = [
      ["no id", `<resume ${SM} h='0'/>`],
      ["an empty id", `<resume ${SM} previd='' h='0'/>`],
      ["an id too long", `<resume ${SM} previd='${"a".repeat(4001)}' h='0'/>`],
      ["an id too long in fewer characters", `<resume ${SM} previd='a${"\u00fc".repeat(2000)}' h='0'/>`],
      ["no count", `<resume ${SM} previd='a'/>`],
      ["a count of 2^32", `<resume ${SM} previd='a' h='4294967296'/>`],
      ["a count above 2^53", `<resume ${SM} previd='a' h='9007199254740993'/>`],
      ["a negative count", `<resume ${SM} previd='a' h='-1'/>`],
      ["an infinite count", `<resume ${SM} previd='a' h='Infinity'/>`],
      ["a count with white space", `<resume ${SM} previd='a' h=' 1'/>`],
      ["a count in other digits", `<resume ${SM} previd='a' h='\u0661'/>`],
    ];
    for (const [why, request] of bad) {
      test(`XEP-0198 §6: ${why} is a bad request, and a session is bound all the same`, async () => {
        const server = [resumeServer({ resume: never }), bind2Server({ resource: () => "new" })];
        const { answers, bound } = await serve(kit, server, request + inBind(""));
        expect(answers).toEqual([failed("bad-request"), ["bound", "urn:xmpp:bind:0", {}]]);
        expect(bound).toEqual(["new"]);
      });
    }

    const passed: readonly [h: string, heard: number][] = [
      ["0", 0],
      ["4294967295", MAX],
      ["0000000007", 7],
    ];
    for (const [h, heard] of passed) {
      test(`takes ${h} for a count`, async () => {
        const counts: number[] = [];
        const server = resumeServer({ resume: (_, __, count) => void counts.push(count) });
        await serve(kit, [server], `<resume ${SM} previd='${"a".repeat(4000)}' h='${h}'/>`);
        expect(counts).toEqual([heard]);
      });
    }

    const ignored = ["", "<resume/>", "<resume xmlns='urn:xmpp:sm:2'/>", inBind(`<resume ${SM} previd='a' h='0'/>`)];
    test.each(ignored)("ignores what is no request to resume: %s", async (children) => {
      expect((await serve(kit, [resumeServer({ resume: never })], children)).answers).toEqual([]);
    });

    test("R-SA2-13 R-SA2-14 two requests are refused before a mechanism begins, and checking resumes nothing", async () => {
      const server = resumeServer({ resume: never });
      const one = `<resume ${SM} previd='a' h='0'/>`;
      expect(await server.check?.(serverAbout(kit, authenticate(kit, one)))).toBeUndefined();
      const two = Promise.resolve().then(() => server.check?.(serverAbout(kit, authenticate(kit, one + one))));
      expect(await rejection(two)).toMatchObject({ code: "malformed-message" });
      expect(await rejection(serve(kit, [server], one + one))).toMatchObject({ code: "malformed-message" });
    });

    const stolen = ["eve@example.com/old", "user@example.net/old", "example.com/old", account, "", "a@b@c/d"];
    test.each(stolen)("never resumes the session of somebody else: %s", async (jid) => {
      const server = [resumeServer({ resume: () => ({ jid, h: 0 }) }), bind2Server({ resource: never })];
      await expect(serve(kit, server, `<resume ${SM} previd='a' h='0'/>`)).rejects.toThrow(RangeError);
    });

    test("a JID is compared in its normal form", async () => {
      const server = resumeServer({ resume: () => ({ jid: "USER@Example.com/Old", h: 0 }) });
      expect((await serve(kit, [server], `<resume ${SM} previd='a' h='0'/>`)).bound).toEqual(["Old"]);
    });

    test.each([-1, 2 ** 32, 1.5, Number.NaN])("an application's count of %d binds nothing", async (h) => {
      const request = `<resume ${SM} previd='a' h='0'/>`;
      for (const answer of [
        { ...session, h },
        { failed: "item-not-found" as StanzaCondition, h },
      ]) {
        await expect(serve(kit, [resumeServer({ resume: () => answer })], request)).rejects.toThrow(RangeError);
      }
    });

    test("resuming after binding is a mistake in the program", async () => {
      const request = `<resume ${SM} previd='${previd}' h='0'/>${inBind("")}`;
      await expect(serve(kit, [bind2Server(), knows], request)).rejects.toThrow(TypeError);
    });

    test("what the application throws ends the login", async () => {
      const request = kit.parse(example("0198", "inline-request", today));
      const features = [streamManagementServer({ enable: never })];
      await expect(serve(kit, [resumeServer({ resume: never })], request)).rejects.toThrow("nobody asked");
      await expect(serve(kit, [bind2Server({ features })], request)).rejects.toThrow("nobody asked");
    });

    const enables: readonly [enable: string, asked: object][] = [
      [example("0198", "enable"), { resume: false, max: undefined }],
      [example("0198", "enable-resume"), { resume: true, max: undefined }],
      [`<enable ${SM} resume='1' max='600'/>`, { resume: true, max: 600 }],
      [`<enable ${SM} resume='0' max='4294967295' stanzas='x'/>`, { resume: false, max: MAX }],
    ];
    for (const [enable, asked] of enables) {
      test(`enables ${enable}`, async () => {
        const requests: unknown[] = [];
        const features = [
          streamManagementServer({
            enable(bound, request) {
              requests.push(bound.jid, request);
              return { id: previd, resume: true };
            },
          }),
        ];
        const server = bind2Server({ resource: () => "new", features });
        const { answers } = await serve(kit, [server], inBind(enable));
        expect(requests).toEqual([`${account}/new`, asked]);
        const published = shapeOf(kit, example("0198", "enabled-resume"));
        expect(answers).toEqual([["bound", "urn:xmpp:bind:0", {}, published]]);
      });
    }

    const answers: readonly [answer: EnabledSession, id: string][] = [
      [{}, "enabled"],
      [{ id: previd }, "enabled-id"],
      [{ id: previd, location: "[2001:41D0:1:A49b::1]:9222", resume: true }, "enabled-location"],
    ];
    for (const [answer, name] of answers) {
      test(`XEP-0198: answers ${name}`, async () => {
        const server = bind2Server({ features: [streamManagementServer({ enable: () => answer })] });
        const { answers } = await serve(kit, [server], inBind(`<enable ${SM}/>`));
        expect(answers[0]?.[3]).toEqual(shapeOf(kit, example("0198", name)));
      });
    }

    const badEnables = ["max='0'", "max='-1'", "max='4294967296'", "max=''", "resume='yes'", "resume=''"];
    test.each(badEnables)("XEP-0198 §6: a bad request is told, and the session is bound: %s", async (attribute) => {
      const server = bind2Server({ features: [streamManagementServer({ enable: never })] });
      const { answers } = await serve(kit, [server], inBind(`<enable ${SM} ${attribute}/>`));
      expect(answers).toEqual([["bound", "urn:xmpp:bind:0", {}, failed("bad-request")]]);
    });

    const badAnswers: EnabledSession[] = [{ resume: true }, { resume: true, id: "" }, { max: 0 }, { max: 2 ** 32 }];
    test.each(badAnswers)("an application's answer of %o is a mistake in the program", async (answer) => {
      const server = bind2Server({ features: [streamManagementServer({ enable: () => answer })] });
      await expect(serve(kit, [server], inBind(`<enable ${SM}/>`))).rejects.toThrow(RangeError);
    });

    test("ids and hints are text, whatever is in them", async () => {
      const id = `a'"<>&\u00fc__proto__`;
      const server = bind2Server({
        features: [streamManagementServer({ enable: () => ({ id, resume: true, max: 600, location: id }) })],
      });
      const element = adapter.create("enable", NS);
      const bind = adapter.create("bind", "urn:xmpp:bind:0", {}, [element]);
      const request = adapter.create("authenticate", "urn:xmpp:sasl:2", {}, [bind]);
      const { answers } = await serve(kit, [server], request);
      expect(answers[0]?.[3]).toEqual(["enabled", NS, { id, resume: "true", max: "600", location: id }]);
    });
  });
  describe(`stream management after the login, with ${kit.name}`, () => {
    const result = { mechanism: "PLAIN", authcid: "user", authzid: "user" } as ServerResult;
    const untouched = { enable: never, resume: never };
    const answerTo = async (
      xml: string,
      state: { readonly resource?: string; readonly managed?: boolean },
      options: Partial<Parameters<typeof serveStreamManagement>[3]> = {},
    ) => {
      const { resource, managed = false } = state;
      const stream = { jid: account, resource, managed, userAgent: { id: "a" }, result };
      const done = await serveStreamManagement(adapter, kit.parse(xml), stream, { ...untouched, ...options });
      const shapes = done && shape(kit, done.answer, "id", "h", "previd", "resume", "max");
      return done && { answer: shapes, resource: done.resource };
    };
    const resource = "desk";

    test("XEP-0198 §5: enables a session that is bound", async () => {
      const asked: unknown[] = [];
      const done = await answerTo(
        example("0198", "enable-resume"),
        { resource },
        {
          enable(...about) {
            asked.push(about);
            return { id: previd, resume: true };
          },
        },
      );
      expect(done).toEqual({ answer: shapeOf(kit, example("0198", "enabled-resume")), resource: undefined });
      const session = { jid: `${account}/desk`, account, resource, tag: undefined, userAgent: { id: "a" }, result };
      expect(asked).toEqual([[session, { resume: true, max: undefined }]]);
    });

    test("XEP-0198 §5: resumes before anything is bound", async () => {
      const asked: unknown[] = [];
      const request = `<resume ${SM} h='17' previd='${previd}'/>`;
      const done = await answerTo(
        request,
        {},
        {
          resume(...about) {
            asked.push(about);
            return { jid: `${account}/old`, h: 23 };
          },
        },
      );
      expect(done).toEqual({ answer: shapeOf(kit, example("0198", "resumed", today)), resource: "old" });
      expect(asked).toEqual([[account, previd, 17, { id: "a" }]]);
    });

    const enable = `<enable ${SM} resume='true'/>`;
    const resumption = `<resume ${SM} h='0' previd='a'/>`;
    const disorder: readonly [what: string, xml: string, state: { resource?: string; managed?: boolean }][] = [
      ["enable before bind", enable, {}],
      ["enable twice", enable, { resource, managed: true }],
      ["resume after bind", resumption, { resource }],
      ["resume after enable", resumption, { resource, managed: true }],
    ];
    for (const [what, xml, state] of disorder) {
      test(`XEP-0198 §3 §6: ${what} fails, and touches no session`, async () => {
        expect(await answerTo(xml, state)).toEqual({ answer: failed("unexpected-request"), resource: undefined });
      });
    }

    const faulty: readonly [what: string, xml: string, state: { resource?: string }, answer: Shape][] = [
      ["an id too long", `<resume ${SM} h='0' previd='${"a".repeat(4001)}'/>`, {}, failed("bad-request")],
      ["no count", `<resume ${SM} previd='a'/>`, {}, failed("bad-request")],
      ["no time", `<enable ${SM} max='0'/>`, { resource }, failed("bad-request")],
    ];
    for (const [what, xml, state, answer] of faulty) {
      test(`XEP-0198 §6: ${what} is a bad request`, async () => {
        expect(await answerTo(xml, state)).toEqual({ answer, resource: undefined });
      });
    }

    test("a session nobody knows leaves the client free to bind", async () => {
      const done = await answerTo(resumption, {}, { resume: () => undefined });
      expect(done).toEqual({ answer: failed("item-not-found"), resource: undefined });
    });

    test("the session of somebody else is a mistake in the program", async () => {
      const resume = () => ({ jid: "eve@example.com/old", h: 0 });
      await expect(answerTo(resumption, {}, { resume })).rejects.toThrow(RangeError);
    });

    const others = [`<r ${SM}/>`, `<a ${SM} h='1'/>`, "<enable xmlns='urn:xmpp:carbons:2'/>", "<resume/>"];
    test.each(others)("leaves alone what is no such request: %s", async (xml) => {
      expect(await answerTo(xml, { resource })).toBeUndefined();
    });
  });
}
