import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { memoryAccounts } from "../memory-accounts.js";
import type { ServerEvent } from "../server.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import {
  SAML20,
  type Saml20Assertion,
  type Saml20Login,
  type Saml20ServerOptions,
  saml20,
  saml20Server,
} from "./saml20.js";

interface SamlInputs {
  readonly idp?: string;
  readonly authzid?: string | null;
  readonly redirect_url?: string;
}

const vectors = loadVectors<SamlInputs, Outcome>("saml20");
const accounts = memoryAccounts({ tim: {}, other: {} });
const page = "https://saml.example.org/x";
const issuer = "https://saml.example.org/";

const assertionFor = (login: Saml20Login, changes: Partial<Saml20Assertion> = {}): Saml20Assertion => ({
  id: "_assertion",
  issuer,
  inResponseTo: login.id,
  audiences: ["https://xmpp.example.com"],
  destination: "https://xmpp.example.com/SAML/AssertionConsumerService",
  notBefore: new Date(Date.now() - 1000),
  notOnOrAfter: new Date(Date.now() + 300_000),
  subject: "tim",
  mayActAs: ["other"],
  ...changes,
});

const options: Saml20ServerOptions = {
  audience: "https://xmpp.example.com",
  destination: "https://xmpp.example.com/SAML/AssertionConsumerService",
  begin: ({ identityProvider }) => (identityProvider === "example.org" ? { url: page, issuer } : undefined),
  outcome: (login) => assertionFor(login),
};

/** Plays a client that goes where it is sent; with the last event, which tells the log why. */
async function attempt(
  changes: Partial<Saml20ServerOptions>,
): Promise<[SASLErrorCode | "success", string | undefined]> {
  let event: ServerEvent | undefined;
  const session = sessionFor(saml20Server({ ...options, ...changes }), {
    accounts,
    onOutcome: (each) => {
      event = each;
    },
  });
  const state = await codeAfter(session, "SAML20", ["n,,example.org", "="]);
  expect(session.result?.authcid).toBe(state === "success" ? "tim" : undefined);
  return [state as SASLErrorCode | "success", event?.detail];
}

afterEach(() => vi.restoreAllMocks());

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const script = scriptOf(vector);

  if (inputs.idp !== undefined) {
    test("R-SAML-01 R-SAML-02 R-SAML-03 the client says what is published and hands the redirect out", async () => {
      const redirect = vi.fn();
      const credentials = { identityProvider: inputs.idp as string, authzid: inputs.authzid ?? undefined, redirect };
      const end = result.outcome === "success" ? "success" : "failure";
      const login = SAML20(credentials).authenticate(new SASLStateMachine(scriptedServer(script, { end })), "SAML20");
      if (end === "success") expect(await login).toMatchObject({ mechanism: "SAML20", authzid: credentials.authzid });
      else expect(await codeOf(login)).toBe("refused");
      expect(redirect).toHaveBeenCalledExactlyOnceWith(inputs.redirect_url, { signal: expect.any(AbortSignal) });
    });
  }

  test("R-SAML-01 R-SAML-03 the server judges it", async () => {
    const url = inputs.redirect_url as string;
    const outcome = result.outcome === "success" ? options.outcome : () => undefined;
    const mechanism = saml20Server({ ...options, begin: () => ({ url, issuer }), outcome });
    const session = sessionFor(mechanism, { accounts });
    expect(await playToServer(session, "SAML20", script)).toMatchObject({ state: result.outcome });
    expect(session.result?.authzid).toBe(result.outcome === "success" ? (inputs.authzid ?? "tim") : undefined);
  });
});

