import { AuthenticationFailure, type SASLInterface, SASLStateMachine } from "sasl-core";
import { GS2_KRB5, GSS_SPNEGO, GSSAPI, type GssContext, krb5Oid, spnegoOid } from "sasl-core/mechanisms";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { describe, expect, test, vi } from "vitest";
import { type KerberosModule, kerberosProvider } from "./kerberos-provider.js";

const flags = { mutual: true, sequence: false, integrity: true, confidentiality: false };
const request = { mechanism: krb5Oid, target: "imap@mail.example.com", flags };
const text = (octets: Uint8Array | undefined) => Buffer.from(octets ?? []).toString();
const octets = (written: string) => Uint8Array.from(Buffer.from(written));

/** An unencrypted token of RFC 4121 §4.2.6.2 with a checksum of two octets. */
const wrapped = (...plain: readonly number[]) =>
  Uint8Array.of(5, 4, 0, 0xff, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...plain, 1, 2);

/** The package as its version 7 behaves, with a server that agrees to everything. */
function fakeModule(offer: readonly number[] = [1, 0, 0, 0]) {
  const calls: unknown[] = [];
  const module: KerberosModule = {
    async initializeClient(service, options) {
      calls.push({ service, options });
      let steps = 0;
      return {
        get contextComplete() {
          return steps === 2;
        },
        username: "alice@EXAMPLE.COM",
        async step(challenge) {
          calls.push({ step: text(decodeBase64(challenge)) });
          return steps++ === 0 ? encodeBase64(octets("AP-REQ")) : null;
        },
        async wrap(challenge, { user }) {
          calls.push({ wrap: [...decodeBase64(challenge)], user });
          return encodeBase64(octets("the choice"));
        },
        async unwrap(challenge) {
          calls.push({ unwrap: decodeBase64(challenge).length });
          return encodeBase64(Uint8Array.from(offer));
        },
      };
    },
  };
  return { module, calls };
}

async function established(): Promise<GssContext> {
  const context = await kerberosProvider({ module: fakeModule().module }).initiate(request);
  await context.step(undefined);
  await context.step(octets("AP-REP"));
  return context;
}

test("R-GSS-01 R-GSS-03 R-GSS-04 a whole exchange of GSSAPI", async () => {
  const { module, calls } = fakeModule([7, 1, 0, 0]);
  const replies = [octets("AP-REP"), wrapped(7, 1, 0, 0)];
  const heard: string[] = [];
  const answer = async (payload: Uint8Array | undefined) => {
    heard.push(text(payload));
    const next = replies.shift();
    return next ? { state: "challenge" as const, payload: next } : { state: "success" as const };
  };
  const wire: SASLInterface = {
    secure: true,
    layers: true,
    initiate: (_, payload) => answer(payload),
    respond: answer,
    abort: async () => ({ state: "failure" }),
  };
  const client = GSSAPI({ provider: kerberosProvider({ module }) }, { username: "alice", authzid: "bob" });
  const protection = { minSsf: 0, maxSsf: 256, maxInput: 4096 };
  const settings = { service: "imap", host: "mail.example.com", protection };
  const outcome = await client.authenticate(new SASLStateMachine(wire), "GSSAPI", settings);
  expect(outcome).toMatchObject({ authzid: "bob", serverVerified: true, layer: undefined });
  expect(heard).toEqual(["AP-REQ", "", "the choice"]);
  expect(calls).toEqual([
    { service: "imap@mail.example.com", options: { mechOID: 9, flags: 2 | 32, principal: "alice" } },
    { step: "" },
    { step: "AP-REP" },
    { unwrap: 22 },
    { wrap: [1, 0, 0, 0], user: "bob" },
  ]);
});

