import { describe, expect, test } from "vitest";
import { codeOf, connection, serverWith } from "../../../test/support.js";
import { type ToyOptions, toyKerberos } from "../../../test/toy-kerberos.js";
import { authenticate } from "../../authenticate.js";
import type { SASLErrorCode } from "../../errors.js";
import type { SASLInterface } from "../../interface.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import type { SecurityLayer } from "../../layer.js";
import type { ServerOptions, ServerPolicy } from "../../server.js";
import type { SASLServerSession } from "../../session.js";
import { SASLStateMachine } from "../../state-machine.js";

import {
  GSSAPI,
  type GssContext,
  type GssFlags,
  type GssProvider,
  gssapiMechanism,
  krb5Oid,
  spnegoOid,
} from "./index.js";

const host = "mail.example.com";
const service = "imap";
const everything: GssFlags = { mutual: true, sequence: true, integrity: true, confidentiality: true };
const empty = new Uint8Array(0);
const open = { ...connection, secure: false, layers: true };

function sessionOf(provider: GssProvider, options: Partial<ServerOptions> = {}, channel = open): SASLServerSession {
  return serverWith([gssapiMechanism({ provider })], { service, host, ...options }).session(channel);
}

/** A client by hand, up to the server's offer. */
async function toOffer(
  session: SASLInterface,
  provider: GssProvider,
  flags = everything,
): Promise<[GssContext, Uint8Array]> {
  const gss = await provider.initiate({ mechanism: krb5Oid, target: `${service}@${host}`, flags });
  const { token } = await gss.step(undefined);
  let reply = await session.initiate("GSSAPI", token);
  await gss.step(reply.payload);
  reply = await session.respond(empty);
  return [gss, (await gss.unwrap(reply.payload as Uint8Array)).plain];
}

/** A server by hand that offers this. */
function serverOffering(provider: GssProvider, offer: Uint8Array, heard: Uint8Array[] = []): SASLInterface {
  let gss: GssContext;
  const steps: ((payload: Uint8Array) => Promise<Uint8Array | undefined>)[] = [
    async () => gss.wrap(offer, false),
    async (payload) => {
      heard.push((await gss.unwrap(payload)).plain);
      return undefined;
    },
  ];
  return {
    secure: false,
    layers: true,
    async initiate(_, payload) {
      gss = await provider.accept({ mechanism: krb5Oid });
      return { state: "challenge", payload: (await gss.step(payload)).token ?? empty };
    },
    async respond(payload) {
      const said = await steps.shift()?.(payload);
      return said ? { state: "challenge", payload: said } : { state: "success" };
    },
    abort: async () => ({ state: "failure" }),
  };
}

function logIn(provider: GssProvider, wire: SASLInterface, protection = { minSsf: 0, maxSsf: 256, maxInput: 4096 }) {
  const settings = { service, host, protection };
  return GSSAPI({ provider }, { authzid: "tim" }).authenticate(new SASLStateMachine(wire), "GSSAPI", settings);
}

