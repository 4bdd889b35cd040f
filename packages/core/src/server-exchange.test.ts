import { describe, expect, test } from "vitest";
import { codeOf, connection, pairing, user } from "../test/support.js";
import type { AccountProperties } from "./accounts.js";
import { authenticate } from "./authenticate.js";
import { clientMechanism } from "./client.js";
import type { SASLErrorCode } from "./errors.js";
import { decodeUtf8, encodeUtf8 } from "./internal/text.js";
import { hashSha256, LOGIN, OAUTHBEARER, oauthbearer, PLAIN, plain, SCRAM, scramSha256 } from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { SASLServer, type ServerEvent, type ServerOptions } from "./server.js";
import { layeredMechanism } from "./testing/layered-mechanism.js";
import { makeScramVerifier } from "./verifier.js";

const right = encodeUtf8("\0tim\0tanstaaftanstaaf");

function serverWith(options: Partial<ServerOptions>): SASLServer {
  return new SASLServer({
    mechanisms: [plain, scramSha256],
    accounts: memoryAccounts({ tim: user.password }),
    ...options,
  });
}

describe("what a store may answer", () => {
  const rows: readonly [why: string, properties: object, code: SASLErrorCode | "success"][] = [
    ["an account that is disabled", { disabled: true }, "account-disabled"],
    ["an account that is not", { disabled: false }, "success"],
    ["1 for true, as databases have it", { disabled: 1 }, "temporary"],
    ["text for true", { disabled: "yes" }, "temporary"],
    ["an empty password", { userPassword: "" }, "temporary"],
    ["a password that is a number", { userPassword: 7 }, "temporary"],
    ["verifiers that are no list", { authPassword: {} }, "temporary"],
  ];
  for (const prepare of ["saslprep", "none"] as const) {
    test.each(rows)(`R-STO-04 %s, prepared: ${prepare}`, async (_, properties, code) => {
      const lookup = () => ({ userPassword: user.password, ...properties }) as AccountProperties;
      const session = serverWith({ accounts: { lookup }, prepare }).session(connection);
      const outcome = session.initiate("PLAIN", right).then(
        ({ state }) => state,
        (error) => error.code,
      );
      expect(await outcome).toBe(code);
    });
  }

  test("R-PREP-05 nobody gets in with an empty password, also where none is prepared", async () => {
    const server = serverWith({ accounts: { lookup: () => ({ userPassword: "" }) }, prepare: "none" });
    const played = authenticate(
      server.session(connection),
      ["SCRAM-SHA-256"],
      [SCRAM({ username: "tim", password: "" })],
      {
        prepare: "none",
      },
    );
    expect(await codeOf(played)).toBe("temporary");
  });
});

test("R-GEN-19 nobody acts as an account that is disabled", async () => {
  const accounts = memoryAccounts({ tim: user.password, boss: { disabled: true } });
  const session = serverWith({ accounts, authorize: () => true }).session(connection);
  expect(await codeOf(session.initiate("PLAIN", encodeUtf8(`boss\0tim\0${user.password}`)))).toBe("account-disabled");
});

test("R-OAUTH-05 a verdict that is not true is no verdict", async () => {
  const tokens = () => ({ ok: "no", subject: "tim" }) as never;
  const server = serverWith({ mechanisms: [oauthbearer], tokens });
  const played = authenticate(server.session(connection), ["OAUTHBEARER"], [OAUTHBEARER({ token: "x" })]);
  expect(await codeOf(played)).toBe("refused");
});

test("R-GEN-30 what a server says about a token does not get into the message when it may be the token", async () => {
  const status = `bad token ${user.token}`;
  const server = serverWith({ mechanisms: [oauthbearer], tokens: () => ({ ok: false, status }) });
  const played = authenticate(server.session(connection), ["OAUTHBEARER"], [OAUTHBEARER(user)]);
  await expect(played).rejects.toThrow(/^the server refused the token: see opaqueError$/);
});

test("R-LIM-05 binding data that never come end the exchange in time", async () => {
  const binding = { types: ["tls-exporter"], data: () => new Promise<never>(() => {}) };
  const { mechanism } = pairing("SCRAM-SHA-256-PLUS");
  const server = serverWith({ mechanisms: [mechanism], limits: { timeoutMs: 30 } });
  const session = server.session({ ...connection, channelBinding: binding });
  const played = session.initiate("SCRAM-SHA-256-PLUS", encodeUtf8("p=tls-exporter,,n=tim,r=abc"));
  expect(await codeOf(played)).toBe("temporary");
});

test("R-SCRAM-28 keys of the wrong size prove nothing", async () => {
  const { salt, iterations } = await makeScramVerifier(hashSha256, user.password);
  const empty = new Uint8Array(0);
  const keys = { hash: "SHA-256", salt, iterations, clientKey: new Uint8Array(32), serverKey: empty };
  const wire = {
    secure: true,
    initiate: async (_: string, first?: Uint8Array) => {
      const nonce = decodeUtf8(first as Uint8Array).replace(/.*r=/, "");
      const text = `r=${nonce}x,s=${btoa(String.fromCharCode(...salt))},i=${iterations}`;
      return { state: "challenge", payload: encodeUtf8(text) } as const;
    },
    respond: () => Promise.reject(new Error("nothing may be said")),
    abort: async () => ({ state: "failure" }) as const,
  };
  expect(await codeOf(authenticate(wire, ["SCRAM-SHA-256"], [SCRAM({ username: "tim", keys })]))).toBe(
    "no-credentials",
  );
});

