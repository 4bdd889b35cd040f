/**
 * GS2: any mechanism of the GSS-API that authenticates both ways, in as few messages as it needs itself and bound to the
 * channel where there is one. Source: RFC 5801. GS2-KRB5 and GS2-KRB5-PLUS are those of Kerberos V. There is no layer.
 *
 * @module
 */
import type { ChannelBinding } from "../../channel-binding.js";
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { sha1 } from "../../digests.js";
import { concatBytes } from "../../internal/bytes.js";
import { formatGs2Header, type Gs2Header, parseGs2Header } from "../../internal/gs2.js";
import { checkBinding, chooseBinding, unboundFlag } from "../../internal/gs2-binding.js";
import { decodeUtf8 } from "../../internal/text.js";
import {
  type ClientContext,
  type ClientConversation,
  type Heard,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import { addTokenHeader, der, malformed, oidContent, removeTokenHeader, tagOid } from "./der.js";
import { krb5Oid, spnegoOid } from "./provider.js";
import {
  acceptedTarget,
  attempt,
  authcidOf,
  clientFacts,
  type GssCredentials,
  type GssOptions,
  gssNeed,
  Held,
  serverFacts,
  targetOf,
} from "./shared.js";

/** One mechanism of the GSS-API under GS2. */
export interface Gs2Options extends GssOptions {
  /** Dotted OID of the mechanism. Never SPNEGO's (RFC 5801 §14.3). */
  readonly mechanism: string;
  /** Its name without `-PLUS`: `GS2-KRB5`, or what {@link gs2Name} computes. */
  readonly name: string;
}

/** RFC 5801 §4: what may follow `F,`, when the token has no standard header. */
const nonStandard = /* @__PURE__ */ Uint8Array.of(0x46, 0x2c);
const comma = 0x2c;

async function* client(ctx: ClientContext, options: Gs2Options, plus: boolean): ClientConversation {
  const { provider, mechanism } = options;
  const { username: principal, authzid } = await ctx.credentials(gssNeed);
  const target = targetOf(ctx);
  const unable = "this provider of the GSS-API binds no channels, which GS2 always does";
  if (!provider.bindsChannels) throw ctx.fail("no-credentials", unable);
  const binding = plus ? await chooseBinding(ctx) : undefined;
  const header = ctx.bytes(formatGs2Header(binding ? "p" : unboundFlag(ctx), binding?.type, authzid));
  const channelBinding = concatBytes(header, binding?.data ?? new Uint8Array(0)); // RFC 5801 §5.1
  // RFC 5801 §8: mutual_req. Layers belong to other mechanisms (§13.3), and so do their flags.
  const flags = { mutual: true, sequence: false, integrity: false, confidentiality: false };
  const gss = await attempt(ctx, "no-credentials", "there is no ticket to begin with", () =>
    provider.initiate({ mechanism, target, principal, flags, channelBinding }),
  );
  const context = new Held(ctx, gss);

  let step = await context.begin();
  const token = step.token as Uint8Array;
  const inner = removeTokenHeader(mechanism, token);
  let message: Uint8Array = inner ? concatBytes(header, inner) : concatBytes(nonStandard, header, token); // RFC 5801 §4
  while (!step.done) {
    const heard = yield ctx.final(message);
    step = await context.step("peer-not-verified", heard);
    if (step.token) message = step.token;
  }
  await clientFacts(ctx, context, mechanism);
  return step.token ? message : undefined;
}

async function* server(ctx: ServerContext, options: Gs2Options, plus: boolean): ServerConversation {
  const { provider, mechanism } = options;
  const first = parseFirst(mechanism, yield);
  const data = await checkBinding(ctx, first.header, plus);
  const header = ctx.bytes(first.header.text);
  const channelBinding = data ? concatBytes(header, data) : header; // R-GS2-02
  const target = acceptedTarget(ctx, options);
  const gss = await attempt(ctx, "temporary", "there is no key to accept with", () =>
    provider.accept({ mechanism, target, channelBinding }),
  );
  const context = new Held(ctx, gss);
  let step = await context.step("refused", first.token);
  while (!step.done) step = await context.step("refused", yield step.token);
  const facts = await serverFacts(ctx, context, mechanism);
  if (!facts.flags.mutual) throw ctx.fail("refused", "the client did not ask this side to prove itself"); // RFC 5801 §8
  const { authzid } = first.header;
  const account = await ctx.identify(authcidOf(facts, options), authzid);
  return { authcid: account.name, authzid, data: step.token };
}

/** RFC 5801 §4: `[F,] flag , [a=authzid] ,` and a token that lost its standard header, if it had one. */
function parseFirst(mechanism: string, message: Heard): { header: Gs2Header; token: Uint8Array } {
  const bytes = message ?? new Uint8Array(0);
  const bare = bytes[0] === nonStandard[0] && bytes[1] === comma;
  const start = bare ? 2 : 0;
  const end = bytes.indexOf(comma, bytes.indexOf(comma, start) + 1) + 1;
  if (end <= start) throw malformed();
  const text = decodeUtf8(bytes.subarray(start, end));
  const header = parseGs2Header(text);
  const token = bytes.subarray(end);
  if (header.text !== text || token.length === 0) throw malformed();
  if (!bare) return { header, token: addTokenHeader(mechanism, token) };
  if (token[0] === 0x60) throw malformed(); // R-GS2-01: this token has its header
  return { header, token };
}

/** Registered names where they are not computed (RFC 5801 §3.2, IANA). SPNEGO has none (§14.3). */
const registered: ReadonlyMap<string, string | undefined> = /* @__PURE__ */ new Map([
  [krb5Oid, "GS2-KRB5"],
  ["1.3.6.1.5.2.5", "GS2-IAKERB"],
  [spnegoOid, undefined],
]);

/**
 * The SASL name of a mechanism of the GSS-API (RFC 5801 §3.1): the one it has, or else the one computed from its OID.
 *
 * @param oid dotted.
 * @returns without `-PLUS`; `undefined` for SPNEGO, which must not be used here.
 */
export async function gs2Name(oid: string): Promise<string | undefined> {
  return registered.has(oid) ? registered.get(oid) : hashedName(oid);
}

/** RFC 5801 §3.1: the first 55 bits of a SHA-1 over the OID in DER, in Base32. */
async function hashedName(oid: string): Promise<string> {
  const digest = await sha1.hash(der(tagOid, oidContent(oid)));
  let name = "GS2-";
  for (let bit = 0; bit < 55; bit += 5) {
    const at = bit >> 3;
    const pair = ((digest[at] as number) << 8) | (digest[at + 1] as number);
    name += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(pair >> (11 - (bit & 7))) & 31];
  }
  return name;
}

