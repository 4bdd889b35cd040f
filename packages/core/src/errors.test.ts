import { describe, expect, test } from "vitest";
import { AuthenticationFailure, isSASLError, SASLError, type SASLErrorCode, SASLFailure, saslError } from "./errors.js";

describe("kinds", () => {
  const rows: readonly [code: SASLErrorCode, kind: string][] = [
    ["refused", "AuthenticationFailure"],
    ["authorization-refused", "AuthenticationFailure"],
    ["credentials-expired", "AuthenticationFailure"],
    ["account-disabled", "AuthenticationFailure"],
    ["malformed-message", "SASLFailure"],
    ["incorrect-encoding", "SASLFailure"],
    ["unexpected-message", "SASLFailure"],
    ["peer-not-verified", "SASLFailure"],
    ["mechanism-unsupported", "SASLFailure"],
    ["mechanism-too-weak", "SASLFailure"],
    ["no-common-mechanism", "SASLFailure"],
    ["no-credentials", "SASLFailure"],
    ["channel-not-protected", "SASLFailure"],
    ["limit-exceeded", "SASLFailure"],
    ["temporary", "SASLFailure"],
    ["timed-out", "SASLFailure"],
    ["aborted", "SASLFailure"],
    ["connection-lost", "SASLFailure"],
  ];
  test.each(rows)("%s is of kind %s", (code, kind) => {
    const error = saslError(code, "text");
    expect(error).toMatchObject({ code, kind, name: kind, message: "text" });
    expect(error).toBeInstanceOf(kind === "SASLFailure" ? SASLFailure : AuthenticationFailure);
    expect(error).toBeInstanceOf(SASLError);
    expect(error).toBeInstanceOf(Error);
    expect(isSASLError(error)).toBe(true);
  });
});

test("what an error can carry", () => {
  const cause = new Error("below");
  const options = { cause, opaqueError: { line: "NO" }, text: "Sorry", detail: "for the log" };
  expect(new SASLFailure("temporary", "later", options)).toMatchObject(options);
  const bare = new SASLFailure("temporary", "later");
  expect(bare.opaqueError).toBeUndefined();
  expect("cause" in bare).toBe(false);
});

test("an error of another copy of the package is recognised, a lookalike is not", () => {
  const foreign = Object.defineProperty(new Error("x"), Symbol.for("sasl-core.error"), { value: true });
  expect(isSASLError(foreign)).toBe(true);
  const lookalikes = [new Error("x"), { code: "refused", kind: "SASLFailure" }, null, undefined, "refused", 7];
  for (const each of lookalikes) expect(isSASLError(each)).toBe(false);
});
