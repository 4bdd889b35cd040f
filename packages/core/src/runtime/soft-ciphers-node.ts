import { createCipheriv } from "node:crypto";
import type { StreamCipher } from "./soft-ciphers-contract.js";

export function aes128Ofb(key: Uint8Array, iv: Uint8Array): StreamCipher {
  const cipher = createCipheriv("aes-128-ofb", key, iv);
  return {
    update(bytes) {
      const { buffer, byteOffset, length } = cipher.update(bytes);
      return new Uint8Array(buffer, byteOffset, length);
    },
  };
}
