/**
 * SRP, the client's half. Source: draft-burdis-cat-srp-sasl-08 §4.
 *
 * @module
 */
import { equalBytes, wipe } from "../../internal/bytes.js";
import type { ClientContext, ClientConversation } from "../../mechanism.js";
import { clientSecret, numberOf, raise, secretOctets } from "./arithmetic.js";
import {
  clientEvidence,
  type Exchange,
  passwordNumber,
  renewedKey,
  scrambler,
  serverEvidence,
  sharedKey,
} from "./evidence.js";
import type { SrpGroup } from "./groups.js";
import { blockOctets, srpLayer } from "./layer.js";
import {
  formatClientEvidence,
  formatClientFirst,
  parseServerEvidence,
  parseServerFirst,
  type Resumption,
  type ServerFirst,
} from "./messages.js";
import { chooseFrom, ssfOf } from "./options.js";
import type { Session, SrpSessions } from "./sessions.js";

/** How a client goes about it. */
export interface ClientSide {
  /** What a server may propose. */
  readonly groups: readonly SrpGroup[];
  readonly sessions: SrpSessions | undefined;
}

export async function* srpClient(ctx: ClientContext, { groups, sessions }: ClientSide): ClientConversation {
  const given = await ctx.credentials("password");
  const username = await ctx.prepare(given.username, "query", "name"); // §3.5
  if (username === "") throw ctx.fail("malformed-message", "the user name is empty");
  const password = ctx.bytes(await ctx.prepare(given.password, "query"));
  // §4.1 would rather have none than the client's guess, but its example (§7.5) says the name twice, and so must who wants to
  // log in to Cyrus SASL.
  const authzid = given.authzid || username;

  const id = await sessions?.idFor(ctx, username, authzid, password);
  const earlier = id === undefined ? undefined : takeUp(ctx, sessions?.take(id));
  const cn = earlier ? ctx.random(16) : new Uint8Array(0);
  const hello = formatClientFirst(username, authzid, earlier?.sid ?? "", cn);
  const first = parseServerFirst(yield earlier ? ctx.final(hello) : hello);
  if ("nonce" in first) return resume(ctx, earlier, cn, first);
  if (earlier) wipe(earlier.key);

  const group = groupAmong(ctx, groups, first);
  if (first.B % group.prime === 0n) throw ctx.fail("peer-not-verified", "the server's public key is nothing"); // R-SRP-02
  if (first.B > group.prime) throw ctx.fail("malformed-message", "the server's public key is none of its group");
  const choice = chooseFrom(first.offer.text, ctx.protection);
  const { digest } = choice.hash;

  const a = numberOf(ctx.random(secretOctets));
  const A = raise(group, a);
  const u = await scrambler(digest, A, first.B);
  if (u === 0n) throw ctx.fail("peer-not-verified", "the public keys digest to nothing"); // R-SRP-02
  const name = ctx.bytes(username);
  const x = await passwordNumber(digest, first.salt, name, password);
  wipe(password);
  const key = await sharedKey(digest, clientSecret(group, { a, B: first.B, x, u, octets: digest.size }));
  const exchange: Exchange = {
    ...{ digest, group, key, A, B: first.B, salt: first.salt },
    ...{ username: name, authzid: ctx.bytes(authzid), offer: first.offer.bytes },
  };

  const evidence = await clientEvidence(exchange);
  const cIV = choice.confidentiality ? ctx.random(blockOctets) : new Uint8Array(0);
  const heard = yield ctx.final(formatClientEvidence({ A, evidence, choice: choice.text, iv: cIV }));
  const answer = parseServerEvidence(heard);
  const { sid, ttl, iv: sIV } = answer;
  const expected = await serverEvidence(exchange, evidence, ctx.bytes(choice.text), sid.bytes, ttl);
  if (!ctx.equal(answer.evidence, expected)) {
    throw ctx.fail("peer-not-verified", "the server's evidence is wrong"); // R-SRP-04
  }
  if (choice.confidentiality && (sIV.length !== blockOctets || equalBytes(sIV, cIV))) {
    throw ctx.fail("peer-not-verified", "the server's initial vector is none to encrypt with");
  }
  const session: Session = {
    ...{ sid: sid.text, protection: choice, key, peerMaxBuffer: choice.maxBuffer },
    ...{ cIV, sIV: sIV.slice() },
  };
  await protect(ctx, session, key);
  ctx.ended((ok) => {
    if (ok && sessions && id !== undefined && isKept(session)) sessions.keep(id, session, ttl || longestSeconds);
    else wipe(key);
  });
}

/** How long a session is worth a try of which the server does not say how long it is good. */
const longestSeconds = 3600;

function isKept({ sid, protection }: Session): boolean {
  return sid !== "" && protection.integrity !== undefined;
}

/** An earlier session whose layer is one that may be on this connection. */
function takeUp(ctx: ClientContext, session: Session | undefined): Session | undefined {
  if (session === undefined) return undefined;
  const { minSsf, maxSsf } = ctx.protection;
  const ssf = ssfOf(session.protection);
  if (ssf >= minSsf && ssf <= maxSsf) return session;
  wipe(session.key);
  return undefined;
}

/** §4.2, §6.4. The server proves itself with the first buffer that comes through the layer. */
async function resume(
  ctx: ClientContext,
  earlier: Session | undefined,
  cn: Uint8Array,
  { nonce }: Resumption,
): Promise<undefined> {
  if (earlier === undefined) throw ctx.fail("unexpected-message", "a session that nobody asked for");
  if (ctx.equal(nonce, cn)) throw ctx.fail("peer-not-verified", "the server's nonce is our own"); // §4.2
  const key = await renewedKey(earlier.protection.hash.digest, earlier.key, cn, nonce);
  wipe(earlier.key);
  ctx.unproven();
  await protect(ctx, earlier, key);
  wipe(key);
}

async function protect(
  ctx: ClientContext,
  { protection, peerMaxBuffer, cIV, sIV }: Session,
  key: Uint8Array,
): Promise<void> {
  const layer = await srpLayer("client", protection, key, { cIV, sIV }, peerMaxBuffer, ctx.protection);
  if (layer) ctx.layer(layer);
}

/** R-SRP-03: what is no safe prime could tell the server of the password. */
function groupAmong(ctx: ClientContext, groups: readonly SrpGroup[], { prime, generator }: ServerFirst): SrpGroup {
  const group = groups.find((each) => each.prime === prime && each.generator === generator);
  if (group === undefined) throw ctx.fail("peer-not-verified", "the server's group is none of those accepted here");
  return group;
}
