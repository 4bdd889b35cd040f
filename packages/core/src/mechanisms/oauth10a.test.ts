import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { ClientSettings } from "../client.js";
import type { SASLErrorCode } from "../errors.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import type { ServerEvent } from "../server.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import type { OAuthError } from "./oauth-messages.js";
import {
  hmacSha1Verifier,
  OAUTH10A,
  type OAuth10aCredentials,
  type OAuth10aRequest,
  oauth10a,
  oauth10aServer,
} from "./oauth10a.js";
import { hmacSha1Signature } from "./oauth10a-signature.js";

interface OAuth10aInputs {
  readonly mechanism?: string;
  readonly authzid: string;
  readonly host: string;
  readonly port: number;
  readonly oauth_params: Readonly<Record<string, string>>;
}

const vectors = loadVectors<OAuth10aInputs, Outcome>("oauthbearer-more").filter(
  ({ inputs }) => inputs.mechanism === "OAUTH10A",
);
const accounts = memoryAccounts({ "user@example.com": {}, tim: {} });
const settings: ClientSettings = { host: "example.com", port: 143 };

afterEach(() => vi.restoreAllMocks());

test("there is a published vector", () => expect(vectors).toHaveLength(1));

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { authzid, host, port, oauth_params: parameters } = vector.inputs;
  const signature = decodeURIComponent(parameters.oauth_signature as string);
  const base =
    "POST&http%3A%2F%2Fexample.com%3A143%2F&oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a" +
    "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7";

  test("R-OAUTH-01 R-OAUTH-11 the client says it", async () => {
    vi.spyOn(Date, "now").mockReturnValue(137_131_201_999);
    const sign = vi.fn(() => signature);
    const credentials: OAuth10aCredentials = {
      username: authzid,
      consumerKey: parameters.oauth_consumer_key as string,
      token: parameters.oauth_token as string,
      realm: parameters.realm,
      sign,
    };
    const machine = new SASLStateMachine(scriptedServer(scriptOf(vector)));
    const nonce = () => parameters.oauth_nonce as string;
    await OAUTH10A(credentials).authenticate(machine, "OAUTH10A", { host, port, nonce });
    expect(sign).toHaveBeenCalledExactlyOnceWith(base); // as RFC 7628 §3.3 prints it, save that RFC 5849 encodes the colon
  });

  test("R-OAUTH-01 R-OAUTH-03 the server reads it", async () => {
    const asked: OAuth10aRequest[] = [];
    const mechanism = oauth10aServer({
      verify(request) {
        asked.push(request);
        return { ok: true, subject: authzid };
      },
    });
    const session = sessionFor(mechanism, { accounts, host, port });
    expect(await playToServer(session, "OAUTH10A", scriptOf(vector))).toEqual({ state: "success" });
    expect(session.result?.authcid).toBe(authzid);
    expect(asked).toEqual([
      {
        authzid,
        consumerKey: "9djdj82h48djs9d2",
        token: "kkk9d7dh3k39sjv7",
        realm: "Example",
        signatureMethod: "HMAC-SHA1",
        signature,
        timestamp: 137131201,
        nonce: "7d8f3e4a",
        baseString: base,
      },
    ]);
  });
});

/** What a client with these credentials says. */
async function saidBy(credentials: OAuth10aCredentials, more: ClientSettings = {}): Promise<string> {
  let said = "";
  const server = scriptedServer([{ from: "client", bytes: undefined }]);
  const machine = new SASLStateMachine({
    ...server,
    initiate(name, payload) {
      said = decodeUtf8(payload as Uint8Array);
      return server.initiate(name, payload);
    },
  });
  await OAUTH10A(credentials).authenticate(machine, "OAUTH10A", { ...settings, ...more });
  return said;
}

const keys = { consumerKey: "9djdj82h48djs9d2", token: "kkk9d7dh3k39sjv7" };
const secrets = { consumerSecret: "j49sk3j29djd", tokenSecret: "dh893hdasih9" };

