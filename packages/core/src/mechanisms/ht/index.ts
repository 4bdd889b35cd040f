/**
 * HT: logs in again with a token that an earlier login brought, in one round trip; both sides prove that they have it.
 * Source: draft-schmaus-kitten-sasl-ht-09. Variants bind to the channel as their name says, or not at all.
 *
 * The client asks for a user name and a token. The server asks for the account's tokens; {@link hashedTokens} issues them.
 *
 * What the core cannot see: that the client verified the server's certificate (§1.1) is its transport's business, as with
 * every mechanism. A resumed session of TLS 1.2 needs the extended master secret (§6): bindings know, and the `channelBinding`
 * of `sasl-core/node` has neither tls-unique nor tls-exporter without it, so that UNIQ and EXPR are not there. For NONE and
 * ENDP the server's TLS has to see to it: it offers TLS 1.3 alone, or no resumption.
 *
 * @module
 */
import { hashedTokensProperty } from "../../accounts.js";
import type { ChannelBinding } from "../../channel-binding.js";
import { clientMechanism, type SASLMechanism } from "../../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../../credentials.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type MechanismContext,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import type { MacKey } from "../../runtime/contract.js";
import { formatInitiator, initiatorInput, parseInitiator, responderInput } from "./messages.js";
import {
  derivedToken,
  type HashedTokenInfo,
  type HashedTokenRecord,
  type IssuedToken,
  storedToken,
  type TokenFinder,
  type TokenKeeper,
  type TokenKeeperOptions,
  type TokenRequestOptions,
  type TokenUse,
  tokenKeeper,
  tokensOf,
} from "./tokens.js";
import {
  bindings,
  endp,
  expr,
  type HtBinding,
  type HtHash,
  htName,
  htSha3_512,
  htSha256,
  htSha384,
  htSha512,
  nativeHashes,
  none,
  uniq,
} from "./variants.js";

export {
  type HashedTokenInfo,
  type HashedTokenRecord,
  type HtHash,
  htSha3_512,
  htSha256,
  htSha384,
  htSha512,
  type IssuedToken,
  type TokenKeeper,
  type TokenRequestOptions,
  type TokenUse,
};

/** What HT asks the application for. */
export interface HtCredentials {
  /** 1 to 255 octets in UTF-8. */
  readonly username: string;
  /** As the server gave it: its characters are the key. Or a key made of them, of the hash in the mechanism's name. Secret. */
  readonly token: string | MacKey;
}

/** Options of {@link HT}. */
export interface HtOptions {
  /** The mechanism the token was issued for, the only one it works with. Default: whatever is offered. */
  readonly mechanism?: string | undefined;
  /** Rows of the family to use. Default SHA-512, SHA-384 and SHA-256, which every runtime computes natively. */
  readonly hashes?: readonly HtHash[] | undefined;
  /** What the connection can be bound to; left out, the binding's transport says so. */
  readonly channelBinding?: ChannelBinding | undefined;
}

/** HT for a client that has a token. */
export function HT(credentials: CredentialProvider<HtCredentials>, options: HtOptions = {}): SASLMechanism {
  const { mechanism, hashes = nativeHashes, channelBinding } = options;
  const halves = hashes.flatMap((hash) => bindings.map((binding) => clientHalf(hash, binding)));
  const wanted = halves.filter(({ name }) => mechanism === undefined || name === mechanism);
  if (wanted.length === 0) throw new RangeError("the mechanism is none of these hashes");
  return clientMechanism(wanted, credentials, channelBinding);
}

/** Options of {@link hashedTokens}. */
export interface HashedTokensOptions extends TokenKeeperOptions {
  /** Rows of the family to use. Default SHA-512, SHA-384 and SHA-256. */
  readonly hashes?: readonly HtHash[] | undefined;
}

/** A server's tokens, and the mechanisms that know them. */
export interface HashedTokens extends TokenKeeper {
  /** For `SASLServer`: every variant of the hashes. */
  readonly mechanisms: readonly Mechanism[];
}

/**
 * HT for a server: issues tokens and takes them. A protocol's own extension tells clients their tokens, such as XEP-0484;
 * after a login `result.credential` is the id of the token that was used.
 *
 * @throws {RangeError} for a secret under 32 octets and options out of range.
 */
export function hashedTokens(options: HashedTokensOptions): HashedTokens {
  const { hashes = nativeHashes, secret, now } = options;
  const find = secret ? derivedToken(secret) : storedToken;
  const keeper = tokenKeeper(options);
  const mechanisms = hashes.flatMap((hash) => bindings.map((binding) => bothHalves(hash, binding, find, now)));
  return { ...keeper, mechanisms };
}

const need: CredentialNeed<HtCredentials> = /* @__PURE__ */ credentialNeed<HtCredentials>(
  "hashed token",
  [["username"], ["token"]],
  "token",
);

async function* client(ctx: ClientContext, { hmac }: HtHash, binding: HtBinding): ClientConversation {
  const { username, token } = await ctx.credentials(need);
  if (token === "") throw ctx.fail("no-credentials", "the token is empty");
  if (typeof token !== "string" && token.hash !== hmac.name) throw ctx.fail("no-credentials", "a key of another hash");
  const data = await bindingData(ctx, binding, ctx.settings.channelBinding);
  const key = typeof token === "string" ? ctx.bytes(token) : token;
  const inputs = [initiatorInput(data), responderInput(data)];
  const [hashedToken, expected] = await Promise.all(inputs.map((input) => ctx.hmac(hmac, key, input)));
  const authcid = await ctx.prepare(username, "query", "name");
  const responderMessage = yield ctx.final(formatInitiator({ authcid, hashedToken: hashedToken as Uint8Array }));
  if (!responderMessage || !ctx.equal(responderMessage, expected as Uint8Array)) {
    throw ctx.fail("peer-not-verified", "the server's message is missing or wrong"); // R-HT-02
  }
}

