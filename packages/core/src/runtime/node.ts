/** `node:crypto`: digests answer at once, PBKDF2 runs on the thread pool. */
import { createHash, createHmac, hash as hashOnce, pbkdf2, randomFillSync } from "node:crypto";
import type { Digest } from "./contract.js";

/** A digest under its OpenSSL name. `block` is the HMAC block size in octets (RFC 2104 §2). */
export function opensslDigest(name: string, openssl: string, size: number, block: number): Digest {
  return {
    name,
    size,
    hash: (data) => toBytes(createHash(openssl).update(data).digest()),
    hmac: (key, data) =>
      data.length > 1024 || key.length > block
        ? toBytes(createHmac(openssl, key).update(data).digest())
        : shortHmac(openssl, block, key, data),
    pbkdf2: (password, salt, iterations) =>
      new Promise((resolve, reject) => {
        pbkdf2(password, salt, iterations, size, openssl, (error, key) =>
          error ? reject(error) : resolve(toBytes(key)),
        );
      }),
  };
}

/**
 * RFC 2104 §2 over two one-shot hashes: a third of the time of `createHmac` for the short messages of a SASL exchange,
 * because no hash object is made. The pads are wiped, since they hold the key.
 */
function shortHmac(openssl: string, block: number, key: Uint8Array, data: Uint8Array): Uint8Array {
  const inner = new Uint8Array(block + data.length);
  const outer = new Uint8Array(block);
  inner.fill(0x36, 0, block);
  outer.fill(0x5c);
  for (let i = 0; i < key.length; i++) {
    const octet = key[i] as number;
    inner[i] = octet ^ 0x36;
    outer[i] = octet ^ 0x5c;
  }
  inner.set(data, block);
  const digest = hashOnce(openssl, inner, "buffer");
  const last = new Uint8Array(block + digest.length);
  last.set(outer);
  last.set(digest, block);
  const mac = toBytes(hashOnce(openssl, last, "buffer"));
  inner.fill(0);
  outer.fill(0);
  last.fill(0);
  return mac;
}

const native = {
  "SHA-1": ["sha1", 64],
  "SHA-256": ["sha256", 64],
  "SHA-384": ["sha384", 128],
  "SHA-512": ["sha512", 128],
} as const;

export function nativeDigest(name: keyof typeof native, size: number): Digest {
  const [openssl, block] = native[name];
  return opensslDigest(name, openssl, size, block);
}

export function randomBytes(count: number): Uint8Array {
  return randomFillSync(new Uint8Array(count));
}

/** A plain view on a Buffer: what leaves this package behaves like a Uint8Array, also in `slice` and `toString`. */
function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