describe("the server", () => {
  test("R-GSS-08 sends the token of its last step and hears nothing before the offer", async () => {
    const provider = toyKerberos();
    const [, offer] = await toOffer(sessionOf(provider), provider);
    expect([...offer]).toEqual([7, 1, 0, 0]); // 65536 octets
    const hasty = sessionOf(provider);
    const gss = await provider.initiate({ mechanism: krb5Oid, target: `${service}@${host}`, flags: everything });
    await hasty.initiate("GSSAPI", (await gss.step(undefined)).token);
    expect(await codeOf(hasty.respond(Uint8Array.of(1)))).toBe("unexpected-message");
  });

  test("R-GSS-08 a context without a last token goes on with the offer", async () => {
    const provider = toyKerberos();
    const session = sessionOf(provider);
    const flags = { ...everything, mutual: false };
    const gss = await provider.initiate({ mechanism: krb5Oid, target: `${service}@${host}`, flags });
    const reply = await session.initiate("GSSAPI", (await gss.step(undefined)).token);
    expect([...(await gss.unwrap(reply.payload as Uint8Array)).plain]).toEqual([7, 1, 0, 0]);
  });

  const authzid = (name: string) => concatBytes(Uint8Array.of(1, 0, 0, 0), encodeUtf8(name));
  const hostile: readonly [why: string, choice: Uint8Array, code: SASLErrorCode][] = [
    ["R-GSS-03 nothing", empty, "malformed-message"],
    ["R-GSS-03 three octets", Uint8Array.of(1, 0, 0), "malformed-message"],
    ["R-GSS-05 no layer and no bit", Uint8Array.of(0, 0, 0, 0), "malformed-message"],
    ["R-GSS-05 two layers", Uint8Array.of(6, 0, 16, 0), "malformed-message"],
    ["R-GSS-05 a layer and none", Uint8Array.of(3, 0, 16, 0), "malformed-message"],
    ["R-GSS-05 a layer nobody knows", Uint8Array.of(8, 0, 16, 0), "malformed-message"],
    ["R-GSS-05 a layer beside one nobody knows", Uint8Array.of(130, 0, 16, 0), "malformed-message"],
    ["R-GSS-05 confidentiality that was not offered", Uint8Array.of(4, 0, 16, 0), "malformed-message"],
    ["R-GSS-05 a size without a layer", Uint8Array.of(1, 0, 0, 1), "malformed-message"],
    ["R-GSS-07 a layer without a size", Uint8Array.of(2, 0, 0, 0), "malformed-message"],
    ["R-GSS-07 a size in which nothing fits", Uint8Array.of(2, 0, 0, 37), "malformed-message"],
    ["R-GSS-05 an authzid of somebody else", authzid("anna"), "authorization-refused"],
    ["R-GEN-20 a NUL in the authzid", authzid("tim\0"), "malformed-message"],
    ["R-PREP-06 an authzid that is not UTF-8", Uint8Array.of(1, 0, 0, 0, 0xff), "incorrect-encoding"],
    ["R-LIM-01 an authzid over 1024 octets", authzid("a".repeat(1025)), "limit-exceeded"],
  ];
  test.each(hostile)("%s", async (_, choice, code) => {
    const provider = toyKerberos();
    const session = sessionOf(provider, { policy: { maxSsf: 1 } });
    const [gss, offer] = await toOffer(session, provider);
    expect(offer[0]).toBe(3);
    expect(await codeOf(session.respond(await gss.wrap(choice, false)))).toBe(code);
    expect(session.result).toBeUndefined();
  });

  test("R-GSS-07 a choice that does not unwrap", async () => {
    const provider = toyKerberos();
    const session = sessionOf(provider);
    const [gss] = await toOffer(session, provider);
    const choice = await gss.wrap(authzid("tim"), false);
    choice[5] = 2;
    expect(await codeOf(session.respond(choice))).toBe("refused");
    const again = sessionOf(provider);
    await toOffer(again, provider);
    expect(await codeOf(again.respond(empty))).toBe("malformed-message");
  });

  test("R-GSS-05 the authzid is authorised for whom the ticket names", async () => {
    const provider = toyKerberos();
    const seen: unknown[] = [];
    const session = sessionOf(provider, {
      authorize: (request) => {
        seen.push([request.authcid, request.authzid]);
        return true;
      },
    });
    const [gss] = await toOffer(session, provider);
    expect(await session.respond(await gss.wrap(authzid("anna"), false))).toMatchObject({ state: "success" });
    expect(session.result).toMatchObject({ authcid: "tim", authzid: "anna", layer: undefined });
    expect(seen).toEqual([["tim", "anna"]]);
  });

  const offers: readonly [why: string, toy: ToyOptions, policy: ServerPolicy, offer: number[] | SASLErrorCode][] = [
    ["R-GSS-06 everything", {}, {}, [7, 1, 0, 0]],
    ["R-GSS-06 no integrity, no layer", { flags: { integrity: false } }, {}, [1, 0, 0, 0]],
    ["R-GSS-06 no order, no layer", { flags: { sequence: false } }, {}, [1, 0, 0, 0]],
    ["R-GSS-06 no confidentiality", { flags: { confidentiality: false } }, {}, [3, 1, 0, 0]],
    ["R-GSS-06 no layer where none may be", {}, { maxSsf: 0 }, [1, 0, 0, 0]],
    ["R-GSS-06 confidentiality alone", {}, { minSsf: 56 }, [4, 1, 0, 0]],
    ["R-GSS-06 integrity at least", {}, { minSsf: 1, maxSsf: 255 }, [2, 1, 0, 0]],
    ["R-GSS-06 confidentiality is needed", { flags: { confidentiality: false } }, { minSsf: 56 }, "mechanism-too-weak"],
    ["R-GSS-06 confidentiality is too weak", { ssf: 40 }, { minSsf: 56 }, "mechanism-too-weak"],
    ["R-GSS-06 integrity is needed", { flags: { integrity: false } }, { minSsf: 1 }, "mechanism-too-weak"],
    ["R-GSS-06 no layer where the provider has none", { protectsData: false }, {}, [1, 0, 0, 0]],
    ["R-GSS-02 another mechanism", { mechanism: "1.3.6.1.5.2.5" }, {}, "refused"],
  ];
  test.each(offers)("%s", async (_, toy, policy, expected) => {
    const provider = toyKerberos(toy);
    const session = sessionOf(provider, { policy });
    if (typeof expected === "string") {
      const gss = await provider.initiate({ mechanism: krb5Oid, target: `${service}@${host}`, flags: everything });
      const first = session.initiate("GSSAPI", (await gss.step(undefined)).token);
      expect(await codeOf(first.then(() => session.respond(empty)))).toBe(expected);
    } else {
      expect([...(await toOffer(session, provider))[1]]).toEqual(expected);
    }
  });

  test("R-GSS-02 is offered with an acceptor credential only", () => {
    const names = (toy: ToyOptions) =>
      serverWith([gssapiMechanism({ provider: toyKerberos(toy) })], { service, host }).mechanisms(open);
    expect(names({})).toEqual(["GSSAPI"]);
    expect(names({ accepts: [spnegoOid] })).toEqual([]);
  });

  test("R-GSS-05 takes tickets for its own name alone, unless told otherwise", async () => {
    const provider = toyKerberos();
    const other = async (anyTarget: boolean) => {
      const session = serverWith([gssapiMechanism({ provider, anyTarget })], { service, host }).session(open);
      const gss = await provider.initiate({ mechanism: krb5Oid, target: "smtp@other.example", flags: everything });
      return session.initiate("GSSAPI", (await gss.step(undefined)).token);
    };
    expect(await codeOf(other(false))).toBe("refused");
    expect(await other(true)).toMatchObject({ state: "challenge" });
  });

  test("who a ticket names is the local name, or the whole name, or as the application says", async () => {
    const name = async (toy: ToyOptions, nameOf?: (initiator: string) => string) => {
      const provider = toyKerberos(toy);
      const mechanism = gssapiMechanism({ provider, ...(nameOf && { nameOf }) });
      const session = serverWith([mechanism], { service, host }).session(open);
      const [gss] = await toOffer(session, provider);
      await session.respond(await gss.wrap(Uint8Array.of(1, 0, 0, 0), false));
      return session.result?.authcid;
    };
    expect(await name({})).toBe("tim");
    expect(await name({ localNames: {} })).toBe("tim@EXAMPLE.COM");
    expect(await name({}, (initiator) => initiator.toLowerCase())).toBe("tim@example.com");
  });
});

