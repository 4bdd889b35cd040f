/**
 * Keeps derived SCRAM keys from one login to the next, so that PBKDF2 runs once for each password, salt and count.
 *
 * @module
 */
import type { ScramKeys } from "./credentials.js";

/** Whose keys, and for which password: what an entry is found by. */
export interface ScramKeyOwner {
  /** Server the keys belong to; the same name elsewhere is another account. */
  readonly host: string | undefined;
  readonly username: string;
  /** Digest of the password, so that another password never logs in with cached keys. */
  readonly fingerprint: string;
}

/**
 * Bounded and owned by the application: make one, pass it as `keyCache`, drop it or `clear()` it when the user leaves.
 * Entries appear only after the server was verified, and leave when a login with them fails. The oldest leave first.
 */
export class ScramKeyCache {
  readonly #entries = new Map<string, ScramKeys>();
  readonly #maxEntries: number;
  /** Random key of this cache: fingerprints made with it say nothing outside of it. @internal */
  pepper: Uint8Array | undefined;

  /** @param options `maxEntries` at least 1, default 16. */
  constructor(options: { readonly maxEntries?: number } = {}) {
    const { maxEntries = 16 } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Keys for exactly this hash, salt and count (R-SCRAM-28), or nothing. They stay the cache's own: do not change them. */
  get(owner: ScramKeyOwner, hash: string, salt: Uint8Array, iterations: number): ScramKeys | undefined {
    const id = idOf(owner, hash);
    const keys = this.#entries.get(id);
    if (keys === undefined || !fits(keys, hash, salt, iterations)) return undefined;
    this.#entries.delete(id); // the latest used go to the end
    this.#entries.set(id, keys);
    return keys;
  }

  set(owner: ScramKeyOwner, keys: ScramKeys): void {
    const id = idOf(owner, keys.hash);
    this.#entries.delete(id);
    this.#entries.set(id, keys);
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  delete(owner: ScramKeyOwner, hash: string): void {
    this.#entries.delete(idOf(owner, hash));
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Shows how many entries there are, and none of them. */
  toJSON(): { readonly size: number } {
    return { size: this.size };
  }
}

/** Whether keys belong to what a server named in its first message. */
export function fits(keys: ScramKeys, hash: string, salt: Uint8Array, iterations: number): boolean {
  return (
    keys.hash === hash &&
    keys.iterations === iterations &&
    keys.salt.length === salt.length &&
    keys.salt.every((octet, i) => octet === salt[i])
  );
}

function idOf({ host, username, fingerprint }: ScramKeyOwner, hash: string): string {
  return JSON.stringify([host ?? null, username, fingerprint, hash]);
}