describe("the client", () => {
  const bad: readonly [why: string, url: string | Uint8Array, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["http", "http://saml.example.org/x", "malformed-message"],
    ["another scheme", "javascript:alert(1)//https://x", "malformed-message"],
    ["a file", "file:///etc/passwd", "malformed-message"],
    ["no scheme", "//saml.example.org/x", "malformed-message"],
    ["a path", "/SAML/Browser", "malformed-message"],
    ["no host", "https:///x", "malformed-message"],
    ["half an address", "https://[::1/x", "malformed-message"],
    ["a port there is not", "https://saml.example.org:65536/x", "malformed-message"],
    ["a host that none can be", "https://saml%00.example.org/x", "malformed-message"],
    ["no slashes", "https:saml.example.org", "malformed-message"],
    ["a space in front", " https://saml.example.org/x", "malformed-message"],
    ["a space inside", "https://saml.example.org/x y", "malformed-message"],
    ["a line end", "https://saml.example.org/x\r\n", "malformed-message"],
    ["a NUL", "https://saml.example.org/\0", "malformed-message"],
    ["an escape", "https://saml.example.org/\x1b[2J", "malformed-message"],
    ["a DEL", "https://saml.example.org/\x7f", "malformed-message"],
    ["a control of Latin 1", "https://saml.example.org/\u0085", "malformed-message"],
    ["text that turns round", "https://saml.example.org/\u202e", "malformed-message"],
    ["a backslash", "https://saml.example.org\\@evil.example", "malformed-message"],
    ["a quote", 'https://saml.example.org/";calc', "malformed-message"],
    ["an option of a program", "--help https://saml.example.org", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0xff), "incorrect-encoding"],
  ];
  test.each(bad)("R-SAML-02 a redirect with %s is handed to nobody", async (_, url, code) => {
    const redirect = vi.fn();
    const script: ScriptMessage[] = [
      { from: "client", bytes: undefined },
      { from: "server", bytes: typeof url === "string" ? encodeUtf8(url) : url },
    ];
    const machine = new SASLStateMachine(scriptedServer(script));
    const login = SAML20({ identityProvider: "example.org", redirect }).authenticate(machine, "SAML20");
    expect(await codeOf(login)).toBe(code);
    expect(redirect).not.toHaveBeenCalled();
  });

  test("R-SAML-02 a scheme in capitals, a port and an address are fine", async () => {
    for (const url of ["HTTPS://Saml.Example.org:8443/x?a=%20&b[]=1#c", "https://[::1]/"]) {
      const script: ScriptMessage[] = [
        { from: "client", bytes: encodeUtf8("n,,example.org") },
        { from: "server", bytes: encodeUtf8(url) },
        { from: "client", bytes: encodeUtf8("=") },
      ];
      const redirect = vi.fn();
      const machine = new SASLStateMachine(scriptedServer(script));
      await SAML20({ identityProvider: "example.org", redirect }).authenticate(machine, "SAML20");
      expect(redirect).toHaveBeenCalledOnce();
    }
  });

  test("R-SAML-01 says no identifier that could be something else", async () => {
    for (const identityProvider of ["", "a\0b", "a\r\nb"]) {
      const machine = new SASLStateMachine(scriptedServer([]));
      const login = SAML20({ identityProvider, redirect: () => {} }).authenticate(machine, "SAML20");
      expect(await codeOf(login)).toBe("malformed-message");
    }
  });

  test("an application that cannot show the page ends the login", async () => {
    const aborted = vi.fn();
    const redirect = (_: string, { signal }: { signal: AbortSignal }) => {
      signal.addEventListener("abort", aborted);
      throw new Error("no browser");
    };
    const session = sessionFor(saml20Server(options), { accounts });
    const login = SAML20({ identityProvider: "example.org", redirect }).authenticate(
      new SASLStateMachine(session),
      "SAML20",
    );
    expect(await codeOf(login)).toBe("aborted");
    expect(aborted).toHaveBeenCalledOnce();
    expect(session.result).toBeUndefined();
  });

  test("R-SAML-03 data after the answer is an error", async () => {
    const script: ScriptMessage[] = [
      { from: "client", bytes: undefined },
      { from: "server", bytes: encodeUtf8(page) },
      { from: "client", bytes: undefined },
      { from: "server", bytes: encodeUtf8("more") },
    ];
    for (const successData of [false, true]) {
      const machine = new SASLStateMachine(scriptedServer(script, { successData }));
      const login = SAML20({ identityProvider: "example.org", redirect: () => {} }).authenticate(machine, "SAML20");
      expect(await codeOf(login)).toBe("unexpected-message");
    }
  });
});

