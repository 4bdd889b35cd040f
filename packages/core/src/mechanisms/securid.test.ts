import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, recorded, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import {
  type PasscodeReason,
  SECURID,
  type SecuridCredentials,
  type SecuridRequest,
  type SecuridVerdict,
  securid,
  securidServer,
} from "./securid.js";

afterEach(() => vi.useRealTimers());

interface SecuridInputs {
  readonly username: string;
  readonly passcode?: string;
  readonly passcodes?: readonly string[];
  readonly suggested_pin?: string;
  readonly pin?: string;
}

const vectors = loadVectors<SecuridInputs, Outcome>("securid").map((vector) => ({ id: vector.id, vector }));

describe.each(vectors)("vector $id", ({ vector }) => {
  const { passcode, passcodes = [passcode as string], username, pin, suggested_pin: suggestedPin } = vector.inputs;
  const script = scriptOf(vector);

  test("R-SID-01 R-SID-02 the client answers as published", async () => {
    const left = [...passcodes];
    const reasons: PasscodeReason[] = [];
    const credentials: SecuridCredentials = {
      username,
      passcode(reason) {
        reasons.push(reason);
        return left.shift();
      },
      pin: (suggestion) => (suggestion === suggestedPin ? pin : undefined),
    };
    const outcome = SECURID(credentials).authenticate(new SASLStateMachine(scriptedServer(script)), "SECURID");
    await expect(outcome).resolves.toMatchObject({ authcid: username, serverVerified: false });
    const second = pin === undefined ? "next" : "new-pin";
    expect(reasons).toEqual(passcodes.length > 1 ? ["login", second] : ["login"]);
  });

  test("R-SID-01 R-SID-02 the server asks and judges as published", async () => {
    const asked: SecuridRequest[] = [];
    const verify = (request: SecuridRequest): SecuridVerdict => {
      asked.push(request);
      if (asked.length === passcodes.length) return "accepted";
      return suggestedPin === undefined ? "passcode" : { suggestedPin };
    };
    const session = sessionFor(securidServer({ verify }));
    const played = await playToServer(session, "SECURID", script);
    expect(played.state).toBe(vector.result.outcome);
    expect(session.result).toMatchObject({ authcid: username, authzid: username });
    expect(asked).toEqual(passcodes.map((each, i) => ({ username, passcode: each, pin: i > 0 ? pin : undefined })));
  });
});

const good = "\0tim\x0012345678\0";

/** A server whose tokens show these passcodes one after the other, and that answers so to each of them. */
function serverSaying(...verdicts: readonly SecuridVerdict[]) {
  const left = [...verdicts];
  const verify = vi.fn((_: SecuridRequest): SecuridVerdict => left.shift() ?? "refused");
  return { mechanism: securidServer({ verify }), verify };
}

