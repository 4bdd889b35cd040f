/**
 * SAML20: an identity provider vouches for the user, who logs in there with a browser. Source: RFC 6595.
 *
 * The client asks for the identity provider and for a function that takes the user to a page. The server asks its callbacks
 * for that page and for what the assertion says whose signature they have verified; whether it is for this login is
 * checked here.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../credentials.js";
import {
  type BrowserLogin,
  checkConfigured,
  newLogin,
  parseFirst,
  type Redirect,
  sendAway,
  type UseOnce,
  unconfigured,
  usedOnce,
  visit,
} from "../internal/browser-login.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import type { MaybePromise } from "../runtime/contract.js";

/** What SAML20 logs in with. */
export interface Saml20Credentials {
  /** Who vouches for the user: a domain name (RFC 6595 §3.1). */
  readonly identityProvider: string;
  readonly authzid?: string | undefined;
  /**
   * Takes the user to the provider's page; resolve as soon as that is under way. The library opens nothing itself, and waits
   * for the outcome as long as `limits.timeoutMs` says: give people more than the usual minute.
   */
  readonly redirect: Redirect;
}

/** A login that the server's callbacks are asked about. */
export interface Saml20Login extends BrowserLogin {
  /** As the client wrote it. Untrusted: look it up among those you know. */
  readonly identityProvider: string;
}

/** Where a login goes. */
export interface Saml20Redirect {
  /** The provider's page with the AuthnRequest, whose ID is that of the login. Absolute https URL. */
  readonly url: string;
  /** Entity ID of the provider: the only one whose assertion counts. */
  readonly issuer: string;
}

/** What an assertion says. Its signature, and that of the response, have been verified with the provider's key. */
export interface Saml20Assertion {
  /** Its ID. */
  readonly id: string;
  readonly issuer: string;
  /** `InResponseTo` of its bearer confirmation. */
  readonly inResponseTo: string;
  /** Every `Audience`. */
  readonly audiences: readonly string[];
  /** `Recipient` of its bearer confirmation, or `Destination` of the response. */
  readonly destination: string;
  readonly notBefore?: Date | undefined;
  readonly notOnOrAfter: Date;
  /** Name of the account that the subject stands for. */
  readonly subject: string;
  /** Further names the subject may act as. */
  readonly mayActAs?: readonly string[] | undefined;
}

/** What a server needs for SAML20. What a callback throws fails the login as temporary. */
export interface Saml20ServerOptions {
  /** Our entity ID, which assertions have to name as their audience. */
  readonly audience: string;
  /** URL of our assertion consumer service, which assertions have to be for. */
  readonly destination: string;
  /** Where to send a user; `undefined` for a provider nobody knows. */
  begin(login: Saml20Login): MaybePromise<Saml20Redirect | undefined>;
  /**
   * Waits for the provider's answer to the request of this login, and verifies its signatures (XML Signature, the
   * assertion that is used being the one that is signed). `undefined` when the user was turned down, or a signature is bad.
   */
  outcome(login: Saml20Login): MaybePromise<Saml20Assertion | undefined>;
  /** Most that the provider's clock and ours may differ, in milliseconds. Default 60000. */
  readonly clockSkewMs?: number | undefined;
  /** False for an assertion (by issuer and ID) that was used before. Default: remembered in this process. */
  readonly useOnce?: UseOnce | undefined;
}

const need: CredentialNeed<Saml20Credentials> = /* @__PURE__ */ credentialNeed<Saml20Credentials>("saml20", [
  ["identityProvider"],
  ["redirect"],
]);

async function* client(ctx: ClientContext): ClientConversation {
  const { identityProvider, authzid, redirect } = await ctx.credentials(need);
  const heard = yield* visit(ctx, identityProvider, authzid, redirect);
  if (heard?.length) throw ctx.fail("unexpected-message", "the server goes on after the end"); // RFC 6595 §3.3: no data
}

function serverWith(options: Saml20ServerOptions): NonNullable<Mechanism["server"]> {
  const { useOnce = usedOnce() } = options;
  return async function* server(ctx: ServerContext): ServerConversation {
    const { authzid, identifier } = parseFirst(ctx.text(yield));
    const login = { ...newLogin(ctx, authzid), identityProvider: identifier };
    const redirect = await options.begin(login);
    if (redirect === undefined) throw ctx.fail("refused", "nobody knows this identity provider");
    checkConfigured(redirect.issuer, "issuer");
    yield* sendAway(ctx, redirect.url);
    const assertion = await options.outcome(login);
    const objection = objectionTo(assertion, login, redirect, options);
    if (objection)
      throw ctx.fail("refused", "the identity provider does not vouch for the client", { detail: objection });
    const { id, issuer, notOnOrAfter, subject, mayActAs } = assertion as Saml20Assertion;
    const until = new Date(notOnOrAfter.getTime() + skewOf(options));
    if ((await useOnce(`${issuer} ${id}`, until)) !== true) {
      throw ctx.fail("refused", "the identity provider does not vouch for the client", { detail: "used before" });
    }
    const { name: authcid } = await ctx.identify(subject, authzid);
    return { authcid, authzid, mayActAs };
  };
}

/** R-SAML-04: why an assertion does not count for a login. What is missing in it does not fit either. */
function objectionTo(
  assertion: Saml20Assertion | undefined,
  { id }: Saml20Login,
  { issuer }: Saml20Redirect,
  options: Saml20ServerOptions,
): string | undefined {
  if (assertion === undefined) return "no assertion";
  if (assertion.issuer !== issuer) return "another issuer";
  if (assertion.inResponseTo !== id) return "an answer to another request";
  const { audiences } = assertion; // as text, which parsers of XML make of a single one, it would include parts of itself
  if (!Array.isArray(audiences) || !audiences.includes(options.audience)) return "for another audience";
  if (assertion.destination !== options.destination) return "for another destination";
  const [now, skew] = [Date.now(), skewOf(options)];
  if (!(now < Number(assertion.notOnOrAfter) + skew)) return "not valid any more";
  if (assertion.notBefore !== undefined && !(now >= Number(assertion.notBefore) - skew)) return "not valid yet";
  return typeof assertion.id === "string" && assertion.id !== "" ? undefined : "without an ID";
}

function skewOf({ clockSkewMs = 60_000 }: Saml20ServerOptions): number {
  return clockSkewMs;
}

const clientHalf: Mechanism = {
  name: "SAML20",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "noDictionary"],
  needsProtection: true, // RFC 6595 §7.1: whoever changes the redirect chooses where the user logs in
  authzid: true,
  needs: need,
  source: "RFC 6595",
  client,
};

/** SAML20, described; a server gets it from {@link saml20Server}. */
export const saml20: Mechanism = /* @__PURE__ */ withServer(clientHalf, unconfigured, { possible: () => false });

/** SAML20 for a server that is a service provider of SAML. @throws {TypeError} without an audience or a destination. */
export function saml20Server(options: Saml20ServerOptions): Mechanism {
  checkConfigured(options.audience, "audience");
  checkConfigured(options.destination, "destination");
  return withServer(clientHalf, serverWith(options));
}

/** SAML20 for a client. */
export function SAML20(credentials: CredentialProvider<Saml20Credentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
