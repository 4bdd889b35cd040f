/**
 * What the mechanisms of the GSS-API have in common: credentials, names, steps that fail, layers.
 *
 * @module
 */
import { type CredentialNeed, credentialNeed } from "../../credentials.js";
import { isSASLError, type SASLErrorCode } from "../../errors.js";
import { type SecurityLayer, securityLayer } from "../../layer.js";
import type { ClientContext, Heard, MechanismContext, ServerContext } from "../../mechanism.js";
import type { MaybePromise } from "../../runtime/contract.js";
import type { GssContext, GssFacts, GssProvider, GssStep } from "./provider.js";

/** What {@link GSSAPI} and its like ask for: nothing that must be there. */
export interface GssCredentials {
  /** Whose tickets to use: `alice`, `alice@EXAMPLE.COM`. Left out: those of the provider's default credentials. */
  readonly username?: string | undefined;
  /** Whom to act as. Left out: the identity of the tickets. */
  readonly authzid?: string | undefined;
}

/** Options of the mechanisms of the GSS-API. */
export interface GssOptions {
  /** The implementation of the GSS-API: `systemProvider()` of `sasl-gssapi`, or one of your own. */
  readonly provider: GssProvider;
  /** At the server: take tickets for every key there is, and not for `service@host` alone. Default false. */
  readonly anyTarget?: boolean | undefined;
  /**
   * At the server: the name an initiator goes by here. Default: the local name the provider maps it to, or else the whole
   * name with its realm.
   */
  readonly nameOf?: ((initiator: string, localName: string | undefined) => string) | undefined;
}

export const gssNeed: CredentialNeed<GssCredentials> = /* @__PURE__ */ credentialNeed<GssCredentials>("kerberos", []);

/** RFC 4752 §3.1: the three octets of a size. */
export const maxSize = 0xff_ff_ff;
/** Bits of the strongest layer Kerberos V has. */
export const maxGssSsf = 256;

/** RFC 4752 §5: `service@host`, the host as the user gave it. */
export function targetOf(ctx: MechanismContext): string {
  const { service, host } = ctx;
  if (!service || !host)
    throw ctx.fail("no-credentials", `${ctx.mechanism.name} needs the service and the server's name`);
  if (/[@/\0]/.test(service + host)) throw ctx.fail("no-credentials", "the server's name is no name of a host");
  return `${service}@${host}`;
}

/** The name to accept for; where the server does not know its own, there is nothing to compare with. */
export function acceptedTarget(ctx: ServerContext, { anyTarget }: GssOptions): string | undefined {
  return anyTarget || !ctx.service || !ctx.host ? undefined : `${ctx.service}@${ctx.host}`;
}

/** Lets SASL errors pass and makes everything else this one. */
export async function attempt<T>(
  ctx: MechanismContext,
  code: SASLErrorCode,
  message: string,
  work: () => MaybePromise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw isSASLError(cause) ? cause : ctx.fail(code, message, { cause });
  }
}

/** A context that is let go of with the exchange, unless a layer needs it. */
export class Held {
  readonly #ctx: MechanismContext;
  #kept = true;
  #layered = false;
  readonly gss: GssContext;

  constructor(ctx: MechanismContext, gss: GssContext) {
    this.#ctx = ctx;
    this.gss = gss;
    ctx.ended((ok) => {
      if (!ok || !this.#layered) this.drop();
    });
  }

  /** Lets go of the context before the exchange is over. */
  drop(): void {
    if (this.#kept) this.gss.dispose();
    this.#kept = false;
  }

  /** The initiator's first step. */
  begin(): Promise<GssStep> {
    return this.#step("no-credentials", undefined);
  }

  /** A step with what was heard; an acceptor or an initiator that has begun cannot do with nothing. */
  step(code: SASLErrorCode, token: Heard): Promise<GssStep> {
    if (!token?.length) throw this.#ctx.fail(code, "a token of the GSS-API is missing");
    return this.#step(code, token);
  }

  /** One step that has to come to something: a token, or the end. */
  async #step(code: SASLErrorCode, token: Uint8Array | undefined): Promise<GssStep> {
    const message = token ? "the GSS-API does not go on with this token" : "there is no ticket for this server";
    const step = await attempt(this.#ctx, code, message, () => this.gss.step(token));
    if (!step.done && !step.token?.length) throw this.#ctx.fail(code, "the GSS-API has no token, and is not done");
    return step;
  }

  /** The octets of a token that has to be whole and in order (R-GSS-07). */
  async unwrap(code: SASLErrorCode, token: Heard): Promise<Uint8Array> {
    if (!token?.length) throw this.#ctx.fail("malformed-message", "a wrapped token is missing");
    const message = "a wrapped token does not verify";
    const { plain } = await attempt(this.#ctx, code, message, () => this.gss.unwrap(token));
    return plain;
  }

  /**
   * The layer (RFC 4752 §3.3).
   *
   * @param ssf 1 for integrity alone, more for confidentiality as well.
   * @param maxToken longest token the peer takes.
   */
  async layer(ssf: number, maxToken: number): Promise<SecurityLayer> {
    const { gss } = this;
    const confidential = ssf > 1;
    const { maxInput } = this.#ctx.protection;
    const fits = await attempt(this.#ctx, "mechanism-too-weak", "nothing can be wrapped", () =>
      gss.wrapSizeLimit(maxToken, confidential),
    );
    if (!(fits >= 1)) throw this.#ctx.fail("malformed-message", "the peer's buffer is too small for a layer");
    this.#layered = true;
    return securityLayer({
      ssf,
      maxOutput: Math.min(fits, maxToken),
      maxInput: Math.min(maxInput, maxSize),
      async wrap(plain) {
        const token = await gss.wrap(plain, confidential);
        if (token.length > maxToken) throw new RangeError("a token is longer than the peer takes");
        return [token];
      },
      async unwrap(token) {
        const { plain, confidential: sealed } = await gss.unwrap(token);
        return sealed || !confidential ? plain : undefined; // nobody takes confidentiality off again
      },
    });
  }
}

/** The facts, and that they are those of the mechanism that was wanted and of a server that proved itself. */
export async function clientFacts(ctx: ClientContext, { gss }: Held, mechanism: string): Promise<GssFacts> {
  const facts = await attempt(ctx, "peer-not-verified", "nothing is known of the context", () => gss.facts());
  if (facts.mechanism !== mechanism) throw ctx.fail("peer-not-verified", "the context is of another mechanism");
  if (!facts.flags.mutual) throw ctx.fail("peer-not-verified", "the server did not prove itself"); // R-GS2-03
  return facts;
}

/** The facts, and that they are of the mechanism that was wanted (R-GSS-02). */
export async function serverFacts(ctx: ServerContext, { gss }: Held, mechanism: string): Promise<GssFacts> {
  const facts = await attempt(ctx, "refused", "nothing is known of the context", () => gss.facts());
  if (facts.mechanism !== mechanism) throw ctx.fail("refused", "the context is of another mechanism");
  // RFC 8062 §3: whoever comes by this name is nobody in particular, and these mechanisms say who somebody is.
  if (facts.initiator.startsWith("WELLKNOWN/ANONYMOUS@")) throw ctx.fail("refused", "the initiator is anonymous");
  return facts;
}

/** What to call an initiator. */
export function authcidOf({ initiator, localName }: GssFacts, { nameOf }: GssOptions): string {
  return nameOf ? nameOf(initiator, localName) : (localName ?? initiator);
}