describe("the server", () => {
  const hostile: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode | "success"][] = [
    ["a passcode of 4 octets", "\0tim\x001234\0", "success"],
    ["a passcode of 32 octets", `\0tim\0${"1".repeat(32)}\0`, "success"],
    ["a name of 255 octets", `\0${"a".repeat(255)}\x0012345678\0`, "success"],
    ["nothing", "", "malformed-message"],
    ["no passcode", "\0tim\0", "malformed-message"],
    ["an empty passcode", "\0tim\0\0", "malformed-message"],
    ["no NUL behind the passcode", "\0tim\x0012345678", "malformed-message"],
    ["octets behind the last NUL", `${good}1`, "malformed-message"],
    ["a passcode of 3 octets", "\0tim\x00123\0", "malformed-message"],
    ["a passcode of 33 octets", `\0tim\0${"1".repeat(33)}\0`, "malformed-message"],
    ["a passcode of 33 octets, 17 characters", `\0tim\0${"\u00e9".repeat(16)}1\0`, "malformed-message"],
    ["a PIN nobody asked for", `${good}kalle\0`, "malformed-message"],
    ["an empty PIN", `${good}\0`, "malformed-message"],
    ["a PIN of 3 octets", `${good}123\0`, "malformed-message"],
    ["a PIN of 33 octets", `${good}${"1".repeat(33)}\0`, "malformed-message"],
    ["a field behind the PIN", `${good}kalle\0kalle\0`, "malformed-message"],
    ["NULs without end", "\0".repeat(60_000), "malformed-message"],
    ["no user name", "tim\0\x0012345678\0", "malformed-message"],
    ["a user name of 256 octets", `\0${"a".repeat(256)}\x0012345678\0`, "limit-exceeded"],
    ["an authzid of 256 octets", `${"a".repeat(256)}\0tim\x0012345678\0`, "limit-exceeded"],
    ["a user name that preparation empties", "\0\u00ad\x0012345678\0", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0, 0xff, 0, 0x31, 0x32, 0x33, 0x34, 0), "incorrect-encoding"],
    ["no UTF-8 as passcode", Uint8Array.of(0, 0x74, 0, 0x31, 0x32, 0x33, 0xff, 0), "incorrect-encoding"],
    ["over 64 KiB", `\0${"a".repeat(65_536)}\x0012345678\0`, "limit-exceeded"],
  ];
  test.each(hostile)("R-SID-01 %s", async (_, message, code) => {
    const { mechanism, verify } = serverSaying("accepted");
    const session = sessionFor(mechanism);
    expect(await codeAfter(session, "SECURID", [message])).toBe(code);
    expect(session.result === undefined).toBe(code !== "success");
    expect(verify).toHaveBeenCalledTimes(code === "success" ? 1 : 0);
  });

  test("R-SID-01 an authzid is a matter of authorization", async () => {
    const authzid = "anna\0tim\x0012345678\0";
    expect(await codeAfter(sessionFor(serverSaying("accepted").mechanism), "SECURID", [authzid])).toBe(
      "authorization-refused",
    );
    const session = sessionFor(serverSaying("accepted").mechanism, { authorize: () => true });
    expect(await codeAfter(session, "SECURID", [authzid])).toBe("success");
    expect(session.result).toMatchObject({ authcid: "tim", authzid: "anna" });
  });

  const dialogues: readonly [
    why: string,
    verdicts: readonly SecuridVerdict[],
    messages: readonly string[],
    code: SASLErrorCode | "success",
  ][] = [
    ["another passcode", ["passcode", "accepted"], [good, "\0tim\x0087654321\0"], "success"],
    [
      "two others",
      ["passcode", "passcode", "accepted"],
      [good, "\0tim\x0087654321\0", "\0tim\x0011112222\0"],
      "success",
    ],
    ["a new PIN", ["pin", "accepted"], [good, "\0tim\x0087654321\0kalle\0"], "success"],
    [
      "a new PIN, then a passcode",
      ["pin", "passcode", "accepted"],
      [good, "\0tim\x0087654321\0kalle\0", "\0tim\x0011112222\0"],
      "success",
    ],
    ["a wrong one after it", ["passcode", "refused"], [good, "\0tim\x0087654321\0"], "refused"],
    ["the same passcode once more", ["passcode", "accepted"], [good, good], "refused"],
    ["another user", ["passcode", "accepted"], [good, "\0tom\x0087654321\0"], "malformed-message"],
    ["another authzid", ["passcode", "accepted"], [good, "anna\0tim\x0087654321\0"], "malformed-message"],
    [
      "a PIN in place of a passcode",
      ["passcode", "accepted"],
      [good, "\0tim\x0087654321\0kalle\0"],
      "malformed-message",
    ],
    ["no PIN where one is wanted", ["pin", "accepted"], [good, "\0tim\x0087654321\0"], "malformed-message"],
    ["nothing", ["pin", "accepted"], [good, ""], "malformed-message"],
  ];
  test.each(dialogues)("R-SID-02 after a passcode: %s", async (_, verdicts, messages, code) => {
    const { mechanism } = serverSaying(...verdicts);
    const session = sessionFor(mechanism);
    expect(await codeAfter(session, "SECURID", messages)).toBe(code);
    expect(session.result?.authcid).toBe(code === "success" ? "tim" : undefined);
  });

  test("R-SID-02 no PIN is asked for on an unprotected channel", async () => {
    const { mechanism } = serverSaying("passcode", "pin");
    const options = { policy: { requireEncryption: false } };
    const open = { ...connection, secure: false };
    const session = serverWith([mechanism], options).session(open);
    expect(await codeAfter(session, "SECURID", [good, "\0tim\x0087654321\0"])).toBe("channel-not-protected");
    expect(serverWith([mechanism]).mechanisms(open)).toEqual([]);
  });

  test("R-SID-03 a passcode is accepted once, also by another server of the process", async () => {
    const mechanism = securidServer({ verify: () => "accepted" });
    expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe("success");
    expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe("refused");
    expect(await codeAfter(sessionFor(mechanism), "SECURID", ["\0tom\x0012345678\0"])).toBe("success");
    expect(await codeAfter(sessionFor(mechanism), "SECURID", ["\0tim\x0012345679\0"])).toBe("success");
  });

  test("R-SID-03 of two logins with one passcode at the same time one succeeds", async () => {
    const mechanism = securidServer({ verify: async (): Promise<SecuridVerdict> => "accepted" });
    const ends = await Promise.all([1, 2, 3].map(() => codeAfter(sessionFor(mechanism), "SECURID", [good])));
    expect(ends.sort()).toEqual(["refused", "refused", "success"]);
  });

  test("R-SID-03 a wrong passcode, or one that could not be judged, is not used up", async () => {
    const left: (() => SecuridVerdict)[] = [
      () => "refused",
      () => {
        throw new Error("the server for tokens is down");
      },
      () => "nonsense" as SecuridVerdict,
      () => "accepted",
    ];
    const mechanism = securidServer({ verify: () => (left.shift() as () => SecuridVerdict)() });
    for (const code of ["refused", "temporary", "temporary", "success", "refused"]) {
      expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe(code);
    }
  });

  test("R-SID-03 a passcode is forgotten after a while", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
    const mechanism = securidServer({ verify: () => "accepted", rememberMs: 1000 });
    expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe("success");
    vi.setSystemTime(1_000_999);
    expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe("refused");
    vi.setSystemTime(1_001_000);
    expect(await codeAfter(sessionFor(mechanism), "SECURID", [good])).toBe("success");
    for (const rememberMs of [-1, Number.NaN]) {
      expect(() => securidServer({ verify: () => "accepted", rememberMs })).toThrow(RangeError);
    }
  });

  test("R-SID-03 one exchange of a user at a time, whether there is such a user or not", async () => {
    const server = serverWith([
      securidServer({ verify: ({ passcode }) => (passcode === "11112222" ? "accepted" : "passcode") }),
    ]);
    const [first, second] = [server.session(connection), server.session(connection)];
    for (const name of ["tim", "nobody"]) {
      await first.initiate("SECURID", encodeUtf8(`\0${name}\x0012345678\0`));
      const other = encodeUtf8(`\0${name}\x0011112222\0`);
      expect(await codeOf(second.initiate("SECURID", other))).toBe("temporary");
      await first.abort();
    }
    await expect(second.initiate("SECURID", encodeUtf8("\0tim\x0011112222\0"))).resolves.toMatchObject({
      state: "success",
    });
  });

  const verdicts: readonly [why: string, verdict: unknown][] = [
    ["nothing", undefined],
    ["null", null],
    ["yes", true],
    ["a word", "ok"],
    ["an empty suggestion", { suggestedPin: "" }],
    ["a suggestion of 3 octets", { suggestedPin: "123" }],
    ["a suggestion of 33 octets", { suggestedPin: "1".repeat(33) }],
    ["a suggestion with a NUL", { suggestedPin: "12\x0034" }],
    ["a suggestion that is no text", { suggestedPin: 12345 }],
  ];
  test.each(verdicts)("R-GEN-10 lets nobody in on a verdict that is none: %s", async (_, verdict) => {
    const session = sessionFor(securidServer({ verify: () => verdict as SecuridVerdict }));
    expect(await codeAfter(session, "SECURID", [good])).toBe("temporary");
    expect(session.result).toBeUndefined();
  });

  test("is not offered until it is made with somebody who judges", async () => {
    expect(serverWith([securid]).mechanisms(connection)).toEqual([]);
    expect(await codeAfter(sessionFor(securid), "SECURID", [good])).toBe("mechanism-unsupported");
    expect(await codeAfter(sessionFor({ ...securid, possible: () => true }), "SECURID", [good])).toBe("temporary");
    expect(serverWith([serverSaying().mechanism]).mechanisms(connection)).toEqual(["SECURID"]);
    expect(serverSaying().mechanism.obsolete).toBe(true);
  });

  test("R-GEN-30 no error has the passcode, and no trace", async () => {
    const session = sessionFor(serverSaying("refused").mechanism);
    const error = await session.initiate("SECURID", encodeUtf8(good)).catch((thrown: Error) => thrown);
    expect(JSON.stringify([String(error), error])).not.toContain("12345678");
    const shown = (text: string) => text.replace(securid.secrets as RegExp, "-");
    expect(shown(good)).toBe("\0tim\0-");
    expect(shown(`${good}kalle\0`)).toBe("\0tim\0-");
    expect(shown("anna\0tim\x0012345678\0")).toBe("anna\0tim\0-");
    expect(shown("passcode\0")).toBe("passcode\0");
    expect(shown("pin\0kalle\0")).toBe("pin\0-");
  });
});

