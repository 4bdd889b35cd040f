/**
 * SCRAM, the server's half. It knows stored keys alone. Source: RFC 5802 §3, §5, §6.
 *
 * @module
 */
import { type Announced, announcedHash } from "../../internal/announced.js";
import { encodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { checkBinding } from "../../internal/gs2-binding.js";
import type { ServerContext, ServerConversation } from "../../mechanism.js";
import type { Digest } from "../../runtime/contract.js";
import type { ScramHash } from "./hashes.js";
import { xor } from "./keys.js";
import { parseClientFinal, parseClientFirst } from "./messages.js";

export async function* scramServer(ctx: ServerContext, { digest }: ScramHash, plus: boolean): ServerConversation {
  const clientFirst = ctx.text(yield);
  if (clientFirst.includes(",m=")) yield ctx.bytes("e=extensions-not-supported"); // RFC 5802 §5.1, attribute m
  const first = parseClientFirst(clientFirst);
  const bindingData = await checkBinding(ctx, first.header, plus);
  const account = await ctx.identify(first.username, first.header.authzid);
  const verifier = await ctx.scramVerifier(account, digest);
  const nonce = first.nonce + ctx.nonce();
  let serverFirst = `r=${nonce},s=${encodeBase64(verifier.salt)},i=${verifier.iterations}`;
  if (ctx.announced) serverFirst += `,h=${await hashOf(ctx, digest, ctx.announced)}`;
  if (ctx.tlsVersion) serverFirst += `,t=${ctx.tlsVersion}`; // XEP-0515 §4.1

  const final = parseClientFinal(ctx.text(yield ctx.bytes(serverFirst)));
  if (final.nonce !== nonce) throw ctx.fail("malformed-message", "the client's nonce is not the one of this exchange"); // R-SCRAM-13
  const header = ctx.bytes(first.header.text);
  const binding = bindingData ? concatBytes(header, bindingData) : header;
  if (!ctx.equal(final.binding, binding)) throw ctx.fail("refused", "the channel binding does not match"); // R-SCRAM-18
  if (final.proof.length !== digest.size) throw ctx.fail("malformed-message", "a proof of the wrong length"); // R-SCRAM-17

  const authMessage = ctx.bytes(`${first.bare},${serverFirst},${final.withoutProof}`);
  const clientKey = xor(final.proof, await ctx.hmac(digest, verifier.storedKey, authMessage));
  if (!ctx.equal(await ctx.hash(digest, clientKey), verifier.storedKey)) throw ctx.fail("refused", "wrong proof");
  const signature = await ctx.hmac(digest, verifier.serverKey, authMessage);
  return { authcid: account.name, authzid: first.header.authzid, data: ctx.bytes(`v=${encodeBase64(signature)}`) };
}

/** XEP-0474 §6.1 */
async function hashOf(ctx: ServerContext, digest: Digest, announced: Announced): Promise<string> {
  const hash = await announcedHash(ctx, digest, announced);
  if (hash === undefined) throw new TypeError("what was announced holds a name that is none");
  return hash;
}
