import { inspect } from "node:util";
import { AuthenticationFailure, type SASLErrorCode, SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { describe, expect, test } from "vitest";
import { base64, bytes, kits, rejection, SASL, scripted } from "../test/support.js";
import { serve } from "./server.js";

const NS = "urn:ietf:params:xml:ns:xmpp-sasl";
const none = new Uint8Array(0);

type Answer = SASLReply | Error;
type Call = readonly [method: string, ...unknown[]];

/** A session that answers from a list and keeps what it was asked. */
function session(...answers: Answer[]): SASLInterface & { calls: Call[] } {
  const calls: Call[] = [];
  const answer = async (...call: [string, ...unknown[]]): Promise<SASLReply> => {
    calls.push(call);
    const next = answers.shift();
    if (next === undefined) throw new SASLFailure("unexpected-message", "no exchange is going on");
    if (next instanceof Error) throw next;
    return next;
  };
  return {
    calls,
    initiate: (mechanism, payload) => answer("initiate", mechanism, payload),
    respond: (payload) => answer("respond", payload),
    async abort() {
      calls.push(["abort"]);
      return { state: "failure" };
    },
  };
}

const challenge = (text: string): SASLReply => ({ state: "challenge", payload: bytes(text) });
const success: SASLReply = { state: "success" };

for (const kit of kits) {
  const run = async (first: string, intf: SASLInterface, ...more: string[]) => {
    const transport = scripted(kit, more);
    const outcome = await serve(transport, intf, kit.parse(first), { maxMessageBytes: 100 });
    return { outcome, sent: transport.sent };
  };
  const failure = (condition: string) => ["failure", NS, {}, [condition, NS, {}]];

  describe(`serve with ${kit.name}`, () => {
    const initial: readonly [what: string, content: string, payload: Uint8Array | undefined][] = [
      ["no initial response", "", undefined],
      ["an empty one", "=", none],
      ["one with data", base64("abc"), bytes("abc")],
    ];
    for (const [what, content, payload] of initial) {
      test(`R-XMPP-04 R-GEN-04 passes on ${what}`, async () => {
        const intf = session(success);
        const { outcome, sent } = await run(`<auth ${SASL} mechanism='PLAIN'>${content}</auth>`, intf);
        expect(intf.calls).toEqual([["initiate", "PLAIN", payload]]);
        expect(outcome).toEqual({ ok: true });
        expect(sent).toEqual([["success", NS, {}]]);
      });
    }

    const data: readonly [what: string, payload: Uint8Array | undefined, content: readonly string[]][] = [
      ["none", undefined, []],
      ["empty", none, ["="]],
      ["some", bytes("abc"), [base64("abc")]],
    ];
    for (const [what, payload, content] of data) {
      test(`R-XMPP-04 R-GEN-08 sends ${what} with success`, async () => {
        const { sent } = await run(`<auth ${SASL} mechanism='X'/>`, session({ state: "success", payload }));
        expect(sent).toEqual([["success", NS, {}, ...content]]);
      });
    }

    test("carries challenges and responses", async () => {
      const intf = session(challenge(""), challenge("one"), success);
      const { outcome, sent } = await run(
        `<auth ${SASL} mechanism='X'/>`,
        intf,
        `<response ${SASL}/>`,
        `<s:response xmlns:s='${NS}'>${base64("two")}</s:response>`,
      );
      expect(outcome).toEqual({ ok: true });
      expect(intf.calls).toEqual([
        ["initiate", "X", undefined],
        ["respond", none],
        ["respond", bytes("two")],
      ]);
      expect(sent).toEqual([
        ["challenge", NS, {}],
        ["challenge", NS, {}, base64("one")],
        ["success", NS, {}],
      ]);
    });

    test("R-XMPP-05 sends nothing but one element for each it receives", async () => {
      const { sent } = await run(
        `<auth ${SASL} mechanism='X'/>`,
        session(challenge("a"), success),
        `<response ${SASL}/>`,
      );
      expect(sent).toHaveLength(2);
    });

    const refusals: readonly [code: SASLErrorCode, condition: string][] = [
      ["mechanism-unsupported", "invalid-mechanism"],
      ["malformed-message", "malformed-request"],
      ["authorization-refused", "invalid-authzid"],
      ["refused", "not-authorized"],
      ["channel-not-protected", "encryption-required"],
      ["temporary", "temporary-auth-failure"],
      ["unexpected-message", "malformed-request"],
      ["mechanism-too-weak", "mechanism-too-weak"],
      ["credentials-expired", "credentials-expired"],
      ["account-disabled", "account-disabled"],
    ];
    for (const [code, condition] of refusals) {
      test(`R-XMPP-06 R-XMPP-07 R-GEN-17 tells ${code} as ${condition} and nothing else`, async () => {
        const error =
          code === "refused" || code.startsWith("a") || code.startsWith("cr")
            ? new AuthenticationFailure(code as never, "for the log", { detail: "SECRET" })
            : new SASLFailure(code as never, "for the log", { detail: "SECRET" });
        const { outcome, sent } = await run(`<auth ${SASL} mechanism='X'/>`, session(error));
        expect(outcome).toEqual({ ok: false, error });
        expect(sent).toEqual([failure(condition)]);
      });
    }

    test("R-STO-04 an error nobody foresaw is temporary", async () => {
      const { outcome, sent } = await run(`<auth ${SASL} mechanism='X'/>`, session(new Error("database down")));
      expect(outcome).toMatchObject({ ok: false, error: { code: "temporary" } });
      expect(sent).toEqual([failure("temporary-auth-failure")]);
    });

    const hostile: readonly [why: string, xml: string, condition: string, code: SASLErrorCode][] = [
      ["R-XMPP-06 bad base64", `<auth ${SASL} mechanism='X'>a</auth>`, "incorrect-encoding", "incorrect-encoding"],
      ["R-B64-01 white space", `<auth ${SASL} mechanism='X'> AAAA </auth>`, "incorrect-encoding", "incorrect-encoding"],
      ["R-B64-02 ==", `<auth ${SASL} mechanism='X'>==</auth>`, "incorrect-encoding", "incorrect-encoding"],
      ["R-XMPP-19 a child", `<auth ${SASL} mechanism='X'><a/></auth>`, "malformed-request", "malformed-message"],
      [
        "R-XMPP-19 mixed content",
        `<auth ${SASL} mechanism='X'>AA<a/>AA</auth>`,
        "malformed-request",
        "malformed-message",
      ],
      ["no mechanism", `<auth ${SASL}/>`, "malformed-request", "malformed-message"],
      [
        "R-B64-05 too much",
        `<auth ${SASL} mechanism='X'>${base64("x".repeat(101))}</auth>`,
        "malformed-request",
        "limit-exceeded",
      ],
      ["R-XMPP-08 a response without an exchange", `<response ${SASL}/>`, "malformed-request", "unexpected-message"],
      ["a challenge", `<challenge ${SASL}/>`, "malformed-request", "unexpected-message"],
      ["success", `<success ${SASL}/>`, "malformed-request", "unexpected-message"],
      ["auth in another namespace", "<auth xmlns='urn:x' mechanism='X'/>", "malformed-request", "unexpected-message"],
      ["R-LIM-04 a name of every object", `<constructor ${SASL}/>`, "malformed-request", "unexpected-message"],
    ];
    for (const [why, xml, condition, code] of hostile) {
      test(`refuses ${why} with ${condition}`, async () => {
        const intf = session();
        const { outcome, sent } = await run(xml, intf);
        expect(outcome).toMatchObject({ ok: false, error: { code } });
        expect(sent).toEqual([failure(condition)]);
        expect(intf.calls.filter(([method]) => method === "initiate")).toEqual([]);
      });
    }

    const midway: readonly [why: string, xml: string, condition: string][] = [
      ["R-XMPP-06 bad base64", `<response ${SASL}>a</response>`, "incorrect-encoding"],
      ["R-XMPP-19 a child", `<response ${SASL}><a/></response>`, "malformed-request"],
      ["something that is no answer", `<success ${SASL}/>`, "malformed-request"],
      ["R-XMPP-08 R-GEN-16 abort", `<abort ${SASL}/>`, "aborted"],
    ];
    for (const [why, xml, condition] of midway) {
      test(`ends the exchange on ${why} with ${condition}`, async () => {
        const intf = session(challenge("a"));
        const { outcome, sent } = await run(`<auth ${SASL} mechanism='X'/>`, intf, xml);
        expect(outcome.ok).toBe(false);
        expect(sent[1]).toEqual(failure(condition));
        expect(intf.calls.at(-1)).toEqual(["abort"]);
      });
    }

    test("R-XMPP-08 abort without an exchange is answered", async () => {
      const { outcome, sent } = await run(`<abort ${SASL}/>`, session());
      expect(outcome).toMatchObject({ ok: false, error: { code: "aborted" } });
      expect(sent).toEqual([failure("aborted")]);
    });

    test("R-XMPP-09 RFC 6120 §6.4.2 a second auth ends the exchange that was going on, and begins the next", async () => {
      const intf = session(challenge("a"), success);
      const transport = scripted(kit, [`<auth ${SASL} mechanism='Y'>=</auth>`]);
      const discarded = await serve(transport, intf, kit.parse(`<auth ${SASL} mechanism='X'/>`));
      expect(discarded).toMatchObject({ ok: false, error: { code: "aborted" } });
      expect(transport.sent).toHaveLength(1); // the challenge: the second auth is not answered twice
      expect(await serve(transport, intf, discarded.next)).toEqual({ ok: true });
      expect(intf.calls).toEqual([["initiate", "X", undefined], ["abort"], ["initiate", "Y", none]]);
    });

    test("R-GEN-30 what is no SASL element is not kept, for it may hold a password", async () => {
      const { outcome } = await run(`<authenticate ${SASL} mechanism='PLAIN'>U0VDUkVU</authenticate>`, session());
      expect(outcome).toMatchObject({ error: { opaqueError: { name: "authenticate", namespace: NS } } });
      expect(inspect(outcome, { depth: 9 })).not.toContain("U0VDUkVU");
    });

    test("R-LIM-05 a lost stream aborts the session and is passed on", async () => {
      const intf = session(challenge("a"));
      const lost = serve(scripted(kit, []), intf, kit.parse(`<auth ${SASL} mechanism='X'/>`));
      expect(await rejection(lost)).toMatchObject({ message: "socket closed" });
      expect(intf.calls.at(-1)).toEqual(["abort"]);
    });

    test("a text for people goes out where the server wants one", async () => {
      const transport = scripted(kit, []);
      const error = new SASLFailure("temporary", "for the log");
      await serve(transport, session(error), kit.parse(`<auth ${SASL} mechanism='X'/>`), {
        failureText: ({ code }) => ({ text: `sorry: ${code}`, lang: "en" }),
      });
      expect(transport.sent[0]?.[4]).toEqual(["text", NS, {}, "sorry: temporary"]);
    });
  });
}