describe("the client", () => {
  const given = { username: "tim", passcode: "12345678" };

  /** What the client says to a server that asks so, and then says success. */
  async function said(
    credentials: SecuridCredentials,
    asked: readonly (string | Uint8Array)[] = [],
    secure = true,
  ): Promise<string[]> {
    const requests = asked.flatMap((each): ScriptMessage[] => [
      { from: "server", bytes: typeof each === "string" ? encodeUtf8(each) : each },
      { from: "client", bytes: undefined },
    ]);
    const wire = recorded({ ...scriptedServer([{ from: "client", bytes: undefined }, ...requests]), secure });
    const settings = { requireEncryption: false };
    await SECURID(credentials).authenticate(new SASLStateMachine(wire), "SECURID", settings);
    return wire.calls.map(({ payload }) => decodeUtf8(payload as Uint8Array));
  }

  test("R-SID-01 ends each field with a NUL", async () => {
    expect(await said(given)).toEqual([good]);
    expect(await said({ ...given, authzid: "anna" })).toEqual(["anna\0tim\x0012345678\0"]);
    expect(await said({ ...given, passcode: "x".repeat(32) })).toHaveLength(1);
    expect(await said({ ...given, passcode: () => "1234" })).toEqual(["\0tim\x001234\0"]);
  });

  const unusable: readonly [why: string, given: Partial<SecuridCredentials>, code: SASLErrorCode][] = [
    ["a passcode of 3 octets", { passcode: "123" }, "no-credentials"],
    ["a passcode of 33 octets", { passcode: "1".repeat(33) }, "no-credentials"],
    ["a passcode with a NUL", { passcode: "12\x0034" }, "no-credentials"],
    ["nobody with a token", { passcode: () => undefined }, "no-credentials"],
    ["no user name", { username: "" }, "malformed-message"],
    ["a user name of 256 octets", { username: "\u00e9".repeat(128) }, "limit-exceeded"],
    ["an authzid of 256 octets", { authzid: "a".repeat(256) }, "limit-exceeded"],
  ];
  test.each(unusable)("R-SID-01 sends nothing with %s", async (_, other, code) => {
    expect(await codeOf(said({ ...given, ...other }))).toBe(code);
  });

  const hostile: readonly [why: string, request: string | Uint8Array, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["no NUL", "passcode", "malformed-message"],
    ["a NUL too many", "passcode\0\0", "malformed-message"],
    ["upper case", "PASSCODE\0", "malformed-message"],
    ["another request", "password\0", "malformed-message"],
    ["the name of a prototype", "__proto__\0", "malformed-message"],
    ["octets behind the last NUL", "passcode\0x", "malformed-message"],
    ["a suggestion for a passcode", "passcode\x0012345678\0", "malformed-message"],
    ["a suggestion without NUL", "pin\0kalle", "malformed-message"],
    ["an empty suggestion", "pin\0\0", "malformed-message"],
    ["a suggestion of 3 octets", "pin\x00123\0", "malformed-message"],
    ["a suggestion of 33 octets", `pin\0${"1".repeat(33)}\0`, "malformed-message"],
    ["two suggestions", "pin\0kalle\0anna\0", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0xff, 0), "incorrect-encoding"],
    [
      "a suggestion that is no UTF-8",
      Uint8Array.of(0x70, 0x69, 0x6e, 0, 0xff, 0xff, 0xff, 0xff, 0),
      "incorrect-encoding",
    ],
  ];
  test.each(hostile)("R-SID-02 refuses a request: %s", async (_, request, code) => {
    const pin = vi.fn(() => "kalle");
    const passcode = vi.fn(() => "12345678");
    expect(await codeOf(said({ ...given, passcode, pin }, [request]))).toBe(code);
    expect([passcode.mock.calls.length, pin.mock.calls.length]).toEqual([1, 0]);
  });

  test("R-SID-02 a new PIN is chosen with the server's suggestion, or without one", async () => {
    const codes = ["12345678", "87444674", "11112222"];
    const passcode = () => codes.shift();
    const pin = vi.fn(async (suggestion: string | undefined) => suggestion ?? "my own");
    expect(await said({ ...given, passcode, pin }, ["pin\0kalle\0", "pin\0"])).toEqual([
      good,
      "\0tim\x0087444674\0kalle\0",
      "\0tim\x0011112222\0my own\0",
    ]);
    expect(pin.mock.calls).toEqual([["kalle"], [undefined]]);
  });

  test("R-SID-02 no PIN goes over a channel that is not protected, and nobody is asked for one", async () => {
    const pin = vi.fn(() => "kalle");
    const passcode = vi.fn(() => "12345678");
    expect(await codeOf(said({ ...given, passcode, pin }, ["pin\0"], false))).toBe("channel-not-protected");
    expect([passcode.mock.calls.length, pin.mock.calls.length]).toEqual([1, 0]);
    expect(await said({ ...given, passcode }, ["passcode\0"], false)).toHaveLength(2);
  });

  test("R-PLAIN-06 without leave of the application nothing goes over such a channel at all", async () => {
    const machine = new SASLStateMachine({ ...scriptedServer([]), secure: false });
    expect(await codeOf(SECURID(given).authenticate(machine, "SECURID"))).toBe("channel-not-protected");
  });

  const impossible: readonly [why: string, given: Partial<SecuridCredentials>, request: string][] = [
    ["one passcode for two", {}, "passcode\0"],
    ["one passcode and a new PIN", { pin: () => "kalle" }, "pin\0"],
    ["nobody to choose a PIN", { passcode: () => "12345678" }, "pin\0"],
    ["somebody who does not", { passcode: () => "12345678", pin: () => undefined }, "pin\0"],
    ["a PIN of 3 octets", { passcode: () => "12345678", pin: () => "123" }, "pin\0"],
    ["a PIN of 33 octets", { passcode: () => "12345678", pin: () => "1".repeat(33) }, "pin\0"],
    ["a PIN with a NUL", { passcode: () => "12345678", pin: () => "12\x0034" }, "pin\0"],
  ];
  test.each(impossible)("R-SID-02 stops with %s", async (_, other, request) => {
    expect(await codeOf(said({ ...given, ...other }, [request]))).toBe("no-credentials");
  });

  test("asks for a user name and a passcode", () => {
    const missing = (some: object) => SECURID(some as SecuridCredentials).missing?.(securid);
    expect(missing(given)).toBeUndefined();
    expect(missing({ username: "tim", password: "12345678" })).toMatch(/passcode/);
    expect(missing({ passcode: "12345678" })).toMatch(/passcode/);
  });
});
