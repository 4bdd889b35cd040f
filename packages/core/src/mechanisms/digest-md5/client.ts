/**
 * DIGEST-MD5, the client's half. Source: RFC 2831 §2.1, §2.2.
 *
 * @module
 */
import { fromOctetText } from "#runtime";
import { type CredentialNeed, credentialNeed } from "../../credentials.js";
import type { ClientContext, ClientConversation, Heard } from "../../mechanism.js";
import { type Digests, digestsFrom, secretFrom } from "./computation.js";
import { digestLayer } from "./layer.js";
import {
  type Challenge,
  formatResponse,
  parseChallenge,
  parseVerdict,
  type Response,
  usualMaxbuf,
} from "./messages.js";
import { decodeText, encodeText, hashedForm } from "./octet-text.js";
import { type DigestCipher, maxbufFor, type Protection, protections } from "./protection.js";
import type { DigestMd5Sessions } from "./sessions.js";

/** What DIGEST-MD5 asks the application for. */
export interface DigestMd5Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly authzid?: string | undefined;
  /**
   * The realm the account is in. It has to be one of those the server names, which a provider finds as
   * `request.about.realms`; a server that names none takes any. Default: the one that is called as the server is, else the
   * first.
   */
  readonly realm?: string | undefined;
}

/** Options of `DIGEST_MD5`. */
export interface DigestMd5Options {
  /** Ciphers of `sasl-core/legacy` that may protect the connection. Default none: integrity at most (R-DIG-18). */
  readonly ciphers?: readonly DigestCipher[] | undefined;
  /** Name of the service where `host` is one of several servers for it (RFC 2831 §2.1.2, serv-name). */
  readonly serviceName?: string | undefined;
  /** Remembers exchanges, so that the next needs no challenge. Default: none is remembered. */
  readonly sessions?: DigestMd5Sessions | undefined;
}

type Given = DigestMd5Credentials & { readonly username: string; readonly password: string };

/** The fields are those of our kind `password`, and one more that may be left out. */
export const digestMd5Need: CredentialNeed<Given> = /* @__PURE__ */ credentialNeed<Given>(
  "password",
  [["username"], ["password"]],
  "password",
);

/** Who it is and where to, prepared. */
interface Login {
  readonly username: string;
  readonly password: string;
  readonly authzid: string | undefined;
  /** As it was asked for. */
  readonly realm: string | undefined;
  readonly digestUri: string;
}

export function digestClient(ctx: ClientContext, options: DigestMd5Options): ClientConversation {
  const { sessions } = options;
  return sessions !== undefined && ctx.protection.maxSsf < 1
    ? returning(ctx, options, sessions)
    : initial(ctx, options);
}

/** RFC 2831 §2.1. @param began the challenge, where there is one already. */
async function* initial(ctx: ClientContext, options: DigestMd5Options, began?: Uint8Array): ClientConversation {
  const heard = began ?? (yield);
  if (heard === undefined) throw ctx.fail("unexpected-message", "the server has no challenge");
  const challenge = parseChallenge(heard);
  const protection = chosen(ctx, options, challenge);
  const realms = challenge.realms.map((realm) => decodeText(realm, challenge.utf8));
  const given = await ctx.credentials(digestMd5Need, { realms });
  const realm = realmOf(ctx, given, realms);
  const login = await prepared(ctx, options, given);
  const values: Values = {
    realm: realm === undefined ? undefined : encodeText(realm, challenge.utf8),
    nonce: challenge.nonce,
    cnonce: ctx.nonce(),
    utf8: challenge.utf8,
    count: 1,
  };
  const { response, digests } = answer(ctx, login, values, protection);
  verify(ctx, yield ctx.final(fromOctetText(response)), digests);
  const layer = digestLayer(digests.sessionKey, "client", protection, challenge.maxbuf, maxbufFor(ctx.protection));
  if (layer !== undefined) ctx.layer(layer);
  else remember(ctx, options, login, values);
}

/**
 * RFC 2831 §2.2. For exchanges without a layer alone: with one its keys would come a second time, and so would its sequence
 * numbers.
 */