describe("R-SCRAM-25 counts of unknown users", () => {
  const countOf = async (server: SASLServer, name: string) => {
    const { payload } = await server.session(connection).initiate("SCRAM-SHA-256", encodeUtf8(`n,,n=${name},r=abc`));
    return Number(/,i=(\d+)$/.exec(decodeUtf8(payload as Uint8Array))?.[1]);
  };

  test("are those the application names, always the same one for a name", async () => {
    const counts = [4096, 10_000, 20_000];
    const authPassword = [await makeScramVerifier(hashSha256, user.password, { iterations: 20_000 })];
    const server = serverWith({ accounts: memoryAccounts({ tim: { authPassword } }), scramIterations: counts });
    const names = Array.from({ length: 40 }, (_, i) => `nobody${i}`);
    const before = await Promise.all(names.map((name) => countOf(server, name)));
    expect(await countOf(server, "tim")).toBe(20_000);
    expect(await Promise.all(names.map((name) => countOf(server, name)))).toEqual(before);
    expect(new Set(before)).toEqual(new Set(counts));
  });

  test("do not change after the first login where accounts have the usual count", async () => {
    const authPassword = [await makeScramVerifier(hashSha256, user.password)];
    const server = serverWith({ accounts: memoryAccounts({ tim: { authPassword } }) });
    const before = await countOf(server, "nobody");
    expect([before, await countOf(server, "tim"), await countOf(server, "nobody")]).toEqual([10_000, 10_000, 10_000]);
  });

  test.each([[[]], [[4095]], [[4096, 1.5]], [100]])("%o is refused", (scramIterations) => {
    expect(() => serverWith({ scramIterations })).toThrow(RangeError);
  });
});

describe("the log", () => {
  test("R-LIM-05 one that fails later harms nobody", async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown) => void unheard.push(error);
    globalThis.process?.on("unhandledRejection", listen);
    const server = serverWith({ onOutcome: () => Promise.reject(new Error("disk full")) as never });
    expect((await server.session(connection).initiate("PLAIN", right)).state).toBe("success");
    await new Promise((resolve) => setTimeout(resolve, 10));
    globalThis.process?.off("unhandledRejection", listen);
    expect(unheard).toEqual([]);
  });

  test("R-ANON-03 hears the trace of an anonymous user", async () => {
    const events: ServerEvent[] = [];
    const { mechanism } = pairing("ANONYMOUS");
    const server = serverWith({
      mechanisms: [mechanism],
      anonymous: "guest",
      onOutcome: (event) => events.push(event),
    });
    await server.session(connection).initiate("ANONYMOUS", encodeUtf8("sirhc"));
    expect(events).toMatchObject([{ ok: true, authcid: "guest", detail: "trace: sirhc" }]);
  });

  test("R-CAN-02 hears no name that was not prepared", async () => {
    const events: ServerEvent[] = [];
    const server = serverWith({ onOutcome: (event) => events.push(event) });
    await codeOf(server.session(connection).initiate("PLAIN", encodeUtf8("\0bob\nok user=root\0x")));
    expect(events).toMatchObject([{ ok: false, authcid: undefined }]);
  });
});

test("a client reports the identity that its mechanism could say, and no other", async () => {
  const { mechanism } = pairing("LOGIN");
  const server = serverWith({ mechanisms: [mechanism, plain], authorize: () => true });
  const given = { username: "tim", password: user.password, authzid: "boss" };
  const result = await authenticate(server.session(connection), ["LOGIN", "PLAIN"], [LOGIN(given), PLAIN(given)]);
  expect(result).toMatchObject({ mechanism: "PLAIN", authcid: "tim", authzid: "boss" });
  expect(result.skipped).toEqual([{ mechanism: "LOGIN", reason: "it cannot act as somebody else" }]);
});

describe("R-LIM-02 a client cannot have a frame for every few octets", () => {
  test.each([
    [1, "limit-exceeded"],
    [255, "limit-exceeded"],
    [256, undefined],
  ])("%d octets: %s", async (maxText, code) => {
    const toy = layeredMechanism({ maxText });
    const codes: (SASLErrorCode | undefined)[] = [];
    const server = serverWith({ mechanisms: [toy], onOutcome: (event) => void codes.push(event.code) });
    const session = server.session({ ...connection, secure: false, layers: true });
    const result = await authenticate(session, ["X-LAYERED"], [clientMechanism([toy], user)]).catch(String);
    expect(codes).toEqual([code]);
    if (code === undefined) expect(result).toMatchObject({ layer: { maxOutput: maxText } });
    else expect(result).toContain("buffers that are too short");
  });
});
