/**
 * X-OAUTH2: a bearer token in the place of PLAIN's password, as Google Talk had it and ejabberd has it, for XMPP.
 * Source: Google's "OAuth 2.0 for XMPP"; the message is that of RFC 4616.
 *
 * The client asks for a user name and a token. The server hands the token to its verifier, whose refusal tells no more.
 * Where both are offered OAUTHBEARER is taken: it says why a token was refused.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../client.js";
import type { CredentialProvider } from "../credentials.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  type ServerFacts,
  withServer,
} from "../mechanism.js";
import { checked, checkedToken, holderOf } from "./oauth-messages.js";

// biome-ignore lint/correctness/useYield: the only message is the last one
async function* client(ctx: ClientContext): ClientConversation {
  const { token, username, authzid } = await ctx.credentials("token");
  if (!username) throw ctx.fail("no-credentials", "X-OAUTH2 needs a user name beside the token");
  const names = [checked("authzid", authzid ?? ""), checked("user name", username)];
  return ctx.bytes([...names, checkedToken(token)].join("\0"));
}

async function* server(ctx: ServerContext): ServerConversation {
  const [authzid, user, token, ...more] = ctx.text(yield).split("\0", 4);
  if (authzid === undefined || !user || !token || more.length > 0) {
    throw ctx.fail("malformed-message", "not an authzid, a user name and a token");
  }
  return holderOf(ctx, await ctx.verifyToken(token, user), authzid || user);
}

const clientHalf: Mechanism = {
  name: "X-OAUTH2",
  flow: "client-first",
  security: ["noAnonymous", "noDictionary", "passCredentials"],
  needsProtection: true, // R-OAUTH-12
  authzid: true,
  needs: "token",
  source: "Google, OAuth 2.0 for XMPP",
  client,
  secrets: /(?<=^|\0)[^\0]+$/, // tried at the start of each field alone: linear
};

export const xOauth2: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, {
  possible: (facts: ServerFacts) => facts.verifiesTokens,
});

/** X-OAUTH2 for a client, for XMPP servers that do not know OAUTHBEARER. */
export function X_OAUTH2(credentials: CredentialProvider): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