async function* returning(
  ctx: ClientContext,
  options: DigestMd5Options,
  sessions: DigestMd5Sessions,
): ClientConversation {
  const login = await prepared(ctx, options, await ctx.credentials(digestMd5Need));
  const remembered = sessions.take(idOf(login));
  if (remembered === undefined) return yield* initial(ctx, options);
  const values: Values = { ...remembered, count: remembered.count + 1 };
  const { response, digests } = answer(ctx, login, values, { qop: "auth", ssf: 0 });
  const heard = yield ctx.final(fromOctetText(response));
  // The nonce is stale, or was never known: a new challenge.
  if (heard !== undefined && parseVerdict(heard) === undefined) return yield* initial(ctx, options, heard);
  verify(ctx, heard, digests);
  remember(ctx, options, login, values);
}

/** What an exchange is made of besides who it is. Texts are octet text. */
interface Values {
  readonly realm: string | undefined;
  readonly nonce: string;
  readonly cnonce: string;
  readonly utf8: boolean;
  readonly count: number;
}

/** The strongest that both sides have and the connection wants (R-DIG-03, R-DIG-04). */
function chosen(ctx: ClientContext, { ciphers = [] }: DigestMd5Options, challenge: Challenge): Protection {
  const found = protections(ctx.protection, ciphers).find(
    ({ qop, cipher }) => challenge.qop.includes(qop) && (!cipher || challenge.ciphers.includes(cipher.name)),
  );
  if (found === undefined) throw ctx.fail("mechanism-too-weak", "the server offers no protection that is wanted here");
  return found;
}

function realmOf(ctx: ClientContext, { realm }: Given, offered: readonly string[]): string | undefined {
  if (offered.length === 0) return realm;
  if (realm === undefined) return offered.find((each) => each === ctx.host) ?? offered[0];
  if (!offered.includes(realm)) throw ctx.fail("no-credentials", "the server does not have that realm"); // §2.1.2
  return realm;
}

async function prepared(ctx: ClientContext, { serviceName }: DigestMd5Options, given: Given): Promise<Login> {
  if (ctx.service === undefined || ctx.host === undefined) throw new TypeError("DIGEST-MD5 needs a service and a host");
  if (given.username === "") throw ctx.fail("malformed-message", "the user name is empty");
  return {
    username: await ctx.prepare(given.username, "query", "name"),
    password: await ctx.prepare(given.password, "query"),
    authzid: given.authzid || undefined, // §2.1.2: never empty
    realm: given.realm,
    digestUri: `${ctx.service}/${ctx.host}${serviceName === undefined ? "" : `/${serviceName}`}`,
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The response, as octet text, and what the server's answer to it has to be. */
function answer(
  ctx: ClientContext,
  { username, password, authzid, digestUri }: Login,
  { realm, nonce, cnonce, utf8, count }: Values,
  { qop, cipher }: Protection,
): { response: string; digests: Digests } {
  encodeText(password, utf8); // what ISO 8859-1 lacks, a server without charset cannot have either
  // All of it in one object, to which the digest comes last: to spread one here took a tenth of an exchange.
  const message: Mutable<Response> = {
    username: encodeText(username, utf8),
    realm,
    nonce,
    cnonce,
    nc: count.toString(16).padStart(8, "0"),
    qop,
    digestUri: encodeText(digestUri, utf8),
    response: "",
    maxbuf: qop === "auth" ? usualMaxbuf : maxbufFor(ctx.protection),
    utf8,
    cipher: cipher?.name,
    authzid: authzid === undefined ? undefined : encodeText(authzid, true),
  };
  const digests = digestsFrom(secretFrom(hashedForm(username), realm ?? "", password), message);
  message.response = digests.response;
  return { response: formatResponse(message), digests };
}

/** R-DIG-09: without the server's proof nothing has succeeded. */
function verify(ctx: ClientContext, heard: Heard, { rspauth }: Digests): void {
  const verdict = heard && parseVerdict(heard);
  if (!verdict || !ctx.equal(fromOctetText(verdict), fromOctetText(rspauth))) {
    throw ctx.fail("peer-not-verified", "the server's proof is missing or wrong");
  }
}

function remember(ctx: ClientContext, { sessions }: DigestMd5Options, login: Login, values: Values): void {
  if (sessions === undefined || values.count >= 0xffff_ffff) return;
  ctx.ended((ok) => {
    if (ok) sessions.put(idOf(login), values);
  });
}

/** RFC 2831 §2.2: who it was, in which realm, and with which server. */
function idOf({ username, authzid, realm, digestUri }: Login): string {
  return JSON.stringify([digestUri, username, authzid, realm]);
}
