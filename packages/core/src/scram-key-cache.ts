/**
 * Keeps derived SCRAM keys from one login to the next, so that PBKDF2 runs once for each password, salt and count.
 *
 * @module
 */
import type { ScramKeys } from "./credentials.js";
import { encodeBase64 } from "./internal/base64.js";
import { equalBytes } from "./internal/bytes.js";
import type { ClientContext } from "./mechanism.js";
import type { Digest } from "./runtime/contract.js";

/** What a mechanism asks the cache for. */
export interface ScramKeyRequest {
  readonly digest: Digest;
  readonly username: string;
  /** UTF-8 octets after preparation. */
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** Derives the keys when the cache has none. */
  readonly derive: () => Promise<ScramKeys>;
}

/**
 * Bounded and owned by the application: make one, pass it as `keyCache`, drop it or `clear()` it when the user leaves.
 * Entries appear only after the server was verified, and leave when a login with them fails. The oldest leave first.
 */
export class ScramKeyCache {
  readonly #entries = new Map<string, ScramKeys>();
  readonly #maxEntries: number;
  /** Key of this cache alone: a fingerprint made with it says nothing about a password elsewhere. */
  #pepper: Uint8Array | undefined;

  /** @param options `maxEntries` at least 1, default 16. */
  constructor(options: { readonly maxEntries?: number } = {}) {
    const { maxEntries = 16 } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Keys for exactly this server, user, password, hash, salt and count (R-SCRAM-28), derived where there are none yet.
   * Whether they are kept is decided when the exchange has ended: only a verified server's keys are (R-GEN-12).
   */
  async keysFor(ctx: ClientContext, request: ScramKeyRequest): Promise<ScramKeys> {
    const { digest, username, password, salt, iterations } = request;
    this.#pepper ??= ctx.random(32);
    // Another password must never log in with cached keys.
    const fingerprint = encodeBase64(await ctx.hmac(digest, this.#pepper, password));
    const id = JSON.stringify([ctx.host ?? null, username, digest.name, fingerprint]);
    const held = this.#entries.get(id);
    const keys = held && fits(held, digest, salt, iterations) ? held : await request.derive();
    ctx.ended((ok) => {
      this.#entries.delete(id); // the latest used go to the end
      if (ok) this.#keep(id, keys);
    });
    return keys;
  }

  #keep(id: string, keys: ScramKeys): void {
    this.#entries.set(id, keys);
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Shows how many entries there are, and none of them. */
  toJSON(): { readonly size: number } {
    return { size: this.size };
  }
}

/** Whether keys belong to what a server named in its first message. Keys of the wrong size fit nothing. */
export function fits(keys: ScramKeys, { name, size }: Digest, salt: Uint8Array, iterations: number): boolean {
  const { hash, clientKey, serverKey } = keys;
  const sized = clientKey.length === size && serverKey.length === size;
  return sized && hash === name && keys.iterations === iterations && equalBytes(keys.salt, salt);
}
