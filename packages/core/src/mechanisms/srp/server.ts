/**
 * SRP, the server's half. It knows verifiers alone. Source: draft-burdis-cat-srp-sasl-08 §4.
 *
 * @module
 */
import type { Account } from "../../accounts.js";
import { equalBytes, wipe } from "../../internal/bytes.js";
import type { ServerContext, ServerConversation, ServerOutcome } from "../../mechanism.js";
import { numberOf, secretOctets, serverKey, serverSecret } from "./arithmetic.js";
import { clientEvidence, type Exchange, renewedKey, scrambler, serverEvidence, sharedKey } from "./evidence.js";
import { blockOctets, srpLayer } from "./layer.js";
import {
  type ClientFirst,
  formatResumption,
  formatServerEvidence,
  formatServerFirst,
  parseClientEvidence,
  parseClientFirst,
} from "./messages.js";
import { formatOffer, parseChoice, ssfOf } from "./options.js";
import type { ServerSession, ServerSessions } from "./sessions.js";
import { isSameVerifier, type Making, verifierOf } from "./verifier.js";

/** How a server goes about it. */
export interface ServerSide extends Making {
  /** Left out: no session is taken up again. */
  readonly sessions: ServerSessions | undefined;
}

export async function* srpServer(ctx: ServerContext, side: ServerSide): ServerConversation {
  const first = parseClientFirst(yield);
  const account = await ctx.identify(first.username.text, first.authzid.text);
  const earlier = takeUp(ctx, side.sessions, first, account);
  if (earlier) return resume(ctx, earlier, first);

  const { hash, group, salt, verifier } = await verifierOf(ctx, account, side);
  const { prime, generator } = group;
  const { digest } = hash;
  const b = numberOf(ctx.random(secretOctets));
  const B = serverKey(group, verifier, b);
  const offer = formatOffer(hash, ctx.protection);

  const {
    A,
    evidence,
    choice,
    iv: cIV,
  } = parseClientEvidence(yield formatServerFirst({ prime, generator, salt, B, offer }));
  if (A % prime === 0n) throw ctx.fail("malformed-message", "the client's public key is nothing"); // R-SRP-01
  if (A > prime) throw ctx.fail("malformed-message", "the client's public key is none of its group");
  const chosen = parseChoice(choice.text, offer);
  if (chosen.confidentiality && cIV.length !== blockOctets) {
    throw ctx.fail("malformed-message", "an initial vector of the wrong length");
  }
  const u = await scrambler(digest, A, B);
  const secret = serverSecret(group, { A, b, verifier, u, octets: digest.size });
  if (secret === undefined) throw ctx.fail("malformed-message", "the client's public key leaves no secret");
  const key = await sharedKey(digest, secret);
  const exchange: Exchange = {
    ...{ digest, group, salt, A, B, key, offer: ctx.bytes(offer) },
    ...{ username: first.username.bytes, authzid: first.authzid.bytes },
  };
  if (!ctx.equal(evidence, await clientEvidence(exchange))) throw ctx.fail("refused", "wrong evidence"); // R-SRP-04

  const kept = chosen.integrity && side.sessions;
  const sid = kept ? ctx.nonce() : "";
  const ttl = kept?.seconds ?? 0;
  const sIV = chosen.confidentiality ? ctx.random(blockOctets) : new Uint8Array(0);
  const proof = await serverEvidence(exchange, evidence, choice.bytes, ctx.bytes(sid), ttl);
  const vectors = { cIV: cIV.slice(), sIV };
  const layer = await srpLayer("server", chosen, key, vectors, chosen.maxBuffer, ctx.protection);
  const { name: owner, properties } = account;
  const authzid = first.authzid.text;
  ctx.ended((ok) => {
    const session = { sid, protection: chosen, key, peerMaxBuffer: chosen.maxBuffer, ...vectors };
    if (ok && kept) kept.keep({ ...session, owner, authzid, properties });
    else wipe(key);
  });
  const data = formatServerEvidence({ evidence: proof, iv: sIV, sid, ttl });
  return { authcid: owner, authzid, data, layer };
}

/** An earlier session that is this user's, for the same identity to act as, and with the same password (R-SRP-09). */
function takeUp(
  ctx: ServerContext,
  sessions: ServerSessions | undefined,
  { sid, authzid }: ClientFirst,
  { name, properties }: Account,
): ServerSession | undefined {
  if (sid === "") return undefined;
  const { minSsf, maxSsf } = ctx.protection;
  return sessions?.take(sid, (session) => {
    const ssf = ssfOf(session.protection);
    const own = session.owner === name && session.authzid === authzid.text;
    return own && isSameVerifier(session.properties, properties) && ssf >= minSsf && ssf <= maxSsf;
  });
}

/** §4.2, §6.4. The client proves itself with the first buffer that comes through the layer. */
async function resume(ctx: ServerContext, earlier: ServerSession, { nonce: cn }: ClientFirst): Promise<ServerOutcome> {
  const { protection, key, peerMaxBuffer, owner, authzid } = earlier;
  let sn = ctx.random(16);
  while (equalBytes(sn, cn)) sn = ctx.random(16); // §4.2
  const renewed = await renewedKey(protection.hash.digest, key, cn, sn);
  wipe(key);
  const layer = await srpLayer("server", protection, renewed, earlier, peerMaxBuffer, ctx.protection);
  wipe(renewed);
  return { authcid: owner, authzid, data: formatResumption(sn), layer };
}
