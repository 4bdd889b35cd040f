/**
 * OPENID20: an OpenID 2.0 provider vouches for the user, who logs in there with a browser. Source: RFC 6616.
 *
 * The client asks for the user's identifier and for a function that takes the user to a page. The server asks its callbacks
 * for that page and for what the provider's answer says, which they have verified with the provider; whether it is for
 * this login is checked here.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../credentials.js";
import { AuthenticationFailure, SASLFailure } from "../errors.js";
import { afterRefusal } from "../internal/after-refusal.js";
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

/** What OPENID20 logs in with. */
export interface OpenId20Credentials {
  /** The user's OpenID: a URL or an XRI. */
  readonly identifier: string;
  readonly authzid?: string | undefined;
  /**
   * Takes the user to the provider's page; resolve as soon as that is under way. The library opens nothing itself, and waits
   * for the outcome as long as `limits.timeoutMs` says: give people more than the usual minute.
   */
  readonly redirect: Redirect;
  /** Told after the success what the provider says about the user (simple registration): `email`, `fullname`, …. */
  readonly registration?: ((fields: ReadonlyMap<string, string>) => void) | undefined;
}

/** A login that the server's callbacks are asked about. */
export interface OpenId20Login extends BrowserLogin {
  /** As the client wrote it. Untrusted. */
  readonly identifier: string;
}

/** Where a login goes. */
export interface OpenId20Redirect {
  /** The provider's page with the request. Absolute https URL. */
  readonly url: string;
  /** `openid.return_to` of the request, which holds the ID of the login. */
  readonly returnTo: string;
  /** The provider's endpoint, as discovery found it: the only one whose answer counts. */
  readonly provider: string;
  /** The identifier after normalisation and discovery, which the provider has to assert. Default: as the client wrote it. */
  readonly identifier?: string | undefined;
}

/** What the provider answered. A positive answer has been verified with it (OpenID Authentication 2.0 §11). */
export type OpenId20Outcome =
  | {
      readonly ok: true;
      /** `openid.claimed_id`. */
      readonly identifier: string;
      /** `openid.op_endpoint`. */
      readonly provider: string;
      /** `openid.return_to`. */
      readonly returnTo: string;
      /** `openid.response_nonce`. */
      readonly responseNonce: string;
      /** Name of the account. Default: the identifier. */
      readonly subject?: string | undefined;
      /** Further names the subject may act as. */
      readonly mayActAs?: readonly string[] | undefined;
      /** What to tell the client about the user, by field of simple registration. */
      readonly registration?: Readonly<Record<string, string>> | undefined;
    }
  | {
      readonly ok: false;
      /** `openid.error`, or words of our own: sent to the client. */
      readonly error: string;
    };

/** What a server needs for OPENID20. What a callback throws fails the login as temporary. */
export interface OpenId20ServerOptions {
  /** Where to send a user; `undefined` for an identifier that leads nowhere. */
  begin(login: OpenId20Login): MaybePromise<OpenId20Redirect | undefined>;
  /** Waits for the provider's answer at `returnTo`, and verifies it with the provider. */
  outcome(login: OpenId20Login): MaybePromise<OpenId20Outcome>;
  /** Oldest nonce to take, and most that clocks may differ, in milliseconds. Default 300000. */
  readonly nonceAgeMs?: number | undefined;
  /** False for a nonce (with its provider) that was used before. Default: remembered in this process. */
  readonly useOnce?: UseOnce | undefined;
}

const need: CredentialNeed<OpenId20Credentials> = /* @__PURE__ */ credentialNeed<OpenId20Credentials>("openid20", [
  ["identifier"],
  ["redirect"],
]);

async function* client(ctx: ClientContext): ClientConversation {
  const { identifier, authzid, redirect, registration } = await ctx.credentials(need);
  const heard = yield* visit(ctx, identifier, authzid, redirect);
  if (heard === undefined) return;
  const fields = parseOutcome(ctx.text(heard));
  const error = fields.get(errorField);
  if (error !== undefined) {
    const refused = new AuthenticationFailure("refused", "the provider does not vouch for the user", { text: error });
    return yield* afterRefusal(ctx, ctx.bytes("="), refused); // RFC 6616 §3.4; R-OID-03
  }
  ctx.ended((ok) => ok && registration?.(fields));
}

