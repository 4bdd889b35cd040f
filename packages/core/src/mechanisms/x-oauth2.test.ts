import { describe, expect, test } from "vitest";
import { acceptToken, codeAfter, codeOf, connection, serverWith, sessionFor, user } from "../../test/support.js";
import type { CredentialProvider } from "../credentials.js";
import type { SASLErrorCode } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { SASLStateMachine } from "../state-machine.js";
import { scriptedServer } from "../testing.js";
import { tracer } from "../trace.js";
import { X_OAUTH2, xOauth2 } from "./x-oauth2.js";

describe("the client", () => {
  const said: readonly [credentials: { username: string; token: string; authzid?: string }, message: string][] = [
    [{ username: "tim", token: "ya29.abc" }, "\0tim\0ya29.abc"],
    [{ username: "t\u00efm@example.com", token: "a b" }, "\0t\u00efm@example.com\0a b"],
    [{ username: "tim", token: "ya29.abc", authzid: "tim@example.com" }, "tim@example.com\0tim\0ya29.abc"],
  ];
  test.each(said)("R-OAUTH-12 says NUL, user, NUL, token: %o", async (credentials, message) => {
    const shown: string[] = [];
    const trace = tracer(({ text }) => text !== undefined && shown.push(text));
    const machine = new SASLStateMachine(scriptedServer([{ from: "client", bytes: encodeUtf8(message) }]));
    await X_OAUTH2(credentials).authenticate(machine, "X-OAUTH2", { trace });
    expect(shown.join()).not.toContain(credentials.token);
  });

  const refused: readonly [why: string, credentials: CredentialProvider, code: SASLErrorCode][] = [
    ["no user name", { token: "abc" }, "no-credentials"],
    ["an empty token", { username: "tim", token: "" }, "malformed-message"],
    ["a NUL in the token", { username: "tim", token: "a\0b" }, "malformed-message"],
    ["a line end in the token", { username: "tim", token: "a\r\nb" }, "malformed-message"],
    ["0x01 in the name", { username: "t\x01im", token: "abc" }, "malformed-message"],
    ["a NUL in the authzid", { username: "tim", token: "abc", authzid: "a\0b" }, "malformed-message"],
  ];
  test.each(refused)("R-OAUTH-11 refuses %s", async (_, credentials, code) => {
    const machine = new SASLStateMachine(scriptedServer([]));
    expect(await codeOf(X_OAUTH2(credentials).authenticate(machine, "X-OAUTH2"))).toBe(code);
  });

  test("R-OAUTH-12 keeps off an unprotected channel", async () => {
    const machine = new SASLStateMachine({ ...scriptedServer([]), secure: false });
    expect(await codeOf(X_OAUTH2(user).authenticate(machine, "X-OAUTH2"))).toBe("channel-not-protected");
  });
});

describe("the server", () => {
  const rows: readonly [why: string, message: string, result: SASLErrorCode | "success"][] = [
    ["a good token", `\0tim\0${user.token}`, "success"],
    ["a good token, and the same name for an authzid", `tim\0tim\0${user.token}`, "success"],
    ["another token", "\0tim\0abc", "refused"],
    ["R-OAUTH-05 a token for somebody else", `\0anna\0${user.token}`, "authorization-refused"],
    ["R-OAUTH-05 an authzid that is not allowed", `anna\0tim\0${user.token}`, "authorization-refused"],
    ["nothing", "", "malformed-message"],
    ["no token", "\0tim", "malformed-message"],
    ["an empty token", "\0tim\0", "malformed-message"],
    ["no user name", `\0\0${user.token}`, "malformed-message"],
    ["a field too many", `\0tim\0${user.token}\0`, "malformed-message"],
  ];
  test.each(rows)("%s", async (_, message, result) => {
    const session = sessionFor(xOauth2);
    expect(await codeAfter(session, "X-OAUTH2", [message])).toBe(result);
    expect(session.result?.authcid).toBe(result === "success" ? "tim" : undefined);
  });

  test("R-OAUTH-05 asks the verifier, with the name, and without one is not offered", async () => {
    const asked: unknown[] = [];
    const session = sessionFor(xOauth2, {
      tokens: (token, request) => {
        asked.push([token, request]);
        return acceptToken(token, request);
      },
    });
    expect(await codeAfter(session, "X-OAUTH2", [`\0tim\0${user.token}`])).toBe("success");
    expect(asked).toEqual([[user.token, { mechanism: "X-OAUTH2", username: "tim" }]]);
    expect(serverWith([xOauth2], { tokens: undefined }).mechanisms(connection)).toEqual([]);
    const nobody = sessionFor(xOauth2, { tokens: () => ({ ok: true, subject: "" }) });
    expect(await codeAfter(nobody, "X-OAUTH2", [`\0tim\0${user.token}`])).toBe("refused");
  });

  test("R-OAUTH-12 is not offered in the clear", () => {
    expect(serverWith([xOauth2]).mechanisms({ ...connection, secure: false })).toEqual([]);
  });
});
