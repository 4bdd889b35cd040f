import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import { type SASLErrorCode, SASLFailure } from "../errors.js";
import type { SASLInterface } from "../interface.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import type { ServerEvent } from "../server.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import {
  OPENID20,
  type OpenId20Login,
  type OpenId20Outcome,
  type OpenId20ServerOptions,
  openid20,
  openid20Server,
} from "./openid20.js";

interface OpenIdInputs {
  readonly openid_identifier?: string;
  readonly authzid?: string | null;
  readonly redirect_url?: string;
  readonly sreg?: string;
}

const vectors = loadVectors<OpenIdInputs, Outcome>("openid20");
const identifier = "https://openid.example/";
const provider = "https://openid.example/openid/";
const url = `${provider}?openid.mode=checkid_setup`;
const accounts = memoryAccounts({ lear: {}, other: {} });

type Positive = Extract<OpenId20Outcome, { ok: true }>;
let count = 0;
const positive = ({ id }: OpenId20Login, changes: Partial<Positive> = {}): Positive => ({
  ok: true,
  identifier,
  provider,
  returnTo: `https://mail.example/consumer/${id}`,
  responseNonce: `${new Date(Date.now()).toISOString().slice(0, 19)}Z${count++}`,
  subject: "lear",
  mayActAs: ["other"],
  ...changes,
});

const options: OpenId20ServerOptions = {
  begin: (login) =>
    login.identifier === identifier
      ? { url, provider, returnTo: `https://mail.example/consumer/${login.id}` }
      : undefined,
  outcome: (login) => positive(login),
};

/** Plays a client that goes where it is sent; with what the server said last, and why, for the log. */
async function attempt(
  changes: Partial<OpenId20ServerOptions>,
): Promise<[SASLErrorCode | "success", said: string | undefined, detail: string | undefined]> {
  let event: ServerEvent | undefined;
  const onOutcome = (each: ServerEvent) => {
    event = each;
  };
  const session = sessionFor(openid20Server({ ...options, ...changes }), { accounts, onOutcome });
  let said: string | undefined;
  try {
    await session.initiate("OPENID20", encodeUtf8(`n,,${identifier}`));
    const reply = await session.respond(encodeUtf8("="));
    if (reply.state === "challenge") {
      said = decodeUtf8(reply.payload);
      await session.respond(encodeUtf8("="));
    }
  } catch (error) {
    expect(session.result).toBeUndefined();
    return [(error as { code: SASLErrorCode }).code, said, event?.detail];
  }
  expect(session.result?.authcid).toBe("lear");
  return ["success", said, event?.detail];
}

afterEach(() => vi.restoreAllMocks());

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const script = scriptOf(vector);

  if (result.outcome === "success") {
    test.each([false, true])(
      "R-OID-01 the client says what is published, success with data: %s",
      async (successData) => {
        const redirect = vi.fn();
        const registration = vi.fn();
        const { openid_identifier: identifier = "", authzid } = inputs;
        // With data in the success nobody says the empty message that would answer it otherwise.
        const sent = successData && script.at(-1)?.bytes?.length === 0 ? script.slice(0, -1) : script;
        const server = scriptedServer(sent, { successData: successData && inputs.sreg !== undefined });
        const client = OPENID20({ identifier, authzid: authzid ?? undefined, redirect, registration });
        await client.authenticate(new SASLStateMachine(server), "OPENID20");
        expect(redirect).toHaveBeenCalledExactlyOnceWith(inputs.redirect_url, { signal: expect.any(AbortSignal) });
        const told = new Map([
          ["email", "lear@mail.example"],
          ["fullname", "Eliot Lear"],
        ]);
        if (inputs.sreg === undefined) expect(registration).not.toHaveBeenCalled();
        else expect(registration).toHaveBeenCalledExactlyOnceWith(told);
      },
    );
  }

  test("R-OID-01 the server judges it", async () => {
    const registration = inputs.sreg ? { email: "lear@mail.example", fullname: "Eliot Lear" } : undefined;
    const mechanism = openid20Server({
      begin: ({ id }) => ({ url: inputs.redirect_url as string, provider, returnTo: `https://mail.example/${id}` }),
      outcome: (login) => positive(login, { registration, returnTo: `https://mail.example/${login.id}` }),
    });
    const session = sessionFor(mechanism, { accounts });
    expect(await playToServer(session, "OPENID20", script)).toMatchObject({ state: result.outcome });
    expect(session.result?.authzid).toBe(result.outcome === "success" ? (inputs.authzid ?? "lear") : undefined);
  });
});

