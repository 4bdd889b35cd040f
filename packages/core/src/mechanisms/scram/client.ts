/**
 * SCRAM, the client's half. Source: RFC 5802 §3, §5.
 *
 * @module
 */
import type { CredentialKinds, HeldScramKeys, ScramKeys } from "../../credentials.js";
import { encodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { escapeName, formatGs2Header } from "../../internal/gs2.js";
import { type Binding, unboundFlag } from "../../internal/gs2-binding.js";
import type { ClientContext, ClientConversation } from "../../mechanism.js";
import { fits } from "../../scram-key-cache.js";
import type { ScramHash } from "./hashes.js";
import { clientLabel, keysFromSalted, xor } from "./keys.js";
import { parseServerFinal, parseServerFirst, type ServerFirst } from "./messages.js";

/** @param bind finds what to bind to; left out by the variants that do not bind. */
export async function* scramClient(
  ctx: ClientContext,
  hash: ScramHash,
  bind?: (ctx: ClientContext) => Promise<Binding>,
): ClientConversation {
  const { digest } = hash;
  const given = await ctx.credentials("scram");
  const username = await ctx.prepare(given.username, "query", "name"); // RFC 5802 §5.1, attribute n
  const binding = await bind?.(ctx);
  const header = formatGs2Header(binding ? "p" : unboundFlag(ctx), binding?.type, given.authzid);
  const nonce = ctx.nonce();
  const bare = `n=${escapeName(username)},r=${nonce}`;

  const serverFirst = ctx.text(yield ctx.bytes(header + bare));
  const first = parseServerFirst(serverFirst);
  checkServerFirst(ctx, first, nonce);
  await ctx.settings.downgradeProtection?.verify(ctx, digest, serverFirst); // R-SSDP-03, R-TDP-02
  const keys = await findKeys(ctx, hash, given, first);

  const bindingInput = binding ? concatBytes(ctx.bytes(header), binding.data) : ctx.bytes(header); // RFC 5802 §6
  const withoutProof = `c=${encodeBase64(bindingInput)},r=${first.nonce}`;
  const authMessage = ctx.bytes(`${bare},${serverFirst},${withoutProof}`);
  const { clientKey, serverKey, saltedPassword, storedKey = await ctx.hash(digest, clientKey as Uint8Array) } = keys;
  // All at once: WebCrypto computes elsewhere, and most of its time is the way there.
  const [key, signature, expected] = await Promise.all([
    clientKey ?? ctx.hmac(digest, saltedPassword, clientLabel),
    ctx.hmac(digest, storedKey, authMessage),
    ctx.hmac(digest, serverKey, authMessage),
  ]);
  const proof = xor(key, signature);

  const serverFinal = yield ctx.final(ctx.bytes(`${withoutProof},p=${encodeBase64(proof)}`));
  if (!serverFinal || !ctx.equal(parseServerFinal(ctx.text(serverFinal)), expected)) {
    throw ctx.fail("peer-not-verified", "the server's signature is missing or wrong"); // R-SCRAM-20
  }
}

/** RFC 5802 §5.1: the server adds to our nonce; the count lies within our bounds, looked at before anything is derived. */
function checkServerFirst(ctx: ClientContext, { nonce, iterations }: ServerFirst, ours: string): void {
  if (!nonce.startsWith(ours) || nonce === ours) {
    throw ctx.fail("peer-not-verified", "the server's nonce does not extend ours"); // R-SCRAM-12
  }
  const { min = 4096, max = 600_000 } = ctx.settings.iterations ?? {};
  const code = iterations < min ? "peer-not-verified" : iterations > max && "limit-exceeded"; // R-SCRAM-15
  if (code) throw ctx.fail(code, `the server's iteration count is not in ${min} to ${max}`);
}

/** Keys the application gave, keys of an earlier login, or new ones from the password, in this order. */
async function findKeys(
  ctx: ClientContext,
  { digest }: ScramHash,
  given: CredentialKinds["scram"],
  { salt, iterations }: ServerFirst,
): Promise<ScramKeys | HeldScramKeys> {
  const { keys, username, password: text } = given;
  if (keys && fits(keys, digest, salt, iterations)) return keys;
  const password = text === undefined ? text : ctx.bytes(await ctx.prepare(text, "stored")); // RFC 5802 §2.2, Normalize()
  const derive =
    password && (() => keysFromSalted(ctx, digest, ctx.pbkdf2(digest, password, salt, iterations), salt, iterations));
  try {
    const found = await (ctx.settings.keyCache?.keysFor(ctx, {
      digest,
      username,
      password,
      salt,
      iterations,
      derive,
    }) ?? derive?.());
    if (found) return found;
  } finally {
    password?.fill(0);
  }
  throw ctx.fail("no-credentials", "no keys fit");
}
