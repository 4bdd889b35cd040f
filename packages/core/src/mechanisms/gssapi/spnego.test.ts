import { describe, expect, test } from "vitest";
import { codeAfter, codeOf, connection, serverWith } from "../../../test/support.js";
import { type ToyOptions, toyKerberos } from "../../../test/toy-kerberos.js";
import { authenticate } from "../../authenticate.js";
import type { SASLErrorCode } from "../../errors.js";
import type { SASLInterface } from "../../interface.js";
import { concatBytes } from "../../internal/bytes.js";
import type { ServerPolicy } from "../../server.js";
import { SASLStateMachine } from "../../state-machine.js";
import { GSS_SPNEGO, type GssContext, type GssProvider, gssSpnegoMechanism, krb5Oid, ntlmOid } from "./index.js";
import { msKrb5Oid } from "./provider.js";
import {
  formatInit,
  formatMechTypeList,
  formatResp,
  type NegTokenResp,
  parseInit,
  parseResp,
} from "./spnego-tokens.js";

const host = "mail.example.com";
const service = "imap";
const target = `${service}@${host}`;
const names = { service, host };
const other = "1.2.3.4";
const both = [other, krb5Oid];
const everything = { mutual: true, sequence: true, integrity: true, confidentiality: true };
const junk = Uint8Array.of(1, 2, 3);
const layered = { ...connection, secure: false, layers: true, successData: true };

function sessionWith(provider: GssProvider, mechanisms = [krb5Oid], policy: ServerPolicy = {}) {
  return serverWith([gssSpnegoMechanism({ provider, mechanisms })], { ...names, policy }).session(layered);
}

interface ManualClient {
  readonly gss: GssContext;
  readonly list: Uint8Array;
  readonly token: Uint8Array;
}
async function clientFor(
  provider: GssProvider,
  mechTypes: readonly string[],
  flags = everything,
): Promise<ManualClient> {
  const gss = await provider.initiate({ mechanism: krb5Oid, target, flags });
  return { gss, list: formatMechTypeList(mechTypes), token: (await gss.step(undefined)).token as Uint8Array };
}
const read = (reply: { payload?: Uint8Array | undefined }): NegTokenResp => parseResp(reply.payload as Uint8Array);

