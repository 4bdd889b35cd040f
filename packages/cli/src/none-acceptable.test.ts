import { describe, expect, test } from "vitest";
import { allSkipped, type Choice, whyNone } from "./none-acceptable.js";

const usual: Choice = {
  protocol: "imap",
  named: undefined,
  somebody: true,
  hasCertificate: false,
  offered: ["SCRAM-SHA-256", "SCRAM-SHA-1"],
  secure: true,
};
const notGiven = "not among the mechanisms given";
const others = usual.offered.map((mechanism) => ({ mechanism, reason: notGiven }));

describe("why no mechanism can be used", () => {
  test("one that was named and is not offered: that, and nothing else", () => {
    const text = whyNone(others, { ...usual, named: ["PLAIN"] });
    expect(text).toBe("PLAIN is not offered; offered: SCRAM-SHA-256, SCRAM-SHA-1");
  });

  test("several", () => {
    const text = whyNone(others, { ...usual, named: ["PLAIN", "LOGIN"] });
    expect(text).toMatch(/^PLAIN, LOGIN are not offered; offered: /);
  });

  test("EXTERNAL, without a certificate", () => {
    expect(whyNone(others, { ...usual, named: ["EXTERNAL"] })).toMatch(
      /EXTERNAL is not offered.*--cert FILE --key FILE/,
    );
  });

  test("one that was named and cannot be used", () => {
    const skipped = [{ mechanism: "PLAIN", reason: "needs an encrypted channel" }, ...others];
    const text = whyNone(skipped, { ...usual, named: ["PLAIN"], offered: ["PLAIN", ...usual.offered] });
    expect(text).toMatch(/^nothing that .* \(PLAIN: needs an encrypted channel\); use TLS, or --allow-plaintext/);
  });

  test("nobody to log in as", () => {
    expect(whyNone(others, { ...usual, somebody: false })).toMatch(/^the URL names no user.*imap:\/\/USER@HOST/);
  });

  test("nothing offered, with and without TLS, and at SMTP", () => {
    expect(whyNone([], { ...usual, offered: [] })).toMatch(/login is switched off there; ask/);
    expect(whyNone([], { ...usual, offered: [], protocol: "smtp" })).toMatch(/587 and 465, not for port 25/);
    expect(whyNone([], { ...usual, offered: [], secure: false })).toMatch(/leave --tls none out/);
  });

  test("no password: said as such", () => {
    const skipped = [{ mechanism: "SCRAM-SHA-256", reason: "the credentials hold no scram" }];
    expect(whyNone(skipped, usual)).toMatch(/SCRAM-SHA-256: the credentials hold no password.*--password-file/);
  });

  test("what was named and not offered is among the skipped", () => {
    const choice = { ...usual, named: ["PLAIN", "SCRAM-SHA-1"] };
    expect(allSkipped([], choice)).toEqual([{ mechanism: "PLAIN", reason: "not offered" }]);
  });
});
