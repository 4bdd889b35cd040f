/**
 * FAST for servers: tokens for who logged in otherwise, and logins with them. Source: XEP-0484.
 *
 * The tokens are core's (`hashedTokens`), kept with the account: a password change and the account's removal take them
 * along, `tokens.revoke` does when somebody is thrown out (R-FAST-12).
 *
 * @module
 */
import { type AccountProperties, AuthenticationFailure, SASLFailure } from "sasl-core";
import type { HashedTokenInfo, HashedTokens, IssuedToken } from "sasl-core/mechanisms";
import { NS_FAST } from "../namespaces.js";
import { onlyChild } from "./children.js";
import type { MaybePromise, ServerAbout, ServerInline, ServerSuccess } from "./contract.js";
import { formatDateTime } from "./fast-expiry.js";

/** Options of {@link fastServer}. */
export interface FastServerOptions {
  /** Issues and knows the tokens; its `mechanisms` are those of the `SASLServer`, too. */
  readonly tokens: HashedTokens;
  /** Names of the only mechanisms to offer. Default: all of `tokens.mechanisms`. */
  readonly mechanisms?: readonly string[] | undefined;
  /**
   * A token that works for no longer than this gets a successor when it is used, in milliseconds. Default 20 days: with the
   * usual 21 days of life, a token of more than a day.
   */
  readonly rotateWithinMs?: number | undefined;
  /**
   * Whether a token that is right may still be used; false answers `credentials-expired`, and the client logs in
   * otherwise (XEP-0484 §4.2). Default: it may.
   */
  readonly trusts?: ((token: HashedTokenInfo, about: TokenLogin) => MaybePromise<boolean>) | undefined;
  /**
   * To be given where the TLS below takes early data, which is announced then: whether this request came in it. Whoever
   * cannot tell says true. Without it there must be no early data.
   */
  readonly earlyData?: ((about: ServerAbout<unknown>) => boolean) | undefined;
  /** Milliseconds since 1970 instead of the clock's, for tests. */
  readonly now?: (() => number) | undefined;
}

/** Whose login with a token it is. */
export interface TokenLogin {
  /** Bare JID of the account. */
  readonly jid: string;
  /** Domain of the stream. */
  readonly host: string;
}

/** What a client's `fast` element says. */
interface FastRequest {
  readonly count: number | undefined;
  readonly invalidate: boolean;
}

/**
 * FAST for the `inline` features of a server. Holds no state but that of logins that go on: what changes is in the account, and of two who change it at
 * once one is second (R-STO-06).
 *
 * @throws {RangeError} when none of `mechanisms` is one of the tokens', or `rotateWithinMs` is negative.
 */
