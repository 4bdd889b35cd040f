import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { TokenVerdict } from "../accounts.js";
import { type SASLErrorCode, SASLFailure } from "../errors.js";
import type { SASLInterface, SASLReply } from "../interface.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import { OAUTHBEARER, oauthbearer, XOAUTH2, xoauth2 } from "./oauth.js";
import type { OAuthError } from "./oauth-messages.js";

interface OAuthInputs {
  readonly username?: string;
  readonly authzid?: string;
  readonly host?: string;
  readonly port?: number;
  readonly token?: string | null;
  readonly gs2_flag?: string;
  readonly mechanism?: string;
}

type OAuthOutcome = Outcome & { readonly server_error?: Readonly<Record<string, string>> };

const load = (file: string) =>
  loadVectors<OAuthInputs, OAuthOutcome>(file).map((vector) => ({ id: vector.id, vector }));

/** Client messages no client may send: the published ones with `user=` in the header, and an empty `auth`. */
const onlyRead = (vector: { inputs: OAuthInputs; messages: readonly { text?: string }[] }) =>
  vector.messages[0]?.text?.startsWith("n,user=") || !vector.inputs.token || vector.inputs.gs2_flag === "y";

describe.each([...load("oauthbearer"), ...load("oauthbearer-more")])("OAUTHBEARER, vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  if (inputs.mechanism !== undefined) {
    test("R-OAUTH-03 the server refuses the scheme of OAUTH10A", async () => {
      const session = sessionFor(oauthbearer);
      const played = await playToServer(session, "OAUTHBEARER", scriptOf(vector));
      expect(played).toEqual({ state: "failure", code: "malformed-message" });
    });
    return;
  }
  const script = scriptOf(vector);
  const { host, port, token, authzid, username = authzid } = inputs;

  if (!onlyRead(vector)) {
    test("R-OAUTH-01 R-OAUTH-11 the client says it", async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      const played = OAUTHBEARER({ username, authzid, token: token as string }).authenticate(machine, "OAUTHBEARER", {
        host,
        port,
      });
      await expect(played).resolves.toMatchObject({ mechanism: "OAUTHBEARER", serverVerified: false });
    });
  }

  test.each([true, false])("R-OAUTH-01 the server judges it, initial response: %s", async (initialResponse) => {
    const asked: [token: string, username: string | undefined][] = [];
    const session = sessionFor(oauthbearer, {
      host,
      port,
      tokens: (given, request) => {
        asked.push([given, request.username]);
        return { ok: true, subject: username ?? "somebody" };
      },
    });
    // An empty auth is answered (RFC 7628 §4.3); what else fails here is refused before there is an answer.
    const asks = vector.messages[0]?.text?.includes("\x01auth=\x01");
    const answer: ScriptMessage[] = [
      { from: "server", bytes: undefined },
      { from: "client", bytes: Uint8Array.of(1) },
    ];
    const said = [...script.slice(0, 1), ...(asks ? answer : [])];
    const played = await playToServer(session, "OAUTHBEARER", said, { initialResponse });
    expect(played.state).toBe(result.outcome);
    expect(asked).toEqual(result.outcome === "success" ? [[token, authzid]] : []);
  });
});

describe.each([...load("oauthbearer"), ...load("oauthbearer-more")].filter(({ vector }) => vector.messages.length > 1))(
  "R-OAUTH-08 the refusal of $id",
  ({ vector }) => {
    const [, refusal, acknowledgement] = scriptOf(vector);
    const parsed = JSON.parse(decodeUtf8(refusal?.bytes as Uint8Array));

    test("the client acknowledges it once and reports it", async () => {
      const said: Uint8Array[] = [];
      const error = await refusedWith(OAUTHBEARER, refusal?.bytes as Uint8Array, said, "failure");
      expect(error).toMatchObject({ code: "refused", opaqueError: { status: parsed.status, scope: parsed.scope } });
      expect((error.opaqueError as OAuthError).openidConfiguration).toBe(parsed["openid-configuration"]);
      expect(said).toEqual([Uint8Array.of(1)]);
      if (acknowledgement) expect(said).toEqual([acknowledgement.bytes]);
    });

    test("R-OAUTH-06 the server says it, of a token its verifier refused so", async () => {
      const { status, scope, "openid-configuration": openidConfiguration } = parsed;
      const session = sessionFor(oauthbearer, { tokens: () => ({ ok: false, status, scope, openidConfiguration }) });
      const reply = await session.initiate("OAUTHBEARER", encodeUtf8("n,,\x01auth=Bearer t\x01\x01"));
      expect(JSON.parse(decodeUtf8(reply.payload as Uint8Array))).toEqual({
        status,
        ...(scope && { scope }),
        ...(openidConfiguration && { "openid-configuration": openidConfiguration }),
      });
      expect(await codeOf(session.respond(Uint8Array.of(1)))).toBe("refused");
    });
  },
);

