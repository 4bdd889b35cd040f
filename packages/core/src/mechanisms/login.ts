/**
 * LOGIN: user name and password, each asked for. Source: draft-murchison-sasl-login-00; obsolete, and still what some
 * mail servers know beside PLAIN.
 *
 * The client asks for a user name and a password. The server checks the password as PLAIN does.
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
  withServer,
} from "../mechanism.js";
import { clearPasswords } from "../stored-secrets.js";

/** Draft §2.1: the first answer is the name and the second the password, whatever the prompts say. */
async function* client(ctx: ClientContext): ClientConversation {
  yield;
  const { username, password } = await ctx.credentials("password");
  if (username === "" || password === "") throw ctx.fail("malformed-message", "the user name or the password is empty");
  yield ctx.bytes(username);
  return ctx.bytes(password);
}

async function* server(ctx: ServerContext): ServerConversation {
  const username = ctx.text(yield ctx.bytes("Username:"));
  if (username === "") throw ctx.fail("malformed-message", "the user name is empty"); // R-LOGIN-03
  const password = ctx.text(yield ctx.bytes("Password:"));
  if (password === "") throw ctx.fail("malformed-message", "the password is empty");
  const account = await ctx.identify(username);
  if (!(await ctx.checkPassword(account, password))) throw ctx.fail("refused", "wrong password");
  return { authcid: account.name };
}

const clientHalf: Mechanism = {
  name: "LOGIN",
  flow: "server-first",
  security: ["noAnonymous", "passCredentials"],
  needsProtection: true,
  rank: -1, // PLAIN says the same in one message
  needs: "password",
  source: "draft-murchison-sasl-login-00",
  client,
  secrets: /^(?!(?:User ?name|Password):?\0?$).+$/is, // all but the usual prompts: names and passwords look alike
};

export const login: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, clearPasswords);

/** LOGIN for a client. Protects as little as PLAIN does; cannot act as somebody else. */
export function LOGIN(credentials: CredentialProvider): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
