import fc from "fast-check";
import { type SASLErrorCode, SASLFailure, saslError } from "sasl-core";
import { describe, expect, test } from "vitest";
import { kits, SASL, shape } from "../test/support.js";
import { conditionFor, formatFailure, parseFailure } from "./errors.js";

const NS = "urn:ietf:params:xml:ns:xmpp-sasl";

/** RFC 6120 §6.5.1 to §6.5.11: all of them, and what each means here. */
const conditions: readonly [condition: string, code: SASLErrorCode, kind: string][] = [
  ["aborted", "aborted", "SASLFailure"],
  ["account-disabled", "account-disabled", "AuthenticationFailure"],
  ["credentials-expired", "credentials-expired", "AuthenticationFailure"],
  ["encryption-required", "channel-not-protected", "SASLFailure"],
  ["incorrect-encoding", "incorrect-encoding", "SASLFailure"],
  ["invalid-authzid", "authorization-refused", "AuthenticationFailure"],
  ["invalid-mechanism", "mechanism-unsupported", "SASLFailure"],
  ["malformed-request", "malformed-message", "SASLFailure"],
  ["mechanism-too-weak", "mechanism-too-weak", "SASLFailure"],
  ["not-authorized", "refused", "AuthenticationFailure"],
  ["temporary-auth-failure", "temporary", "SASLFailure"],
];

/** Codes without a condition of their own. */
const others: readonly [code: SASLErrorCode, condition: string][] = [
  ["unexpected-message", "malformed-request"],
  ["peer-not-verified", "not-authorized"],
  ["no-common-mechanism", "invalid-mechanism"],
  ["no-credentials", "not-authorized"],
  ["limit-exceeded", "temporary-auth-failure"],
  ["timed-out", "temporary-auth-failure"],
  ["connection-lost", "temporary-auth-failure"],
];

for (const kit of kits) {
  const { adapter, parse, serialize } = kit;

  describe(`failures with ${kit.name}`, () => {
    for (const [condition, code, kind] of conditions) {
      test(`R-XMPP-06 R-XMPP-07 ${condition} is ${code}, both ways`, () => {
        const error = parseFailure(parse(`<failure ${SASL}><${condition}/></failure>`), adapter);
        expect(error).toMatchObject({ code, kind, opaqueError: { condition, text: undefined } });
        const sent = formatFailure(saslError(code, "for the log") as SASLFailure, adapter);
        expect(shape(kit, parse(serialize(sent)))).toEqual(["failure", NS, {}, [condition, NS, {}]]);
      });
    }

    for (const [code, condition] of others) {
      test(`${code} is told as ${condition}`, () => {
        expect(conditionFor(code)).toBe(condition);
        expect(shape(kit, formatFailure(saslError(code, "for the log") as SASLFailure, adapter))[3]).toEqual([
          condition,
          NS,
          {},
        ]);
      });
    }

    test("RFC 6120 §6.5.1 example with text keeps text and language", () => {
      const element = parse(
        `<failure ${SASL}><account-disabled/><text xml:lang='en'>Call 212-555-1212 for assistance.</text></failure>`,
      );
      const error = parseFailure(element, adapter);
      expect(error.text).toBe("Call 212-555-1212 for assistance.");
      expect(error.opaqueError).toEqual({ condition: "account-disabled", text: error.text, lang: "en", element });
    });

    test("the language of the failure stands for that of the text", () => {
      const error = parseFailure(
        parse(`<failure ${SASL} xml:lang='de'><aborted/><text>nein</text></failure>`),
        adapter,
      );
      expect(error.opaqueError).toMatchObject({ lang: "de" });
    });

    test("text and language of the server's choice are sent, message and detail never", () => {
      const error = new SASLFailure("temporary", "SECRET message", { detail: "SECRET detail" });
      const sent = formatFailure(error, adapter, { text: "morgen wieder & <später>", lang: "de" });
      expect(serialize(sent)).not.toContain("SECRET");
      expect(parseFailure(parse(serialize(sent)), adapter)).toMatchObject({
        code: "temporary",
        text: "morgen wieder & <später>",
        opaqueError: { lang: "de" },
      });
    });

    test("an error's own text is passed on", () => {
      const sent = formatFailure(saslError("refused", "m", { text: "try tomorrow" }) as SASLFailure, adapter);
      expect(parseFailure(sent, adapter).text).toBe("try tomorrow");
    });

    const odd: readonly [why: string, content: string, code: SASLErrorCode, condition: string | undefined][] = [
      ["no condition", "", "refused", undefined],
      ["a condition nobody defined", "<no-tuesdays/>", "refused", "no-tuesdays"],
      ["a name of every object", "<constructor/>", "refused", "constructor"],
      ["__proto__", "<__proto__/>", "refused", "__proto__"],
      ["an application's condition first", "<x xmlns='urn:x'/><aborted/>", "aborted", "aborted"],
      ["R-XMPP-10 a condition in another namespace", "<aborted xmlns='urn:x'/>", "refused", undefined],
      [
        "a defined condition after an undefined one",
        "<new-thing/><credentials-expired/>",
        "credentials-expired",
        "credentials-expired",
      ],
      ["text first", "<text>t</text><temporary-auth-failure/>", "temporary", "temporary-auth-failure"],
      ["text that is more than text", "<aborted/><text>a<b/>c</text>", "aborted", "aborted"],
      ["white space between", "\n  <aborted/>\n", "aborted", "aborted"],
    ];
    for (const [why, content, code, condition] of odd) {
      test(`reads a failure with ${why}`, () => {
        const error = parseFailure(parse(`<failure ${SASL}>${content}</failure>`), adapter);
        expect(error).toMatchObject({ code, opaqueError: { condition } });
      });
    }

    test("R-LIM-05 takes any children", () => {
      const child = fc.oneof(
        fc.string({ unit: "grapheme" }),
        fc
          .tuple(fc.constantFrom("text", "aborted", "toString", "__proto__"), fc.constantFrom(NS, "urn:x"), fc.string())
          .map(([name, namespace, text]) => adapter.create(name, namespace, {}, [text])),
      );
      fc.assert(
        fc.property(fc.array(child as fc.Arbitrary<never>, { maxLength: 5 }), (children) => {
          const error = parseFailure(adapter.create("failure", NS, {}, children), adapter);
          expect(["refused", "aborted"]).toContain(error.code);
        }),
        { numRuns: 100 },
      );
    });
  });
}
