import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, sessionFor, storeOf } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, scriptedServer } from "../testing.js";
import { LOGIN, login } from "./login.js";

interface LoginInputs {
  readonly username: string;
  readonly password: string;
}

const vectors = [...loadVectors<LoginInputs, Outcome>("login"), ...loadVectors<LoginInputs, Outcome>("login-more")];

/** Not in the draft, and refused here: RFC 4422 §5 item 2a wants it (R-LOGIN-01, R-GEN-07). */
const initialResponse = "computed-username-as-initial-response";

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ id, vector }) => {
  const { inputs, result } = vector;
  const { username, password } = inputs;
  const script = scriptOf(vector);

  if (id === initialResponse) {
    test("R-GEN-06 the client waits to be asked and never sends it", async () => {
      const wire = scriptedServer(script);
      // An empty challenge invites the client, which then says the name as its first answer.
      const outcome = await LOGIN(inputs).authenticate(new SASLStateMachine(wire), "LOGIN");
      expect(outcome.mechanism).toBe("LOGIN");
    });
    test("R-LOGIN-01 R-GEN-07 the server refuses it, stricter than the vector", async () => {
      const session = sessionFor(login, { accounts: memoryAccounts({ [username]: password }) });
      expect(await playToServer(session, "LOGIN", script)).toEqual({ state: "failure", code: "unexpected-message" });
    });
    return;
  }

  test("R-LOGIN-02 the client plays it, whatever the prompts say", async () => {
    const machine = new SASLStateMachine(scriptedServer(script));
    const played = LOGIN(inputs).authenticate(machine, "LOGIN");
    if (result.outcome === "success") await expect(played).resolves.toMatchObject({ authcid: username });
    else expect(await codeOf(played)).toMatch(/^(malformed-message|unexpected-message)$/);
  });

  test("R-LOGIN-01 the server plays its part", async () => {
    const session = sessionFor(login, { accounts: memoryAccounts({ tim: "tanstaaftanstaaf", [username]: password }) });
    const answers = script.filter(({ from }) => from === "client").map(({ bytes }) => bytes as Uint8Array);
    const prompts: string[] = [];
    let reply = await session.initiate("LOGIN");
    try {
      for (const answer of answers) {
        if (reply.state === "challenge") prompts.push(new TextDecoder().decode(reply.payload));
        reply = await session.respond(answer);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "malformed-message" });
    }
    expect(prompts).toEqual(["Username:", "Password:"].slice(0, prompts.length));
    // The third challenge of one vector is the hostile server's; ours has no such thing to say.
    const expected = id === "computed-third-challenge" ? "success" : result.outcome;
    expect(reply.state === "success").toBe(expected === "success");
  });
});

describe("the server", () => {
  const hostile: readonly [why: string, answers: readonly (string | Uint8Array)[], code: SASLErrorCode][] = [
    ["R-LOGIN-03 an empty name", ["", "x"], "malformed-message"],
    ["R-LOGIN-03 an empty password", ["tim", ""], "malformed-message"],
    ["R-PREP-06 a name that is no UTF-8", [Uint8Array.of(0xff)], "incorrect-encoding"],
    ["R-PREP-06 a password that is no UTF-8", ["tim", Uint8Array.of(0xc0, 0xaf)], "incorrect-encoding"],
    ["R-GEN-20 a NUL in the name", ["ti\0m", "x"], "malformed-message"],
    ["R-GEN-31 a wrong password", ["tim", "wrong"], "refused"],
    ["R-GEN-31 an unknown user", ["anna", "tanstaaftanstaaf"], "refused"],
    ["R-LIM-01 a name over 1024 octets", ["a".repeat(1025), "x"], "limit-exceeded"],
    ["R-LIM-01 a password over 64 KiB", ["tim", "x".repeat(65537)], "limit-exceeded"],
  ];
  test.each(hostile)("%s", async (_, answers, code) => {
    const session = sessionFor(login);
    await session.initiate("LOGIN");
    let failed: unknown;
    try {
      for (const answer of answers) await session.respond(typeof answer === "string" ? encodeUtf8(answer) : answer);
    } catch (error) {
      failed = error;
    }
    expect(failed).toMatchObject({ code });
    expect(session.result).toBeUndefined();
  });

  test("R-LOGIN-03 asks no store for an empty password", async () => {
    let asked = 0;
    const accounts = storeOf(() => {
      asked++;
      return { userPassword: "" };
    });
    const session = sessionFor(login, { accounts });
    await session.initiate("LOGIN");
    await session.respond(encodeUtf8("tim"));
    expect(await codeOf(session.respond(new Uint8Array(0)))).toBe("malformed-message");
    expect(asked).toBe(0);
  });

  test("R-GEN-07 an initial response ends the exchange, also an empty one", async () => {
    expect(await codeAfter(sessionFor(login), "LOGIN", ["tim"])).toBe("unexpected-message");
    expect(await codeAfter(sessionFor(login), "LOGIN", [""])).toBe("unexpected-message");
  });
});

test("R-LOGIN-02 prompts that say nothing, or the wrong thing, change no answer", async () => {
  for (const prompts of [
    ["", ""],
    ["Password:", "Username:"],
    ["\xff\xfe", "\0"],
  ]) {
    const script = [
      { from: "server", bytes: encodeUtf8(prompts[0] as string) },
      { from: "client", bytes: encodeUtf8("tim") },
      { from: "server", bytes: encodeUtf8(prompts[1] as string) },
      { from: "client", bytes: encodeUtf8("secret") },
    ] as const;
    const machine = new SASLStateMachine(scriptedServer(script));
    const outcome = await LOGIN({ username: "tim", password: "secret" }).authenticate(machine, "LOGIN");
    expect(outcome.authcid).toBe("tim");
  }
});
