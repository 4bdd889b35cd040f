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
import { formatGs2Header, parseGs2Header } from "../internal/gs2.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  type ServerFacts,
  withServer,
} from "../mechanism.js";
import {
  checked,
  checkedToken,
  checkTarget,
  hearVerdict,
  judge,
  kvsep,
  malformed,
  type OAuthError,
  parsePairs,
  separator,
} from "./oauth-messages.js";

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

/** RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token; the scheme in any case (RFC 7628 §3.1). */
function parseAuth(auth: string | undefined): string {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth ?? "");
  if (match === null) throw malformed("no bearer token");
  return match[1] as string;
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