function serverWith(options: OpenId20ServerOptions): NonNullable<Mechanism["server"]> {
  const { nonceAgeMs = 300_000, useOnce = usedOnce() } = options;
  return async function* server(ctx: ServerContext): ServerConversation {
    const { authzid, identifier } = parseFirst(ctx.text(yield));
    const login = { ...newLogin(ctx, authzid), identifier };
    const redirect = await options.begin(login);
    if (redirect === undefined) throw ctx.fail("refused", "the identifier leads to no provider");
    checkConfigured(redirect.provider, "provider");
    if (!redirect.returnTo.includes(login.id)) throw new TypeError("returnTo does not hold the ID of the login");
    yield* sendAway(ctx, redirect.url);
    const outcome = await options.outcome(login);
    const objection = await objectionTo(outcome, { ...redirect, identifier: redirect.identifier ?? identifier });
    if (outcome.ok !== true || objection !== undefined) {
      const error = outcome.ok === true ? "the answer of the provider does not count" : outcome.error;
      yield ctx.bytes(formatOutcome({ [errorField]: error })); // RFC 6616 §3.4; whatever is answered, it is over
      throw ctx.fail("refused", "the provider does not vouch for the client", { detail: objection ?? error });
    }
    const { subject = outcome.identifier, mayActAs, registration } = outcome;
    const { name: authcid } = await ctx.identify(subject, authzid);
    const data = registration && ctx.bytes(formatOutcome(registration));
    return { authcid, authzid, mayActAs, data };
  };

  /** R-OID-04: why an answer does not count for a login. */
  async function objectionTo(outcome: OpenId20Outcome, expected: OpenId20Redirect): Promise<string | undefined> {
    if (outcome.ok !== true) return undefined;
    if (outcome.provider !== expected.provider) return "another provider";
    if (outcome.identifier !== expected.identifier) return "another identifier";
    if (outcome.returnTo !== expected.returnTo) return "an answer to another request";
    const made = nonceTime(outcome.responseNonce);
    if (!(Math.abs(Date.now() - made) <= nonceAgeMs)) return "a nonce that is too old";
    const fresh = await useOnce(`${outcome.provider} ${outcome.responseNonce}`, new Date(made + nonceAgeMs));
    return fresh === true ? undefined : "a nonce that was used before";
  }
}

/** OpenID Authentication 2.0 §10.1: UTC time, then anything printable; at most 255 characters. */
function nonceTime(nonce: string): number {
  const [, time] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)[\x21-\x7e]*$/.exec(nonce) ?? [];
  return time === undefined || nonce.length > 255 ? Number.NaN : Date.parse(time);
}

const errorField = "openid.error";

/** RFC 6616 §3.3: outcome_data = [ sreg_avp *( "," sreg_avp ) ]; values are percent-encoded, save the `@` of an address. */
function formatOutcome(fields: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(fields).map(([name, value]) => {
    if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new TypeError("a field of simple registration has a strange name");
    return `${name}=${encodeURIComponent(value).replaceAll("%40", "@")}`;
  });
  return pairs.join(",");
}

/** @throws {SASLFailure} `malformed-message`. */
function parseOutcome(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  if (text === "") return fields;
  for (const pair of text.split(",")) {
    const [, name, value] = /^([A-Za-z0-9._-]+)=([\x20-\x7e]*)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined || fields.has(name)) {
      // A refusal is one also where its text is not in order (R-OID-03).
      if (text.startsWith(`${errorField}=`)) return new Map([[errorField, ""]]);
      throw new SASLFailure("malformed-message", "the outcome is no list of fields");
    }
    fields.set(name, decoded(value));
  }
  return fields;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // no percent-encoding after all
  }
}

const clientHalf: Mechanism = {
  name: "OPENID20",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "noDictionary"],
  needsProtection: true, // RFC 6616 §6.1: whoever changes the redirect chooses where the user logs in
  authzid: true,
  needs: need,
  source: "RFC 6616",
  client,
};

/** OPENID20, described; a server gets it from {@link openid20Server}. */
export const openid20: Mechanism = /* @__PURE__ */ withServer(clientHalf, unconfigured, { possible: () => false });

/** OPENID20 for a server that is a relying party of OpenID 2.0. */
export function openid20Server(options: OpenId20ServerOptions): Mechanism {
  return withServer(clientHalf, serverWith(options));
}

/** OPENID20 for a client. */
export function OPENID20(credentials: CredentialProvider<OpenId20Credentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
