import { describe, expect, test } from "vitest";
import { codeAfter, codeOf, connection, serverWith } from "../../../test/support.js";
import { type ToyOptions, toyKerberos } from "../../../test/toy-kerberos.js";
import { loadVectors } from "../../../test/vectors.js";
import { authenticate } from "../../authenticate.js";
import { channelBinding } from "../../channel-binding.js";
import type { SASLErrorCode } from "../../errors.js";
import type { SASLInterface } from "../../interface.js";
import { decodeBase64, encodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { fromHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import { SASLStateMachine } from "../../state-machine.js";
import { addTokenHeader, der, oidContent, oidText, removeTokenHeader, tagOid } from "./der.js";
import {
  GS2_KRB5,
  GS2_KRB5_PLUS,
  GSSAPI,
  type GssContext,
  type GssProvider,
  gs2Krb5Mechanism,
  gs2Krb5PlusMechanism,
  gs2Mechanism,
  gs2Name,
  gssapiMechanism,
  krb5Oid,
  spnegoOid,
} from "./index.js";

const host = "mail.example.com";
const service = "imap";
const target = `${service}@${host}`;
const flags = { mutual: true, sequence: false, integrity: false, confidentiality: false };

interface Inputs {
  readonly oid?: string;
  readonly der_hex?: string;
  readonly header?: string;
  readonly gss_token_b64?: string;
  readonly gs2_header?: string;
  readonly channel_binding_data_b64?: string;
}
interface Result {
  readonly outcome?: string;
  readonly hashed_name?: string;
  readonly sasl_name?: string | null;
  readonly application_data_b64?: string;
  readonly nonstd?: boolean;
  readonly flag?: string;
  readonly cbind_flag?: string;
  readonly cb?: string;
  readonly cbind_name?: string | null;
  readonly authzid?: string | null;
}
const vectors = [...loadVectors<Inputs, Result>("gs2-krb5"), ...loadVectors<Inputs, Result>("gs2")];

/** A provider whose initiators say this, and whose acceptors write down what they hear. */
function recording(token?: Uint8Array): GssProvider & { heard: Uint8Array[]; bindings: (Uint8Array | undefined)[] } {
  const toy = toyKerberos();
  const heard: Uint8Array[] = [];
  const bindings: (Uint8Array | undefined)[] = [];
  const context = (step: GssContext["step"]): GssContext => ({ ...({} as GssContext), step, dispose() {} });
  return {
    ...toy,
    heard,
    bindings,
    initiate(request) {
      bindings.push(request.channelBinding);
      return context(() => ({ token: token as Uint8Array, done: false }));
    },
    accept(request) {
      bindings.push(request.channelBinding);
      return context((bytes) => {
        heard.push(bytes as Uint8Array);
        throw new Error("heard enough");
      });
    },
  };
}

/** What the client says first, with a binding of this type where its header has one. */
async function firstMessage(provider: GssProvider, header: string, data: Uint8Array): Promise<Uint8Array | undefined> {
  const [, type] = /^(?:F,)?p=([^,]+)/.exec(header) ?? [];
  const [, authzid] = /a=([^,]+)/.exec(header) ?? [];
  const y = /^(?:F,)?y/.test(header);
  const binding = channelBinding(type ? { [type]: data } : { "tls-exporter": encodeUtf8("data") });
  let said: Uint8Array | undefined;
  const wire: SASLInterface = {
    secure: true,
    async initiate(_, payload) {
      said = payload;
      return { state: "failure" };
    },
    respond: async () => ({ state: "failure" }),
    abort: async () => ({ state: "failure" }),
  };
  const client = type ? GS2_KRB5_PLUS({ provider }, { authzid }) : GS2_KRB5({ provider }, { authzid });
  const settings = { service, host, offered: ["GS2-KRB5"], ...((type || y) && { channelBinding: binding }) };
  const name = type ? "GS2-KRB5-PLUS" : "GS2-KRB5";
  await client.authenticate(new SASLStateMachine(wire), name, settings).catch(() => {});
  return said;
}

describe.each(vectors.filter(({ inputs }) => !inputs.header).map((vector) => ({ id: vector.id, vector })))(
  "vector $id",
  ({ vector }) => {
    const { inputs, result } = vector;
    if (inputs.oid !== undefined) {
      const { oid } = inputs;
      test("R-GS2-04 the OID in DER and the name", async () => {
        const bytes = fromHex(inputs.der_hex as string) as Uint8Array;
        expect(der(tagOid, oidContent(oid))).toEqual(bytes);
        expect(oidText(bytes.subarray(2))).toBe(oid);
        const name = await gs2Name(oid);
        const computed = ["GS2-KRB5", "GS2-IAKERB", undefined].includes(name) ? undefined : result.hashed_name;
        expect(name).toBe(computed ?? result.sasl_name ?? (oid === krb5Oid ? "GS2-KRB5" : undefined));
      });
    } else if (inputs.gss_token_b64 !== undefined) {
      const header = inputs.gs2_header as string;
      const token = decodeBase64(inputs.gss_token_b64);
      const data = encodeUtf8("data of the channel");
      const message = decodeBase64(vector.messages[0]?.b64 as string);
      test("R-GS2-01 the client takes the standard header off", async () => {
        expect(await firstMessage(recording(token), header, data)).toEqual(message);
      });
      test("R-GS2-01 the server puts it back", async () => {
        const provider = recording();
        const plus = header.includes("p=");
        const mechanism = (plus ? gs2Krb5PlusMechanism : gs2Krb5Mechanism)({ provider });
        const bound = { ...connection, channelBinding: channelBinding({ "tls-exporter": data }) };
        const session = serverWith([mechanism], { service, host }).session(bound);
        expect(await codeAfter(session, mechanism.name, [message])).toBe("refused");
        expect(provider.heard).toEqual([token]);
      });
    } else if (result.application_data_b64 !== undefined) {
      const header = inputs.gs2_header as string;
      const data = decodeBase64(inputs.channel_binding_data_b64 as string);
      const expected = result.application_data_b64;
      test("R-GS2-02 both sides bind to the header and the data", async () => {
        const [, type] = /p=([^,]+)/.exec(header) ?? [];
        const bare = header.startsWith("F,");
        const provider = recording(bare ? Uint8Array.of(1) : addTokenHeader(krb5Oid, Uint8Array.of(1)));
        const said = await firstMessage(provider, header, data);
        expect(said).toEqual(concatBytes(encodeUtf8(header), Uint8Array.of(1)));
        const mechanism = (type ? gs2Krb5PlusMechanism : gs2Krb5Mechanism)({ provider });
        const bound = { ...connection, channelBinding: channelBinding(type ? { [type]: data } : {}) };
        await codeAfter(serverWith([mechanism], { service, host }).session(bound), mechanism.name, [
          said as Uint8Array,
        ]);
        expect(provider.bindings.map((each) => encodeBase64(each as Uint8Array))).toEqual([expected, expected]);
      });
    }
  },
);

const headers = [...loadVectors<Inputs, Result>("gs2-header"), ...vectors.filter(({ inputs }) => inputs.header)];

describe.each(headers.map((vector) => ({ id: vector.id, vector })))("header $id", ({ vector }) => {
  const header = vector.inputs.header as string;
  const { outcome = "success", cbind_flag, flag = cbind_flag, cbind_name, cb = cbind_name } = vector.result;
  test("R-GS2-01 the server reads it or refuses it", async () => {
    const plus = flag === "p";
    const provider = recording();
    const mechanism = (plus ? gs2Krb5PlusMechanism : gs2Krb5Mechanism)({ provider });
    const data = encodeUtf8("data of the channel");
    const bound = { ...connection, channelBinding: channelBinding(cb ? { [cb]: data } : {}) };
    const session = serverWith([mechanism], { service, host, authorize: () => true }).session(bound);
    const token = vector.result.nonstd ? Uint8Array.of(1, 0) : Uint8Array.of(1, 0, 44, 44);
    const code = await codeAfter(session, mechanism.name, [concatBytes(encodeUtf8(header), token)]);
    if (outcome !== "success") {
      expect([code, provider.heard]).toEqual(["malformed-message", []]);
      return;
    }
    expect(code).toBe("refused"); // by the provider, which says no to every token
    expect(provider.heard).toEqual([vector.result.nonstd ? token : addTokenHeader(krb5Oid, token)]);
    const text = encodeUtf8(header.replace(/^F,/, ""));
    expect(provider.bindings).toEqual([plus ? concatBytes(text, data) : text]);
  });
});

describe("the server", () => {
  const sessionOf = (toy: ToyOptions = {}, plus = false) => {
    const provider = toyKerberos(toy);
    const mechanism = (plus ? gs2Krb5PlusMechanism : gs2Krb5Mechanism)({ provider });
    return { provider, session: serverWith([mechanism], { service, host }).session(connection), name: mechanism.name };
  };
  const messageWith = async (provider: GssProvider, header: string, bound: Uint8Array | string, wanted = flags) => {
    const binding = typeof bound === "string" ? encodeUtf8(bound) : bound;
    const gss = await provider.initiate({ mechanism: krb5Oid, target, flags: wanted, channelBinding: binding });
    const token = (await gss.step(undefined)).token as Uint8Array;
    return concatBytes(encodeUtf8(header), removeTokenHeader(krb5Oid, token) ?? token);
  };

  test("R-GS2-02 the header on the wire is the one that was bound", async () => {
    const { provider, session, name } = sessionOf();
    expect(await codeAfter(session, name, [await messageWith(provider, "n,,", "n,,")])).toBe("challenge");
    const other = sessionOf();
    const changed = await messageWith(other.provider, "n,a=anna,", "n,,");
    expect(await codeAfter(other.session, name, [changed])).toBe("refused");
  });

  test("R-GS2-02 the data are those of the channel", async () => {
    for (const [data, code] of [
      ["the exporter of this connection", "challenge"],
      ["of another", "refused"],
    ]) {
      const { provider, session, name } = sessionOf({}, true);
      const header = "p=tls-exporter,,";
      expect(await codeAfter(session, name, [await messageWith(provider, header, header + data)])).toBe(code);
    }
  });

  const hostile: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode, plus?: boolean][] = [
    ["R-GS2-01 nothing but a header", "n,,", "malformed-message"],
    ["R-GS2-01 F with a token that has its header", concatBytes(encodeUtf8("F,n,,"), addTokenHeader(krb5Oid, Uint8Array.of(1))), "malformed-message"],
    ["R-GS2-01 no UTF-8 in the header", concatBytes(encodeUtf8("n,a="), Uint8Array.of(0xff, 44, 1)), "incorrect-encoding"],
    ["R-GS2-01 an authzid with a NUL", "n,a=a\0b,x", "malformed-message"],
    ["R-CB-04 a binding to the mechanism without", "p=tls-exporter,,x", "malformed-message"],
    ["R-CB-04 no binding to the mechanism with", "n,,x", "malformed-message", true],
    ["R-CB-03 a type nobody has", "p=tls-unknown,,x", "refused", true],
    ["R-GS2-01 no commas at all", "nothing", "malformed-message"],
    ["R-LIM-01 a header over 64 KiB", `n,a=${"a".repeat(65_536)},x`, "limit-exceeded"],
  ]; // biome-ignore format: a table
  test.each(hostile)("%s", async (_, message, code, plus) => {
    const { session, name, provider } = sessionOf({}, plus);
    expect(await codeAfter(session, name, [message])).toBe(code);
    expect(provider.log.accepted).toEqual([]);
  });

  test("R-CB-02 a client that was led to believe that no -PLUS is offered", async () => {
    const provider = toyKerberos();
    const both = [gs2Krb5Mechanism({ provider }), gs2Krb5PlusMechanism({ provider })];
    const server = serverWith(both, { service, host });
    expect(server.mechanisms(connection)).toEqual(["GS2-KRB5-PLUS", "GS2-KRB5"]);
    const session = server.session(connection);
    expect(await codeAfter(session, "GS2-KRB5", [await messageWith(provider, "y,,", "y,,")])).toBe("refused");
  });

  test("R-GS2-03 a client that wants no proof of the server", async () => {
    const { provider, session, name } = sessionOf();
    const message = await messageWith(provider, "n,,", "n,,", { ...flags, mutual: false });
    expect(await codeAfter(session, name, [message])).toBe("refused");
  });

  test("R-GS2-04 a context of another mechanism is refused", async () => {
    const { provider, session, name } = sessionOf({ mechanism: spnegoOid });
    expect(await codeAfter(session, name, [await messageWith(provider, "n,,", "n,,")])).toBe("refused");
  });

  test("R-GS2-02 is not offered by a provider that binds no channels", () => {
    const names = (toy: ToyOptions) =>
      serverWith([gs2Krb5Mechanism({ provider: toyKerberos(toy) })], { service, host }).mechanisms(connection);
    expect(names({})).toEqual(["GS2-KRB5"]);
    expect(names({ bindsChannels: false })).toEqual([]);
    expect(names({ accepts: [] })).toEqual([]);
  });
});

describe("the client", () => {
  const logIn = (toy: ToyOptions) => {
    const provider = toyKerberos(toy);
    const wire = serverWith([gs2Krb5Mechanism({ provider: toyKerberos() })], { service, host }).session(connection);
    const client = GS2_KRB5({ provider }).authenticate(new SASLStateMachine(wire), "GS2-KRB5", { service, host });
    return { provider, client };
  };

  test("R-GS2-03 asks for mutual authentication and looks whether it came about", async () => {
    const good = logIn({});
    expect(await good.client).toMatchObject({ serverVerified: true, layer: undefined });
    expect(good.provider.log.initiated[0]).toMatchObject({ target, flags: { mutual: true } });
    expect(await codeOf(logIn({ flags: { mutual: false } }).client)).toBe("peer-not-verified");
    expect(await codeOf(logIn({ mechanism: spnegoOid }).client)).toBe("peer-not-verified"); // R-GS2-04
  });

  test("R-GS2-02 says nothing where the provider binds no channels", async () => {
    const { provider, client } = logIn({ bindsChannels: false });
    expect(await codeOf(client)).toBe("no-credentials");
    expect(provider.log.initiated).toEqual([]);
  });

  test("R-GS2-04 SPNEGO is refused under GS2, by OID and by name", () => {
    const provider = toyKerberos();
    expect(() => gs2Mechanism({ provider, mechanism: spnegoOid, name: "GS2-X" }, false)).toThrow(TypeError);
    for (const name of ["SPNEGO", "SPNEGO-PLUS"]) {
      expect(() => gs2Mechanism({ provider, mechanism: krb5Oid, name }, true)).toThrow(TypeError);
    }
  });

  test("R-GS2-05 where a layer is required GSSAPI is used instead", async () => {
    const provider = toyKerberos();
    const mechanisms = [gs2Krb5Mechanism({ provider }), gssapiMechanism({ provider })];
    const open = { secure: false, layers: true };
    const client = [GS2_KRB5({ provider }), GSSAPI({ provider })];
    const logInWith = (minSsf: number) => {
      const session = serverWith(mechanisms, { service, host }).session(open);
      return authenticate(session, ["GS2-KRB5", "GSSAPI"], client, {
        service,
        host,
        order: "given",
        policy: { minSsf },
      });
    };
    expect(await logInWith(0)).toMatchObject({ mechanism: "GS2-KRB5" });
    expect(await logInWith(56)).toMatchObject({ mechanism: "GSSAPI", layer: { ssf: 256 } });
    const required = serverWith(mechanisms, { service, host, policy: { minSsf: 56 } });
    expect(required.mechanisms(open)).toEqual(["GSSAPI"]);
  });
});