function clientHalf(options: Gs2Options, plus: boolean): Mechanism {
  const { mechanism, name } = options;
  if (mechanism === spnegoOid || /^SPNEGO(?:-PLUS)?$/.test(name))
    throw new TypeError("SPNEGO cannot be used under GS2"); // R-GS2-04
  return {
    name: plus ? `${name}-PLUS` : name,
    flow: "client-first",
    security: plus
      ? ["noPlaintext", "noAnonymous", "noActive", "noDictionary", "mutualAuth"]
      : ["noPlaintext", "noAnonymous", "noDictionary", "mutualAuth"],
    channelBinding: plus,
    bindable: !plus,
    authzid: true,
    needsHost: true,
    needs: gssNeed,
    source: "RFC 5801",
    client: (ctx) => client(ctx, options, plus),
  };
}

const krb5 = (options: GssOptions): Gs2Options => ({ ...options, mechanism: krb5Oid, name: "GS2-KRB5" });

/** GS2-KRB5 without channel binding, for a client. Without a ticket it fails with `no-credentials` before anything is sent. */
export function GS2_KRB5(options: GssOptions, credentials: CredentialProvider<GssCredentials> = {}): SASLMechanism {
  return clientMechanism([clientHalf(krb5(options), false)], credentials);
}

/**
 * GS2-KRB5-PLUS, bound to the channel, for a client.
 *
 * @param channelBinding what the connection can be bound to; left out, the binding's transport says so.
 */
export function GS2_KRB5_PLUS(
  options: GssOptions,
  credentials: CredentialProvider<GssCredentials> = {},
  channelBinding?: ChannelBinding,
): SASLMechanism {
  return clientMechanism([clientHalf(krb5(options), true)], credentials, channelBinding);
}

/**
 * A GS2 mechanism with both halves, on a provider; a server offers it while the provider has a key to accept with.
 *
 * @param plus bound to the channel; its name then ends in `-PLUS`.
 * @throws {TypeError} for SPNEGO (RFC 5801 §14.3).
 */
export function gs2Mechanism(options: Gs2Options, plus: boolean): Mechanism {
  const { provider, mechanism } = options;
  return withServer(clientHalf(options, plus), (ctx) => server(ctx, options, plus), {
    possible: () => provider.bindsChannels && provider.canAccept(mechanism),
  });
}

/** GS2-KRB5 with both halves, on a provider. */
export function gs2Krb5Mechanism(options: GssOptions): Mechanism {
  return gs2Mechanism(krb5(options), false);
}

/** GS2-KRB5-PLUS with both halves, on a provider. */
export function gs2Krb5PlusMechanism(options: GssOptions): Mechanism {
  return gs2Mechanism(krb5(options), true);
}
