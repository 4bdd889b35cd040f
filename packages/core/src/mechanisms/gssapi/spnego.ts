/**
 * GSS-SPNEGO: which mechanism of the GSS-API to use is negotiated as well, and the layer is what that mechanism's context can
 * do, without another word. Sources: RFC 4178; MS-SPNG; the layer as Windows and Cyrus SASL have it.
 *
 * Kerberos V alone is negotiated unless others are named: NTLM inside would undo what Kerberos proves.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import type { SecurityLayer } from "../../layer.js";
import {
  type ClientContext,
  type ClientConversation,
  type Heard,
  type Mechanism,
  type MechanismContext,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import { type GssFacts, krb5Oid, msKrb5Oid } from "./provider.js";
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
  serverFacts,
  targetOf,
} from "./shared.js";
import { formatInit, formatMechTypeList, formatResp, type NegState, parseInit, parseResp } from "./spnego-tokens.js";

/** Options of {@link GSS_SPNEGO} and {@link gssSpnegoMechanism}. */
export interface SpnegoOptions extends GssOptions {
  /**
   * Mechanisms to negotiate, as dotted OIDs, the best first; the provider has to have them. Default: Kerberos V alone.
   * Naming `ntlmOid` lets whoever can make Kerberos fail have NTLM instead.
   */
  readonly mechanisms?: readonly string[] | undefined;
  /**
   * Longest token of the layer that the peer takes, in octets: GSS-SPNEGO does not say. Default 65536; some servers take less.
   */
  readonly maxToken?: number | undefined;
}

const usual: readonly string[] = [krb5Oid];

/** RFC 4178 §3.2, the initiator. */
async function* client(ctx: ClientContext, options: SpnegoOptions): ClientConversation {
  const { provider, mechanisms = usual } = options;
  const { username: principal } = await ctx.credentials(gssNeed);
  const target = targetOf(ctx);
  const unable = "this provider of the GSS-API has no layer, which the server takes for granted";
  if (!provider.protectsData) throw ctx.fail("no-credentials", unable);
  const { maxSsf } = ctx.protection;
  const flags = { mutual: true, sequence: maxSsf > 0, integrity: maxSsf > 0, confidentiality: maxSsf > 1 };
  const list = formatMechTypeList(mechanisms);
  const begin = (mechanism: string) =>
    attempt(ctx, "no-credentials", "there is no ticket to begin with", () =>
      provider.initiate({ mechanism, target, principal, flags }),
    ).then((gss) => new Held(ctx, gss));

  let mechanism = mechanisms[0] as string;
  let context = await begin(mechanism);
  let { token, done } = await context.begin();
  const mics = new Mics(ctx, list, "peer-not-verified");
  let message = formatInit(list, token as Uint8Array);
  for (let first = true; ; first = false) {
    const reply = parseResp(present(ctx, yield ctx.final(message)));
    const { negState = "accept-incomplete", responseToken } = reply;
    const supportedMech = reply.supportedMech && innerOf(reply.supportedMech); // some name it so whatever was offered
    if (negState === "reject") throw ctx.fail("refused", "the server has no mechanism in common");
    token = undefined;
    if (first) {
      const chosen = supportedMech ?? mechanism;
      if (!mechanisms.includes(chosen)) throw ctx.fail("peer-not-verified", "the server chose what was not offered");
      mics.needed = negState === "request-mic" || chosen !== mechanism; // R-SPN-01, RFC 4178 §5
      if (chosen !== mechanism) {
        if (responseToken) throw ctx.fail("malformed-message", "a token before there is a context");
        context.drop();
        mechanism = chosen;
        context = await begin(mechanism);
        ({ token, done } = await context.begin());
      }
    } else if (negState === "request-mic" || (supportedMech ?? mechanism) !== mechanism) {
      throw ctx.fail("malformed-message", "the negotiation changed its mind"); // RFC 4178 §4.2.2
    }
    if (responseToken) {
      if (done) throw ctx.fail("malformed-message", "a token for a context that is established");
      ({ token, done } = await context.step("peer-not-verified", responseToken));
    }
    await mics.verify(reply.mechListMic, done, context);
    if (negState === "accept-completed") {
      if (!done || token || mics.missing)
        throw ctx.fail("peer-not-verified", "the server ends the negotiation too early");
      break;
    }
    const mechListMic = await mics.make(done, context);
    if (!token && !mechListMic) throw ctx.fail("unexpected-message", "there is nothing left to negotiate");
    message = formatResp({ responseToken: token, mechListMic });
  }
  const facts = await clientFacts(ctx, context, mechanism);
  const layer = await implied(ctx, context, facts, options);
  if (layer) ctx.layer(layer);
}