describe("the server", () => {
  test("R-SPN-01 takes the first preference without a MIC", async () => {
    const provider = toyKerberos();
    const session = sessionWith(provider);
    const { list, token } = await clientFor(provider, [krb5Oid]);
    const reply = await session.initiate("GSS-SPNEGO", formatInit(list, token));
    expect(read(reply)).toMatchObject({ negState: "accept-completed", supportedMech: krb5Oid });
    expect(session.result).toMatchObject({ authcid: "tim", layer: { ssf: 256 } });
  });

  test("R-SPN-01 Kerberos by the name Windows gives it", async () => {
    const provider = toyKerberos();
    const { list, token } = await clientFor(provider, [msKrb5Oid, krb5Oid, ntlmOid]);
    const reply = await sessionWith(provider).initiate("GSS-SPNEGO", formatInit(list, token));
    expect(read(reply)).toMatchObject({ negState: "accept-completed", supportedMech: msKrb5Oid });
  });

  /** Up to where the server wants to see the client's MIC. */
  async function toMic(provider: GssProvider) {
    const session = sessionWith(provider);
    const { gss, list, token } = await clientFor(provider, both);
    const first = read(await session.initiate("GSS-SPNEGO", formatInit(list, junk)));
    expect(first).toEqual({ negState: "request-mic", supportedMech: krb5Oid });
    const second = read(await session.respond(formatResp({ responseToken: token })));
    expect(second).toMatchObject({ negState: "accept-incomplete" });
    expect(second.supportedMech).toBeUndefined();
    await gss.step(second.responseToken);
    await gss.verifyMic(list, second.mechListMic as Uint8Array);
    return { session, gss, list };
  }

  test("R-SPN-01 wants a MIC over the list for what is not the first preference", async () => {
    const { session, gss, list } = await toMic(toyKerberos());
    const last = await session.respond(formatResp({ mechListMic: await gss.getMic(list) }));
    expect(read(last)).toEqual({ negState: "accept-completed" });
    expect(session.result).toMatchObject({ authcid: "tim" });
  });

  test("R-SPN-01 a MIC over another list, or none", async () => {
    const stripped = await toMic(toyKerberos());
    const mechListMic = await stripped.gss.getMic(formatMechTypeList([krb5Oid]));
    expect(await codeOf(stripped.session.respond(formatResp({ mechListMic })))).toBe("refused");
    const without = await toMic(toyKerberos());
    expect(await codeOf(without.session.respond(formatResp({})))).toBe("malformed-message");
    const token = await toMic(toyKerberos());
    expect(await codeOf(token.session.respond(formatResp({ responseToken: junk })))).toBe("malformed-message");
    for (const each of [stripped, without, token]) expect(each.session.result).toBeUndefined();
  });

  test("R-SPN-01 a MIC that nobody asked for is looked at and answered", async () => {
    const run = async (spoil: boolean) => {
      const provider = toyKerberos({ threeWay: true });
      const session = sessionWith(provider);
      const { gss, list, token } = await clientFor(provider, [krb5Oid]);
      const first = read(await session.initiate("GSS-SPNEGO", formatInit(list, token)));
      const { token: responseToken } = await gss.step(first.responseToken);
      const mechListMic = await gss.getMic(spoil ? junk : list);
      return { gss, list, reply: session.respond(formatResp({ responseToken, mechListMic })) };
    };
    const { gss, list, reply } = await run(false);
    const last = read(await reply);
    expect(last).toMatchObject({ negState: "accept-completed" });
    await gss.verifyMic(list, last.mechListMic as Uint8Array);
    expect(await codeOf((await run(true)).reply)).toBe("refused");
  });

  const refused: readonly [why: string, mechTypes: readonly string[], served: readonly string[], toy: ToyOptions][] = [
    ["R-SPN-01 NTLM that nobody named", [ntlmOid], [krb5Oid], { mechanisms: [krb5Oid, ntlmOid] }],
    ["R-SPN-01 nothing in common", [other], [krb5Oid], {}],
    ["R-GSS-02 no acceptor credential", [krb5Oid], [krb5Oid], { accepts: [ntlmOid] }],
  ];
  test.each(refused)("%s", async (_, mechTypes, served, toy) => {
    const provider = toyKerberos(toy);
    const message = formatInit(formatMechTypeList(mechTypes), junk);
    const mechanism = { ...gssSpnegoMechanism({ provider, mechanisms: served }), possible: () => true };
    const session = serverWith([mechanism], names).session(layered);
    expect(await codeAfter(session, "GSS-SPNEGO", [message])).toBe("refused");
    expect(provider.log.accepted).toEqual([]);
  });

  test("R-SPN-01 NTLM where it is named", async () => {
    const provider = toyKerberos({ mechanisms: [krb5Oid, ntlmOid] });
    const gss = await provider.initiate({ mechanism: ntlmOid, target, flags: everything });
    const message = formatInit(formatMechTypeList([ntlmOid]), (await gss.step(undefined)).token as Uint8Array);
    const session = sessionWith(provider, [krb5Oid, ntlmOid]);
    expect(read(await session.initiate("GSS-SPNEGO", message))).toMatchObject({ supportedMech: ntlmOid });
  });

  test("R-GSS-02 is offered with an acceptor credential only", () => {
    const offered = (toy: ToyOptions) =>
      serverWith([gssSpnegoMechanism({ provider: toyKerberos(toy) })], names).mechanisms(layered);
    expect([offered({}), offered({ accepts: [] })]).toEqual([["GSS-SPNEGO"], []]);
  });

  test("what the client says later is no choice and no refusal", async () => {
    for (const rest of [{ supportedMech: krb5Oid }, { negState: "reject" as const }]) {
      const provider = toyKerberos();
      const session = sessionWith(provider);
      const { list, token } = await clientFor(provider, both);
      await session.initiate("GSS-SPNEGO", formatInit(list, junk));
      expect(await codeOf(session.respond(formatResp({ ...rest, responseToken: token })))).toBe("refused");
    }
  });

  test("a list without a token is asked for one", async () => {
    const provider = toyKerberos();
    const session = sessionWith(provider);
    const { gss, list, token } = await clientFor(provider, [krb5Oid]);
    const bare = parseInit(formatInit(list, junk)).mechTypeList;
    const init = formatInit(bare, new Uint8Array(0)).slice(0, -4); // without mechToken
    for (const at of [1, 11, 13]) (init[at] as number) -= 4;
    expect(read(await session.initiate("GSS-SPNEGO", init))).toEqual({
      negState: "accept-incomplete",
      supportedMech: krb5Oid,
    });
    const reply = read(await session.respond(formatResp({ responseToken: token })));
    expect(reply).toMatchObject({ negState: "accept-completed" });
    await gss.step(reply.responseToken);
  });

  const layers: readonly [why: string, toy: ToyOptions, policy: ServerPolicy, ssf: number | undefined | SASLErrorCode][] = [
    ["confidentiality", {}, {}, 256],
    ["integrity", { flags: { confidentiality: false } }, {}, 1],
    ["none", { flags: { integrity: false } }, {}, undefined],
    ["R-GSS-06 one that is needed", { flags: { integrity: false } }, { minSsf: 1 }, "mechanism-too-weak"],
    ["R-GSS-06 a stronger one that is needed", { flags: { confidentiality: false } }, { minSsf: 2 }, "mechanism-too-weak"],
    ["R-GSS-06 one that may not be", {}, { maxSsf: 0 }, "mechanism-too-weak"],
    ["R-GSS-06 one without order", { flags: { sequence: false } }, {}, "mechanism-too-weak"],
  ]; // biome-ignore format: a table
  test.each(layers)("the layer is what the context can do: %s", async (_, toy, policy, expected) => {
    const provider = toyKerberos(toy);
    const session = sessionWith(provider, [krb5Oid], policy);
    const { list, token } = await clientFor(provider, [krb5Oid]);
    const first = session.initiate("GSS-SPNEGO", formatInit(list, token));
    if (typeof expected === "string") expect(await codeOf(first)).toBe(expected);
    else {
      await first;
      expect(session.result?.layer?.ssf).toBe(expected);
    }
  });
});