async function* server(
  ctx: ServerContext,
  { hmac }: HtHash,
  binding: HtBinding,
  find: TokenFinder,
  now: () => number = Date.now,
): ServerConversation {
  const { authcid, hashedToken } = parseInitiator(yield, hmac.size);
  const data = await bindingData(ctx, binding, ctx.channelBinding);
  const account = await ctx.identify(authcid);
  const tokens = tokensOf(account.properties).filter(({ mechanism }) => mechanism === ctx.mechanism.name); // R-HT-04
  const input = initiatorInput(data);
  let found: { readonly record: HashedTokenRecord; readonly key: Uint8Array } | undefined;
  // All of them whatever comes first; an account without any costs as much as one with one.
  for (const record of tokens.length > 0 ? tokens : [nobodys(ctx.mechanism.name)]) {
    const token = await find(account.name, record);
    const key = token === undefined ? ctx.random(32) : ctx.bytes(token);
    const fits = ctx.equal(await ctx.hmac(hmac, key, input), hashedToken);
    if (fits && tokens.includes(record)) found = { record, key };
  }
  if (found === undefined) throw ctx.fail("refused", "wrong token");
  const { record, key } = found;
  if (!(record.expires > now())) throw ctx.fail("credentials-expired", "the token has expired"); // only who has it learns that
  return {
    authcid: account.name,
    data: await ctx.hmac(hmac, key, responderInput(data)),
    credential: record.id,
  };
}

/** §2: the binding that the name says, or nothing for NONE. It fails where the channel lacks it (R-HT-03). */
async function bindingData(
  ctx: MechanismContext & Pick<ClientContext, "bound">,
  { type }: HtBinding,
  channelBinding: ChannelBinding | undefined,
): Promise<Uint8Array> {
  if (type === undefined) return new Uint8Array(0);
  const data = channelBinding?.types.includes(type) ? await channelBinding.data(type) : undefined;
  if (!data?.length) throw ctx.fail("channel-not-protected", `the channel has no ${type}`);
  ctx.bound(type);
  return data;
}

function nobodys(mechanism: string): HashedTokenRecord {
  return { id: "nobody's", mechanism, expires: 0, client: "nobody" };
}

function clientHalf(hash: HtHash, binding: HtBinding): Mechanism {
  const { type } = binding;
  return {
    name: htName(hash, binding),
    flow: "client-first",
    security: type
      ? ["noPlaintext", "noAnonymous", "noActive", "noDictionary", "mutualAuth"]
      : ["noPlaintext", "noAnonymous", "noDictionary", "mutualAuth"],
    ...(type !== undefined && { channelBinding: type }),
    needsProtection: true, // §1.1, R-HT-05
    rank: hash.rank,
    needs: need,
    source: "draft-schmaus-kitten-sasl-ht-09",
    client: (ctx) => client(ctx, hash, binding),
  };
}

function bothHalves(hash: HtHash, binding: HtBinding, find = storedToken, now?: () => number): Mechanism {
  const half = clientHalf(hash, binding);
  return withServer(half, (ctx) => server(ctx, hash, binding, find, now), {
    properties: [hashedTokensProperty],
    available: (properties) => tokensOf(properties).some(({ mechanism }) => mechanism === half.name),
    ownSecrets: [hashedTokensProperty], // a new password ends the sessions of the old one
  });
}

export const htSha256None: Mechanism = /* @__PURE__ */ bothHalves(htSha256, none);
export const htSha256Uniq: Mechanism = /* @__PURE__ */ bothHalves(htSha256, uniq);
export const htSha256Endp: Mechanism = /* @__PURE__ */ bothHalves(htSha256, endp);
export const htSha256Expr: Mechanism = /* @__PURE__ */ bothHalves(htSha256, expr);
export const htSha384None: Mechanism = /* @__PURE__ */ bothHalves(htSha384, none);
export const htSha384Uniq: Mechanism = /* @__PURE__ */ bothHalves(htSha384, uniq);
export const htSha384Endp: Mechanism = /* @__PURE__ */ bothHalves(htSha384, endp);
export const htSha384Expr: Mechanism = /* @__PURE__ */ bothHalves(htSha384, expr);
export const htSha512None: Mechanism = /* @__PURE__ */ bothHalves(htSha512, none);
export const htSha512Uniq: Mechanism = /* @__PURE__ */ bothHalves(htSha512, uniq);
export const htSha512Endp: Mechanism = /* @__PURE__ */ bothHalves(htSha512, endp);
export const htSha512Expr: Mechanism = /* @__PURE__ */ bothHalves(htSha512, expr);
export const htSha3_512None: Mechanism = /* @__PURE__ */ bothHalves(htSha3_512, none);
export const htSha3_512Uniq: Mechanism = /* @__PURE__ */ bothHalves(htSha3_512, uniq);
export const htSha3_512Endp: Mechanism = /* @__PURE__ */ bothHalves(htSha3_512, endp);
export const htSha3_512Expr: Mechanism = /* @__PURE__ */ bothHalves(htSha3_512, expr);
