/**
 * A provider on the `kerberos` package: clients of GSSAPI, without a security layer.
 *
 * The package has no more to give, as of version 7: its `wrap` makes one message alone, the choice of no layer; contexts
 * cannot be bound to channels; flags, mechanism and strength are not told; and its server half can neither wrap nor unwrap.
 * On Windows it calls a context complete from the first step on, so that nobody can tell whether the server proved itself.
 *
 * @module
 */
import { createRequire } from "node:module";
import { SASLFailure } from "sasl-core";
import {
  type GssContext,
  type GssFacts,
  type GssInitiateOptions,
  type GssProvider,
  krb5Oid,
} from "sasl-core/mechanisms";
import { decodeBase64, decodeUtf8, encodeBase64 } from "sasl-core/plugin";

/** As much of the `kerberos` package as is used here. */
export interface KerberosModule {
  initializeClient(service: string, options: object): Promise<KerberosClient>;
}

/** A client context of the `kerberos` package. Octets go in and come out in base64. */
export interface KerberosClient {
  readonly contextComplete: boolean;
  /** The principal of the tickets, once the context is complete. */
  readonly username: string | null;
  step(challenge: string): Promise<string | null>;
  wrap(challenge: string, options: { readonly user?: string }): Promise<string>;
  unwrap(challenge: string): Promise<string>;
}

/** Options of {@link kerberosProvider}. */
export interface KerberosOptions {
  /** The package, where it was loaded already. Left out: it is loaded. */
  readonly module?: KerberosModule | undefined;
}

/** The package's number for Kerberos V (GSS_MECH_OID_KRB5). */
const krb5 = 9;
/** RFC 2744 §5.1, as the package takes them. */
const bits = { mutual: 2, sequence: 8, confidentiality: 16, integrity: 32 } as const;

/** RFC 4752 §3.1: no layer, and no size. */
const noLayer = Uint8Array.of(1, 0, 0, 0);
/** What the package has room for behind these four octets. */
const maxAuthzid = 4091;

/**
 * A provider on the `kerberos` package, an optional peer dependency. It is for clients: GSSAPI without a security layer, so
 * on a channel that TLS protects. It accepts nothing, binds nothing and has no GS2 and no GSS-SPNEGO: `libraryProvider` does.
 *
 * @throws where the package is not there, and on Windows.
 */
export function kerberosProvider(options: KerberosOptions = {}): GssProvider {
  if (process.platform === "win32") throw new Error("on Windows the kerberos package does not tell what is proved");
  const module = options.module ?? (createRequire(import.meta.url)("kerberos") as KerberosModule);
  return {
    bindsChannels: false,
    protectsData: false,
    canAccept: () => false,
    initiate: (request) => initiate(module, request),
    accept() {
      throw new SASLFailure("temporary", "the kerberos package cannot be a server");
    },
  };
}

async function initiate(module: KerberosModule, request: GssInitiateOptions): Promise<GssContext> {
  const { mechanism, channelBinding, target, principal, flags } = request;
  if (mechanism !== krb5Oid || channelBinding) {
    throw new SASLFailure("no-credentials", "the kerberos package has Kerberos alone, and binds no channels");
  }
  const wanted = Object.entries(bits).filter(([name]) => flags[name as keyof typeof bits]);
  const client = await module.initializeClient(target, {
    mechOID: krb5,
    flags: wanted.reduce((all, [, bit]) => all | bit, 0),
    ...(principal !== undefined && { principal }),
  });
  let begun = false;
  return {
    async step(token) {
      if (begun === (token === undefined)) throw new TypeError("a first step has no token, every other has one");
      begun = true;
      const said = await client.step(token ? encodeBase64(token) : "");
      const done = client.contextComplete;
      return said ? { token: decodeBase64(said), done } : { done };
    },
    // A client of Kerberos is not complete before everything it asked for came about (RFC 4120 §3.2.4, RFC 4121 §4.1.1).
    facts: (): GssFacts => ({ mechanism, flags, initiator: client.username ?? "", ssf: 2 }),
    async wrap(plain, confidential) {
      const authzid = decodeUtf8(plain.subarray(4));
      const fits = plain.length <= 4 + maxAuthzid && !authzid.includes("\0");
      if (confidential || !fits || noLayer.some((octet, at) => plain[at] !== octet)) throw cannot();
      return decodeBase64(await client.wrap(encodeBase64(noLayer), { user: authzid }));
    },
    async unwrap(token) {
      if (!holdsSomething(token)) throw new TypeError("a token without anything in it"); // it would end the process
      return { plain: decodeBase64(await client.unwrap(encodeBase64(token))), confidential: false };
    },
    wrapSizeLimit: () => 0,
    getMic() {
      throw cannot();
    },
    verifyMic() {
      throw cannot();
    },
    dispose() {},
  };
}

function cannot(): TypeError {
  return new TypeError("the kerberos package cannot do that");
}

/**
 * Whether a token holds at least one octet: at nothing the package reads through a null pointer, and the process ends. Known
 * of the tokens of RFC 4121 §4.2.6.2 that are not encrypted, as an offer of layers is not (RFC 4752 §3.2); others are refused.
 */
function holdsSomething(token: Uint8Array): boolean {
  const [id = 0, kind = 0, flags = 0, , extraHigh = 0, extraLow = 0] = token;
  const sealed = (flags & 2) !== 0;
  return id === 5 && kind === 4 && !sealed && token.length > 16 + ((extraHigh << 8) | extraLow);
}