export function fastServer(options: FastServerOptions): ServerInline {
  const { tokens, rotateWithinMs = 20 * 24 * 3600_000, trusts = () => true, earlyData, now = Date.now } = options;
  const offered = tokens.mechanisms.filter(({ name }) => options.mechanisms?.includes(name) ?? true);
  if (offered.length === 0) throw new RangeError("none of the mechanisms is one of the tokens'");
  if (!(rotateWithinMs >= 0)) throw new RangeError("rotateWithinMs is no number from 0 on");
  const names = new Set(tokens.mechanisms.map(({ name }) => name));

  /** How the password was kept when it was proved, by the login's result: tasks may take their time (R-FAST-12). */
  const proved = new WeakMap<object, AccountProperties>();

  /** XEP-0484 §3.1: what a client could use on this connection. */
  function usable<E>({ bindingTypes }: ServerAbout<E>): readonly string[] {
    return offered
      .filter(({ channelBinding: type }) => type === undefined || bindingTypes.includes(type as string))
      .map(({ name }) => name);
  }

  return {
    announce(about) {
      const { adapter } = about;
      const mechanisms = usable(about).map((name) => adapter.create("mechanism", NS_FAST, {}, [name]));
      if (mechanisms.length === 0) return [];
      return [adapter.create("fast", NS_FAST, earlyData ? { "tls-0rtt": "true" } : {}, mechanisms)];
    },

    /** Those not offered, too: no other list and no other profile may have them, where nobody asks whose client it is. */
    mechanisms: () => [...names],

    check(about) {
      const { mechanism = "", userAgent, from } = about;
      const wanted = wantedMechanism(about);
      if (wanted !== undefined && !usable(about).includes(wanted)) {
        throw new SASLFailure("mechanism-unsupported", "a token for a mechanism that is not offered"); // XEP-0484 §3.2
      }
      const request = fastRequest(about);
      if ((request !== undefined) !== names.has(mechanism)) {
        throw new SASLFailure("malformed-message", "a token mechanism goes with fast, and no other does"); // XEP-0484 §3.4
      }
      if (request === undefined) return;
      if (!usable(about).includes(mechanism)) {
        throw new SASLFailure("mechanism-unsupported", "a token mechanism that is not offered");
      }
      if (userAgent.id === undefined || from === undefined) {
        throw new SASLFailure("malformed-message", "a token login without a user agent's id or from"); // XEP-0484 §4.1
      }
      if (request.count === undefined && earlyData?.(about)) {
        throw new AuthenticationFailure("refused", "early data without a count"); // XEP-0484 §3.4
      }
    },

    async admit(about) {
      const request = fastRequest(about);
      const { result, userAgent, jid, host } = about;
      const { authcid, credential: id = "" } = result;
      if (request === undefined) {
        if (wantedMechanism(about) !== undefined) proved.set(result, await tokens.secrets(authcid));
        return;
      }
      const token = (await tokens.list(authcid)).find((each) => each.id === id);
      // XEP-0484 §3.4, R-FAST-06. The mechanism has seen to that of account and mechanism.
      if (token === undefined || token.client !== userAgent.id) {
        throw new AuthenticationFailure("refused", "the token is gone, or another client's");
      }
      if (!(await trusts(token, { jid, host }))) {
        throw new AuthenticationFailure("credentials-expired", "the token is not trusted any more"); // XEP-0484 §4.2
      }
      // Nobody but TLS protects the number: outside early data it proves nothing, and logins may overtake each other.
      const { count, invalidate } = request;
      const redeemed =
        (await tokens.redeem(authcid, id, { count, invalidate })) ||
        (!earlyData?.(about) && (await tokens.redeem(authcid, id, { invalidate })));
      if (!redeemed) throw new AuthenticationFailure("refused", "the count was there before, or the token is gone");
      if (invalidate) await tokens.revoke(authcid, { client: token.client }); // a successor nobody has used is the client's, too
    },

    async success(about) {
      const issued = await tokenFor(about);
      if (issued === undefined) return [];
      const { token, expires } = issued;
      return [about.adapter.create("token", NS_FAST, { token, expiry: formatDateTime(expires) })];
    },
  };

  async function tokenFor<E>(about: ServerSuccess<E>): Promise<IssuedToken | undefined> {
    const { result, userAgent } = about;
    const { authcid, authzid, credential: id = "" } = result;
    const wanted = wantedMechanism(about);
    const request = fastRequest(about);
    if (request !== undefined && !request.invalidate) {
      const token = (await tokens.list(authcid)).find((each) => each.id === id);
      const due = token !== undefined && token.expires - now() <= rotateWithinMs;
      return wanted !== undefined || due ? tokens.rotate(authcid, id, wanted) : undefined;
    }
    // Who acts as somebody else would get a token that logs in as neither of them.
    if (wanted === undefined || userAgent.id === undefined || authzid !== authcid) return undefined;
    return tokens.issue(authcid, { mechanism: wanted, client: userAgent.id }, proved.get(result));
  }
}

/** The mechanism a token is asked for. @throws {SASLFailure} `malformed-message` for an ill-formed request. */
function wantedMechanism<E>(about: ServerAbout<E>): string | undefined {
  const element = only(about, "request-token");
  if (element === undefined) return undefined;
  const mechanism = about.adapter.attribute(element, "mechanism");
  if (mechanism === undefined) throw new SASLFailure("malformed-message", "a token for no mechanism");
  return mechanism;
}

/** @throws {SASLFailure} `malformed-message` for an ill-formed `fast`. */
function fastRequest<E>(about: ServerAbout<E>): FastRequest | undefined {
  const element = only(about, "fast");
  if (element === undefined) return undefined;
  const count = about.adapter.attribute(element, "count");
  const invalidate = about.adapter.attribute(element, "invalidate") ?? "false";
  if (count !== undefined && !/^[1-9][0-9]{0,14}$/.test(count)) {
    throw new SASLFailure("malformed-message", "the count is no positive integer"); // XEP-0484 §3.4
  }
  if (!["1", "true", "0", "false"].includes(invalidate)) {
    throw new SASLFailure("malformed-message", "invalidate is no boolean");
  }
  return {
    count: count === undefined ? undefined : Number(count),
    invalidate: invalidate === "1" || invalidate === "true",
  };
}

/** A child of the request that may be there once. */
function only<E>({ adapter, request }: ServerAbout<E>, name: string): E | undefined {
  return request && onlyChild(adapter, request, name, NS_FAST);
}