describe("the client", () => {
  /** A server that answers with these, the last of them as success. */
  function scripted(
    provider: GssProvider,
    replies: readonly ((gss: GssContext, heard: Uint8Array, list: Uint8Array) => Promise<NegTokenResp>)[],
  ): SASLInterface {
    const rest = [...replies];
    let gss: GssContext;
    let list: Uint8Array;
    const answer = async (heard: Uint8Array) => {
      const reply = rest.shift();
      if (reply === undefined) return { state: "failure" as const };
      const payload = formatResp(await reply(gss, heard, list));
      return rest.length === 0 ? { state: "success" as const, payload } : { state: "challenge" as const, payload };
    };
    return {
      secure: false,
      layers: true,
      async initiate(_, payload = junk) {
        gss = await provider.accept({ mechanism: krb5Oid });
        list = parseInit(payload).mechTypeList;
        return answer(payload);
      },
      respond: answer,
      abort: async () => ({ state: "failure" }),
    };
  }
  const logIn = (provider: GssProvider, wire: SASLInterface, mechanisms = [krb5Oid]) =>
    GSS_SPNEGO({ provider, mechanisms }).authenticate(new SASLStateMachine(wire), "GSS-SPNEGO", {
      ...names,
      protection: { minSsf: 0, maxSsf: 256, maxInput: 4096 },
    });

  test("R-SPN-01 goes on with the server's choice and proves the list", async () => {
    for (const threeWay of [false, true]) {
      const provider = toyKerberos({ mechanisms: both, threeWay });
      const session = sessionWith(provider);
      const client = [GSS_SPNEGO({ provider, mechanisms: both })];
      const outcome = await authenticate(session, ["GSS-SPNEGO"], client, names);
      expect(outcome).toMatchObject({ serverVerified: true, layer: { ssf: 256 } });
      expect(session.result).toMatchObject({ authcid: "tim" });
    }
  });

  test("R-SPN-01 whoever takes a mechanism off the list is found out", async () => {
    const provider = toyKerberos({ mechanisms: both });
    const session = sessionWith(provider, both);
    const wire: SASLInterface = {
      secure: false,
      initiate: (name, payload = junk) => {
        const { mechToken = junk } = parseInit(payload);
        return session.initiate(name, formatInit(formatMechTypeList([krb5Oid]), mechToken));
      },
      respond: (payload) => session.respond(payload),
      abort: () => session.abort(),
    };
    expect(await codeOf(logIn(provider, wire, both))).toBe("refused");
    expect(session.result).toBeUndefined();
  });

  type Reply = (gss: GssContext, heard: Uint8Array, list: Uint8Array) => Promise<NegTokenResp>;
  const accept: Reply = async (gss, heard) => {
    const token = (parseInit(heard).mechToken ?? junk) as Uint8Array;
    return { negState: "accept-completed", supportedMech: krb5Oid, responseToken: (await gss.step(token)).token };
  };
  const change =
    (reply: Reply, fields: Partial<NegTokenResp>): Reply =>
    async (...args) => ({ ...(await reply(...args)), ...fields });
  const withMic =
    (reply: Reply, over?: Uint8Array): Reply =>
    async (gss, heard, list) => {
      const said = await reply(gss, heard, list);
      return { ...said, mechListMic: await gss.getMic(over ?? list) };
    };
  const rows: readonly [why: string, replies: readonly Reply[], expected: SASLErrorCode | "success"][] = [
    ["a good one", [accept], "success"],
    ["one that leaves out what it chose", [change(accept, { supportedMech: undefined })], "success"],
    ["Kerberos by the name Windows gives it", [change(accept, { supportedMech: msKrb5Oid })], "success"],
    ["R-SPN-01 a MIC nobody asked for", [withMic(change(accept, { negState: "accept-incomplete" })), async () => ({ negState: "accept-completed" })], "success"],
    ["R-SPN-01 a MIC over another list", [withMic(accept, junk)], "peer-not-verified"],
    ["R-SPN-01 request-mic and then none", [change(accept, { negState: "request-mic" }), async () => ({ negState: "accept-completed" })], "peer-not-verified"],
    ["a mechanism that was not offered", [change(accept, { supportedMech: other })], "peer-not-verified"],
    ["R-SPN-01 NTLM that was not offered", [change(accept, { supportedMech: ntlmOid })], "peer-not-verified"],
    ["completed without a proof", [change(accept, { responseToken: undefined })], "peer-not-verified"],
    ["a reject", [change(accept, { negState: "reject" })], "refused"],
    ["nothing left to say", [change(accept, { negState: "accept-incomplete" }), accept], "unexpected-message"],
    ["no state, and nothing left to say", [change(accept, { negState: undefined }), accept], "unexpected-message"],
    ["a token for an established context", [withMic(change(accept, { negState: "accept-incomplete" })), async () => ({ responseToken: junk })], "malformed-message"],
    ["request-mic too late", [withMic(change(accept, { negState: "accept-incomplete" })), async () => ({ negState: "request-mic" })], "malformed-message"],
    ["another choice later", [withMic(change(accept, { negState: "accept-incomplete" })), async () => ({ negState: "accept-completed", supportedMech: other })], "malformed-message"],
    ["R-SPN-01 a second MIC", [withMic(change(accept, { negState: "accept-incomplete" })), withMic(async () => ({ negState: "accept-completed" }))], "malformed-message"],
    ["a token that does not verify", [change(accept, { responseToken: junk })], "peer-not-verified"],
  ]; // biome-ignore format: a table
  test.each(rows)("%s", async (_, replies, expected) => {
    const provider = toyKerberos();
    const outcome = logIn(provider, scripted(provider, replies));
    if (expected === "success") expect(await outcome).toMatchObject({ serverVerified: true, layer: { ssf: 256 } });
    else expect(await codeOf(outcome)).toBe(expected);
  });

  test("a MIC before there is a context, and a token for one that is yet to come", async () => {
    for (const said of [{ mechListMic: junk }, { responseToken: junk }]) {
      const provider = toyKerberos({ mechanisms: both });
      const reply: Reply = async () => ({ negState: "request-mic", supportedMech: krb5Oid, ...said });
      expect(await codeOf(logIn(provider, scripted(provider, [reply, accept]), both))).toBe("malformed-message");
    }
  });

  test("messages that are none", async () => {
    const provider = toyKerberos();
    for (const payload of [junk, new Uint8Array(0), concatBytes(formatResp({}), junk)]) {
      const wire = {
        ...scripted(provider, [accept]),
        initiate: async () => ({ state: "challenge" as const, payload }),
      };
      expect(await codeOf(logIn(provider, wire))).toBe("malformed-message");
    }
  });

  test("says nothing where the provider has no layer, and such a server offers nothing", async () => {
    const provider = toyKerberos({ protectsData: false });
    expect(await codeOf(logIn(provider, scripted(provider, [accept])))).toBe("no-credentials");
    expect(provider.log.initiated).toEqual([]);
    expect(serverWith([gssSpnegoMechanism({ provider })], names).mechanisms(layered)).toEqual([]);
  });

  test.each([
    [0, { mutual: true, sequence: false, integrity: false, confidentiality: false }],
    [1, { mutual: true, sequence: true, integrity: true, confidentiality: false }],
    [256, everything],
  ])("asks for the services of the layer it wants: %i bits", async (maxSsf, flags) => {
    const provider = toyKerberos();
    const policy = { maxSsf };
    const session = sessionWith(provider, [krb5Oid], policy);
    await authenticate(session, ["GSS-SPNEGO"], [GSS_SPNEGO({ provider })], { ...names, policy });
    expect(provider.log.initiated[0]?.flags).toEqual(flags);
    expect(session.result?.layer?.ssf).toBe(maxSsf || undefined);
  });
});