/** Computed with Python's hmac: the published example with secrets that are given here, and one that needs encoding. */
const signatures = {
  published: "wGLij10Hhr7V28j6pcoAr1plceo=",
  encoded: "R0/daGikxn6+4n2di8camVZkC3w=",
};

describe("the client", () => {
  test("signs with HMAC-SHA1", async () => {
    vi.spyOn(Date, "now").mockReturnValue(137_131_201_000);
    const said = await saidBy({ ...keys, ...secrets }, { nonce: () => "7d8f3e4a" });
    expect(said).toContain(`oauth_signature="${encodeURIComponent(signatures.published)}"\x01\x01`);
    expect(said.startsWith("n,,\x01host=example.com\x01port=143\x01auth=OAuth oauth_consumer_key=")).toBe(true);
  });

  test("signs what has to be encoded, and leaves port 80 out", async () => {
    vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const credentials = {
      consumerKey: "k\u00e9 y",
      token: "t&=+",
      consumerSecret: "s&cret!'()*",
      tokenSecret: "t\u00f6k\u00ebn",
    };
    const said = await saidBy(credentials, { host: "Mail.Example.com", port: 80, nonce: () => "n/1=" });
    expect(said).toContain(`oauth_signature="${encodeURIComponent(signatures.encoded)}"`);
    expect(said).toContain('oauth_token="t%26%3D%2B"');
  });

  const refused: readonly [why: string, credentials: OAuth10aCredentials, more: ClientSettings, code: SASLErrorCode][] =
    [
      ["no port", { ...keys, ...secrets }, { port: undefined }, "no-credentials"],
      ["no host", { ...keys, ...secrets }, { host: undefined }, "no-credentials"],
      ["no secret and nobody to sign", keys, {}, "no-credentials"],
      ["a line end in the name", { ...keys, ...secrets, username: "a\r\nb" }, {}, "malformed-message"],
      ["0x01 in the authzid", { ...keys, ...secrets, authzid: "a\x01b" }, {}, "malformed-message"],
      ["0x01 in the host", { ...keys, ...secrets }, { host: "a\x01b" }, "malformed-message"],
      ["half a character", { ...keys, ...secrets, consumerKey: "\ud800" }, {}, "malformed-message"],
    ];
  test.each(refused)("R-OAUTH-11 refuses %s", async (_, credentials, more, code) => {
    expect(await codeOf(saidBy(credentials, more))).toBe(code);
  });

  test("R-OAUTH-08 R-OAUTH-09 a challenge is a refusal, acknowledged with 0x01, whatever follows", async () => {
    for (const [challenge, status] of [
      ['{"status":"invalid_token"}', "invalid_token"],
      ["{}", "unknown"],
      ["no JSON", "unknown"],
    ] as const) {
      const script: ScriptMessage[] = [
        { from: "client", bytes: undefined },
        { from: "server", bytes: encodeUtf8(challenge) },
        { from: "client", bytes: Uint8Array.of(1) },
      ];
      const machine = new SASLStateMachine(scriptedServer(script));
      const login = OAUTH10A({ ...keys, ...secrets }).authenticate(machine, "OAUTH10A", settings);
      const error = await login.catch((thrown: { code: SASLErrorCode; opaqueError: OAuthError }) => thrown);
      expect(error).toMatchObject({ code: "refused", opaqueError: { status } });
    }
  });

  test("R-OAUTH-12 keeps off an unprotected channel", async () => {
    const machine = new SASLStateMachine({ ...scriptedServer([]), secure: false });
    const login = OAUTH10A({ ...keys, ...secrets }).authenticate(machine, "OAUTH10A", settings);
    expect(await codeOf(login)).toBe("channel-not-protected");
  });
});

