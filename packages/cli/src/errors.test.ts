import { AuthenticationFailure, type SASLErrorCode, saslError } from "sasl-core";
import { describe, expect, test } from "vitest";
import { CommandError, type CommandErrorCode, describeError, oneLine, type ReportContext } from "./errors.js";

describe("exit codes", () => {
  const refused: readonly SASLErrorCode[] = [
    "refused",
    "authorization-refused",
    "credentials-expired",
    "account-disabled",
  ];
  const lost: readonly SASLErrorCode[] = ["connection-lost", "timed-out"];
  const failed: readonly SASLErrorCode[] = [
    ...(["malformed-message", "incorrect-encoding", "unexpected-message", "peer-not-verified"] as const),
    ...(["mechanism-unsupported", "mechanism-too-weak", "no-common-mechanism", "no-credentials"] as const),
    ...(["channel-not-protected", "limit-exceeded", "temporary", "aborted"] as const),
  ];
  const usage: readonly CommandErrorCode[] = ["usage", "malformed-url", "unreadable-file", "malformed-file"];
  const unreachable: readonly CommandErrorCode[] = [
    ...(["host-not-found", "connection-refused", "host-unreachable", "certificate-not-trusted"] as const),
    ...(["tls-failed", "connection-lost", "timed-out", "address-in-use"] as const),
  ];

  for (const code of refused) {
    test(`1 for ${code}`, () => expect(describeError(saslError(code, "x")).exitCode).toBe(1));
  }
  for (const code of failed) test(`2 for ${code}`, () => expect(describeError(saslError(code, "x")).exitCode).toBe(2));
  for (const code of lost) test(`3 for ${code}`, () => expect(describeError(saslError(code, "x")).exitCode).toBe(3));
  for (const code of unreachable) {
    test(`3 for ${code} of the connection`, () => {
      expect(describeError(new CommandError(code, "x"))).toMatchObject({
        exitCode: 3,
        report: { kind: "ConnectionError" },
      });
    });
  }
  const ofAccounts: readonly CommandErrorCode[] = [
    ...(["account-exists", "no-such-account", "store-failed", "not-supported"] as const),
    ...(["not-exportable", "import-incomplete"] as const),
  ];
  for (const code of ofAccounts) {
    test(`2 for ${code}`, () => {
      expect(describeError(new CommandError(code, "x"))).toMatchObject({ exitCode: 2, report: { kind: "StoreError" } });
    });
  }
  for (const code of usage) {
    test(`64 for ${code}`, () => {
      expect(describeError(new CommandError(code, "x"))).toMatchObject({
        exitCode: 64,
        report: { kind: "UsageError" },
      });
    });
  }

  test("2 for a fault of ours, without a stack", () => {
    const { exitCode, report } = describeError(new TypeError("no\nway"));
    expect([exitCode, report.kind, report.text]).toEqual([2, "InternalError", "TypeError: no way"]);
    expect(describeError(undefined).report.text).toBe("an unknown error");
  });
});

describe("reports", () => {
  const peers: readonly [what: string, opaqueError: unknown, text: string | undefined, peer: string | undefined][] = [
    ["a line", "NO [AUTHENTICATIONFAILED] no", "no", "NO [AUTHENTICATIONFAILED] no"],
    ["several lines", ["535 5.7.8 no", "535 really"], undefined, "535 5.7.8 no 535 really"],
    ["a condition of XMPP", { condition: "not-authorized", text: "go" }, "go", "not-authorized go"],
    ["an OAuth error", { status: "invalid_token", scope: "mail" }, undefined, "invalid_token mail"],
    ["text alone", undefined, "go away", "go away"],
    ["nothing", undefined, undefined, undefined],
    ["something else", 7, undefined, undefined],
  ];
  for (const [what, opaqueError, text, peer] of peers) {
    test(`the peer's words: ${what}`, () => {
      const error = new AuthenticationFailure("refused", "refused", { opaqueError, text });
      expect(describeError(error).report.peer).toBe(peer);
    });
  }

  const advised: readonly [what: string, error: unknown, context: ReportContext, advice: RegExp][] = [
    ["nobody is acceptable", saslError("no-common-mechanism", "x"), { whyNone: "because" }, /^because$/],
    ["a refusal", saslError("refused", "refused"), {}, /check the user name/],
    ["EXTERNAL alone", saslError("refused", "no"), { mechanism: "EXTERNAL" }, /--cert FILE --key FILE/],
    ["EXTERNAL", saslError("refused", "no"), { mechanism: "EXTERNAL", hasCertificate: true }, /server trusts --cert/],
    ["a mechanism that is not taken", saslError("mechanism-unsupported", "x"), {}, /take another --mechanism/],
    ["no TLS", saslError("channel-not-protected", "the server wants an encrypted connection first"), {}, /use TLS/],
    ["PREAUTH", saslError("channel-not-protected", "logged in already (PREAUTH)"), {}, /lets nobody log in/],
    ["a liar", saslError("peer-not-verified", "x"), {}, /do not trust/],
    [
      "too few rounds",
      saslError("peer-not-verified", "the server's iteration count is not in 4096 to 9"),
      {},
      /--iterations/,
    ],
    ["our limit", saslError("limit-exceeded", "a line is longer"), {}, /more than this client takes/],
    ["the peer's limit", saslError("limit-exceeded", "x", { opaqueError: "NO [LIMIT]" }), {}, /try again later/],
    ["no greeting", saslError("malformed-message", "this is no IMAP greeting"), { hint: "check it" }, /; check it$/],
    ["a greeting that says no", saslError("temporary", "x", { opaqueError: "421" }), { hint: "no" }, /try again later/],
    [
      "bad base64",
      saslError("incorrect-encoding", "Base64 does not decode"),
      {},
      /server does not keep to the protocol/,
    ],
    [
      "bare LF",
      saslError("incorrect-encoding", "a CR or LF stands on its own; lines end with CRLF"),
      {},
      /must end its/,
    ],
    ["SASLprep", saslError("malformed-message", "SASLprep prohibits a character of this text"), {}, /--prep none/],
    ["no scram", saslError("no-credentials", "X: the credentials hold no scram"), {}, /hold no password/],
  ];
  for (const [what, error, context, advice] of advised) {
    test(`what to do is said: ${what}`, () => expect(describeError(error, context).report.text).toMatch(advice));
  }

  test("R-GEN-30 secrets are taken out before the end of a long text is", () => {
    const mask = (text: string): string => text.replaceAll("secret", "<>");
    const error = new AuthenticationFailure("refused", "no", { opaqueError: `${"x ".repeat(498)} secret` });
    expect(describeError(error, { mask }).report.peer).not.toContain("se");
  });

  test("one line, whatever is in it, and not an endless one", () => {
    expect(oneLine("a\r\nb\u001b[2J\u2028c\u202ed\0")).toBe("a b [2J c d");
    expect(oneLine("x".repeat(5000)).length).toBeLessThan(1100);
  });
});
