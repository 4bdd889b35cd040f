import { authenticate as authenticateOver, type SASLErrorCode } from "sasl-core";
import { PLAIN } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { base64, bytes, kits, rejection, SASL, scripted } from "../test/support.js";
import { SASLClient } from "./client.js";

const NS = "urn:ietf:params:xml:ns:xmpp-sasl";
const none = new Uint8Array(0);
const hello = base64("hello");

for (const kit of kits) {
  describe(`SASLClient with ${kit.name}`, () => {
    const initial: readonly [what: string, payload: Uint8Array | undefined, content: readonly unknown[]][] = [
      ["no initial response as no text", undefined, []],
      ["an empty initial response as =", none, ["="]],
      ["an initial response in base64", bytes("\0tim\0secret"), ["AHRpbQBzZWNyZXQ="]],
    ];
    for (const [what, payload, content] of initial) {
      test(`R-XMPP-04 R-GEN-04 sends ${what}`, async () => {
        const transport = scripted(kit, [`<success ${SASL}/>`]);
        await new SASLClient(transport).initiate("PLAIN", payload);
        expect(transport.sent).toEqual([["auth", NS, { mechanism: "PLAIN" }, ...content]]);
      });
    }

    test("sends an empty response without text", async () => {
      const transport = scripted(kit, [`<challenge ${SASL}/>`, `<success ${SASL}/>`]);
      const client = new SASLClient(transport);
      await client.initiate("X");
      await client.respond(none);
      expect(transport.sent[1]).toEqual(["response", NS, {}]);
    });

    const success: readonly [what: string, xml: string, payload: Uint8Array | undefined][] = [
      ["success without data", `<success ${SASL}/>`, undefined],
      ["success with no text", `<success ${SASL}></success>`, undefined],
      ["success with =", `<success ${SASL}>=</success>`, none],
      ["success with data", `<success ${SASL}>${hello}</success>`, bytes("hello")],
      ["R-XMPP-16 success under a prefix", `<s:success xmlns:s='${NS}'>${hello}</s:success>`, bytes("hello")],
      ["success in CDATA", `<success ${SASL}><![CDATA[${hello}]]></success>`, bytes("hello")],
    ];
    for (const [what, xml, payload] of success) {
      test(`R-XMPP-04 R-GEN-08 reads ${what}`, async () => {
        expect(await new SASLClient(scripted(kit, [xml])).initiate("X")).toEqual({ state: "success", payload });
      });
    }

    const challenges: readonly [what: string, content: string, payload: Uint8Array][] = [
      ["an empty challenge", "", none],
      ["a challenge of =", "=", none],
      ["a challenge", hello, bytes("hello")],
    ];
    for (const [what, content, payload] of challenges) {
      test(`reads ${what}`, async () => {
        const client = new SASLClient(scripted(kit, [`<challenge ${SASL}>${content}</challenge>`]));
        expect(await client.initiate("X")).toEqual({ state: "challenge", payload });
      });
    }

    /** RFC 6120 §9.1.2, steps 10 to 13, as far as the wire goes. */
    test("RFC 6120 §9.1.2 example", async () => {
      const clientFirst = "biwsbj1qdWxpZXQscj1vTXNUQUF3QUFBQU1BQUFBTlAwVEFBQUFBQUJQVTBBQQ==";
      const serverFirst =
        "cj1vTXNUQUF3QUFBQU1BQUFBTlAwVEFBQUFBQUJQVTBBQWUxMjQ2OTViLTY5YTktNGRlNi05YzMwLWI1MWIzODA4YzU5ZSxzPU5qaGtZVE0wTURndE5HWTBaaTAwTmpkbUxUa3hNbVV0TkRsbU5UTm1ORE5rTURNeixpPTQwOTY=";
      const clientFinal =
        "Yz1iaXdzLHI9b01zVEFBd0FBQUFNQUFBQU5QMFRBQUFBQUFCUFUwQUFlMTI0Njk1Yi02OWE5LTRkZTYtOWMzMC1iNTFiMzgwOGM1OWUscD1VQTU3dE0vU3ZwQVRCa0gyRlhzMFdEWHZKWXc9";
      const serverFinal = "dj1wTk5ERlZFUXh1WHhDb1NFaVc4R0VaKzFSU289";
      const transport = scripted(kit, [
        `<challenge ${SASL}>${serverFirst}</challenge>`,
        `<success ${SASL}>${serverFinal}</success>`,
      ]);
      const client = new SASLClient(transport);
      const raw = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));
      expect(await client.initiate("SCRAM-SHA-1", raw(clientFirst))).toEqual({
        state: "challenge",
        payload: raw(serverFirst),
      });
      expect(await client.respond(raw(clientFinal))).toEqual({ state: "success", payload: raw(serverFinal) });
      expect(transport.sent).toEqual([
        ["auth", NS, { mechanism: "SCRAM-SHA-1" }, clientFirst],
        ["response", NS, {}, clientFinal],
      ]);
    });

    const hostile: readonly [why: string, xml: string, code: SASLErrorCode][] = [
      ["R-XMPP-10 success in no namespace", "<success/>", "unexpected-message"],
      ["R-XMPP-10 success in another namespace", "<success xmlns='jabber:client'/>", "unexpected-message"],
      ["R-XMPP-10 success of TLS", "<success xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "unexpected-message"],
      ["R-XMPP-10 success of SASL2", "<success xmlns='urn:xmpp:sasl:2'/>", "unexpected-message"],
      [
        "R-XMPP-10 success inside something else",
        `<iq xmlns='jabber:client'><success ${SASL}/></iq>`,
        "unexpected-message",
      ],
      ["R-XMPP-10 success under a false prefix", `<s:success xmlns:s='urn:x' ${SASL}/>`, "unexpected-message"],
      ["R-XMPP-19 a child in success", `<success ${SASL}><a/></success>`, "malformed-message"],
      ["R-XMPP-19 mixed content in success", `<success ${SASL}>aGVs<a/>bG8=</success>`, "malformed-message"],
      ["R-B64-01 white space in success", `<success ${SASL}>aGVs bG8=</success>`, "incorrect-encoding"],
      ["R-B64-01 line breaks in success", `<success ${SASL}>\n${hello}\n</success>`, "incorrect-encoding"],
      ["R-B64-02 == in success", `<success ${SASL}>==</success>`, "incorrect-encoding"],
      ["R-B64-03 bits under the padding", `<success ${SASL}>aGVsbG9=</success>`, "incorrect-encoding"],
      ["something else", "<message xmlns='jabber:client'/>", "unexpected-message"],
      ["an element of SASL that is no answer", `<auth ${SASL}/>`, "unexpected-message"],
      ["an element named like an object's property", `<constructor ${SASL}/>`, "unexpected-message"],
      ["refusal", `<failure ${SASL}><not-authorized/></failure>`, "refused"],
      ["refusal without reason", `<failure ${SASL}/>`, "refused"],
      [
        "a stream error",
        "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        "connection-lost",
      ],
    ];
    for (const [why, xml, code] of hostile) {
      test(`ends with ${code} on ${why}`, async () => {
        const transport = scripted(kit, [xml]);
        expect(await rejection(new SASLClient(transport).initiate("X"))).toMatchObject({ code });
        expect(transport.sent).toHaveLength(1);
      });
    }

    const badChallenges: readonly [why: string, content: string, code: SASLErrorCode][] = [
      ["R-XMPP-19 a child", "<a/>", "malformed-message"],
      ["R-XMPP-19 text around a child", "aGVs<a/>bG8=", "malformed-message"],
      ["R-B64-01 white space", " ", "incorrect-encoding"],
      ["R-B64-02 no padding", "aGVsbG8", "incorrect-encoding"],
      ["R-B64-05 more than the limit", base64("x".repeat(101)), "limit-exceeded"],
    ];
    for (const [why, content, code] of badChallenges) {
      test(`aborts and ends with ${code} on a challenge with ${why}`, async () => {
        const transport = scripted(kit, [
          `<challenge ${SASL}>${content}</challenge>`,
          `<failure ${SASL}><aborted/></failure>`,
        ]);
        const client = new SASLClient(transport, { maxMessageBytes: 100 });
        expect(await rejection(client.initiate("X"))).toMatchObject({ code });
        expect(transport.sent[1]).toEqual(["abort", NS, {}]);
      });
    }

    for (const answer of [`<success ${SASL}/>`, `<challenge ${SASL}/>`, undefined]) {
      test(`a bad challenge is what is told, also when its abort is answered with ${answer ?? "silence"}`, async () => {
        const transport = scripted(kit, [`<challenge ${SASL}>!</challenge>`, ...(answer ? [answer] : [])]);
        expect(await rejection(new SASLClient(transport).initiate("X"))).toMatchObject({ code: "incorrect-encoding" });
      });
    }

    test("connection-lost when the transport fails, with its error as the cause", async () => {
      const error = await rejection(new SASLClient(scripted(kit, [])).initiate("X"));
      expect(error).toMatchObject({ code: "connection-lost", cause: { message: "socket closed" } });
    });

    test("R-GEN-16 aborts between steps, and starts again", async () => {
      const transport = scripted(kit, [
        `<challenge ${SASL}/>`,
        `<failure ${SASL}><aborted/></failure>`,
        `<success ${SASL}/>`,
      ]);
      const client = new SASLClient(transport);
      await client.initiate("X");
      expect(await client.abort()).toEqual({ state: "failure" });
      expect(transport.sent[1]).toEqual(["abort", NS, {}]);
      expect(await client.initiate("Y")).toEqual({ state: "success", payload: undefined });
    });

    test("R-GEN-16 an abort while a challenge is awaited follows the challenge", async () => {
      const transport = scripted(kit, [`<challenge ${SASL}/>`, `<failure ${SASL}><aborted/></failure>`]);
      const client = new SASLClient(transport);
      const begun = rejection(client.initiate("X"));
      expect(await client.abort()).toEqual({ state: "failure" });
      expect(await begun).toMatchObject({ code: "aborted" });
      expect(transport.sent.map(([name]) => name)).toEqual(["auth", "abort"]);
    });

    const crossing: readonly [answer: string, code: SASLErrorCode][] = [
      [`<success ${SASL}/>`, "aborted"],
      [`<failure ${SASL}><not-authorized/></failure>`, "refused"],
    ];
    for (const [answer, code] of crossing) {
      test(`R-GEN-16 an abort that ${answer.slice(1, 8)} crosses sends nothing more and ends with ${code}`, async () => {
        const transport = scripted(kit, [answer]);
        const client = new SASLClient(transport);
        const begun = rejection(client.initiate("X"));
        await client.abort();
        expect(await begun).toMatchObject({ code });
        expect(transport.sent).toHaveLength(1);
      });
    }

    test("an abort without an exchange sends nothing", async () => {
      const transport = scripted(kit, []);
      expect(await new SASLClient(transport).abort()).toEqual({ state: "failure" });
      expect(transport.sent).toEqual([]);
    });

    test("an abort answered with something else is an error", async () => {
      const client = new SASLClient(scripted(kit, [`<challenge ${SASL}/>`, `<success ${SASL}/>`]));
      await client.initiate("X");
      expect(await rejection(client.abort())).toMatchObject({ code: "unexpected-message" });
    });

    test("two calls at once are refused", async () => {
      const client = new SASLClient(scripted(kit, [`<success ${SASL}/>`]));
      const first = client.initiate("X");
      expect(await rejection(client.initiate("Y"))).toMatchObject({ code: "unexpected-message" });
      expect(await first).toMatchObject({ state: "success" });
    });

    test("R-GEN-11 success before the mechanism is complete is no success", async () => {
      const { SCRAM } = await import("sasl-core/mechanisms");
      const transport = scripted(kit, [`<success ${SASL}/>`]);
      const login = authenticateOver(
        new SASLClient(transport),
        ["SCRAM-SHA-256"],
        [SCRAM({ username: "user", password: "pencil" })],
      );
      expect(await rejection(login)).toMatchObject({ code: "peer-not-verified" });
      expect(transport.sent).toHaveLength(1);
    });

    test("R-PLAIN-06 knows whether the stream is protected", async () => {
      const transport = scripted(kit, [], false);
      const login = authenticateOver(new SASLClient(transport), ["PLAIN"], [PLAIN({ username: "u", password: "p" })]);
      expect(await rejection(login)).toMatchObject({ code: "no-common-mechanism" });
      expect(transport.sent).toEqual([]);
    });
  });
}
