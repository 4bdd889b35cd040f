/**
 * GSSAPI: Kerberos V, and a layer that both sides agree on under its protection. Source: RFC 4752.
 *
 * The client asks for nothing but, where wanted, whose tickets to use. The server needs a key in its keytab.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8 } from "../../internal/text.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type MechanismContext,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import { type GssFacts, type GssProvider, krb5Oid } from "./provider.js";
import {
  acceptedTarget,
  attempt,
  authcidOf,
  clientFacts,
  type GssCredentials,
  type GssOptions,
  gssNeed,
  Held,
  maxGssSsf,
  maxSize,
  serverFacts,
  targetOf,
} from "./shared.js";

/** Bits of the first octet of an offer and of a choice (RFC 4752 §3.1). */
const noLayer = 1;
const integrity = 2;
const confidentiality = 4;

const nothing = /* @__PURE__ */ new Uint8Array(0);

/** RFC 4752 §3.1. */
async function* client(ctx: ClientContext, { provider }: GssOptions): ClientConversation {
  const { username: principal, authzid } = await ctx.credentials(gssNeed);
  const target = targetOf(ctx);
  const { minSsf, maxSsf } = provider.protectsData ? ctx.protection : { ...ctx.protection, maxSsf: 0 };
  if (minSsf > maxSsf)
    throw ctx.fail("no-credentials", "this provider of the GSS-API has no layer, and one is required");
  const flags = { mutual: true, integrity: true, sequence: maxSsf > 0, confidentiality: maxSsf > 1 }; // R-GSS-01
  const gss = await attempt(ctx, "no-credentials", "there is no ticket to begin with", () =>
    provider.initiate({ mechanism: krb5Oid, target, principal, flags }),
  );
  const context = new Held(ctx, gss);

  let step = await context.begin();
  let heard = yield step.token ?? nothing;
  while (!step.done) {
    step = await context.step("peer-not-verified", heard);
    heard = yield step.token ?? nothing;
  }
  const facts = await clientFacts(ctx, context, krb5Oid);
  const offer = parseLayer(ctx, await context.unwrap("peer-not-verified", heard));
  if (offer.rest.length > 0) throw ctx.fail("malformed-message", "an offer of layers has four octets");

  // A size that comes without any layer is not looked at, against RFC 4752 §3.1: Dovecot sends one.
  const bit = strongest(offer.bits & acceptable(ctx, facts, provider));
  if (bit === 0) throw ctx.fail("mechanism-too-weak", "the server offers no layer that is acceptable here");
  if (bit !== noLayer) ctx.layer(await context.layer(bit === integrity ? 1 : facts.ssf, offer.size));
  const size = bit === noLayer ? 0 : ownSize(ctx); // R-GSS-04
  const choice = concatBytes(formatLayer(bit, size), ctx.bytes(authzid ?? ""));
  return await attempt(ctx, "aborted", "the choice cannot be wrapped", () => gss.wrap(choice, false));
}

/** RFC 4752 §3.2. */
async function* server(ctx: ServerContext, options: GssOptions): ServerConversation {
  const { provider } = options;
  let heard = yield;
  const target = acceptedTarget(ctx, options);
  const gss = await attempt(ctx, "temporary", "there is no key to accept with", () =>
    provider.accept({ mechanism: krb5Oid, target }),
  );
  const context = new Held(ctx, gss);
  let step = await context.step("refused", heard);
  while (!step.done) {
    heard = yield step.token;
    step = await context.step("refused", heard);
  }
  const facts = await serverFacts(ctx, context, krb5Oid);
  if (step.token) {
    heard = yield step.token;
    if (heard?.length !== 0) throw ctx.fail("unexpected-message", "the last token is answered with nothing"); // R-GSS-08
  }

  const offered = acceptable(ctx, facts, provider);
  if (offered === 0) throw ctx.fail("mechanism-too-weak", "the context has no layer that is required here"); // R-GSS-06
  const offer = formatLayer(offered, offered === noLayer ? 0 : ownSize(ctx));
  const choice = parseLayer(
    ctx,
    await context.unwrap(
      "refused",
      yield await attempt(ctx, "temporary", "no offer can be wrapped", () => gss.wrap(offer, false)),
    ),
  );
  const { bits, size } = choice;
  if (bits === 0 || bits !== strongest(bits) || (bits & offered) === 0) {
    throw ctx.fail("malformed-message", "not exactly one layer of those offered is chosen"); // R-GSS-05
  }
  if ((size === 0) !== (bits === noLayer)) throw ctx.fail("malformed-message", "a size that does not fit the layer");
  const authzid = decodeUtf8(choice.rest);
  ctx.checkIdentity(authzid);
  const account = await ctx.identify(authcidOf(facts, options), authzid);
  const layer = bits === noLayer ? undefined : await context.layer(bits === integrity ? 1 : facts.ssf, size);
  return { authcid: account.name, authzid, layer };
}

/** Layers a context can have and this side may agree to (RFC 4752 §3.1, §3.2; R-GSS-06). */
function acceptable(ctx: MechanismContext, { flags, ssf }: GssFacts, { protectsData }: GssProvider): number {
  const { minSsf, maxSsf, maxInput } = ctx.protection;
  const within = (bits: number) => bits >= minSsf && bits <= maxSsf;
  // Without sequence numbers what is protected could be repeated and reordered (RFC 4752 §3.1).
  const layers = protectsData && flags.integrity && flags.sequence && maxInput >= 1;
  return (
    (minSsf === 0 ? noLayer : 0) |
    (layers && within(1) ? integrity : 0) |
    (layers && flags.confidentiality && ssf > 1 && within(ssf) ? confidentiality : 0)
  );
}

/** The one of them to take; 0 of none. */
function strongest(bits: number): number {
  return [confidentiality, integrity, noLayer].find((bit) => (bits & bit) !== 0) ?? 0;
}

function ownSize({ protection }: MechanismContext): number {
  return Math.min(protection.maxInput, maxSize);
}

function formatLayer(bits: number, size: number): Uint8Array {
  return Uint8Array.of(bits, size >>> 16, size >>> 8, size);
}

function parseLayer(ctx: MechanismContext, plain: Uint8Array): { bits: number; size: number; rest: Uint8Array } {
  if (plain.length < 4) throw ctx.fail("malformed-message", "fewer than four octets about layers"); // R-GSS-03
  const [bits = 0, high = 0, middle = 0, low = 0] = plain;
  return { bits, size: (high << 16) | (middle << 8) | low, rest: plain.subarray(4) };
}

function clientHalf(options: GssOptions): Mechanism {
  return {
    name: "GSSAPI",
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous", "noDictionary", "mutualAuth"],
    authzid: true,
    needsHost: true,
    maxSsf: maxGssSsf,
    needs: gssNeed,
    source: "RFC 4752",
    client: (ctx) => client(ctx, options),
  };
}

/** GSSAPI for a client. Without a ticket it fails with `no-credentials` before anything is sent. */
export function GSSAPI(options: GssOptions, credentials: CredentialProvider<GssCredentials> = {}): SASLMechanism {
  return clientMechanism([clientHalf(options)], credentials);
}

/** GSSAPI with both halves, on a provider; a server offers it while the provider has a key to accept with. */
export function gssapiMechanism(options: GssOptions): Mechanism {
  return withServer(clientHalf(options), (ctx) => server(ctx, options), {
    possible: () => options.provider.canAccept(krb5Oid), // R-GSS-02
  });
}