describe.each([...load("xoauth2"), ...load("xoauth2-more")])("XOAUTH2, vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const script = scriptOf(vector);
  const token = inputs.token === "(refused)" ? "t" : inputs.token;

  if (inputs.username !== undefined) {
    test("R-XOA-01 R-XOA-02 the client says it", async () => {
      const end = result.outcome === "success" ? "success" : "failure";
      const machine = new SASLStateMachine(scriptedServer(script, { end }));
      const played = XOAUTH2({ username: inputs.username, token: token as string }).authenticate(machine, "XOAUTH2");
      if (end === "success") await expect(played).resolves.toMatchObject({ authcid: inputs.username });
      else await expect(played).rejects.toMatchObject({ code: "refused", opaqueError: { status: "401" } });
    });
  }

  if (script[0]?.bytes !== undefined) {
    test.each([true, false])("R-XOA-01 the server judges it, initial response: %s", async (initialResponse) => {
      const subject = inputs.username ?? "a";
      const verdict: TokenVerdict =
        script.length > 1 ? { ok: false, status: "401", scope: "https://mail.google.com/" } : { ok: true, subject };
      const session = sessionFor(xoauth2, { tokens: () => verdict });
      // The refusal is JSON, whose octets are each server's own.
      const played = await playToServer(
        session,
        "XOAUTH2",
        script.map((message) => (message.from === "server" ? { ...message, bytes: undefined } : message)),
        { initialResponse },
      );
      expect(played.state).toBe(result.outcome);
      expect(session.result?.authcid).toBe(result.outcome === "success" ? subject : undefined);
    });
  }
});

/** The error of a client whose token is answered with a challenge. */
async function refusedWith(
  make: typeof OAUTHBEARER,
  challenge: Uint8Array,
  said: Uint8Array[],
  end: "success" | "failure" | SASLReply,
): Promise<{ code: SASLErrorCode; opaqueError: unknown; message: string }> {
  const wire: SASLInterface = {
    secure: true,
    initiate: async () => ({ state: "challenge", payload: challenge }),
    respond: async (payload) => {
      said.push(payload);
      if (typeof end === "object") return end;
      if (end === "success") return { state: "success" };
      throw Object.assign(new Error("no"), await scriptFailure());
    },
    abort: async () => ({ state: "failure" }),
  };
  const mechanism = make({ username: "tim", token: "t" });
  const name = mechanism.variants[0]?.name as string;
  try {
    await mechanism.authenticate(new SASLStateMachine(wire), name);
  } catch (error) {
    return error as { code: SASLErrorCode; opaqueError: unknown; message: string };
  }
  throw new Error("the client believed it");
}

/** A failure as bindings throw it. */
async function scriptFailure(): Promise<object> {
  try {
    await scriptedServer([], { end: "failure" }).initiate("X", new Uint8Array(0));
  } catch (error) {
    return { ...(error as object), ...symbolsOf(error as object) };
  }
  return {};
}

function symbolsOf(error: object): object {
  return Object.fromEntries(Object.getOwnPropertySymbols(error).map((key) => [key, Reflect.get(error, key)]));
}

