/**
 * What both sides digest: x, u, the key they share, and the evidence of it. Source: draft-burdis-cat-srp-sasl-08 §4.4, §4.5.
 *
 * @module
 */
import { concatBytes, wipe } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { Digest, MaybePromise } from "../../runtime/contract.js";
import { xor } from "../scram/keys.js";
import { numberOf, octetsOf } from "./arithmetic.js";
import { formatUint } from "./elements.js";
import type { SrpGroup } from "./groups.js";

/** x from name and password. @param username, password in UTF-8; not kept. */
export async function passwordNumber(
  digest: Digest,
  salt: Uint8Array,
  username: Uint8Array,
  password: Uint8Array,
): Promise<bigint> {
  const both = concatBytes(username, colon, password);
  const inner = await digest.hash(both);
  const x = numberOf(await digest.hash(concatBytes(salt, inner)));
  wipe(both);
  wipe(inner);
  return x;
}

const colon = /* @__PURE__ */ encodeUtf8(":");

/** u, from both public keys. */
export async function scrambler(digest: Digest, A: bigint, B: bigint): Promise<bigint> {
  return numberOf(await digest.hash(concatBytes(octetsOf(A), octetsOf(B))));
}

/** K = H(S). The caller's own, as many octets as the hash gives. */
export function sharedKey(digest: Digest, secret: bigint): MaybePromise<Uint8Array> {
  return digest.hash(octetsOf(secret));
}

/** Kn, the key of a session that takes up another one (§6.4). */
export function renewedKey(digest: Digest, key: Uint8Array, cn: Uint8Array, sn: Uint8Array): MaybePromise<Uint8Array> {
  return digest.hash(concatBytes(key, cn, sn));
}

/** What both sides know of an exchange, names and lists as they went over the wire. */
export interface Exchange {
  readonly digest: Digest;
  readonly group: SrpGroup;
  readonly username: Uint8Array;
  readonly authzid: Uint8Array;
  readonly salt: Uint8Array;
  readonly A: bigint;
  readonly B: bigint;
  /** K. */
  readonly key: Uint8Array;
  /** L. */
  readonly offer: Uint8Array;
}

/** M1. */
export async function clientEvidence(exchange: Exchange): Promise<Uint8Array> {
  const { digest, group, username, authzid, salt, A, B, key, offer } = exchange;
  const hash = async (data: Uint8Array) => digest.hash(data);
  const groupHash = xor(await hash(octetsOf(group.prime)), await hash(octetsOf(group.generator)));
  const names = [await hash(username), salt, octetsOf(A), octetsOf(B)];
  return hash(concatBytes(groupHash, ...names, key, await hash(authzid), await hash(offer)));
}

/** M2. @param M1 as the client sent it. @param choice o, as the client sent it. */
export async function serverEvidence(
  { digest, authzid, A, key }: Exchange,
  M1: Uint8Array,
  choice: Uint8Array,
  sid: Uint8Array,
  ttl: number,
): Promise<Uint8Array> {
  const hashes = [await digest.hash(authzid), await digest.hash(choice)];
  return digest.hash(concatBytes(octetsOf(A), M1, key, ...hashes, sid, formatUint(ttl)));
}
