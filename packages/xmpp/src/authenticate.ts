/**
 * The one call: pick a mechanism from the features and log in over the stream.
 *
 * @module
 */
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate as authenticateOver,
  type SASLMechanism,
} from "sasl-core";
import { checkBindingOffer } from "sasl-core/plugin";
import { SASLClient } from "./client.js";
import { offerOf } from "./discovery.js";
import type { ClientInline } from "./sasl2/contract.js";
import { type ElementTransport, protectWith } from "./transport.js";

/** SASL2 as `sasl2()` makes it, for {@link authenticate}: programs that do without it do not carry it. */
export interface SASL2Profile {
  /** Whether the server offers it, and the stream can use it. */
  usable<E>(transport: ElementTransport<E>, features: E): boolean;
  authenticate<E>(
    transport: ElementTransport<E>,
    features: E,
    mechanisms: readonly SASLMechanism[],
    options: AuthenticateOptions,
  ): Promise<XMPPAuthenticationResult>;
}

/** Options of {@link authenticate}. */
export interface XMPPAuthenticateOptions extends AuthenticateOptions {
  /** What to log in with where the server offers SASL2: `sasl2({ userAgent, inline, tasks })`. Left out: SASL1 always. */
  readonly sasl2?: SASL2Profile | undefined;
  /** `sasl1`: never SASL2. `sasl2`: nothing else, so that the option of that name is needed. Left out: SASL2 where it can be had. */
  readonly profile?: "sasl1" | "sasl2" | undefined;
}

/** What inline features found, by the feature that was given to `sasl2`. */
export interface InlineResults {
  get<T>(feature: ClientInline<T>): T | undefined;
}

/** What {@link authenticate} established. */
export interface XMPPAuthenticationResult extends AuthenticationResult {
  /** `sasl1`: RFC 6120 §6; `sasl2`: XEP-0388. */
  readonly profile: "sasl1" | "sasl2";
  /** Whom the server says this is, with a resource where one was bound. SASL1 does not tell: `undefined`. */
  readonly jid: string | undefined;
  /** Nothing with SASL1. */
  readonly inline: InlineResults;
  /** Names of the tasks performed. */
  readonly tasks: readonly string[];
}

/**
 * Authenticates on a stream with the strongest mechanism both sides accept. Afterwards `restart()` a `ClientStream`: with
 * SASL1 there is a new header (RFC 6120 §6.4.6), with SASL2 new features follow as they are (XEP-0388 §2.6.1).
 *
 * @param transport the stream, after its features; it must not be read by anybody else meanwhile.
 * @param features the `features` element just received.
 * @param mechanisms with their credentials: the user name is the local part of the JID (RFC 6120 §6.3.7), the authzid,
 *   if any, a bare JID (§6.3.8).
 * @param options as in `sasl-core`, and which profile to use; `service`, `host`, `channelBinding`, `serverBindingTypes` and
 *   `tlsVersion` are filled in from the stream.
 * @throws {AuthenticationFailure} the credentials were turned down.
 * @throws {SASLFailure} everything else, `peer-not-verified` also for binding types without a mechanism that binds (XEP-0440 §3), `no-common-mechanism` also where SASL2 alone is wanted and cannot be used; when it came from the server, `opaqueError` holds an `XMPPFailure`.
 */
export async function authenticate<E>(
  transport: ElementTransport<E>,
  features: E,
  mechanisms: readonly SASLMechanism[],
  options: XMPPAuthenticateOptions = {},
): Promise<XMPPAuthenticationResult> {
  const { sasl2, profile, policy } = options;
  const { mechanisms: offered, bindingTypes } = offerOf(features, transport.adapter);
  const settings: AuthenticateOptions = {
    ...options,
    service: options.service ?? "xmpp",
    channelBinding: options.channelBinding ?? transport.channelBinding,
    host: options.host ?? transport.host,
    tlsVersion: options.tlsVersion ?? transport.tlsVersion,
    serverBindingTypes: options.serverBindingTypes ?? bindingTypes,
  };
  if (profile === "sasl2" || (profile !== "sasl1" && sasl2?.usable(transport, features))) {
    return (sasl2 as SASL2Profile).authenticate(transport, features, mechanisms, settings);
  }
  if (policy?.channelBinding !== "disable") checkBindingOffer(offered, settings.serverBindingTypes); // R-CBT-02
  const client = new SASLClient(transport, options.limits);
  const result = await authenticateOver(client, offered, mechanisms, settings);
  if (result.layer) protectWith(transport, result.layer); // RFC 6120 §6.6: right behind the ">" of success
  return { ...result, profile: "sasl1", jid: undefined, inline: new Map(), tasks: [] };
}