describe.each([
  { make: OAUTHBEARER, acknowledgement: Uint8Array.of(1) },
  { make: XOAUTH2, acknowledgement: new Uint8Array(0) },
])("the client, $make.name", ({ make, acknowledgement }) => {
  const refusals: readonly [why: string, challenge: string | Uint8Array, status: string, url?: string][] = [
    ["a status", '{"status":"invalid_token"}', "invalid_token"],
    ["R-OAUTH-09 nothing at all", "", "unknown"],
    ["R-OAUTH-09 no JSON", "{status}", "unknown"],
    ["R-OAUTH-09 no object", '"invalid_token"', "unknown"],
    ["R-OAUTH-09 null", "null", "unknown"],
    ["R-OAUTH-09 a list", '[{"status":"x"}]', "unknown"],
    ["R-OAUTH-09 no status", '{"scope":"mail"}', "unknown"],
    ["R-OAUTH-09 a status that is a number", '{"status":401}', "unknown"],
    ["R-OAUTH-09 no UTF-8", Uint8Array.of(0xff, 0xfe), "unknown"],
    ["R-LIM-04 a status only inherited", '{"__proto__":{"status":"x"}}', "unknown"],
    ["R-LIM-04 keys every object inherits", '{"constructor":1,"toString":2,"status":"ok"}', "ok"],
    ["R-GEN-30 control characters", '{"status":"a\\u001b[2J"}', "unknown"],
    ["R-OAUTH-10 an https URL", '{"status":"x","openid-configuration":"https://a/"}', "x", "https://a/"],
    ["R-OAUTH-10 an http URL", '{"status":"x","openid-configuration":"http://a/"}', "x"],
    ["R-OAUTH-10 a script", '{"status":"x","openid-configuration":"javascript:alert(1)"}', "x"],
    ["R-LIM-02 a deep structure", `{"status":${"[".repeat(20000)}${"]".repeat(20000)}}`, "unknown"],
  ];
  for (const end of ["failure", "success"] as const) {
    test.each(refusals)(`R-OAUTH-08 R-XOA-02 fails after %s, then ${end}`, async (_, challenge, status, url) => {
      const said: Uint8Array[] = [];
      const payload = typeof challenge === "string" ? encodeUtf8(challenge) : challenge;
      const error = await refusedWith(make, payload, said, end);
      expect(error).toMatchObject({ code: "refused", opaqueError: { status } });
      expect((error.opaqueError as OAuthError).openidConfiguration).toBe(url);
      expect(said).toEqual([acknowledgement]);
    });
  }

  test("R-OAUTH-08 a server that cannot say now is another matter than one that said no", async () => {
    const wire: SASLInterface = {
      secure: true,
      initiate: async () => ({ state: "challenge", payload: encodeUtf8('{"status":"x"}') }),
      respond: () => Promise.reject(new SASLFailure("temporary", "later")),
      abort: async () => ({ state: "failure" }),
    };
    const mechanism = make({ username: "tim", token: "t" });
    const name = mechanism.variants[0]?.name as string;
    expect(await codeOf(mechanism.authenticate(new SASLStateMachine(wire), name))).toBe("temporary");
  });

  test("R-OAUTH-08 a second challenge is a failure too", async () => {
    const said: Uint8Array[] = [];
    const again: SASLReply = { state: "challenge", payload: encodeUtf8("{}") };
    const error = await refusedWith(make, encodeUtf8('{"status":"x"}'), said, again);
    expect(error.code).toBe("refused");
    expect(said).toHaveLength(1);
  });

  const refused: readonly [why: string, credentials: Parameters<typeof OAUTHBEARER>[0], code: SASLErrorCode][] = [
    ["an empty token", { username: "tim", token: "" }, "malformed-message"],
    ["0x01 in the token", { username: "tim", token: "a\x01b" }, "malformed-message"],
    ["CR in the token", { username: "tim", token: "a\rb" }, "malformed-message"],
    ["LF in the token", { username: "tim", token: "a\nb" }, "malformed-message"],
    ["NUL in the token", { username: "tim", token: "a\0b" }, "malformed-message"],
    ["0x01 in the name", { username: "t\x01im", token: "t" }, "malformed-message"],
    ["CR in the name", { username: "t\rim", token: "t" }, "malformed-message"],
    ["LF in the name", { username: "t\nim", token: "t" }, "malformed-message"],
    ["NUL in the name", { username: "t\0im", token: "t" }, "malformed-message"],
    ["a password for a token", { username: "tim", password: "x" }, "no-credentials"],
  ];
  test.each(refused)("R-OAUTH-11 R-XOA-01 refuses %s", async (_, credentials, code) => {
    const mechanism = make(credentials);
    const name = mechanism.variants[0]?.name as string;
    const machine = new SASLStateMachine(scriptedServer([]));
    expect(await codeOf(mechanism.authenticate(machine, name))).toBe(code);
    expect(machine.state).not.toBe("success");
  });
});

const message = "n,a=tim,\x01auth=Bearer mF_9.B5f-4.1JqM\x01\x01";

