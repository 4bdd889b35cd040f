/**
 * DIGEST-MD5, the server's half. Source: RFC 2831 §2.1, §2.2.
 *
 * @module
 */
import { fromOctetText } from "#runtime";
import type { Account } from "../../accounts.js";
import type { SecurityLayer } from "../../layer.js";
import type { ServerContext, ServerConversation, ServerOutcome } from "../../mechanism.js";
import { type Digests, digestsFrom, secretFrom } from "./computation.js";
import { digestLayer } from "./layer.js";
import { formatChallenge, formatVerdict, parseResponse, type Response, usualMaxbuf } from "./messages.js";
import type { DigestMd5Nonces } from "./nonces.js";
import { decodeText, encodeText, hashedForm } from "./octet-text.js";
import { type DigestCipher, maxbufFor, type Protection, protections } from "./protection.js";
import { storedSecret } from "./stored.js";

/** Options of `digestMd5With`. */
export interface DigestMd5ServerOptions {
  /**
   * Realms to offer; an empty list offers none. Default: the name of the server. A realm tells secrets apart, not accounts:
   * a user name is the same account in all of them.
   */
  readonly realms?: readonly string[] | undefined;
  /** Names under which clients know this server, or the service it is one of several for. Default: the name of the server. */
  readonly hosts?: readonly string[] | undefined;
  /** Ciphers of `sasl-core/legacy` that may protect a connection. Default none: integrity at most (R-DIG-18). */
  readonly ciphers?: readonly DigestCipher[] | undefined;
  /** Lets clients come again without a challenge (RFC 2831 §2.2). Default: each time there is one. */
  readonly nonces?: DigestMd5Nonces | undefined;
}

/** What this server offers on one connection. */
interface Offer {
  readonly realms: readonly string[];
  readonly protections: readonly Protection[];
}

/** A response that was judged. */
interface Judged {
  readonly right: boolean;
  readonly account: Account;
  readonly digests: Digests;
}

type Judge = (response: Response, names: Names) => Promise<Judged>;

export async function* digestServer(ctx: ServerContext, options: DigestMd5ServerOptions): ServerConversation {
  if (ctx.service === undefined || ctx.host === undefined) throw new TypeError("DIGEST-MD5 needs a service and a host");
  const { ciphers = [], realms = [ctx.host], nonces } = options;
  const offer: Offer = { realms, protections: protections(ctx.protection, ciphers) };
  if (offer.protections.length === 0) throw ctx.fail("mechanism-too-weak", "no protection that is wanted here");
  const judge = judgeOf(ctx);

  const heard = yield;
  let stale = false;
  // An empty one is what XMPP clients send that have nothing to say yet.
  if (heard !== undefined && heard.length > 0) {
    const outcome = await subsequent(ctx, options, offer, parseResponse(heard), judge);
    if (typeof outcome !== "string") return outcome;
    stale = outcome === "stale";
  }

  const nonce = ctx.nonce();
  const response = parse(ctx, yield fromOctetText(challengeOf(ctx, offer, nonce, stale)));
  if (response.nonce !== nonce) throw ctx.fail("malformed-message", "the nonce is not the one of this exchange"); // R-DIG-06
  if (response.nc !== "00000001") throw ctx.fail("malformed-message", "the nonce count is not 1"); // R-DIG-06
  const protection = agreed(ctx, offer, response);
  const names = namesIn(response);
  checkPlace(ctx, options, offer, response, names);
  const { right, account, digests } = await judge(response, names);
  if (!right) throw ctx.fail("refused", "wrong digest");
  const maxbuf = maxbufFor(ctx.protection);
  const layer = digestLayer(digests.sessionKey, "server", protection, response.maxbuf, maxbuf);
  if (nonces !== undefined && layer === undefined) {
    ctx.ended((ok) => {
      if (ok) nonces.remember(nonce, response);
    });
  }
  return outcomeOf(account, names, digests, layer);
}

/**
 * RFC 2831 §2.2.2: a response to a nonce of an earlier exchange. Whatever is wrong with it leads to a new challenge, and
 * counts for nothing. Without a layer alone: its keys and sequence numbers would be those of the exchange before.
 */