test("R-GEN-26 an anonymous ticket names nobody", async () => {
  const provider = toyKerberos({ ticketFor: "WELLKNOWN/ANONYMOUS" });
  expect(await codeOf(toOffer(sessionOf(provider), provider))).toBe("refused");
});

describe("the client", () => {
  test("R-GSS-01 asks for service@host as given, with the flags its layers need", async () => {
    const flagsFor = async (maxSsf: number) => {
      const provider = toyKerberos();
      await logIn(provider, serverOffering(provider, Uint8Array.of(7, 1, 0, 0)), { minSsf: 0, maxSsf, maxInput: 4096 });
      expect(provider.log.initiated[0]).toMatchObject({ target: "imap@mail.example.com", mechanism: krb5Oid });
      return provider.log.initiated[0]?.flags;
    };
    expect(await flagsFor(0)).toEqual({ mutual: true, sequence: false, integrity: true, confidentiality: false });
    expect(await flagsFor(1)).toEqual({ mutual: true, sequence: true, integrity: true, confidentiality: false });
    expect(await flagsFor(256)).toEqual(everything);
  });

  test.each([
    [undefined, host],
    [service, undefined],
    [service, "mail@example.com"],
    ["imap/x", host],
  ])("R-GSS-01 without a usable name (%s, %s) nothing is said", async (aService, aHost) => {
    const provider = toyKerberos();
    const machine = new SASLStateMachine(sessionOf(provider));
    const exchange = GSSAPI({ provider }).authenticate(machine, "GSSAPI", { service: aService, host: aHost });
    expect(await codeOf(exchange)).toBe("no-credentials");
    expect(provider.log.initiated).toEqual([]);
  });

  test("without a ticket nothing is said, and another mechanism may follow", async () => {
    const provider = toyKerberos({ mechanisms: [] });
    const wire = sessionOf(toyKerberos());
    expect(await codeOf(authenticate(wire, ["GSSAPI"], [GSSAPI({ provider })], { service, host }))).toBe(
      "no-credentials",
    );
    expect(wire.result).toBeUndefined();
  });

  type Bounds = readonly [min: number, max: number];
  const choices: readonly [why: string, toy: ToyOptions, offer: number[], bounds: Bounds, choice: number[] | SASLErrorCode][] = [
    ["R-GSS-04 confidentiality", {}, [7, 1, 0, 0], [0, 256], [4, 0, 16, 0]],
    ["R-GSS-04 integrity where more may not be", {}, [7, 1, 0, 0], [0, 255], [2, 0, 16, 0]],
    ["R-GSS-04 no layer has no size", {}, [7, 1, 0, 0], [0, 0], [1, 0, 0, 0]],
    ["R-GSS-04 no layer where none is offered, whatever size", {}, [1, 255, 255, 255], [0, 256], [1, 0, 0, 0]],
    ["R-GSS-04 what else is offered is passed over", {}, [0xf9, 1, 0, 0], [0, 256], [1, 0, 0, 0]],
    ["R-GSS-06 no confidentiality in the context", { flags: { confidentiality: false } }, [7, 1, 0, 0], [0, 256], [2, 0, 16, 0]],
    ["R-GSS-06 no integrity in the context", { flags: { integrity: false } }, [7, 1, 0, 0], [0, 256], [1, 0, 0, 0]],
    ["R-GSS-06 no order in the context", { flags: { sequence: false } }, [7, 1, 0, 0], [0, 256], [1, 0, 0, 0]],
    ["R-GSS-06 a provider without layers", { protectsData: false }, [7, 1, 0, 0], [0, 256], [1, 0, 0, 0]],
    ["R-GSS-06 a provider without layers, and one is needed", { protectsData: false }, [7, 1, 0, 0], [1, 256], "no-credentials"],
    ["R-GSS-06 no integrity, and it is needed", { flags: { integrity: false } }, [7, 1, 0, 0], [1, 256], "mechanism-too-weak"],
    ["R-GSS-06 confidentiality is needed", { flags: { confidentiality: false } }, [7, 1, 0, 0], [56, 256], "mechanism-too-weak"],
    ["R-GSS-04 no layer is offered, and one is needed", {}, [1, 0, 0, 0], [1, 256], "mechanism-too-weak"],
    ["R-GSS-04 only layers are offered, and none may be", {}, [6, 1, 0, 0], [0, 0], "mechanism-too-weak"],
    ["R-GSS-04 nothing is offered", {}, [0, 1, 0, 0], [0, 256], "mechanism-too-weak"],
    ["R-GSS-07 no room for a layer", {}, [6, 0, 0, 0], [1, 256], "malformed-message"],
    ["R-GSS-03 three octets", {}, [7, 1, 0], [0, 256], "malformed-message"],
    ["R-GSS-03 five octets", {}, [7, 1, 0, 0, 0], [0, 256], "malformed-message"],
    ["R-GSS-02 a context of another mechanism", { mechanism: "1.3.6.1.5.2.5" }, [7, 1, 0, 0], [0, 256], "peer-not-verified"],
    ["R-GSS-01 a server that did not prove itself", { flags: { mutual: false } }, [7, 1, 0, 0], [0, 256], "peer-not-verified"],
  ]; // biome-ignore format: a table
  test.each(choices)("%s", async (_, toy, offer, [minSsf, maxSsf], expected) => {
    const provider = toyKerberos(toy);
    const heard: Uint8Array[] = [];
    const wire = serverOffering(provider, Uint8Array.from(offer), heard);
    const outcome = logIn(provider, wire, { minSsf, maxSsf, maxInput: 4096 });
    if (typeof expected === "string") {
      expect(await codeOf(outcome)).toBe(expected);
      return;
    }
    expect(await outcome).toMatchObject({ serverVerified: true, authzid: "tim" });
    const [choice = empty] = heard;
    expect([...choice.subarray(0, 4)]).toEqual(expected);
    expect(decodeUtf8(choice.subarray(4))).toBe("tim"); // R-GSS-03
  });

  test("R-GSS-07 an offer that does not unwrap", async () => {
    const provider = toyKerberos();
    const wire = serverOffering(provider, Uint8Array.of(7, 1, 0, 0));
    const bent: SASLInterface = {
      ...wire,
      async respond(payload) {
        const reply = await wire.respond(payload);
        if (reply.payload) reply.payload[5] = 3;
        return reply;
      },
    };
    expect(await codeOf(logIn(provider, bent))).toBe("peer-not-verified");
  });

  test("every context is let go of, but one under a layer", async () => {
    const provider = toyKerberos();
    await logIn(provider, serverOffering(provider, Uint8Array.of(1, 0, 0, 0)));
    expect(provider.log.held).toBe(1); // the server by hand keeps its own
    await logIn(provider, serverOffering(provider, Uint8Array.of(7, 1, 0, 0)));
    expect(provider.log.held).toBe(3);
    await codeOf(logIn(provider, serverOffering(provider, Uint8Array.of(0, 1, 0, 0))));
    expect(provider.log.held).toBe(4);
  });
});