describe("the server, OAUTHBEARER", () => {
  const rows: readonly [why: string, message: string | Uint8Array, result: SASLErrorCode | "success" | "challenge"][] =
    [
      ["the usual message", message, "success"],
      ["R-OAUTH-02 an unknown key", "n,,\x01mumble=x\x01auth=Bearer mF_9.B5f-4.1JqM\x01\x01", "success"],
      [
        "R-OAUTH-02 keys every object inherits",
        message.replace("auth", "constructor=\x01toString=x\x01auth"),
        "success",
      ],
      ["R-OAUTH-03 the scheme in capitals", message.replace("Bearer", "BEARER"), "success"],
      ["R-OAUTH-03 several spaces", message.replace("Bearer ", "bearer    "), "success"],
      [
        "R-OAUTH-04 our host in capitals, our port",
        message.replace("auth", "host=MAIL.example\x01port=143\x01auth"),
        "success",
      ],
      ["R-OAUTH-01 nothing", "", "malformed-message"],
      ["R-OAUTH-01 only a header", "n,,", "malformed-message"],
      ["R-OAUTH-01 only separators", "n,,\x01\x01", "malformed-message"],
      ["R-OAUTH-01 a third separator at the end", `${message}\x01`, "malformed-message"],
      ["R-OAUTH-01 one separator at the end", message.slice(0, -1), "malformed-message"],
      ["R-OAUTH-01 a pair without a key", message.replace("auth", "=x\x01auth"), "malformed-message"],
      ["R-OAUTH-01 a key with a digit", message.replace("auth", "k1=x\x01auth"), "malformed-message"],
      ["R-OAUTH-01 __proto__ is no key", message.replace("auth", "__proto__=x\x01auth"), "malformed-message"],
      ["R-OAUTH-01 a NUL in a value", message.replace("auth", "host=\0\x01auth"), "malformed-message"],
      ["R-OAUTH-01 flag p", message.replace("n,", "p=tls-exporter,"), "malformed-message"],
      ["R-OAUTH-01 no UTF-8", Uint8Array.of(0x6e, 0x2c, 0x2c, 0xff), "incorrect-encoding"],
      ["R-OAUTH-02 no auth", "n,,\x01host=mail.example\x01\x01", "malformed-message"],
      ["R-OAUTH-02 auth twice", message.replace("auth", "auth=Bearer x\x01auth"), "malformed-message"],
      ["R-OAUTH-02 host twice", message.replace("auth", "host=a\x01host=a\x01auth"), "malformed-message"],
      ["R-OAUTH-03 another scheme", message.replace("Bearer", "Basic"), "malformed-message"],
      ["R-OAUTH-03 no space", message.replace("Bearer ", "Bearer"), "malformed-message"],
      ["R-OAUTH-03 a tab for the space", message.replace("Bearer ", "Bearer\t"), "malformed-message"],
      ["R-OAUTH-03 no token", message.replace("mF_9.B5f-4.1JqM", ""), "malformed-message"],
      ["R-OAUTH-03 padding in the middle", message.replace("mF_9", "mF=9"), "malformed-message"],
      ["R-OAUTH-03 a space after the token", message.replace("JqM", "JqM "), "malformed-message"],
      ["R-OAUTH-04 another host", message.replace("auth", "host=evil.example\x01auth"), "refused"],
      ["R-OAUTH-04 another port", message.replace("auth", "port=25\x01auth"), "refused"],
      ["R-OAUTH-04 a port that is none", message.replace("auth", "port=0143\x01auth"), "refused"],
      ["R-OAUTH-05 an identity of somebody else", message.replace("a=tim", "a=anna"), "authorization-refused"],
      ["R-OAUTH-05 an unknown escape", message.replace("a=tim", "a=t=20im"), "malformed-message"],
      ["R-OAUTH-06 a refused token", message.replace("JqM", "Jq"), "challenge"],
      ["R-LIM-01 an identity over 1024 octets", message.replace("tim", "a".repeat(1025)), "limit-exceeded"],
      ["R-LIM-01 over 64 KiB", message.replace("JqM", "x".repeat(65536)), "limit-exceeded"],
    ];
  test.each(rows)("%s", async (_, said, result) => {
    const session = sessionFor(oauthbearer, { host: "mail.example", port: 143 });
    expect(await codeAfter(session, "OAUTHBEARER", [said])).toBe(result);
    expect(session.result?.authcid).toBe(result === "success" ? "tim" : undefined);
  });

  const answers: readonly [why: string, answer: Uint8Array, code: SASLErrorCode][] = [
    ["0x01", Uint8Array.of(1), "refused"],
    ["nothing", new Uint8Array(0), "refused"],
    ["something long", new Uint8Array(65536), "refused"],
    ["another token", encodeUtf8(message), "refused"],
    ["more than a message may hold", new Uint8Array(65537), "limit-exceeded"],
  ];
  test.each(answers)("R-OAUTH-07 fails after its refusal was answered with %s", async (_, answer, code) => {
    const session = sessionFor(oauthbearer);
    const reply = await session.initiate("OAUTHBEARER", encodeUtf8(message.replace("JqM", "Jq")));
    expect(JSON.parse(decodeUtf8(reply.payload as Uint8Array))).toEqual({ status: "invalid_token" });
    expect(await codeOf(session.respond(answer))).toBe(code);
    expect(await codeOf(session.respond(answer))).toMatch(/^(unexpected-message|limit-exceeded)$/);
    expect(session.result).toBeUndefined();
  });

  test("R-OAUTH-07 an abort for an answer fails cleanly", async () => {
    const session = sessionFor(oauthbearer);
    await session.initiate("OAUTHBEARER", encodeUtf8(message.replace("JqM", "Jq")));
    expect(await session.abort()).toEqual({ state: "failure" });
    expect(session.pending).toBe(false);
  });

  test("R-OAUTH-05 every token fails without a verifier, or when it names no subject", async () => {
    const none = serverWith([oauthbearer, xoauth2], { tokens: undefined });
    expect(none.mechanisms(connection)).toEqual([]);
    expect(await codeAfter(none.session(connection), "OAUTHBEARER", [message])).toBe("mechanism-unsupported");
    const nobody = sessionFor(oauthbearer, { tokens: () => ({ ok: true, subject: "" }) });
    expect(await codeAfter(nobody, "OAUTHBEARER", [message, "\x01"])).toBe("refused");
  });

  const verdicts: readonly [why: string, verdict: () => unknown][] = [
    ["nothing", () => undefined],
    ["null", () => null],
    ["no subject", () => ({ ok: true })],
    ["a subject that is no text", () => ({ ok: true, subject: 7 })],
    ["an exception", () => Promise.reject(new Error("the provider is down"))],
  ];
  test.each(verdicts)(
    "R-STO-04 R-OAUTH-05 a verifier that answers with %s is a temporary fault",
    async (_, verdict) => {
      for (const said of [message, message.replace("a=tim", "")]) {
        const session = sessionFor(oauthbearer, { tokens: verdict as () => TokenVerdict });
        expect(await codeAfter(session, "OAUTHBEARER", [said])).toBe("temporary");
      }
    },
  );

  test("R-OAUTH-05 the verifier may name whom else its subject may act as", async () => {
    const session = sessionFor(oauthbearer, { tokens: () => ({ ok: true, subject: "anna", mayActAs: ["tim"] }) });
    expect(await codeAfter(session, "OAUTHBEARER", [message])).toBe("success");
    expect(session.result).toMatchObject({ authcid: "anna", authzid: "tim" });
  });

  test("R-OAUTH-12 keeps off an unprotected channel", async () => {
    const open = { ...connection, secure: false };
    expect(serverWith([oauthbearer, xoauth2]).mechanisms(open)).toEqual([]);
    const session = serverWith([oauthbearer]).session(open);
    expect(await codeAfter(session, "OAUTHBEARER", [message])).toBe("channel-not-protected");
  });
});

