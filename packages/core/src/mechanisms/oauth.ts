/**
 * OAUTHBEARER and XOAUTH2: a bearer token instead of a password. Sources: RFC 7628, RFC 6750 §2.1; Google's XOAUTH2.
 *
 * The client asks for a bare token and, for XOAUTH2, a user name. The server hands the token to its verifier; a refusal
 * travels as JSON in a challenge, which the client acknowledges before the exchange fails.
 *
 * @module
 */
import type { TokenVerdict } from "../accounts.js";
import { clientMechanism, type SASLMechanism } from "../client.js";
import type { CredentialProvider } from "../credentials.js";
import { AuthenticationFailure, isSASLError, SASLFailure } from "../errors.js";
import { formatGs2Header, type Gs2Header, parseGs2Header } from "../internal/gs2.js";
import {
  type ClientContext,
  type ClientConversation,
  type Heard,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  type ServerFacts,
  type ServerOutcome,
  withServer,
} from "../mechanism.js";

/** What the server said about a token (RFC 7628 §3.2.2): found in `opaqueError` of the failure. */
export interface OAuthError {
  /** `invalid_token`, `insufficient_scope`, …; `unknown` when the server sent something else than JSON with a status. */
  readonly status: string;
  readonly scope?: string | undefined;
  /** Where the provider describes itself; an https URL or absent. Never fetched here. */
  readonly openidConfiguration?: string | undefined;
}

const separator = "\x01";
const kvsep = /* @__PURE__ */ new Uint8Array([1]);

async function* bearerClient(ctx: ClientContext): ClientConversation {
  const { token, authzid, username } = await ctx.credentials("token");
  const header = formatGs2Header("n", undefined, checked("authzid", authzid ?? username));
  const pairs = [header];
  if (ctx.host !== undefined) pairs.push(`host=${checked("host", ctx.host)}`);
  if (ctx.port !== undefined) pairs.push(`port=${ctx.port}`);
  pairs.push(`auth=Bearer ${checkedToken(token)}`, separator);
  yield* hearVerdict(ctx, yield ctx.final(ctx.bytes(pairs.join(separator))), kvsep); // RFC 7628 §3.2.3
}

async function* xoauth2Client(ctx: ClientContext): ClientConversation {
  const { token, username } = await ctx.credentials("token");
  if (!username) throw ctx.fail("no-credentials", "XOAUTH2 needs a user name beside the token");
  const message = `user=${checked("user name", username)}${separator}auth=Bearer ${checkedToken(token)}${separator}${separator}`;
  yield* hearVerdict(ctx, yield ctx.final(ctx.bytes(message)), new Uint8Array(0));
}

/** Whatever is heard here but silence means that the token was refused, also when the server then says success. */
async function* hearVerdict(ctx: ClientContext, heard: Heard, acknowledgement: Uint8Array): ClientConversation {
  if (heard === undefined) return;
  const error = parseOAuthError(heard);
  const status = /^[a-z0-9_]{1,40}$/.test(error.status) ? error.status : "see opaqueError"; // a server may echo the token
  const refused = new AuthenticationFailure("refused", `the server refused the token: ${status}`, {
    opaqueError: error,
  });
  try {
    yield ctx.final(acknowledgement);
  } catch (cause) {
    // A server that cannot say now is another matter than one that said no.
    if (isSASLError(cause) && cause.code !== "refused") throw cause;
  }
  throw refused;
}

/** Reads RFC 7628 §3.2.2's object; what is none of that kind is a refusal too (R-OAUTH-09). */
function parseOAuthError(challenge: Uint8Array): OAuthError {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(challenge));
  } catch {
    return { status: "unknown" };
  }
  const read = (name: string): string | undefined => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    const field = (value as Record<string, unknown>)[name];
    return typeof field === "string" && /^[\x20-\x7e]{1,1024}$/.test(field) ? field : undefined;
  };
  const url = read("openid-configuration");
  return {
    status: read("status") ?? "unknown",
    scope: read("scope"),
    openidConfiguration: url?.startsWith("https://") ? url : undefined, // R-OAUTH-10
  };
}

const noToken: TokenVerdict = { ok: false, status: "invalid_token", detail: "no token was given" };

async function* bearerServer(ctx: ServerContext): ServerConversation {
  const message = ctx.text(yield);
  const header = parseGs2Header(message);
  if (header.flag === "p") throw ctx.fail("malformed-message", "this mechanism binds to no channel");
  const pairs = parsePairs(message.slice(header.text.length));
  checkTarget(ctx, pairs);
  const auth = pairs.get("auth");
  // RFC 7628 §4.3: an empty value asks what it would take, and is answered like a bad token.
  const verdict = auth === "" ? noToken : await ctx.verifyToken(parseAuth(auth), header.authzid);
  return yield* judge(ctx, verdict, header.authzid);
}

async function* xoauth2Server(ctx: ServerContext): ServerConversation {
  const pairs = parsePairs(separator + ctx.text(yield));
  const user = pairs.get("user");
  if (!user) throw ctx.fail("malformed-message", "no user name");
  const token = parseAuth(pairs.get("auth"));
  return yield* judge(ctx, await ctx.verifyToken(token, user), user);
}

