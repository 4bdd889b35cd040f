/** WebCrypto, for browsers and every other runtime with web globals. `crypto.subtle` needs a secure context there. */
import type { Digest } from "./contract.js";

function subtle(): SubtleCrypto {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) throw new Error("crypto.subtle is missing: browsers have it on https pages only");
  return subtle;
}

export function nativeDigest(name: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512", size: number): Digest {
  return {
    name,
    size,
    hash: async (data) => new Uint8Array(await subtle().digest(name, data as BufferSource)),
    // WebCrypto refuses an empty HMAC key; a zero octet is the same key (RFC 2104 §2 pads with zeros).
    hmac: async (key, data) => {
      const imported = await importKey(key.length ? key : new Uint8Array(1), { name: "HMAC", hash: name }, "sign");
      return new Uint8Array(await subtle().sign("HMAC", imported, data as BufferSource));
    },
    pbkdf2: async (password, salt, iterations) => {
      const parameters = { name: "PBKDF2", hash: name, salt: salt as BufferSource, iterations };
      const key = await importKey(password, parameters, "deriveBits");
      return new Uint8Array(await subtle().deriveBits(parameters, key, size * 8));
    },
  };
}

function importKey(raw: Uint8Array, algorithm: HmacImportParams | Pbkdf2Params, usage: KeyUsage): Promise<CryptoKey> {
  return subtle().importKey("raw", raw as BufferSource, algorithm, false, [usage]);
}

export function randomBytes(count: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(count));
}

const encoder = /* @__PURE__ */ new TextEncoder();

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const octet of bytes) binary += String.fromCharCode(octet);
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

export function toOctetText(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}

export function fromOctetText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
