/**
 * What a server keeps of an authentication so that the client may come again without a new challenge. Source: RFC 2831 §2.2.
 *
 * @module
 */

/** What a nonce was used with, as octet text: all of it must be the same the next time. */
export interface NonceUse {
  readonly username: string;
  readonly realm: string | undefined;
  readonly cnonce: string;
}

interface Entry extends NonceUse {
  /** The count that was accepted last. */
  count: number;
  readonly expires: number;
}

/**
 * Bounded and expiring; make one for a server and pass it as `nonces` to `digestMd5With`. It lives in this process: a client
 * that reaches another one gets a new challenge and goes on from there. The oldest leave first.
 */
export class DigestMd5Nonces {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #lifetimeMs: number;

  /** @param options `maxEntries` at least 1, default 10000; `lifetimeMs` from the first use on, above 0, default 10 minutes. */
  constructor(options: { readonly maxEntries?: number; readonly lifetimeMs?: number } = {}) {
    const { maxEntries = 10_000, lifetimeMs = 600_000 } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    if (!(lifetimeMs > 0)) throw new RangeError("lifetimeMs must be above 0");
    this.#maxEntries = maxEntries;
    this.#lifetimeMs = lifetimeMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Remembers a nonce whose first use succeeded. */
  remember(nonce: string, { username, realm, cnonce }: NonceUse): void {
    this.#entries.set(nonce, { username, realm, cnonce, count: 1, expires: Date.now() + this.#lifetimeMs });
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  /** Whether this could be the next use of a nonce. Changes nothing. */
  expects(nonce: string, use: NonceUse, count: number): boolean {
    const entry = this.#entries.get(nonce);
    if (entry === undefined) return false;
    if (Date.now() >= entry.expires) {
      this.#entries.delete(nonce);
      return false;
    }
    const same = entry.username === use.username && entry.realm === use.realm && entry.cnonce === use.cnonce;
    return same && count === entry.count + 1; // RFC 2831 §2.2.2, R-DIG-17
  }

  /** Looks once more and counts, in one step: of two that bring the same count one gets `true`. */
  advance(nonce: string, use: NonceUse, count: number): boolean {
    const entry = this.expects(nonce, use, count) ? this.#entries.get(nonce) : undefined;
    if (entry === undefined) return false;
    entry.count = count;
    return true;
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Shows how many entries there are, and none of them. */
  toJSON(): { readonly size: number } {
    return { size: this.size };
  }
}
