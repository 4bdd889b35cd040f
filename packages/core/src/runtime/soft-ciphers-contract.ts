/**
 * Ciphers that work at once and from call to call, which WebCrypto lacks: native on Node, `@noble/ciphers` in browsers. A
 * bundle holds them only where a security layer names them.
 *
 * @module
 */

/** A stream of octets that goes on where the last call ended. */
export interface StreamCipher {
  /**
   * Encrypts the next octets, or decrypts them, which is the same.
   *
   * @param bytes of any length; read, never changed or kept.
   * @returns as many octets, the caller's own.
   */
  update(bytes: Uint8Array): Uint8Array;
}

/**
 * AES-128 in OFB mode with a feedback of a whole block (FIPS 197; SP 800-38A §6.4).
 *
 * @param key 16 octets.
 * @param iv 16 octets, never the same for two streams under one key.
 */
export declare function aes128Ofb(key: Uint8Array, iv: Uint8Array): StreamCipher;