describe("the server", () => {
  const parameters = {
    realm: "Example",
    oauth_consumer_key: "key",
    oauth_token: "token",
    oauth_signature_method: "HMAC-SHA1",
    oauth_timestamp: "137131201",
    oauth_nonce: "nonce",
    oauth_signature: "AAAA",
  };
  const auth = (changes: Readonly<Record<string, string | undefined>> = {}) =>
    `OAuth ${Object.entries({ ...parameters, ...changes })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}="${value}"`)
      .join(",")}`;
  const message = (pairs: Readonly<Record<string, string | undefined>> = {}, header = "n,,") =>
    `${[
      header,
      ...Object.entries({ host: "example.com", port: "143", auth: auth(), ...pairs })
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => `${key}=${value}`),
    ].join("\x01")}\x01\x01`;
  const trusting = oauth10aServer({ verify: () => ({ ok: true, subject: "tim" }) });
  const served = { accounts, host: "example.com", port: 143 };

  const rows: readonly [why: string, message: string, result: SASLErrorCode | "success"][] = [
    ["in order", message(), "success"],
    [
      "the scheme in another case, spaces in the list",
      message({ auth: auth().replace("OAuth", "oAUTH").replaceAll(",", " , ") }),
      "success",
    ],
    ["R-OAUTH-02 an unknown key", message({ foo: "bar" }), "success"],
    ["the version 1.0", message({ auth: auth({ oauth_version: "1.0" }) }), "success"],
    ["no realm", message({ auth: auth({ realm: undefined }) }), "success"],
    ["R-OAUTH-01 nothing", "", "malformed-message"],
    ["R-OAUTH-01 no header", message().slice(3), "malformed-message"],
    ["R-OAUTH-01 no end", message().slice(0, -1), "malformed-message"],
    ["R-OAUTH-01 the flag p", message({}, "p=tls-unique,,"), "malformed-message"],
    ["R-OAUTH-02 no auth", message({ auth: undefined }), "malformed-message"],
    ["R-OAUTH-02 a key twice", message().replace("\x01port=143", "\x01port=143\x01port=143"), "malformed-message"],
    ["R-OAUTH-03 a bearer token", message({ auth: "Bearer abc" }), "malformed-message"],
    ["no host", message({ host: undefined }), "malformed-message"],
    ["no port", message({ port: undefined }), "malformed-message"],
    ["a port with a zero in front", message({ port: "0143" }), "refused"],
    ["R-OAUTH-04 another host", message({ host: "evil.example" }), "refused"],
    ["R-OAUTH-04 another port", message({ port: "993" }), "refused"],
    ["R-OAUTH-05 an authzid that is not allowed", message({}, "n,a=anna,"), "authorization-refused"],
    ...Object.keys(parameters)
      .filter((name) => name !== "realm")
      .map((name): (typeof rows)[number] => [
        `no ${name}`,
        message({ auth: auth({ [name]: undefined }) }),
        "malformed-message",
      ]),
    ["an empty nonce", message({ auth: auth({ oauth_nonce: "" }) }), "malformed-message"],
    ["a parameter twice", message({ auth: `${auth()},oauth_nonce="x"` }), "malformed-message"],
    ["a parameter without quotes", message({ auth: `${auth()},x=y` }), "malformed-message"],
    ["a comma too many", message({ auth: `${auth()},` }), "malformed-message"],
    ["a bad percent-encoding", message({ auth: auth({ oauth_nonce: "%zz" }) }), "malformed-message"],
    ["a timestamp that is none", message({ auth: auth({ oauth_timestamp: "-1" }) }), "malformed-message"],
    ["a timestamp without end", message({ auth: auth({ oauth_timestamp: "9".repeat(20) }) }), "malformed-message"],
    ["R-LIM-02 a body of a thousand parameters", message({ post: "a&".repeat(999) }), "success"],
    ["R-LIM-02 a body of more", message({ post: "a&".repeat(1000) }), "limit-exceeded"],
    [
      "R-LIM-02 a header of more",
      message({ auth: `${auth()}${Array.from({ length: 1000 }, (_, i) => `,x${i}=""`).join("")}` }),
      "limit-exceeded",
    ],
    ["R-LIM-02 a query of more", message({ qs: "&".repeat(60_000) }), "limit-exceeded"],
    ["the version 2.0", message({ auth: auth({ oauth_version: "2.0" }) }), "malformed-message"],
    ["a signature that is none", message({ auth: auth({ oauth_signature_method: "PLAINTEXT" }) }), "malformed-message"],
  ];
  test.each(rows)("%s", async (_, said, result) => {
    const session = sessionFor(trusting, served);
    expect(await codeAfter(session, "OAUTH10A", [said])).toBe(result);
    expect(session.result?.authcid).toBe(result === "success" ? "tim" : undefined);
  });

  test("signs over method, path, query and body where the client names them", async () => {
    let base: string | undefined;
    const mechanism = oauth10aServer({
      verify(request) {
        base = request.baseString;
        return { ok: true, subject: "tim" };
      },
    });
    // RFC 5849 §3.4.1.1, with the host of this connection
    const given = {
      oauth_consumer_key: "9djdj82h48djs9d2",
      oauth_token: "kkk9d7dh3k39sjv7",
      oauth_nonce: "7d8f3e4a",
      oauth_signature: "bYT5CMsGcbgUdFHObYMEfcx6bsw%3D",
    };
    const said = message({
      port: "80",
      auth: auth(given),
      mthd: "post",
      path: "/request",
      qs: "b5=%3D%253D&a3=a&c%40=&a2=r%20b",
      post: "c2&a3=2+q",
    });
    expect(await codeAfter(sessionFor(mechanism, { accounts, host: "example.com" }), "OAUTH10A", [said])).toBe(
      "success",
    );
    expect(base).toBe(
      "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
        "oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26" +
        "oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7",
    );
  });

  test("R-OAUTH-06 R-OAUTH-07 a refusal is a challenge, then failure whatever is answered", async () => {
    const verify = () => ({ ok: false, status: "invalid_token", scope: "mail" }) as const;
    for (const answer of ["\x01", "", "x".repeat(1000)]) {
      const session = sessionFor(oauth10aServer({ verify }), served);
      const reply = await session.initiate("OAUTH10A", encodeUtf8(message()));
      expect(JSON.parse(decodeUtf8(reply.payload as Uint8Array))).toEqual({ status: "invalid_token", scope: "mail" });
      expect(await codeOf(session.respond(encodeUtf8(answer)))).toBe("refused");
    }
  });

  test("R-OAUTH-05 a token that names no subject fails, and a callback that fails is a fault of ours", async () => {
    const nobody = sessionFor(oauth10aServer({ verify: () => ({ ok: true, subject: "" }) }), served);
    expect(await codeAfter(nobody, "OAUTH10A", [message(), "\x01"])).toBe("refused");
    const fault = sessionFor(oauth10aServer({ verify: () => Promise.reject(new Error("down")) }), served);
    expect(await codeAfter(fault, "OAUTH10A", [message()])).toBe("temporary");
  });

  test("R-OAUTH-12 is never offered before it is configured, nor in the clear", () => {
    expect(serverWith([oauth10a], served).mechanisms(connection)).toEqual([]);
    expect(serverWith([trusting], served).mechanisms(connection)).toEqual(["OAUTH10A"]);
    expect(serverWith([trusting], served).mechanisms({ ...connection, secure: false })).toEqual([]);
  });
});

describe("hmacSha1Verifier", () => {
  const find = (consumerKey: string, token: string) =>
    consumerKey === keys.consumerKey && token === keys.token ? { ...secrets, subject: "tim" } : undefined;

  /** Plays a client; with what the log is told. */
  async function attempt(
    credentials: Partial<OAuth10aCredentials> = {},
    {
      verify = hmacSha1Verifier({ secrets: find }),
      nonce,
    }: { verify?: ReturnType<typeof hmacSha1Verifier>; nonce?: string } = {},
  ): Promise<string | undefined> {
    let event: ServerEvent | undefined;
    const onOutcome = (each: ServerEvent) => {
      event = each;
    };
    const limits = { timeoutMs: 0 }; // the clock is turned on under way
    const served = { accounts, host: "example.com", port: 143, onOutcome, limits };
    const session = sessionFor(oauth10aServer({ verify }), served);
    const client = OAUTH10A({ ...keys, ...secrets, ...credentials });
    const more = nonce === undefined ? {} : { nonce: () => nonce };
    const login = client.authenticate(new SASLStateMachine(session, { limits }), "OAUTH10A", { ...settings, ...more });
    const code = await login.then(
      () => "success",
      (error: { code: SASLErrorCode }) => error.code,
    );
    expect(code).toBe(event?.ok ? "success" : "refused");
    return event?.ok ? undefined : event?.detail;
  }

  const rows: readonly [why: string, credentials: Partial<OAuth10aCredentials>, detail: string | undefined][] = [
    ["the right secrets", {}, undefined],
    ["the wrong secret of the consumer", { consumerSecret: "x" }, "wrong signature"],
    ["the wrong secret of the token", { tokenSecret: "x" }, "wrong signature"],
    ["a signature that is no base64", { sign: () => "?" }, "wrong signature"],
    ["a signature that is empty but for its form", { sign: () => "====" }, "wrong signature"],
    ["R-GEN-31 an unknown consumer", { consumerKey: "x" }, "a consumer or a token nobody has"],
    ["R-GEN-31 an unknown token", { token: "x" }, "a consumer or a token nobody has"],
    [
      "R-GEN-31 an unknown token, signed without secrets",
      { token: "x", consumerSecret: "", tokenSecret: "" },
      "a consumer or a token nobody has",
    ],
    ["another method", { signatureMethod: "RSA-SHA1", sign: () => "AAAA" }, "another signature method"],
  ];
  test.each(rows)("R-OAUTH-05 %s", async (_, credentials, detail) => {
    expect(await attempt(credentials)).toBe(detail);
  });

  test("a secret that the application does not have is a fault of ours, and not an empty one", async () => {
    const request = { authzid: undefined, ...keys, realm: undefined, signatureMethod: "HMAC-SHA1", nonce: "x" };
    const sent = { ...request, timestamp: Math.floor(Date.now() / 1000), baseString: "POST" };
    for (const missing of ["consumerSecret", "tokenSecret"]) {
      const held = { consumerSecret: "", tokenSecret: "", subject: "tim", [missing]: undefined };
      const verify = hmacSha1Verifier({ secrets: () => held });
      const signature = await hmacSha1Signature(sent.baseString, {});
      await expect((async () => verify({ ...sent, signature }))()).rejects.toBeInstanceOf(TypeError);
    }
  });

  test("a store that says null for a token nobody has lets nobody in who signs with nothing", async () => {
    const verify = hmacSha1Verifier({ secrets: () => null as unknown as undefined });
    expect(await attempt({ consumerSecret: "", tokenSecret: "" }, { verify })).toBe("a consumer or a token nobody has");
  });

  test("a timestamp is near, and a nonce is used once", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const verify = hmacSha1Verifier({ secrets: find });
    expect(await attempt({}, { verify, nonce: "a" })).toBeUndefined();
    expect(await attempt({}, { verify, nonce: "a" })).toBe("a nonce that was used before");
    expect(await attempt({}, { verify, nonce: "b" })).toBeUndefined();
    expect(await attempt({}, { verify: hmacSha1Verifier({ secrets: find, useOnce: () => false }) })).toBe(
      "a nonce that was used before",
    );
    for (const [late, detail] of [
      [299, undefined],
      [301, "a timestamp that is too old or too new"],
      [-301, "a timestamp that is too old or too new"],
    ] as const) {
      const then = hmacSha1Verifier({ secrets: find });
      const shifted: typeof then = (request) => {
        clock.mockReturnValue(1_700_000_000_000 + late * 1000);
        return then(request);
      };
      clock.mockReturnValue(1_700_000_000_000);
      expect(await attempt({}, { verify: shifted })).toBe(detail);
    }
  });
});
