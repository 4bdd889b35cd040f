import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, everybody, serverWith, sessionFor, storeOf } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, scriptedServer } from "../testing.js";
import { saslprep } from "../text/saslprep.js";
import { login } from "./login.js";
import { PLAIN, plain } from "./plain.js";

interface PlainInputs {
  readonly authzid?: string;
  readonly authcid?: string;
  readonly password?: string;
}

const vectors = [...loadVectors<PlainInputs, Outcome>("plain"), ...loadVectors<PlainInputs, Outcome>("plain-more")];

async function prepared(text: string, otherwise: string): Promise<string> {
  try {
    return await saslprep(text, "stored");
  } catch {
    return otherwise;
  }
}

async function sessionOf({ authzid, authcid = "tim", password = "secret" }: PlainInputs) {
  const name = await prepared(authcid, "tim");
  const secret = await prepared(password, "secret");
  return sessionFor(plain, {
    accounts: memoryAccounts({ [name]: secret }),
    authorize: (asked) => authzid !== "Ursel" && asked.authzid === authzid,
  });
}

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const { authcid, password, authzid } = inputs;
  const script = scriptOf(vector);

  if (authcid !== undefined && password !== undefined) {
    test("R-PLAIN-08 the client says it", async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      const outcome = await PLAIN({ username: authcid, password, authzid }).authenticate(machine, "PLAIN");
      expect(outcome).toMatchObject({ mechanism: "PLAIN", authcid, serverVerified: false, channelBinding: undefined });
    });
  }

  test.each([true, false])("R-PLAIN-05 the server judges it, initial response: %s", async (initialResponse) => {
    const session = await sessionOf(inputs);
    const played = await playToServer(session, "PLAIN", script, { initialResponse });
    expect(played.state).toBe(result.outcome);
    if (played.state === "success") {
      const name = await saslprep(authcid as string, "query");
      expect(session.result).toMatchObject({ authcid: name, authzid: authzid ? authzid : name });
    } else expect(session.result).toBeUndefined();
  });
});

describe("the server", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  const hostile: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["R-PLAIN-01 no bytes", "", "malformed-message"],
    ["R-PLAIN-01 no separator", "tim", "malformed-message"],
    ["R-PLAIN-01 one separator", "tim\0tanstaaftanstaaf", "malformed-message"],
    ["R-PLAIN-01 a third separator", "\0tim\0tanstaaf\0tanstaaf", "malformed-message"],
    ["R-PLAIN-01 a separator at the end", "\0tim\0tanstaaftanstaaf\0", "malformed-message"],
    ["R-PLAIN-03 no user name", "\0\0tanstaaftanstaaf", "malformed-message"],
    ["R-PLAIN-03 an authzid in place of the user name", "tim\0\0tanstaaftanstaaf", "malformed-message"],
    ["R-PLAIN-03 no password", "\0tim\0", "malformed-message"],
    ["R-PLAIN-04 a password that preparation empties", "\0tim\0\u00ad", "malformed-message"],
    ["R-PLAIN-04 a user name that preparation empties", "\0\u00ad\0tanstaaftanstaaf", "malformed-message"],
    ["R-PLAIN-04 a control character in the password", "\0tim\0\x07", "malformed-message"],
    ["R-PLAIN-04 a control character in the authzid", "\x07\0tim\0tanstaaftanstaaf", "malformed-message"],
    ["R-GEN-20 an authzid that is no UTF-8", bytes(0xff, 0, 0x74, 0, 0x78), "incorrect-encoding"],
    ["R-PREP-06 a lone continuation octet in the password", bytes(0, 0x74, 0, 0x80), "incorrect-encoding"],
    ["R-GEN-31 a wrong password", "\0tim\0wrong", "refused"],
    ["R-GEN-31 an unknown user", "\0anna\0tanstaaftanstaaf", "refused"],
    ["R-GEN-19 an authzid nobody allowed", "anna\0tim\0tanstaaftanstaaf", "authorization-refused"],
    ["R-GEN-19 an authzid that differs in case", "TIM\0tim\0tanstaaftanstaaf", "authorization-refused"],
    ["R-LIM-01 an authzid over 1024 octets", `${"ä".repeat(513)}\0tim\0tanstaaftanstaaf`, "limit-exceeded"],
    ["R-LIM-01 a user name over 1024 octets", `\0${"a".repeat(1025)}\0x`, "limit-exceeded"],
    ["R-LIM-01 a message over 64 KiB", `\0tim\0${"x".repeat(65536)}`, "limit-exceeded"],
  ];
  test.each(hostile)("%s", async (_, message, code) => {
    expect(await codeAfter(sessionFor(plain), "PLAIN", [message])).toBe(code);
    expect(await codeAfter(sessionFor(plain), "PLAIN", ["\0tim\0tanstaaftanstaaf"])).toBe("success");
  });

  test("R-PLAIN-02 takes 255 octets in each field", async () => {
    const [authzid, username, password] = ["a", "b", "c"].map((letter) => letter.repeat(255));
    const session = sessionFor(plain, {
      accounts: memoryAccounts({ [username as string]: password as string }),
      authorize: (asked) => asked.authzid === authzid,
    });
    expect(await codeAfter(session, "PLAIN", [`${authzid}\0${username}\0${password}`])).toBe("success");
  });

  test("R-PLAIN-04 compares what was prepared, on both sides", async () => {
    const accounts = memoryAccounts({ IX: "pass word\u2168" });
    const session = sessionFor(plain, { accounts });
    expect(await codeAfter(session, "PLAIN", ["\0I\u00adX\0pass\u00a0wordIX"])).toBe("success");
    expect(session.result).toMatchObject({ authcid: "IX", authzid: "IX" });
  });

  test("R-PREP-05 asks no store for what preparation refuses", async () => {
    let asked = 0;
    const accounts = storeOf(() => {
      asked++;
      return { userPassword: "x" };
    });
    for (const name of ["\u00ad", "\x07", "\u0627a"]) {
      await codeAfter(sessionFor(plain, { accounts }), "PLAIN", [`\0${name}\0x`]);
    }
    expect(asked).toBe(0);
    await codeAfter(sessionFor(plain, { accounts }), "PLAIN", ["\0tim\0x"]);
    expect(asked).toBe(1);
  });

  test("R-GEN-18 an authzid equal to the user name after preparation is nobody else", async () => {
    const session = sessionFor(plain, { accounts: everybody({ userPassword: "x" }) });
    expect(await codeAfter(session, "PLAIN", ["I\u00adX\0\u2168\0x"])).toBe("success");
    expect(session.result).toMatchObject({ authcid: "IX", authzid: "IX" });
  });

  test("R-PLAIN-06 R-LOGIN-04 is not offered and not begun in the clear", async () => {
    const server = serverWith([plain, login]);
    const open = { ...connection, secure: false };
    expect(server.mechanisms(open)).toEqual([]);
    expect(await codeOf(server.session(open).initiate("PLAIN", encodeUtf8("\0tim\0x")))).toBe("channel-not-protected");
    expect(await codeOf(server.session(open).initiate("LOGIN"))).toBe("channel-not-protected");
    const allowed = serverWith([plain, login], { policy: { requireEncryption: false } });
    expect(allowed.mechanisms(open)).toEqual(["PLAIN", "LOGIN"]);
  });
});