describe("the layer", () => {
  async function bothLayers(policy: ServerPolicy = {}): Promise<[client: SecurityLayer, server: SecurityLayer]> {
    const provider = toyKerberos();
    const session = sessionOf(provider, { policy, limits: { maxLayerBytes: 1000 } });
    const outcome = await authenticate(session, ["GSSAPI"], [GSSAPI({ provider })], { service, host, policy });
    return [outcome.layer as SecurityLayer, session.result?.layer as SecurityLayer];
  }

  test.each([
    ["confidentiality", {}, 256],
    ["integrity", { maxSsf: 1 }, 1],
  ])("R-GSS-07 %s: what is sent arrives, and no token is longer than allowed", async (_, policy, ssf) => {
    const [client, server] = await bothLayers(policy);
    expect([client.ssf, server.ssf]).toEqual([ssf, ssf]);
    const plain = new Uint8Array(5000).map((_, index) => index);
    const wire = await client.encode(plain);
    for (let at = 0; at < wire.length; ) {
      const length = new DataView(wire.buffer, at).getUint32(0);
      expect(length).toBeLessThanOrEqual(1000);
      at += 4 + length;
    }
    const heard: Uint8Array[] = [];
    for (const octet of wire) heard.push(...(await server.decode(Uint8Array.of(octet)))); // R-GEN-21: divided anywhere
    expect(concatBytes(...heard)).toEqual(plain);
    expect(server.whole).toBe(true);
  });

  const spoilt: readonly [why: string, spoil: (frames: readonly Uint8Array[]) => Uint8Array][] = [
    ["R-GEN-22 a length over what was said", ([first = empty]) => concatBytes(Uint8Array.of(0, 0, 3, 233), first)],
    ["R-GEN-23 a bit is another", ([first = empty]) => first.map((octet, at) => (at === 12 ? octet ^ 1 : octet))],
    ["R-GEN-23 an empty frame", () => new Uint8Array(4)],
    ["R-GSS-07 a frame twice", ([first = empty]) => concatBytes(first, first)],
    ["R-GSS-07 frames in another order", ([first = empty, second = empty]) => concatBytes(second, first)],
  ];
  test.each(spoilt)("%s", async (_, spoil) => {
    const [client, server] = await bothLayers();
    const frames = [await client.encode(encodeUtf8("one")), await client.encode(encodeUtf8("two"))];
    expect(await codeOf((async () => server.decode(spoil(frames)))())).toBe("peer-not-verified");
    expect(() => server.encode(encodeUtf8("x"))).toThrow(expect.objectContaining({ code: "peer-not-verified" }));
  });

  test("R-GSS-07 nobody takes confidentiality off again", async () => {
    const provider = toyKerberos();
    const session = sessionOf(provider);
    const [gss] = await toOffer(session, provider);
    await session.respond(await gss.wrap(Uint8Array.of(4, 0, 16, 0), false));
    const layer = session.result?.layer as SecurityLayer;
    const frame = async (sealed: boolean) => {
      const token = await gss.wrap(encodeUtf8("plain"), sealed);
      return concatBytes(Uint8Array.of(0, 0, 0, token.length), token);
    };
    expect(await layer.decode(await frame(true))).toEqual([encodeUtf8("plain")]);
    expect(await codeOf(Promise.resolve(layer.decode(await frame(false))))).toBe("peer-not-verified");
  });
});
