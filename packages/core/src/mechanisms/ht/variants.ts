/**
 * The HT family: a row for each hash, a row for each channel binding, and every pair of them is a mechanism.
 * Source: draft-schmaus-kitten-sasl-ht-09 §2; hash names after RFC 6920 §9.4.
 *
 * @module
 */
import type { ChannelBindingType } from "../../channel-binding.js";
import { sha3_512, sha256, sha384, sha512 } from "../../digests.js";
import type { Digest } from "../../runtime/contract.js";

/** One hash of the family. */
export interface HtHash {
  readonly hmac: Digest;
  /** Orders the family: bits of security of the hash. */
  readonly rank: number;
}

export const htSha256: HtHash = { hmac: sha256, rank: 256 };
export const htSha384: HtHash = { hmac: sha384, rank: 384 };
export const htSha512: HtHash = { hmac: sha512, rank: 512 };
export const htSha3_512: HtHash = { hmac: sha3_512, rank: 513 };

/** The hashes every runtime computes natively, strongest first: what is used unless told otherwise. */
export const nativeHashes: readonly HtHash[] = [htSha512, htSha384, htSha256];

/** What the end of a name says. */
export interface HtBinding {
  readonly suffix: "NONE" | "UNIQ" | "ENDP" | "EXPR";
  /** Left out by NONE, which hashes empty data. */
  readonly type?: ChannelBindingType;
}

export const none: HtBinding = { suffix: "NONE" };
export const uniq: HtBinding = { suffix: "UNIQ", type: "tls-unique" };
export const endp: HtBinding = { suffix: "ENDP", type: "tls-server-end-point" };
export const expr: HtBinding = { suffix: "EXPR", type: "tls-exporter" };

/** All of them, the one that says most about the connection first. */
export const bindings: readonly HtBinding[] = [expr, uniq, endp, none];

/** §2: at most 20 characters, `HT-SHA3-512-EXPR` has 16. */
export function htName({ hmac }: HtHash, { suffix }: HtBinding): string {
  return `HT-${hmac.name}-${suffix}`;
}
