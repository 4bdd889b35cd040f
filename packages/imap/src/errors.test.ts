import fc from "fast-check";
import { isSASLError, type SASLErrorCode } from "sasl-core";
import { describe, expect, test } from "vitest";
import { formatFailure, parseFailure } from "./errors.js";

describe("failures read", () => {
  const rows: readonly [reply: string, code: SASLErrorCode, text: string | undefined][] = [
    ["NO [AUTHENTICATIONFAILED] Invalid credentials", "refused", "Invalid credentials"],
    ["no [authenticationfailed] x", "refused", "x"],
    ["NO [AUTHORIZATIONFAILED] not him", "authorization-refused", "not him"],
    ["NO [NOPERM] no", "authorization-refused", "no"],
    ["NO [EXPIRED] old", "credentials-expired", "old"],
    ["NO [CONTACTADMIN] call us", "account-disabled", "call us"],
    ["NO [PRIVACYREQUIRED] TLS first", "channel-not-protected", "TLS first"],
    ["NO [CANNOT] no such thing", "mechanism-unsupported", "no such thing"],
    ["NO [UNAVAILABLE] later", "temporary", "later"],
    ["NO [INUSE] later", "temporary", "later"],
    ["NO [SERVERBUG] oops", "temporary", "oops"],
    ["NO [LIMIT] too many", "limit-exceeded", "too many"],
    ["BAD [CLIENTBUG] what", "malformed-message", "what"],
    ["NO [ALERT] come in person", "refused", "come in person"],
    ["NO [REFERRAL imap://other/] go there", "refused", "go there"],
    ["NO", "refused", undefined],
    ["NO [", "refused", "["],
    ["NO [AUTHENTICATIONFAILED", "refused", "[AUTHENTICATIONFAILED"],
    ["BAD", "malformed-message", undefined],
    ["BAD Unknown command", "malformed-message", "Unknown command"],
    ["BYE going down", "connection-lost", "going down"],
    ["BYE [UNAVAILABLE] going down", "temporary", "going down"],
    ["", "malformed-message", undefined],
    ["OK fine", "malformed-message", "fine"],
    ["NO [__PROTO__] x", "refused", "x"],
    ["NO [constructor] x", "refused", "x"],
  ];
  for (const [reply, code, text] of rows) {
    test(`R-IMAP-08 ${JSON.stringify(reply)} is ${code}`, () => {
      const error = parseFailure(reply);
      expect(error).toMatchObject({ code, opaqueError: reply });
      expect(error.text).toBe(text);
      expect(isSASLError(error)).toBe(true);
    });
  }

  test("R-IMAP-01 a bare NO before the client has said anything is about the mechanism", () => {
    expect(parseFailure("NO what", { answered: false }).code).toBe("mechanism-unsupported");
    expect(parseFailure("NO what", { answered: true }).code).toBe("refused");
    expect(parseFailure("NO [AUTHENTICATIONFAILED] x", { answered: false }).code).toBe("refused");
  });

  test("texts cannot steer a terminal", () => {
    expect(parseFailure("NO \u001b[2Jhi\u0007 there\u009b").text).toBe("[2Jhi  there");
  });

  test("anything at all gives an error whose message repeats nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (reply) => {
        const error = parseFailure(reply);
        expect(isSASLError(error)).toBe(true);
        expect(error.opaqueError).toBe(reply);
        if (reply.length > 12) expect(error.message).not.toContain(reply);
      }),
    );
  });
});

describe("failures written", () => {
  const rows: readonly [code: SASLErrorCode, reply: RegExp][] = [
    ["refused", /^NO \[AUTHENTICATIONFAILED\] /],
    ["authorization-refused", /^NO \[AUTHORIZATIONFAILED\] /],
    ["temporary", /^NO \[UNAVAILABLE\] /],
    ["channel-not-protected", /^NO \[PRIVACYREQUIRED\] /],
    ["credentials-expired", /^NO \[EXPIRED\] /],
    ["account-disabled", /^NO \[CONTACTADMIN\] /],
    ["limit-exceeded", /^NO \[LIMIT\] /],
    ["mechanism-unsupported", /^NO /],
    ["mechanism-too-weak", /^NO /],
    ["aborted", /^BAD /],
    ["incorrect-encoding", /^BAD /],
    ["malformed-message", /^BAD /],
    ["unexpected-message", /^BAD /],
    ["timed-out", /^NO /],
    ["peer-not-verified", /^NO /],
    ["no-credentials", /^NO /],
    ["__proto__" as SASLErrorCode, /^NO /],
  ];
  for (const [code, reply] of rows) {
    test(`R-IMAP-01 R-IMAP-08 ${code}`, () => expect(formatFailure({ code })).toMatch(reply));
  }

  test("what is written for a judgement on the credentials is read back as the same one", () => {
    for (const code of [
      "refused",
      "authorization-refused",
      "credentials-expired",
      "account-disabled",
      "temporary",
    ] as const) {
      expect(parseFailure(formatFailure({ code })).code).toBe(code);
    }
    for (const code of [
      "channel-not-protected",
      "mechanism-unsupported",
      "limit-exceeded",
      "malformed-message",
    ] as const) {
      expect(parseFailure(formatFailure({ code })).code).toBe(code);
    }
    expect(parseFailure(formatFailure({ code: "mechanism-too-weak" })).code).toBe("mechanism-unsupported");
  });

  test("R-GEN-31 nothing of an error but its code reaches the peer", () => {
    const error = { code: "refused", message: "alice is unknown", detail: "secret", text: "x" } as const;
    expect(formatFailure(error)).toBe(formatFailure({ code: "refused" }));
  });
});
