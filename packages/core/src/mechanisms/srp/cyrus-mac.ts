/**
 * The MAC of Cyrus SASL's buffers. It never begins its HMAC anew, as draft-burdis-cat-srp-sasl-08 §5.4 can be read, and what
 * OpenSSL then does is this: the first buffer has an HMAC-SHA-1; in each further one the inner hash does not begin with the
 * key, but goes on where the hash before ended, which is with the last MAC. The outer hash has the key as always.
 *
 * So from the second buffer on it is only as good as SHA-1 is at collisions, for somebody who also chooses what is sent.
 *
 * @module
 */
import { settableSha1 } from "#soft-digests";
import { sha1 } from "../../digests.js";
import { concatBytes } from "../../internal/bytes.js";
import { chain } from "../../patience.js";
import type { Digest, MaybePromise } from "../../runtime/contract.js";

/** A MAC over one buffer after the other. */
export type Mac = (data: Uint8Array) => MaybePromise<Uint8Array>;

/** What the draft means everywhere else: each buffer for itself. */
export function separateMacs(digest: Digest, key: Uint8Array): Mac {
  return (data) => digest.hmac(key, data);
}

/** SHA-1's block, and what it has hashed when a MAC is done: the key's block and the inner hash (RFC 2104 §2). */
const blockOctets = 64;
const hashedOctets = 84; // a sum would stay in bundles that do not need it

/**
 * Takes SHA-1 in JavaScript, the only one that can begin in the middle.
 *
 * @param key at most 64 octets. Not kept.
 * @returns makes MACs for one direction, from the first buffer on.
 */
export async function chainedMacs(key: Uint8Array): Promise<() => Mac> {
  class Continued extends (await settableSha1()) {
    constructor(state: Uint8Array) {
      super();
      const word = (at: number) => new DataView(state.buffer, state.byteOffset).getInt32(at);
      this.set(word(0), word(4), word(8), word(12), word(16));
      this.length = hashedOctets;
    }
  }
  const first = key.slice();
  const outer = new Uint8Array(blockOctets).fill(0x5c);
  for (let i = 0; i < key.length; i++) outer[i] = 0x5c ^ (key[i] as number);
  return () => {
    let last: Uint8Array | undefined;
    return (data) => {
      const made =
        last === undefined
          ? sha1.hmac(first, data)
          : sha1.hash(concatBytes(outer, new Continued(last).update(data).digest()));
      return chain(made, (mac) => {
        last = mac;
        return mac;
      });
    };
  };
}