/** RFC 7628 §3.2.2, §3.2.3: the refusal as a challenge, any answer to it, then failure. */
async function* judge(
  ctx: ServerContext,
  verdict: TokenVerdict,
  authzid: Gs2Header["authzid"],
): AsyncGenerator<Heard, ServerOutcome, Heard> {
  if (verdict.ok === true && verdict.subject !== "") {
    const account = await ctx.identify(verdict.subject, authzid);
    return { authcid: account.name, authzid, mayActAs: verdict.mayActAs };
  }
  const refusal = verdict.ok === true ? { status: "invalid_token", detail: "the token names no subject" } : verdict;
  const { status, detail } = refusal;
  const { scope, openidConfiguration } = verdict.ok === true ? {} : verdict;
  yield ctx.bytes(JSON.stringify({ status, scope, "openid-configuration": openidConfiguration }));
  throw ctx.fail("refused", "the token was refused", { detail: detail ?? status });
}

/** RFC 7628 §3.1: kvsep *(key "=" value kvsep) kvsep, after the GS2 header. Each key once (R-OAUTH-02). */
function parsePairs(text: string): ReadonlyMap<string, string> {
  const parts = text.split(separator);
  const framed = parts.length >= 3 && parts.shift() === "" && parts.pop() === "" && parts.pop() === "";
  if (!framed) throw malformed("not a list of pairs");
  const pairs = new Map<string, string>();
  for (const part of parts) {
    // key = 1*ALPHA; value = *(VCHAR / SP / HTAB / CR / LF)
    const match =
      /^([A-Za-z]+)=([\t\r\n\x20-\x7e]*)$/.exec(part) ??
      (part.startsWith("user=") ? /^(user)=([^\0\r\n]+)$/.exec(part) : null);
    if (match === null) throw malformed("something that is no pair");
    const [, key, value] = match as unknown as [string, string, string];
    if (pairs.has(key)) throw malformed(`the key ${key} twice`);
    pairs.set(key, value);
  }
  return pairs;
}

/** RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token; the scheme in any case (RFC 7628 §3.1). */
function parseAuth(auth: string | undefined): string {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth ?? "");
  if (match === null) throw malformed("no bearer token");
  return match[1] as string;
}

/** R-OAUTH-04: where the client says whom it is talking to, it must be us. */
function checkTarget(ctx: ServerContext, pairs: ReadonlyMap<string, string>): void {
  const host = pairs.get("host");
  const port = pairs.get("port");
  if (host !== undefined && ctx.host !== undefined && host.toLowerCase() !== ctx.host.toLowerCase()) {
    throw ctx.fail("refused", "the client means another host");
  }
  if (port !== undefined && ctx.port !== undefined && port !== String(ctx.port)) {
    throw ctx.fail("refused", "the client means another port");
  }
}

function checkedToken(token: string): string {
  if (token === "") throw malformed("an empty token");
  return checked("token", token); // R-OAUTH-11; some servers issue tokens beyond RFC 6750's alphabet
}

function checked<T extends string | undefined>(what: string, text: T): T {
  if (text !== undefined && /[\0\x01\r\n]/.test(text)) throw malformed(`a control character in the ${what}`);
  return text;
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `OAuth message with ${what}`);
}

const secrets = /(?<=auth=Bearer )[^\x01]+/gi; // what stands before has a fixed length: linear

const bearerHalf: Mechanism = {
  name: "OAUTHBEARER",
  flow: "client-first",
  security: ["noAnonymous", "noDictionary", "passCredentials"],
  needsProtection: true,
  rank: 1,
  authzid: true,
  needs: "token",
  source: "RFC 7628",
  client: bearerClient,
  secrets,
};

const xoauth2Half: Mechanism = {
  name: "XOAUTH2",
  flow: "client-first",
  security: ["noAnonymous", "noDictionary", "passCredentials"],
  needsProtection: true,
  needs: "token",
  source: "Google, OAuth 2.0 Mechanism",
  client: xoauth2Client,
  secrets,
};

export const oauthbearer: Mechanism = /* @__PURE__ */ withServer(bearerHalf, bearerServer, { possible });
export const xoauth2: Mechanism = /* @__PURE__ */ withServer(xoauth2Half, xoauth2Server, { possible });

function possible(facts: ServerFacts): boolean {
  return facts.verifiesTokens;
}

/** OAUTHBEARER for a client. A token provider is asked once more when the server refuses the first token. */
export function OAUTHBEARER(credentials: CredentialProvider): SASLMechanism {
  return tokenMechanism(bearerHalf, credentials);
}

/** XOAUTH2 for a client, for servers that do not know OAUTHBEARER. */
export function XOAUTH2(credentials: CredentialProvider): SASLMechanism {
  return tokenMechanism(xoauth2Half, credentials);
}

/** A provider that is a function may have a fresh token after a refusal; a plain object has nothing new to say. */
function tokenMechanism(half: Mechanism, credentials: CredentialProvider): SASLMechanism {
  const mechanism = clientMechanism([half], credentials);
  if (typeof credentials !== "function") return mechanism;
  return {
    ...mechanism,
    again({ code, opaqueError }) {
      const refused = opaqueError as OAuthError | undefined;
      if (code !== "refused" || typeof refused?.status !== "string") return undefined;
      return clientMechanism([half], (request) => credentials({ ...request, refused }));
    },
  };
}
