/**
 * EXTERNAL: the channel below has proved who this is, usually by a TLS client certificate. Source: RFC 4422 appendix A.
 *
 * The client asks for an authzid, or for nothing. The server derives the identity from what the channel proved.
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

// biome-ignore lint/correctness/useYield: the only message is the last one
async function* client(ctx: ClientContext): ClientConversation {
  const { authzid = "" } = await ctx.credentials("identity");
  return ctx.bytes(authzid);
}

async function* server(ctx: ServerContext): ServerConversation {
  const authzid = ctx.text(yield);
  ctx.checkIdentity(authzid);
  const names = ctx.external?.names ?? [];
  const [usual] = names;
  if (usual === undefined) throw ctx.fail("refused", "the channel proved no identity"); // R-EXT-01
  if (authzid === "" && names.length > 1) {
    throw ctx.fail("authorization-refused", "the certificate names several identities: say which"); // R-EXT-02
  }
  const account = await ctx.identify(names.includes(authzid) ? authzid : usual, authzid);
  return { authcid: account.name, authzid, mayActAs: names };
}

const clientHalf: Mechanism = {
  name: "EXTERNAL",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "noActive", "noDictionary"],
  authzid: true,
  needs: "identity",
  source: "RFC 4422 appendix A",
  client,
  secrets: /(?!)/, // there are none
};

export const external: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, { possible });

function possible(facts: ServerFacts): boolean {
  return facts.external !== undefined && facts.external.names.length > 0;
}

/** EXTERNAL for a client whose channel proves who it is. */
export function EXTERNAL(credentials: CredentialProvider = {}): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
