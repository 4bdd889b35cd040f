/**
 * ANONYMOUS: access for nobody in particular. Source: RFC 4505.
 *
 * The client asks for a trace: an e-mail address, a token, or nothing. The server makes whoever comes its configured
 * anonymous identity; the trace goes to the log and decides nothing.
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
import { checkTrace } from "../text/trace.js";

// biome-ignore lint/correctness/useYield: the only message is the last one
async function* client(ctx: ClientContext): ClientConversation {
  const { trace = "" } = await ctx.credentials("trace");
  await checkTrace(trace);
  return ctx.bytes(trace);
}

async function* server(ctx: ServerContext): ServerConversation {
  const trace = ctx.text(yield);
  await checkTrace(trace); // R-ANON-03: what fails is never logged
  if (ctx.anonymous === undefined) throw ctx.fail("refused", "nobody may be anonymous here"); // R-ANON-01
  ctx.note(`trace: ${trace}`);
  return { authcid: ctx.anonymous };
}

const clientHalf: Mechanism = {
  name: "ANONYMOUS",
  flow: "client-first",
  security: ["noPlaintext"],
  needs: "trace",
  source: "RFC 4505",
  client,
  secrets: /(?!)/, // there are none
};

export const anonymous: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, { possible });

function possible(facts: ServerFacts): boolean {
  return facts.anonymous !== undefined;
}

/** ANONYMOUS for a client. */
export function ANONYMOUS(credentials: CredentialProvider = {}): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
