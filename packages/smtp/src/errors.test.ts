import fc from "fast-check";
import { isSASLError, type SASLErrorCode } from "sasl-core";
import { describe, expect, test } from "vitest";
import { formatFailure, parseFailure } from "./errors.js";

describe("failures read", () => {
  const rows: readonly [reply: string, code: SASLErrorCode, text?: string][] = [
    ["535 5.7.8 no", "refused", "no"],
    ["535 no", "refused", "no"],
    [
      "535-5.7.1 Username and Password not accepted. Learn more at\r\n535 5.7.1 http://example.com",
      "refused",
      "Username and Password not accepted. Learn more at http://example.com",
    ],
    ["534 5.7.9 too weak", "mechanism-too-weak", "too weak"],
    ["538 5.7.11 TLS", "channel-not-protected", "TLS"],
    ["530 5.7.0 Must issue a STARTTLS command first", "channel-not-protected", "Must issue a STARTTLS command first"],
    ["523 5.7.10 TLS", "channel-not-protected", "TLS"],
    ["504 5.5.4 what", "mechanism-unsupported", "what"],
    ["432 4.7.12 transition", "mechanism-unsupported", "transition"],
    ["454 4.7.0 later", "temporary", "later"],
    ["451 4.3.0 later", "temporary", "later"],
    ["421 4.4.2 bye", "temporary", "bye"],
    ["455 x", "temporary", "x"],
    ["525 5.7.13 disabled", "account-disabled", "disabled"],
    ["500 5.5.6 too long", "limit-exceeded", "too long"],
    ["500 5.5.2 unknown", "mechanism-unsupported", "unknown"],
    ["502 5.5.1 no AUTH", "mechanism-unsupported", "no AUTH"],
    ["501 5.5.2 bad base64", "incorrect-encoding", "bad base64"],
    ["501 5.7.0 not now", "unexpected-message", "not now"],
    ["501 syntax", "malformed-message", "syntax"],
    ["503 5.5.1 again", "unexpected-message", "again"],
    ["550 5.7.1 no permission", "authorization-refused", "no permission"],
    ["550 no", "refused", "no"],
    ["554 5.7.0 no", "refused", "no"],
    ["250 what", "unexpected-message", "what"],
    ["hello", "malformed-message"],
    ["", "malformed-message"],
    ["535", "refused"],
  ];
  for (const [reply, code, text] of rows) {
    test(`R-SMTP-03 R-SMTP-11 ${JSON.stringify(reply)} is ${code}`, () => {
      const error = parseFailure(reply);
      expect(error).toMatchObject({ code, opaqueError: reply });
      expect(error.text).toBe(text);
    });
  }

  test("R-SMTP-12 a temporary failure is none of the credentials", () => {
    expect(parseFailure("454 4.7.0 later").kind).toBe("SASLFailure");
    expect(parseFailure("535 5.7.8 no").kind).toBe("AuthenticationFailure");
  });

  test("an unknown no before the client has said anything is about the mechanism", () => {
    expect(parseFailure("554 no", { answered: false }).code).toBe("mechanism-unsupported");
    expect(parseFailure("535 no", { answered: false }).code).toBe("refused");
  });

  test("anything at all gives an error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (reply) => {
        expect(isSASLError(parseFailure(reply))).toBe(true);
      }),
    );
  });
});

describe("failures written", () => {
  const rows: readonly [id: string, code: SASLErrorCode, reply: string][] = [
    ["R-SMTP-11", "refused", "535 5.7.8 "],
    ["R-SMTP-11", "credentials-expired", "535 5.7.8 "],
    ["R-SMTP-11", "temporary", "454 4.7.0 "],
    ["R-SMTP-11", "timed-out", "454 4.7.0 "],
    ["R-SMTP-03", "mechanism-unsupported", "504 5.5.4 "],
    ["R-SMTP-03", "channel-not-protected", "538 5.7.11 "],
    ["R-SMTP-03", "mechanism-too-weak", "534 5.7.9 "],
    ["R-SMTP-05", "aborted", "501 "],
    ["R-SMTP-05", "incorrect-encoding", "501 5.5.2 "],
    ["R-SMTP-05", "malformed-message", "501 5.5.2 "],
    ["R-SMTP-08", "unexpected-message", "501 5.7.0 "],
    ["R-SMTP-11 R-LIM-08", "limit-exceeded", "454 4.7.0 "],
    ["R-SMTP-11", "account-disabled", "525 5.7.13 "],
    ["R-SMTP-11", "authorization-refused", "535 5.7.8 "],
    ["R-SMTP-11", "no-credentials", "535 5.7.0 "],
    ["R-LIM-04", "__proto__" as SASLErrorCode, "535 5.7.0 "],
  ];
  for (const [id, code, reply] of rows) {
    test(`${id} ${code} is ${reply}`, () =>
      expect(formatFailure({ code })).toMatch(new RegExp(`^${reply.replaceAll(".", "\\.")}`)));
  }

  test("what is written is read back as the same", () => {
    const same: readonly SASLErrorCode[] = [
      "refused",
      "account-disabled",
      "temporary",
      "mechanism-unsupported",
      "mechanism-too-weak",
      "channel-not-protected",
      "incorrect-encoding",
      "unexpected-message",
    ];
    for (const code of same) expect(parseFailure(formatFailure({ code })).code).toBe(code);
    expect(parseFailure(formatFailure({ code: "limit-exceeded" })).code).toBe("temporary");
  });

  test("R-GEN-31 nothing of an error but its code reaches the peer", () => {
    const error = { code: "refused", message: "alice is unknown", detail: "secret" } as const;
    expect(formatFailure(error)).toBe(formatFailure({ code: "refused" }));
  });
});
