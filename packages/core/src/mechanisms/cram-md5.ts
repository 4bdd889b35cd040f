/**
 * CRAM-MD5: proof of a password by a keyed digest of the server's challenge. Source: RFC 2195, and the stricter
 * draft-ietf-sasl-crammd5 where they differ. Obsolete: open to guessing, does not prove the server, needs the password stored.
 *
 * The client asks for a user name and a password. The server asks for the account's stored password.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../client.js";
import type { CredentialProvider } from "../credentials.js";
import { md5 } from "../digests.js";
import { SASLFailure } from "../errors.js";
import { fromHex, toHex } from "../internal/hex.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import { thePasswordItself } from "../stored-secrets.js";

async function* client(ctx: ClientContext): ClientConversation {
  const challenge = yield;
  if (!challenge?.length) throw ctx.fail("malformed-message", "an empty challenge"); // draft §2
  const { username, password } = await ctx.credentials("password");
  if (username === "") throw ctx.fail("malformed-message", "the user name is empty");
  const key = ctx.bytes(await ctx.prepare(password, "query"));
  const digest = toHex(await ctx.hmac(md5, key, challenge)); // as received, never parsed (R-CRAM-02)
  return ctx.bytes(`${await ctx.prepare(username, "query", "name")} ${digest}`);
}

async function* server(ctx: ServerContext): ServerConversation {
  const challenge = ctx.bytes(`<${ctx.nonce()}@${ctx.host ?? "localhost"}>`); // RFC 2195 §2: the form of a msg-id
  const { username, digest } = parseResponse(ctx.text(yield challenge));
  const account = await ctx.identify(username);
  const { userPassword } = account.properties;
  // An account without a password costs as much as one with it, and no digest fits.
  const key = userPassword === undefined ? ctx.random(16) : ctx.bytes(await ctx.prepare(userPassword, "stored"));
  if (!ctx.equal(await ctx.hmac(md5, key, challenge), digest)) throw ctx.fail("refused", "wrong digest");
  return { authcid: account.name };
}

/** The user name ends at the last space; the digest is 32 lower-case hexadecimal digits (draft §3). */
function parseResponse(response: string): { username: string; digest: Uint8Array } {
  const space = response.lastIndexOf(" ");
  const digest = space > 0 ? fromHex(response.slice(space + 1)) : undefined;
  if (digest?.length !== md5.size) throw new SASLFailure("malformed-message", "not a user name and a digest");
  return { username: response.slice(0, space), digest };
}

const clientHalf: Mechanism = {
  name: "CRAM-MD5",
  flow: "server-first",
  security: ["noPlaintext", "noAnonymous"],
  needsProtection: true, // R-CRAM-05
  obsolete: true,
  needs: "password",
  source: "RFC 2195",
  client,
  secrets: /(?<= )[0-9a-f]{32}$/,
};

export const cramMd5: Mechanism = /* @__PURE__ */ withServer(clientHalf, server, thePasswordItself);

/** CRAM-MD5 for a client, for servers that have nothing better. */
export function CRAM_MD5(credentials: CredentialProvider): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