describe("the client", () => {
  /** A login that goes as far as the outcome the server tells. */
  async function told(outcome: string | Uint8Array, end: "success" | "failure" = "success") {
    const registration = vi.fn();
    const heard: (Uint8Array | undefined)[] = [];
    const script: ScriptMessage[] = [
      { from: "client", bytes: encodeUtf8(`n,,${identifier}`) },
      { from: "server", bytes: encodeUtf8(url) },
      { from: "client", bytes: encodeUtf8("=") },
      { from: "server", bytes: typeof outcome === "string" ? encodeUtf8(outcome) : outcome },
      { from: "client", bytes: undefined },
    ];
    const server = scriptedServer(script, { end });
    const respond = (payload: Uint8Array) => {
      heard.push(payload);
      return server.respond(payload);
    };
    const machine = new SASLStateMachine({ ...server, respond });
    const login = OPENID20({ identifier, redirect: () => {}, registration }).authenticate(machine, "OPENID20");
    const error = await login.then(
      () => undefined,
      (thrown: { code: SASLErrorCode; text?: string }) => thrown,
    );
    return {
      code: error?.code,
      text: error?.text,
      last: heard.at(-1) && decodeUtf8(heard.at(-1) as Uint8Array),
      registration,
    };
  }

  test.each(["success", "failure"] as const)(
    "R-OID-02 R-OID-03 an error is answered with = and is a failure, whatever follows: %s",
    async (end) => {
      const { code, text, last, registration } = await told("openid.error=not%20today", end);
      expect([code, text, last]).toEqual(["refused", "not today", "="]);
      expect(registration).not.toHaveBeenCalled();
    },
  );

  test("R-OID-03 an error is one behind other fields, with others behind it, and out of order", async () => {
    for (const outcome of [
      "email=a@b.example,openid.error=x",
      "openid.error=x,openid.error_code=y",
      "openid.error=",
      "openid.error=%zz",
      "openid.error=no, and again no",
    ]) {
      expect(await told(outcome)).toMatchObject({ code: "refused", last: "=" });
    }
  });

  test("R-OID-03 an error in the success is a failure", async () => {
    const script: ScriptMessage[] = [
      { from: "client", bytes: undefined },
      { from: "server", bytes: encodeUtf8(url) },
      { from: "client", bytes: undefined },
      { from: "server", bytes: encodeUtf8("openid.error=x") },
    ];
    const machine = new SASLStateMachine(scriptedServer(script, { successData: true }));
    const login = OPENID20({ identifier, redirect: () => {} }).authenticate(machine, "OPENID20");
    expect(["refused", "peer-not-verified"]).toContain(await codeOf(login));
  });

  test("a server that cannot say now, after an error, is another matter than one that said no", async () => {
    const mechanism = openid20Server({ ...options, outcome: () => ({ ok: false, error: "x" }) });
    const session = sessionFor(mechanism, { accounts });
    const wire: SASLInterface = {
      secure: true,
      initiate: (name, payload) => session.initiate(name, payload),
      abort: () => session.abort(),
      async respond(payload) {
        const reply = await session.respond(payload);
        const outcome = decodeUtf8(reply.payload as Uint8Array);
        if (outcome !== "openid.error=x") throw new Error("the server has said something else");
        wire.respond = () => Promise.reject(new SASLFailure("temporary", "not now"));
        return reply;
      },
    };
    const login = OPENID20({ identifier, redirect: () => {} }).authenticate(new SASLStateMachine(wire), "OPENID20");
    expect(await codeOf(login)).toBe("temporary");
  });

  const bad: readonly [why: string, outcome: string | Uint8Array, code: SASLErrorCode][] = [
    ["no field", "email", "malformed-message"],
    ["a field twice", "email=a,email=b", "malformed-message"],
    ["no name", "=a", "malformed-message"],
    ["a comma too many", "email=a,", "malformed-message"],
    ["a control character", "email=a\n", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0xff), "incorrect-encoding"],
  ];
  test.each(bad)("an outcome with %s fails", async (_, outcome, code) => {
    const { registration, ...rest } = await told(outcome);
    expect(rest.code).toBe(code);
    expect(registration).not.toHaveBeenCalled();
  });

  test("an empty outcome is one, and names of Object.prototype are only names", async () => {
    expect((await told("")).registration).toHaveBeenCalledExactlyOnceWith(new Map());
    const { registration, code } = await told("__proto__=a,constructor=%2C");
    expect(code).toBeUndefined();
    expect(registration).toHaveBeenCalledExactlyOnceWith(
      new Map([
        ["__proto__", "a"],
        ["constructor", ","],
      ]),
    );
  });

  test("nothing is told of a login that fails after all", async () => {
    const { code, registration } = await told("email=a@b.example", "failure");
    expect(code).toBe("refused");
    expect(registration).not.toHaveBeenCalled();
  });

  test("R-OID-01 a redirect that is no https URL is handed to nobody", async () => {
    for (const bad of ["http://openid.example/", "https://openid.example/\n", "openid.error=x"]) {
      const redirect = vi.fn();
      const script: ScriptMessage[] = [
        { from: "client", bytes: undefined },
        { from: "server", bytes: encodeUtf8(bad) },
      ];
      const login = OPENID20({ identifier, redirect }).authenticate(
        new SASLStateMachine(scriptedServer(script)),
        "OPENID20",
      );
      expect(await codeOf(login)).toBe("malformed-message");
      expect(redirect).not.toHaveBeenCalled();
    }
  });
});