/** RFC 4178 §3.2, the acceptor. */
async function* server(ctx: ServerContext, options: SpnegoOptions): ServerConversation {
  const { provider, mechanisms = usual } = options;
  const init = parseInit(present(ctx, yield));
  const able = (oid: string) => mechanisms.includes(innerOf(oid)) && provider.canAccept(innerOf(oid));
  const chosen = init.mechTypes.findIndex(able);
  if (chosen < 0) throw ctx.fail("refused", "no mechanism in common"); // also NTLM where nobody named it (R-SPN-01)
  const supportedMech = init.mechTypes[chosen] as string;
  const mechanism = innerOf(supportedMech);
  const target = acceptedTarget(ctx, options);
  const gss = await attempt(ctx, "temporary", "there is no key to accept with", () =>
    provider.accept({ mechanism, target }),
  );
  const context = new Held(ctx, gss);
  const mics = new Mics(ctx, init.mechTypeList, "refused");
  mics.needed = chosen !== 0; // RFC 4178 §5: it is not what the initiator likes best

  let token = chosen === 0 ? init.mechToken : undefined;
  let mic: Uint8Array | undefined;
  let done = false;
  for (let first = true; ; first = false) {
    let responseToken: Uint8Array | undefined;
    if (token) {
      if (done) throw ctx.fail("malformed-message", "a token for a context that is established");
      ({ token: responseToken, done } = await context.step("refused", token));
    } else if (!first && !mic) {
      throw ctx.fail("malformed-message", "a message without anything in it");
    }
    await mics.verify(mic, done, context);
    const mechListMic = await mics.make(done, context);
    const negState = stateOf(first, done, mics);
    const message = formatResp({
      negState,
      supportedMech: first ? supportedMech : undefined,
      responseToken,
      mechListMic,
    });
    if (negState === "accept-completed") {
      const facts = await serverFacts(ctx, context, mechanism);
      const layer = await implied(ctx, context, facts, options);
      const account = await ctx.identify(authcidOf(facts, options));
      return { authcid: account.name, data: message, layer };
    }
    const heard = parseResp(present(ctx, yield message));
    if (heard.supportedMech || heard.negState === "reject") throw ctx.fail("refused", "the client gave up");
    ({ responseToken: token, mechListMic: mic } = heard);
  }
}

function stateOf(first: boolean, done: boolean, mics: Mics): NegState {
  if (done && !mics.missing) return "accept-completed";
  return first && mics.needed ? "request-mic" : "accept-incomplete";
}

/** MS-SPNG §3.1.5.2: Windows names Kerberos twice, and means the same. */
function innerOf(oid: string): string {
  return oid === msKrb5Oid ? krb5Oid : oid;
}

function present(ctx: MechanismContext, heard: Heard): Uint8Array {
  if (!heard?.length) throw ctx.fail("malformed-message", "a message of SPNEGO is missing");
  return heard;
}

/** The proof in both directions that nobody changed the list of mechanisms (RFC 4178 §5). */
class Mics {
  readonly #ctx: MechanismContext;
  readonly #list: Uint8Array;
  readonly #code: "peer-not-verified" | "refused";
  #verified = false;
  #made = false;
  /** Whether MICs have to be exchanged; one side that sends one obliges the other. */
  needed = false;

  constructor(ctx: MechanismContext, list: Uint8Array, code: "peer-not-verified" | "refused") {
    this.#ctx = ctx;
    this.#list = list;
    this.#code = code;
  }

  get missing(): boolean {
    return this.needed && !(this.#verified && this.#made);
  }

  async verify(mic: Uint8Array | undefined, done: boolean, { gss }: Held): Promise<void> {
    if (mic === undefined) return;
    if (!done || this.#verified) throw this.#ctx.fail("malformed-message", "a MIC where there can be none");
    const message = "the list of mechanisms was changed";
    await attempt(this.#ctx, this.#code, message, () => gss.verifyMic(this.#list, mic));
    this.#verified = true;
    this.needed = true;
  }

  async make(done: boolean, { gss }: Held): Promise<Uint8Array | undefined> {
    if (!done || !this.needed || this.#made) return undefined;
    this.#made = true;
    return attempt(this.#ctx, this.#code, "no MIC can be made", () => gss.getMic(this.#list));
  }
}

/** The layer both sides take for agreed, from the flags of the context alone. */
async function implied(
  ctx: MechanismContext,
  context: Held,
  { flags, ssf }: GssFacts,
  { maxToken = 65_536 }: SpnegoOptions,
): Promise<SecurityLayer | undefined> {
  const { minSsf, maxSsf } = ctx.protection;
  const bits = !flags.integrity ? 0 : flags.confidentiality ? ssf : 1;
  if (bits < minSsf || bits > maxSsf)
    throw ctx.fail("mechanism-too-weak", "the context implies a layer that may not be");
  if (bits === 0) return undefined;
  if (!flags.sequence) throw ctx.fail("mechanism-too-weak", "a layer without sequence numbers");
  return context.layer(bits, maxToken);
}

function clientHalf(options: SpnegoOptions): Mechanism {
  return {
    name: "GSS-SPNEGO",
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous", "noDictionary", "mutualAuth"],
    needsHost: true,
    maxSsf: maxGssSsf,
    rank: -1, // what is named outright needs no negotiation
    needs: gssNeed,
    source: "MS-SPNG, RFC 4178",
    client: (ctx) => client(ctx, options),
  };
}

/** GSS-SPNEGO for a client. Without a ticket it fails with `no-credentials` before anything is sent. */
export function GSS_SPNEGO(
  options: SpnegoOptions,
  credentials: CredentialProvider<GssCredentials> = {},
): SASLMechanism {
  return clientMechanism([clientHalf(options)], credentials);
}

/** GSS-SPNEGO with both halves, on a provider; a server offers it while the provider has a key to accept with. */
export function gssSpnegoMechanism(options: SpnegoOptions): Mechanism {
  const { provider, mechanisms = usual } = options;
  return withServer(clientHalf(options), (ctx) => server(ctx, options), {
    possible: () => provider.protectsData && mechanisms.some((oid) => provider.canAccept(oid)),
  });
}
