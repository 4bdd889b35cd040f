/**
 * PLAIN: identity and password in one clear-text message. Source: RFC 4616.
 *
 * The client asks for a user name, a password and, when acting as somebody else, an authzid.
 * The server hands what it read to the account's password check, whose answer is the whole decision.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../client.js";
import type { CredentialProvider } from "../credentials.js";
import { SASLFailure } from "../errors.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import { clearPasswords } from "../stored-secrets.js";

interface PlainMessage {
  readonly authzid: string;
  readonly username: string;
  readonly password: string;
}

// biome-ignore lint/correctness/useYield: the only message is the last one
async function* client(ctx: ClientContext): ClientConversation {
  const { username, password, authzid = "" } = await ctx.credentials("password");
  // RFC 4616 §2: [authzid] NUL authcid NUL passwd, each UTF-8; none of them holds a NUL.
  const message = [authzid, username, password].join("\0");
  parseMessage(message); // what does not come back was not fit to be sent (R-PLAIN-07)
  return ctx.bytes(message);
}

async function* server(ctx: ServerContext): ServerConversation {
  const { authzid, username, password } = parseMessage(ctx.text(yield));
  const account = await ctx.identify(username, authzid);
  if (!(await ctx.checkPassword(account, password))) throw ctx.fail("refused", "wrong password");
  return { authcid: account.name, authzid };
}

function parseMessage(message: string): PlainMessage {
  const first = message.indexOf("\0");
  const second = message.indexOf("\0", first + 1);
  const username = message.slice(first + 1, second);
  const password = message.slice(second + 1);
  if (first < 0 || second < 0 || !username || !password || password.includes("\0")) {
    throw new SASLFailure("malformed-message", "not an authzid, a user name and a password"); // R-PLAIN-01, -03
  }
  return { authzid: message.slice(0, first), username, password };
}

const clientHalf: Mechanism = {
  name: "PLAIN",
  flow: "client-first",
  security: ["noAnonymous", "passCredentials"],
  needsProtection: true,
  authzid: true,
  needs: "password",
  source: "RFC 4616",
  client,
  secrets: /(?<=^|\0)[^\0]+$/, // tried at the start of each field alone: linear
};

export const plain: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, clearPasswords);

/** PLAIN for a client. Keep it to protected channels: the server, and whoever listens, gets the password itself. */
export function PLAIN(credentials: CredentialProvider): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