describe("the server", () => {
  const hostile: readonly [why: string, messages: readonly (string | Uint8Array)[], code: SASLErrorCode][] = [
    ["R-SAML-01 nothing", [""], "malformed-message"],
    ["R-SAML-01 no header", ["example.org"], "malformed-message"],
    ["R-SAML-01 the flag y", ["y,,example.org"], "malformed-message"],
    ["R-SAML-01 the flag p", ["p=tls-exporter,,example.org"], "malformed-message"],
    ["R-SAML-01 the flag F", ["F,n,,example.org"], "malformed-message"],
    ["R-SAML-01 no identity provider", ["n,,"], "malformed-message"],
    ["R-SAML-01 a control character", ["n,,example.org\n"], "malformed-message"],
    ["R-SAML-01 an identity provider nobody knows", ["n,,example.net"], "refused"],
    ["R-GEN-20 a NUL in the authzid", ["n,a=o\0ther,example.org"], "malformed-message"],
    ["R-PREP-06 no UTF-8", [Uint8Array.of(0x6e, 0x2c, 0x2c, 0xff)], "incorrect-encoding"],
    ["R-SAML-03 an empty answer", ["n,,example.org", ""], "malformed-message"],
    ["R-SAML-03 another answer", ["n,,example.org", "x"], "malformed-message"],
    ["R-SAML-03 a longer answer", ["n,,example.org", "=="], "malformed-message"],
    ["R-GEN-19 an authzid the assertion does not allow", ["n,a=anna,example.org", "="], "authorization-refused"],
  ];
  test.each(hostile)("%s", async (_, messages, code) => {
    const session = sessionFor(saml20Server(options), { accounts });
    expect(await codeAfter(session, "SAML20", messages)).toBe(code);
    expect(session.result).toBeUndefined();
  });

  const now = () => Date.now();
  const judged: readonly [why: string, (login: Saml20Login) => Saml20Assertion | undefined, string | undefined][] = [
    ["in order", (login) => assertionFor(login), undefined],
    ["without notBefore", (login) => assertionFor(login, { notBefore: undefined }), undefined],
    ["of several audiences", (l) => assertionFor(l, { audiences: ["https://a.example", options.audience] }), undefined],
    ["30 s too late, within the skew", (l) => assertionFor(l, { notOnOrAfter: new Date(now() - 30_000) }), undefined],
    ["30 s too early, within the skew", (l) => assertionFor(l, { notBefore: new Date(now() + 30_000) }), undefined],
    ["that is not there", () => undefined, "no assertion"],
    ["of another issuer", (l) => assertionFor(l, { issuer: "https://evil.example/" }), "another issuer"],
    ["for another request", (l) => assertionFor(l, { inResponseTo: "_other" }), "an answer to another request"],
    ["for no request", (l) => assertionFor(l, { inResponseTo: "" }), "an answer to another request"],
    ["for nobody", (l) => assertionFor(l, { audiences: [] }), "for another audience"],
    ["for another audience", (l) => assertionFor(l, { audiences: ["https://a.example"] }), "for another audience"],
    [
      "with its audience as text, which has ours in it",
      (l) => assertionFor(l, { audiences: `${options.audience}.evil.example` as unknown as string[] }),
      "for another audience",
    ],
    [
      "for another destination",
      (l) => assertionFor(l, { destination: "https://a.example/" }),
      "for another destination",
    ],
    ["that is too old", (l) => assertionFor(l, { notOnOrAfter: new Date(now() - 61_000) }), "not valid any more"],
    ["that is of the future", (l) => assertionFor(l, { notBefore: new Date(now() + 62_000) }), "not valid yet"],
    ["without a sensible end", (l) => assertionFor(l, { notOnOrAfter: new Date("x") }), "not valid any more"],
    ["without a sensible beginning", (l) => assertionFor(l, { notBefore: new Date("x") }), "not valid yet"],
    ["without an ID", (l) => assertionFor(l, { id: "" }), "without an ID"],
    ["without anything", () => ({}) as Saml20Assertion, "another issuer"],
  ];
  test.each(judged)("R-SAML-04 an assertion %s", async (_, outcome, detail) => {
    vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    expect(await attempt({ outcome })).toEqual(detail === undefined ? ["success", undefined] : ["refused", detail]);
  });

  test("R-SAML-04 what a careless application leaves out at both ends is not equal", async () => {
    const nothing = undefined as unknown as string;
    for (const issuer of [nothing, ""]) {
      const outcome = (login: Saml20Login) => assertionFor(login, { issuer });
      expect((await attempt({ begin: () => ({ url: page, issuer }), outcome }))[0]).toBe("temporary");
    }
    for (const missing of [nothing, ""]) {
      expect(() => saml20Server({ ...options, audience: missing })).toThrow(TypeError);
      expect(() => saml20Server({ ...options, destination: missing })).toThrow(TypeError);
    }
  });

  test("R-SAML-04 an assertion is good for one login", async () => {
    const server = saml20Server(options);
    const codes = [];
    for (let i = 0; i < 2; i++)
      codes.push(await codeAfter(sessionFor(server, { accounts }), "SAML20", ["n,,example.org", "="]));
    expect(codes).toEqual(["success", "refused"]); // another request, and the same ID
    let first: Saml20Assertion | undefined;
    const outcome = (login: Saml20Login) => {
      first ??= assertionFor(login);
      return first;
    };
    const stored = saml20Server({ ...options, outcome, useOnce: () => true });
    const again = [];
    for (let i = 0; i < 2; i++)
      again.push(await codeAfter(sessionFor(stored, { accounts }), "SAML20", ["n,,example.org", "="]));
    expect(again).toEqual(["success", "refused"]); // the same ID allowed, and another request
  });

  test("R-SAML-04 what several processes remember decides", async () => {
    const seen: [string, Date][] = [];
    const useOnce = (key: string, until: Date) => {
      seen.push([key, until]);
      return false;
    };
    vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    expect(await attempt({ useOnce })).toEqual(["refused", "used before"]);
    expect(seen).toEqual([[`${issuer} _assertion`, new Date(1_700_000_000_000 + 360_000)]]);
  });

  test("R-SAML-04 every login has a number of its own, and one signal that says when it is over", async () => {
    const logins: Saml20Login[] = [];
    const outcome = (login: Saml20Login) => {
      logins.push(login);
      expect(login.signal.aborted).toBe(false);
      return assertionFor(login, { id: login.id });
    };
    const server = saml20Server({ ...options, outcome });
    for (let i = 0; i < 20; i++) await codeAfter(sessionFor(server, { accounts }), "SAML20", ["n,,example.org", "="]);
    expect(new Set(logins.map(({ id }) => id)).size).toBe(20);
    for (const { id, signal } of logins) {
      expect(id).toMatch(/^_[0-9a-f]{32}$/);
      expect(signal.aborted).toBe(true);
    }
  });

  test("R-SAML-04 a callback that fails is a fault of ours, and nobody gets in", async () => {
    const fault = () => Promise.reject(new Error("the provider does not answer"));
    for (const changes of [{ begin: fault }, { outcome: fault }, { useOnce: fault }]) {
      expect((await attempt(changes))[0]).toBe("temporary");
    }
    expect((await attempt({ begin: () => ({ url: "http://x", issuer }) }))[0]).toBe("temporary");
  });

  test("is never offered before it is configured, nor in the clear", () => {
    expect(serverWith([saml20]).mechanisms(connection)).toEqual([]);
    expect(serverWith([saml20Server(options)]).mechanisms(connection)).toEqual(["SAML20"]);
    expect(serverWith([saml20Server(options)]).mechanisms({ ...connection, secure: false })).toEqual([]);
  });
});