describe("the server", () => {
  const hostile: readonly [why: string, messages: readonly string[], code: SASLErrorCode][] = [
    ["no header", [identifier], "malformed-message"],
    ["the flag y", [`y,,${identifier}`], "malformed-message"],
    ["the flag p", [`p=tls-unique,,${identifier}`], "malformed-message"],
    ["the flag F", [`F,n,,${identifier}`], "malformed-message"],
    ["no identifier", ["n,,"], "malformed-message"],
    ["an identifier that leads nowhere", ["n,,https://nowhere.example/"], "refused"],
    ["an empty answer", [`n,,${identifier}`, ""], "malformed-message"],
    ["another answer", [`n,,${identifier}`, "=x"], "malformed-message"],
    ["an authzid that is not allowed", [`n,a=anna,${identifier}`, "="], "authorization-refused"],
  ];
  test.each(hostile)("R-OID-01 %s", async (_, messages, code) => {
    const session = sessionFor(openid20Server(options), { accounts });
    expect(await codeAfter(session, "OPENID20", messages)).toBe(code);
    expect(session.result).toBeUndefined();
  });

  test("R-OID-02 a negative outcome is a challenge, then failure whatever is answered", async () => {
    const outcome = () => ({ ok: false, error: "no, not you" }) as const;
    for (const answer of ["=", "", "x"]) {
      const session = sessionFor(openid20Server({ ...options, outcome }), { accounts });
      await session.initiate("OPENID20", encodeUtf8(`n,,${identifier}`));
      const reply = await session.respond(encodeUtf8("="));
      expect(decodeUtf8(reply.payload as Uint8Array)).toBe("openid.error=no%2C%20not%20you");
      expect(await codeOf(session.respond(encodeUtf8(answer)))).toBe("refused");
      expect(session.result).toBeUndefined();
    }
    expect(await attempt({ outcome })).toEqual(["refused", "openid.error=no%2C%20not%20you", "no, not you"]);
  });

  const at = 1_700_000_000_000;
  const stamp = (ms: number) => `${new Date(at + ms).toISOString().slice(0, 19)}Zx`;
  const judged: readonly [why: string, changes: Partial<Positive>, detail: string | undefined][] = [
    ["in order", {}, undefined],
    ["four minutes old", { responseNonce: stamp(-240_000) }, undefined],
    ["six minutes old", { responseNonce: stamp(-360_000) }, "a nonce that is too old"],
    ["of the future", { responseNonce: stamp(360_000) }, "a nonce that is too old"],
    ["without a nonce", { responseNonce: "" }, "a nonce that is too old"],
    ["with a nonce without time", { responseNonce: "abc" }, "a nonce that is too old"],
    ["with a nonce of no day", { responseNonce: "2023-99-99T00:00:00Zx" }, "a nonce that is too old"],
    ["with a nonce over 255 characters", { responseNonce: stamp(0) + "x".repeat(240) }, "a nonce that is too old"],
    ["of another provider", { provider: "https://evil.example/" }, "another provider"],
    ["about another identifier", { identifier: "https://openid.example/eve" }, "another identifier"],
    ["to another login", { returnTo: "https://mail.example/consumer/_other" }, "an answer to another request"],
    ["to no login", { returnTo: "" }, "an answer to another request"],
  ];
  test.each(judged)("R-OID-04 an answer %s", async (_, changes, detail) => {
    vi.spyOn(Date, "now").mockReturnValue(at);
    const [code, said, why] = await attempt({ outcome: (login) => positive(login, changes) });
    expect([code, why]).toEqual(detail === undefined ? ["success", undefined] : ["refused", detail]);
    expect(said).toBe(detail && "openid.error=the%20answer%20of%20the%20provider%20does%20not%20count"); // no more than that
  });

  test("R-OID-04 a nonce is accepted once, and forgotten when it is too old anyway", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(at);
    const mechanism = openid20Server({
      ...options,
      outcome: (login) => positive(login, { responseNonce: stamp(Date.now() - at) }),
    });
    const play = () => codeAfter(sessionFor(mechanism, { accounts }), "OPENID20", [`n,,${identifier}`, "=", "="]);
    const enter = () => codeAfter(sessionFor(mechanism, { accounts }), "OPENID20", [`n,,${identifier}`, "="]);
    expect([await enter(), await play()]).toEqual(["success", "refused"]);
    clock.mockReturnValue(at + 600_000);
    expect([await enter(), await play()]).toEqual(["success", "refused"]);
  });

  test("R-OID-04 what a careless application leaves out at both ends is not equal", async () => {
    const nothing = undefined as unknown as string;
    const returnTo = ({ id }: OpenId20Login) => `https://mail.example/consumer/${id}`;
    for (const none of [nothing, ""]) {
      const begin = (login: OpenId20Login) => ({ url, provider: none, returnTo: returnTo(login) });
      const outcome = (login: OpenId20Login) => positive(login, { provider: none });
      expect((await attempt({ begin, outcome }))[0]).toBe("temporary");
    }
    const begin = (login: OpenId20Login) => ({ url, provider, returnTo: returnTo(login), identifier: undefined });
    expect((await attempt({ begin }))[0]).toBe("success");
    const outcome = (login: OpenId20Login) => positive(login, { identifier: nothing, subject: "tim" });
    expect((await attempt({ begin, outcome }))[2]).toBe("another identifier");
  });

  test("R-OID-04 the identifier that discovery found is the one that counts", async () => {
    const begin = ({ id }: OpenId20Login) => ({
      url,
      provider,
      returnTo: `https://mail.example/consumer/${id}`,
      identifier: "https://openid.example/lear",
    });
    expect((await attempt({ begin }))[2]).toBe("another identifier");
    const outcome = (login: OpenId20Login) => positive(login, { identifier: "https://openid.example/lear" });
    expect((await attempt({ begin, outcome }))[0]).toBe("success");
  });

  test("R-OID-04 a request that is not bound to the login, and a callback that fails, are faults of ours", async () => {
    const begin = () => ({ url, provider, returnTo: "https://mail.example/consumer" });
    const fault = () => Promise.reject(new Error("the provider does not answer"));
    for (const changes of [{ begin }, { begin: fault }, { outcome: fault }, { useOnce: fault }]) {
      expect((await attempt(changes))[0]).toBe("temporary");
    }
  });

  test("the account is the identifier where nothing else is said", async () => {
    const mechanism = openid20Server({ ...options, outcome: (login) => positive(login, { subject: undefined }) });
    const session = sessionFor(mechanism, { accounts });
    expect(await codeAfter(session, "OPENID20", [`n,,${identifier}`, "="])).toBe("success");
    expect(session.result?.authcid).toBe(identifier);
  });

  test("is never offered before it is configured, nor in the clear", () => {
    expect(serverWith([openid20]).mechanisms(connection)).toEqual([]);
    expect(serverWith([openid20Server(options)]).mechanisms(connection)).toEqual(["OPENID20"]);
    expect(serverWith([openid20Server(options)]).mechanisms({ ...connection, secure: false })).toEqual([]);
  });
});
