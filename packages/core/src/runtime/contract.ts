/**
 * What differs between Node and browsers, and nothing else: randomness, digests, and what is much faster on one of them.
 * `node.ts` answers with `node:crypto`, `web.ts` with WebCrypto; the `imports` map of package.json picks one.
 *
 * @module
 */

/** A value now or later; native digests answer at once, WebCrypto does not. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * One digest algorithm as a value, so that a bundle holds only those it names.
 * Arguments are read, never changed or kept; results belong to the caller.
 */
export interface Digest {
  /** Name as the hash is registered: `SHA-256`, `MD5`, `SHA3-512`. */
  readonly name: string;
  /** Octets in a result. */
  readonly size: number;
  hash(data: Uint8Array): MaybePromise<Uint8Array>;
  /** RFC 2104. A key of any length, also zero. */
  hmac(key: Uint8Array, data: Uint8Array): MaybePromise<Uint8Array>;
  /**
   * PBKDF2 (RFC 8018 §5.2) with this digest's HMAC and one block of output; SCRAM's Hi() (RFC 5802 §2.2).
   * Runs off the main thread where the runtime can.
   */
  pbkdf2(password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array>;
}

/**
 * A key that computes HMAC (RFC 2104) and does not show itself: one of WebCrypto that cannot be exported, one inside an HSM.
 * `macKey` of `sasl-core/browser` makes the former.
 */
export interface MacKey {
  /** The hash it computes with, named as {@link Digest.name}: `SHA-256`. */
  readonly hash: string;
  /** @param data any length. Neither changed nor kept. @returns as many octets as the hash gives, the caller's own. */
  hmac(data: Uint8Array): MaybePromise<Uint8Array>;
}

/** A digest this runtime computes natively. `name` as WebCrypto writes it, `size` in octets. */
export declare function nativeDigest(name: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512", size: number): Digest;

/** `count` octets from the cryptographic random source of the runtime, 1 to 65536. */
export declare function randomBytes(count: number): Uint8Array;

/** UTF-8 octets of well-formed text, as an array of the caller's own. */
export declare function encodeText(text: string): Uint8Array;

/** Canonical base64 (RFC 4648 §4): padded, no line breaks. */
export declare function toBase64(bytes: Uint8Array): string;

/** What base64 decodes to, read as leniently as the runtime likes, as an array of the caller's own; `undefined` where it gives up. */
export declare function fromBase64(text: string): Uint8Array | undefined;

/** Octets as a text of one character, U+0000 to U+00FF, for each: what ISO 8859-1 makes of them. */
export declare function toOctetText(bytes: Uint8Array): string;

/** The octets such a text stands for, as an array of the caller's own. Characters above U+00FF must not be in it. */
export declare function fromOctetText(text: string): Uint8Array;