async function subsequent(
  ctx: ServerContext,
  options: DigestMd5ServerOptions,
  offer: Offer,
  response: Response,
  judge: Judge,
): Promise<ServerOutcome | "stale" | "wrong"> {
  const { nonces } = options;
  const count = Number.parseInt(response.nc, 16);
  if (!nonces?.expects(response.nonce, response, count)) return "stale";
  if (response.qop !== "auth" || !offer.protections.some(({ qop }) => qop === "auth")) return "stale";
  const names = namesIn(response);
  checkPlace(ctx, options, offer, response, names);
  const { right, account, digests } = await judge(response, names);
  if (!right) return "wrong";
  // Somebody else may have come with the same count meanwhile (R-DIG-17).
  return nonces.advance(response.nonce, response, count) ? outcomeOf(account, names, digests) : "stale";
}

function challengeOf(ctx: ServerContext, offer: Offer, nonce: string, stale: boolean): string {
  const qop = [...new Set(offer.protections.map((each) => each.qop))].reverse();
  const ciphers = offer.protections.map(({ cipher }) => cipher?.name).filter((name) => name !== undefined);
  const maxbuf = offer.protections.some(({ ssf }) => ssf > 0) ? maxbufFor(ctx.protection) : usualMaxbuf;
  const realms = offer.realms.map((realm) => encodeText(realm, true));
  return formatChallenge({ realms, nonce, qop, ciphers, stale, maxbuf, utf8: true });
}

function parse(ctx: ServerContext, message: Uint8Array | undefined): Response {
  if (message === undefined) throw ctx.fail("unexpected-message", "a message is missing");
  return parseResponse(message);
}

/** R-DIG-04: what the client took must be among what it was offered. */
function agreed(ctx: ServerContext, { protections }: Offer, { qop, cipher }: Response): Protection {
  const found = protections.find((each) => each.qop === qop && each.cipher?.name === (each.cipher && cipher));
  if (found === undefined) throw ctx.fail("malformed-message", "a protection that was not offered");
  return found;
}

/** What a response says in its charset. */
interface Names {
  readonly username: string;
  readonly realm: string | undefined;
  readonly authzid: string | undefined;
}

function namesIn({ username, realm, authzid, utf8 }: Response): Names {
  return {
    username: decodeText(username, utf8),
    realm: realm === undefined ? undefined : decodeText(realm, utf8),
    authzid: authzid === undefined ? undefined : decodeText(authzid, true),
  };
}

/** The realm is one of those offered (R-DIG-06), and the client wanted to this service, on this host (R-DIG-07). */
function checkPlace(
  ctx: ServerContext,
  { hosts = [ctx.host as string] }: DigestMd5ServerOptions,
  { realms }: Offer,
  { digestUri }: Response,
  { realm }: Names,
): void {
  if (realms.length > 0 ? realm === undefined || !realms.includes(realm) : realm) {
    throw ctx.fail("malformed-message", "a realm that was not offered");
  }
  const parts = digestUri.toLowerCase().split("/");
  const [service, host, serviceName = host] = parts;
  const known = (name: string | undefined) => hosts.some((each) => each.toLowerCase() === name);
  if (service !== ctx.service?.toLowerCase() || !known(host) || !known(serviceName) || parts.length > 3) {
    throw ctx.fail("refused", "the response is for another server", { detail: "digest-uri names another server" });
  }
}

/** Judges the responses of one exchange, which can be about one account alone. */
function judgeOf(ctx: ServerContext): Judge {
  let identified: (Pick<Names, "username" | "authzid"> & { readonly account: Account }) | undefined;
  return async (response, { username, realm, authzid }) => {
    identified ??= { username, authzid, account: await ctx.identify(username, authzid) };
    if (identified.username !== username || identified.authzid !== authzid) throw ctx.fail("refused", "other names");
    const { account } = identified;
    const { userPassword } = account.properties;
    const hashed = hashedForm(username);
    // An account without a password costs as much as one with it, and no digest fits.
    const kept = storedSecret(account, realm ?? "");
    const secret =
      userPassword === undefined && kept !== undefined
        ? kept
        : secretFrom(
            hashed,
            response.realm ?? "",
            userPassword === undefined ? noPassword(ctx) : await ctx.prepare(userPassword, "stored"),
          );
    const digests = digestsFrom(secret, response);
    return { right: ctx.equal(fromOctetText(digests.response), fromOctetText(response.response)), account, digests };
  };
}

function noPassword(ctx: ServerContext): string {
  return String.fromCharCode(...ctx.random(16));
}

function outcomeOf({ name }: Account, { authzid }: Names, { rspauth }: Digests, layer?: SecurityLayer): ServerOutcome {
  return { authcid: name, authzid, data: fromOctetText(formatVerdict(rspauth)), layer }; // R-DIG-10: authzid is part of A1
}