test("R-GS2-02 GS2 and GSS-SPNEGO need more than the package has, and say so before anything is sent", async () => {
  const { module, calls } = fakeModule();
  const provider = kerberosProvider({ module });
  const refusing: SASLInterface = {
    initiate: () => Promise.reject(new AuthenticationFailure("refused", "something was sent")),
    respond: () => Promise.reject(new Error("unreachable")),
    abort: async () => ({ state: "failure" }),
  };
  const settings = { service: "imap", host: "mail.example.com" };
  for (const [name, mechanism] of [
    ["GS2-KRB5", GS2_KRB5({ provider })],
    ["GSS-SPNEGO", GSS_SPNEGO({ provider })],
  ] as const) {
    const exchange = mechanism.authenticate(new SASLStateMachine(refusing), name, settings);
    await expect(exchange).rejects.toMatchObject({ code: "no-credentials" });
  }
  expect(calls).toEqual([]);
});

test("it is nothing for Windows, where a context of the package is complete before the server proved itself", () => {
  const platform = vi.spyOn(process, "platform", "get").mockReturnValue("win32");
  try {
    expect(() => kerberosProvider({ module: fakeModule().module })).toThrow("Windows");
  } finally {
    platform.mockRestore();
  }
});

test("R-GSS-02 it is never an acceptor", () => {
  const provider = kerberosProvider({ module: fakeModule().module });
  expect(provider.canAccept(krb5Oid)).toBe(false);
  expect(() => provider.accept({ mechanism: krb5Oid })).toThrow(expect.objectContaining({ code: "temporary" }));
});

test.each([
  ["another mechanism", { ...request, mechanism: spnegoOid }],
  ["channel bindings", { ...request, channelBinding: octets("n,,") }],
])("%s cannot be had", async (_, wanted) => {
  const provider = kerberosProvider({ module: fakeModule().module });
  const refusal = (async () => provider.initiate(wanted))();
  await expect(refusal).rejects.toMatchObject({ code: "no-credentials" });
});

describe("a context", () => {
  test("wraps the choice of no layer, and nothing else", async () => {
    const context = await established();
    expect(text(await context.wrap(Uint8Array.of(1, 0, 0, 0), false))).toBe("the choice");
    const others: readonly (readonly [plain: Uint8Array, confidential: boolean])[] = [
      [Uint8Array.of(1, 0, 0, 0), true],
      [Uint8Array.of(2, 0, 16, 0), false],
      [Uint8Array.of(1, 0, 0, 1), false],
      [Uint8Array.of(1, 0, 0), false],
      [Uint8Array.of(1, 0, 0, 0, 65, 0, 66), false], // the package would stop at the NUL
      [new Uint8Array(4096).fill(65).map((octet, at) => [1, 0, 0, 0][at] ?? octet), false], // it would cut this off
    ];
    for (const [plain, confidential] of others) {
      await expect((async () => context.wrap(plain, confidential))()).rejects.toThrow(TypeError);
    }
    expect(context.wrapSizeLimit(65_536, false)).toBe(0);
    expect(() => context.getMic(octets("x"))).toThrow(TypeError);
    expect(() => context.verifyMic(octets("x"), octets("y"))).toThrow(TypeError);
  });

  test.each([
    ["nothing in it", wrapped()],
    ["nothing at all", new Uint8Array(0)],
    ["a length of a checksum that is not there", Uint8Array.of(5, 4, 0, 0xff, 0xff, 0xff, ...new Array(20).fill(0))],
    ["what is encrypted", wrapped(1, 0, 0, 0).map((octet, at) => (at === 2 ? 2 : octet))],
    ["a MIC", wrapped(1, 0, 0, 0).map((octet, at) => (at === 0 ? 4 : octet))],
  ])("R-GSS-07 a token with %s never gets to the package, which would end the process", async (_, token) => {
    const context = await established();
    await expect((async () => context.unwrap(token))()).rejects.toThrow(TypeError);
    expect([...(await context.unwrap(wrapped(1, 0, 0, 0))).plain]).toEqual([1, 0, 0, 0]);
  });

  test("begins once", async () => {
    const context = await established();
    await expect((async () => context.step(undefined))()).rejects.toThrow(TypeError);
  });
});