describe("the client", () => {
  const refused: readonly [why: string, credentials: Parameters<typeof PLAIN>[0], code: SASLErrorCode][] = [
    ["R-PLAIN-07 a NUL in the name", { username: "t\0im", password: "x" }, "malformed-message"],
    ["R-PLAIN-07 a NUL in the password", { username: "tim", password: "x\0y" }, "malformed-message"],
    ["R-PLAIN-07 a NUL in the authzid", { username: "tim", password: "x", authzid: "a\0b" }, "malformed-message"],
    ["R-PLAIN-03 an empty name", { username: "", password: "x" }, "malformed-message"],
    ["R-PLAIN-03 an empty password", { username: "tim", password: "" }, "malformed-message"],
    ["R-LIM-01 a name over 1024 octets", { username: "a".repeat(1025), password: "x" }, "limit-exceeded"],
    ["R-PREP-06 a lone surrogate", { username: "tim", password: "\ud800" }, "incorrect-encoding"],
    ["no password", { username: "tim" }, "no-credentials"],
  ];
  test.each(refused)("refuses %s and sends nothing", async (_, credentials, code) => {
    let sent = 0;
    const wire = {
      secure: true,
      initiate: async () => ({ state: "success", sent: sent++ }) as const,
      respond: async () => ({ state: "success", sent: sent++ }) as const,
      abort: async () => ({ state: "failure", sent: sent++ }) as const,
    };
    expect(await codeOf(PLAIN(credentials).authenticate(new SASLStateMachine(wire), "PLAIN"))).toBe(code);
    expect(sent).toBe(0);
  });

  test("R-PLAIN-09 does not answer a challenge", async () => {
    const said: (Uint8Array | undefined)[] = [];
    const wire = {
      secure: true,
      initiate: async (_: string, payload?: Uint8Array) => {
        said.push(payload);
        return { state: "challenge", payload: encodeUtf8("and now?") } as const;
      },
      respond: async (payload: Uint8Array) => {
        said.push(payload);
        return { state: "success" } as const;
      },
      abort: async () => ({ state: "failure" }) as const,
    };
    const exchange = PLAIN({ username: "tim", password: "x" }).authenticate(new SASLStateMachine(wire), "PLAIN");
    expect(await codeOf(exchange)).toBe("unexpected-message");
    expect(said).toEqual([encodeUtf8("\0tim\0x")]);
  });
});
