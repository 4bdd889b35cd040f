import { cbc } from "@noble/ciphers/aes.js";
import type { StreamCipher } from "./soft-ciphers-contract.js";

const block = 16;

export function aes128Ofb(key: Uint8Array, iv: Uint8Array): StreamCipher {
  const ownKey = key.slice();
  let last = iv.slice();
  let left = new Uint8Array(0);

  /** CBC over zeros encrypts each block of the result once more, and that is OFB's key stream. */
  const stream = (length: number): Uint8Array => {
    const fresh = new Uint8Array(Math.ceil(Math.max(length - left.length, 0) / block) * block);
    const made = fresh.length > 0 ? cbc(ownKey, last, { disablePadding: true }).encrypt(fresh) : fresh;
    if (made.length > 0) last = made.slice(-block);
    const all = new Uint8Array(left.length + made.length);
    all.set(left);
    all.set(made, left.length);
    left = all.slice(length);
    return all.subarray(0, length);
  };

  return {
    update(bytes) {
      const result = stream(bytes.length).slice();
      for (let i = 0; i < bytes.length; i++) result[i] = (result[i] as number) ^ (bytes[i] as number);
      return result;
    },
  };
}