describe("the server, XOAUTH2", () => {
  const usual = "user=tim\x01auth=Bearer mF_9.B5f-4.1JqM\x01\x01";
  const rows: readonly [why: string, message: string | Uint8Array, result: SASLErrorCode | "success" | "challenge"][] =
    [
      ["the usual message", usual, "success"],
      ["R-XOA-01 a GS2 header", `n,,\x01${usual}`, "malformed-message"],
      ["R-XOA-01 no name", usual.replace("tim", ""), "malformed-message"],
      ["R-XOA-01 no user", usual.replace("user=tim\x01", ""), "malformed-message"],
      ["R-XOA-01 user twice", `user=anna\x01${usual}`, "malformed-message"],
      ["R-XOA-01 CR in the name", usual.replace("tim", "tim\r"), "malformed-message"],
      ["R-XOA-01 NUL in the name", usual.replace("tim", "t\0im"), "malformed-message"],
      ["R-XOA-01 LF in the token", usual.replace("JqM", "Jq\nM"), "malformed-message"],
      ["R-XOA-01 one separator at the end", usual.slice(0, -1), "malformed-message"],
      ["R-XOA-01 nothing", "", "malformed-message"],
      ["R-XOA-01 no UTF-8", Uint8Array.of(0xff), "incorrect-encoding"],
      ["R-XOA-03 a token of somebody else", usual.replace("tim", "anna"), "authorization-refused"],
      ["R-XOA-03 a refused token", usual.replace("JqM", "Jq"), "challenge"],
    ];
  test.each(rows)("%s", async (_, said, result) => {
    const session = sessionFor(xoauth2);
    expect(await codeAfter(session, "XOAUTH2", [said])).toBe(result);
    expect(session.result?.authcid).toBe(result === "success" ? "tim" : undefined);
  });

  test("R-XOA-01 a name beyond ASCII", async () => {
    const session = sessionFor(xoauth2, { tokens: () => ({ ok: true, subject: "jürgen" }) });
    expect(await codeAfter(session, "XOAUTH2", [usual.replace("tim", "jürgen")])).toBe("success");
  });
});
