/** `node:crypto`: digests answer at once, PBKDF2 runs on the thread pool. */
import { createHash, createHmac, hash as hashOnce, pbkdf2, randomFillSync } from "node:crypto";
import type { Digest } from "./contract.js";

/** A digest under its OpenSSL name. `block` is the HMAC block size in octets (RFC 2104 §2). */
export function opensslDigest(name: string, openssl: string, size: number, block: number): Digest {
  // One pair of pads for each digest, used synchronously and wiped at once: an array of more than 64 octets costs a third
  // of what the hash itself does.
  const inner = new Uint8Array(block + maxShortBytes);
  const outer = new Uint8Array(block + size);

  /** RFC 2104 §2 over two one-shot hashes: for short messages half the time of `createHmac`, which makes two objects. */
  const shortHmac = (key: Uint8Array, data: Uint8Array): Uint8Array => {
    inner.fill(0x36, 0, block);
    outer.fill(0x5c, 0, block);
    for (let i = 0; i < key.length; i++) {
      const octet = key[i] as number;
      inner[i] = octet ^ 0x36;
      outer[i] = octet ^ 0x5c;
    }
    inner.set(data, block);
    const length = block + data.length;
    write(hashOnce(openssl, inner.subarray(0, length), "binary"), outer, block);
    const mac = hashOnce(openssl, outer, "binary");
    inner.fill(0, 0, length);
    outer.fill(0);
    return write(mac, new Uint8Array(size), 0);
  };

  return {
    name,
    size,
    hash: (data) => write(hashOnce(openssl, data, "binary"), new Uint8Array(size), 0),
    hmac: (key, data) =>
      data.length > maxShortBytes || key.length > block
        ? new Uint8Array(createHmac(openssl, key).update(data).digest())
        : shortHmac(key, data),
    pbkdf2: (password, salt, iterations) =>
      new Promise((resolve, reject) => {
        pbkdf2(password, salt, iterations, size, openssl, (error, key) =>
          error ? reject(error) : resolve(new Uint8Array(key.buffer, key.byteOffset, size)),
        );
      }),
  };
}

/**
 * HMAC under one key, of two parts one after the other, as a digest of OpenSSL. `size` and `block` in octets, the key no
 * longer than a block.
 */
export function opensslMac(
  openssl: string,
  size: number,
  block: number,
  key: Uint8Array,
): (head: Uint8Array, body: Uint8Array) => Uint8Array {
  const inner = new Uint8Array(block).fill(0x36);
  const outer = new Uint8Array(block + size).fill(0x5c, 0, block);
  for (let i = 0; i < key.length; i++) {
    const octet = key[i] as number;
    inner[i] = octet ^ 0x36;
    outer[i] = octet ^ 0x5c;
  }
  const keyed = createHash(openssl).update(inner);
  return (head, body) => {
    // Costs less than createHmac, which makes two objects and hashes the key each time.
    write(keyed.copy().update(head).update(body).digest("binary"), outer, block);
    return write(hashOnce(openssl, outer, "binary"), new Uint8Array(size), 0);
  };
}

/** Longest message that goes through the short way, in octets: every message of a usual exchange does. */
const maxShortBytes = 1024;

/** Octets of a string with one character for each; a hash as such a string costs less than as a Buffer of its own. */
function write<T extends Uint8Array>(octets: string, target: T, at: number): T {
  for (let i = 0; i < octets.length; i++) target[at + i] = octets.charCodeAt(i);
  return target;
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

/** Random octets fetched ahead, since asking for a few costs as much as asking for many. Handed out once, then erased. */
const pool = new Uint8Array(2048);
let used = pool.length;

export function randomBytes(count: number): Uint8Array {
  if (count > 64) return randomFillSync(new Uint8Array(count));
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.slice(used, used + count);
  pool.fill(0, used, used + count);
  used += count;
  return bytes;
}

/**
 * Half the time of TextEncoder for the lengths of an exchange: arrays of up to 64 octets are cheap to make, and longer
 * ones come out of Node's pool of Buffers in the form of a plain array.
 */
export function encodeText(text: string): Uint8Array {
  if (text.length <= 64) {
    const bytes = new Uint8Array(text.length);
    let i = 0;
    for (; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) break;
      bytes[i] = unit;
    }
    if (i === text.length) return bytes;
  }
  const { buffer, byteOffset, length } = Buffer.from(text, "utf8");
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
}

/** Short arrays are encoded from here: a Buffer around an array of up to 64 octets makes V8 move it off its heap first. */
const scratch = Buffer.alloc(256);

export function toBase64(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > scratch.length) return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString("base64");
  for (let i = 0; i < length; i++) scratch[i] = bytes[i] as number;
  const text = scratch.toString("base64", 0, length);
  for (let i = 0; i < length; i++) scratch[i] = 0;
  return text;
}

export function fromBase64(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, "base64");
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
}

export function toOctetText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

export function fromOctetText(text: string): Uint8Array {
  if (text.length <= 64) return write(text, new Uint8Array(text.length), 0);
  const { buffer, byteOffset, length } = Buffer.from(text, "latin1");
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
}
